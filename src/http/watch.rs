//! Counts, times and logs each request.

use std::time::{Duration, Instant};

use super::failure::Failure;
use super::request_id::RequestId;
use crate::domain::SdkAppId;
use crate::error::{Error, Queue};
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::ItemCounts;
use crate::metrics::{CallMetrics, Metrics};

/// Measures one request. When it is dropped, it counts and logs the request, without secrets and names: no query, no
/// identifier, no user.
pub struct Watch<'m> {
    metrics: &'m Metrics,
    counted: &'m CallMetrics,
    id: &'m RequestId,
    begun: Instant,
    /// `None` until the query has been read.
    pub app: Option<SdkAppId>,
    pub items: ItemCounts,
    /// How long the request waited for changes. It is not counted as time that the answer took.
    pub waited: Duration,
    code: Option<Code>,
}

impl<'m> Watch<'m> {
    pub fn start(metrics: &'m Metrics, counted: &'m CallMetrics, id: &'m RequestId) -> Self {
        metrics.in_flight.inc();
        let (begun, items, waited) = (Instant::now(), ItemCounts::default(), Duration::ZERO);
        Self { metrics, counted, id, begun, app: None, items, waited, code: None }
    }

    pub fn failed(&mut self, failure: &Failure, family: Family) {
        self.answered(failure.code(family));
        if matches!(failure, Failure::Service(Error::Overloaded(Queue::Writes))) {
            self.metrics.overloaded.inc();
        }
    }

    pub fn answered(&mut self, code: Code) {
        self.code = Some(code);
        tracing::Span::current().record("code", code.number());
    }
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let took = self.begun.elapsed().saturating_sub(self.waited);
        self.metrics.in_flight.dec();
        let (request_id, call) = (self.id, self.counted.name);
        let app = self.app.map(SdkAppId::number);
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let ItemCounts { ok, refused } = self.items;
        let items = ok + refused;
        let Some(code) = self.code.map(Code::number) else {
            tracing::warn!(target: "earmark::request", %request_id, app, call, us, "the client disconnected");
            return;
        };
        self.counted.answered(code, took);
        self.counted.items(ok, refused);
        if code == 0 {
            tracing::info!(target: "earmark::request", %request_id, app, call, code, items, refused, us, "answered");
        } else {
            tracing::warn!(target: "earmark::request", %request_id, app, call, code, us, "refused");
        }
    }
}
