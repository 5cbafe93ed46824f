//! Notices that PostgreSQL sends while it commits.
//!
//! If an operator cancels a session that waits for a synchronous standby, PostgreSQL sends a WARNING and then reports success:
//! the commit is on the primary's disk, and perhaps on no standby. sqlx passes notices on only as `tracing` events, without
//! their SQLSTATE and in the server's language. A commit of ours causes no other warning, so every warning counts.

use std::cell::Cell;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::LazyLock;

use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::{Dispatch, Event, Level, Metadata, Subscriber, dispatcher};

/// The target of sqlx's events for notices.
const TARGET: &str = "sqlx::postgres::notice";

static WARNINGS: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Warnings));

thread_local! {
    static HAS_WARNED: Cell<bool> = const { Cell::new(false) };
}

/// Polls `answer`, and also returns whether the server has sent a warning. sqlx emits the event while it is polled.
pub(super) async fn with_warnings<T>(answer: impl Future<Output = T>) -> (T, bool) {
    let mut answer = pin!(answer);
    let mut has_warned = false;
    let done = poll_fn(|context| {
        let poll = dispatcher::with_default(&WARNINGS, || answer.as_mut().poll(context));
        has_warned |= HAS_WARNED.take();
        poll
    })
    .await;
    (done, has_warned)
}

/// Notes on the current thread that sqlx has reported a warning.
struct Warnings;

impl Subscriber for Warnings {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target() == TARGET && *metadata.level() <= Level::WARN
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Some(LevelFilter::WARN)
    }

    fn event(&self, event: &Event<'_>) {
        if self.enabled(event.metadata()) {
            HAS_WARNED.set(true);
        }
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        // No span is enabled, so nothing uses this id.
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_warnings_of_the_server_count() {
        let quiet = async {
            tracing::info!(target: "sqlx::postgres::notice", "a notice");
            tracing::warn!(target: "sqlx::query", "a slow statement");
            1
        };
        assert_eq!(with_warnings(quiet).await, (1, false));
        let warned = async {
            tracing::warn!(target: "sqlx::postgres::notice", "a warning");
            tokio::task::yield_now().await;
            2
        };
        assert_eq!(with_warnings(warned).await, (2, true));
        assert_eq!(with_warnings(async { 3 }).await, (3, false), "the earlier warning is over");
    }
}
