//! Trace spans of writes: the wait in the lane, and the shared transaction. Almost free while tracing is off.

use tracing::Span;

#[derive(Debug)]
pub(super) struct Waiting {
    /// Parent of the spans "queue" and "transaction".
    request: Span,
    queue: Span,
}

impl Waiting {
    pub(super) fn start() -> Self {
        let queue = tracing::trace_span!(target: "earmark::span", "queue");
        let request = if queue.is_disabled() { Span::none() } else { Span::current() };
        Self { request, queue }
    }

    pub(super) fn end(&mut self) {
        self.queue = Span::none();
    }
}

/// The spans of a shared transaction, one in the trace of each request. The spans of the SQL statements are children
/// of the first; the others link to the first.
#[derive(Debug)]
pub(super) struct Transaction(Vec<Span>);

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
    /// The span that is the parent of the statements.
    pub(super) fn shared(&self) -> Span {
        self.0.first().cloned().unwrap_or_else(Span::none)
    }
}
