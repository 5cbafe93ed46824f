//! Counts, times and logs each request, and keeps the refused ones for operators.

use std::mem;
use std::time::{Duration, Instant};

use smol_str::SmolStr;

use super::failure::Failure;
use super::refused::{Refused, RefusedRequests};
use super::request_id::RequestId;
use crate::deadline::Arrival;
use crate::domain::SdkAppId;
use crate::error::{Error, Queue};
use crate::http::tencent::codes::{Code, ContactGroupPaths, Family};
use crate::http::tencent::envelope::ItemCounts;
use crate::metrics::{CallMetrics, Metrics};

/// Measures one request. When it is dropped, it counts and logs the request, without secrets and names: no query, no
/// identifier, no user.
pub struct Watch<'m> {
    metrics: &'m Metrics,
    counted: &'m CallMetrics,
    refused: &'m RefusedRequests,
    id: &'m RequestId,
    begun: Instant,
    /// Which app the request names, and when it arrived, in Unix seconds. `None` until the credentials were read.
    named: Option<(SdkAppId, u64)>,
    /// Whether the credentials were right.
    is_admitted: bool,
    /// Whose state the request is about.
    pub user: Option<SmolStr>,
    pub items: ItemCounts,
    /// How long the request waited for changes. It is not counted as time that the answer took.
    pub waited: Duration,
    code: Option<Code>,
    /// Why the whole request is refused. `None` if the app may not exist.
    info: Option<String>,
}

impl<'m> Watch<'m> {
    pub fn start(
        metrics: &'m Metrics,
        refused: &'m RefusedRequests,
        counted: &'m CallMetrics,
        id: &'m RequestId,
    ) -> Self {
        metrics.in_flight.inc();
        Self {
            metrics,
            counted,
            refused,
            id,
            begun: Instant::now(),
            named: None,
            is_admitted: false,
            user: None,
            items: ItemCounts::default(),
            waited: Duration::ZERO,
            code: None,
            info: None,
        }
    }

    pub fn names_app(&mut self, app: SdkAppId, arrival: Arrival) {
        self.named = Some((app, arrival.now));
    }

    pub fn admitted(&mut self) {
        self.is_admitted = true;
    }

    pub fn failed(&mut self, failure: &Failure, family: Family) {
        self.answered(failure.code(family));
        if matches!(failure, Failure::Service(Error::Overloaded(Queue::Writes))) {
            self.metrics.overloaded.inc();
        }
        if self.is_admitted || is_of_an_app(failure) {
            self.info = Some(failure.text(ContactGroupPaths::DEFAULT));
        }
    }

    pub fn answered(&mut self, code: Code) {
        self.code = Some(code);
        tracing::Span::current().record("code", code.number());
    }

    /// Whether the request or an item of it is refused.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        self.code != Some(Code::Ok) || self.items.refused > 0
    }

    /// Keeps the request for operators if any of it was refused.
    fn keep_refused(&mut self, code: u32) {
        let Some((app, at)) = self.named else { return };
        let (code, info, items) = match self.info.take() {
            Some(info) => (code, info, None),
            None if code == 0 && self.items.refused > 0 => {
                let ItemCounts { ok, refused, code, info } = mem::take(&mut self.items);
                (code, info, Some((refused, ok + refused)))
            }
            None => return,
        };
        let (call, is_admitted) = (self.counted.name, self.is_admitted);
        let user = self.user.take().filter(|_| is_admitted);
        let refused = Refused { call, code, info, user, items, is_admitted };
        self.refused.note(app, refused, at, self.id.to_string());
    }
}

/// Whether a caller whose credentials were not right can get this only from an app that exists.
fn is_of_an_app(failure: &Failure) -> bool {
    matches!(
        failure,
        Failure::AppDisabled
            | Failure::UserSig(_)
            | Failure::NotAdmin
            | Failure::UserAccess { .. }
            | Failure::TooManyCalls { .. }
    )
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        let took = self.begun.elapsed().saturating_sub(self.waited);
        self.metrics.in_flight.dec();
        let (request_id, call) = (self.id, self.counted.name);
        let app = self.named.map(|(app, _)| app.number());
        let us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let ItemCounts { ok, refused, .. } = self.items;
        let items = ok + refused;
        let Some(code) = self.code.map(Code::number) else {
            tracing::warn!(target: "earmark::request", %request_id, app, call, us, "the client disconnected");
            return;
        };
        self.counted.answered(code, took);
        self.counted.items(ok, refused);
        self.keep_refused(code);
        if code == 0 {
            tracing::info!(target: "earmark::request", %request_id, app, call, code, items, refused, us, "answered");
        } else {
            tracing::warn!(target: "earmark::request", %request_id, app, call, code, us, "refused");
        }
    }
}
