//! Spans of writes, for traces: how long a request waited in its lane, and the transaction that it shared.
//!
//! While nothing is traced they cost next to nothing.

use tracing::Span;

/// A request that waits in a lane.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What the wait, and then the transaction, is a part of.
    request: Span,
    queue: Span,
}

impl Waiting {
    /// The wait begins.
    pub(super) fn start() -> Self {
        let queue = tracing::trace_span!(target: "earmark::span", "queue");
        let request = if queue.is_disabled() { Span::none() } else { Span::current() };
        Self { request, queue }
    }

    /// The wait is over.
    pub(super) fn end(&mut self) {
        self.queue = Span::none();
    }
}

/// The spans of a shared transaction: one in the trace of each request, each later one linked to the first, which has the
/// statements.
#[derive(Debug)]
pub(super) struct Transaction(Vec<Span>);

/// The transaction begins that these requests share.
pub(super) fn transaction<'w>(waiting: impl ExactSizeIterator<Item = &'w Waiting>) -> Transaction {
    let requests = waiting.len();
    let mut spans: Vec<Span> = Vec::new();
    for waiting in waiting.filter(|waiting| !waiting.request.is_disabled()) {
        let parent = &waiting.request;
        let span =
            tracing::trace_span!(target: "earmark::span", parent: parent, "transaction", requests);
        if let Some(first) = spans.first() {
            span.follows_from(first.id());
        }
        spans.push(span);
    }
    Transaction(spans)
}

impl Transaction {
    /// The one that has the statements.
    pub(super) fn shared(&self) -> Span {
        self.0.first().cloned().unwrap_or_else(Span::none)
    }
}
