//! Counts and times each request.

use std::time::Instant;

use super::envelope::ItemCounts;
use crate::metrics::{CallMetrics, Metrics};

/// Runs while a request is answered. A request whose caller went away is in flight no more, and was not answered.
pub(super) struct Watch<'m> {
    metrics: &'m Metrics,
    counted: &'m CallMetrics,
    begun: Instant,
}

impl<'m> Watch<'m> {
    pub(super) fn start(metrics: &'m Metrics, counted: &'m CallMetrics) -> Self {
        metrics.in_flight.inc();
        Self { metrics, counted, begun: Instant::now() }
    }

    pub(super) fn items(&self, items: ItemCounts) {
        self.counted.items(items.ok, items.refused);
    }

    pub(super) fn answered(&self, code: u32) {
        self.counted.answered(code, self.begun.elapsed());
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        self.metrics.in_flight.dec();
    }
}
