//! Work of a task that is tried again and again. The log says when it begins to fail and when it works again, and nothing in
//! between: an outage of a server may last for hours.

use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Error;

#[derive(Debug)]
pub(super) struct Outage {
    is_failing: AtomicBool,
    begins: &'static str,
    ends: &'static str,
}

impl Outage {
    /// What the log says when the work begins to fail, and when it works again.
    pub(super) const fn new(begins: &'static str, ends: &'static str) -> Self {
        Self { is_failing: AtomicBool::new(false), begins, ends }
    }

    pub(super) fn note<T>(&self, done: Result<T, Error>) {
        let was_failing = self.is_failing.swap(done.is_err(), Ordering::Relaxed);
        match done {
            Err(error) if !was_failing => {
                let cause = error.with_causes();
                tracing::warn!(cause, "{}", self.begins);
            }
            Ok(_) if was_failing => tracing::info!("{}", self.ends),
            Ok(_) | Err(_) => {}
        }
    }
}
