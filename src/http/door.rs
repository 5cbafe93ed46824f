//! The front door: what every call of both protocols passes before its own work begins.

use std::cell::Cell;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::ConnectionType;
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};
use tracing::Instrument;

use super::body::{self, Bodies, Body};
use super::caller::{Credentials, VerifiedSigs};
use super::connection;
use super::failure::Failure;
use super::faults::Faults;
use super::rate_limit::{RateLimits, further_calls};
use super::refused::RefusedRequests;
use super::request_id::{self, RequestId};
use super::watch::Watch;
use crate::deadline::{Arrival, Deadline};
use crate::domain::App;
use crate::metrics::CallMetrics;
use crate::service::Service;

/// A changed key or admin takes effect within 5 seconds, also on a request whose body takes longer.
pub(super) const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// Set once a request with `Connection: close` has been answered. We refuse any later request on the connection, as a
/// defence against request smuggling.
#[derive(Debug, Default)]
pub(in crate::http) struct LastRequest(Cell<bool>);

impl LastRequest {
    pub(super) fn has_come_before(request: &HttpRequest) -> bool {
        request.conn_data::<Self>().is_some_and(|last| last.0.get())
    }

    /// Call this when a request is answered. actix handles the next request of the connection only after that.
    fn note(request: &HttpRequest) {
        let is_last = request.head().connection_type() == ConnectionType::Close;
        if let Some(last) = request.conn_data::<Self>().filter(|_| is_last) {
            last.0.set(true);
        }
    }
}

/// What the front door needs. All worker threads share the cache of UserSigs, the rate limits and the memory for bodies.
#[derive(Debug)]
pub(in crate::http) struct Door {
    pub(in crate::http) service: Service,
    sigs: VerifiedSigs,
    rates: RateLimits,
    bodies: Bodies,
    pub(in crate::http) refused: RefusedRequests,
    /// `None` in production.
    faults: Option<Faults>,
}

impl Door {
    pub(in crate::http) fn new(service: Service, faults: Option<Faults>) -> Self {
        let (sigs, rates, bodies) = (VerifiedSigs::new(), RateLimits::new(), Bodies::new());
        Self { service, sigs, rates, bodies, refused: RefusedRequests::default(), faults }
    }

    pub(in crate::http) fn faults(&self) -> Option<&Faults> {
        self.faults.as_ref()
    }

    pub(in crate::http) fn for_this_thread(&self, threads: usize) -> Self {
        Self {
            service: self.service.for_this_thread(threads),
            sigs: self.sigs.clone(),
            rates: self.rates.clone(),
            bodies: self.bodies.clone(),
            refused: self.refused.clone(),
            faults: self.faults.clone(),
        }
    }
}

impl Door {
    /// The app, if the caller is one of its admins.
    pub(super) async fn check_credentials(
        &self,
        who: &Credentials<'_>,
        arrival: Arrival,
    ) -> Result<Arc<App>, Failure> {
        let app = self.check_user_sig(who, arrival).await?;
        if app.has_admin(&who.identifier) { Ok(app) } else { Err(Failure::NotAdmin) }
    }

    /// The app, if it is enabled and the caller's UserSig is valid.
    pub(super) async fn check_user_sig(
        &self,
        who: &Credentials<'_>,
        arrival: Arrival,
    ) -> Result<Arc<App>, Failure> {
        let app = self.service.app(who.sdk_app_id, arrival.deadline).await?;
        self.check_user_sig_of(app, who, arrival)
    }

    /// As [`Self::check_user_sig`], for a call that was counted when it began.
    pub(super) async fn check_user_sig_again(
        &self,
        who: &Credentials<'_>,
        arrival: Arrival,
    ) -> Result<Arc<App>, Failure> {
        let app = self.service.app_uncounted(who.sdk_app_id, arrival.deadline).await?;
        self.check_user_sig_of(app, who, arrival)
    }

    fn check_user_sig_of(
        &self,
        app: Arc<App>,
        who: &Credentials<'_>,
        arrival: Arrival,
    ) -> Result<Arc<App>, Failure> {
        if app.disabled {
            return Err(Failure::AppDisabled);
        }
        let lookups = &self.service.metrics().user_sig_cache;
        let key = self.sigs.check(who, &app, arrival.now, lookups)?;
        self.service.note_key_use(&app, key, arrival.now);
        Ok(app)
    }

    /// If a fault on demand is due for the call, it comes now.
    pub(super) async fn apply_fault(
        &self,
        request: &HttpRequest,
        app: &App,
        command: &'static str,
    ) -> Result<(), Failure> {
        match &self.faults {
            None => Ok(()),
            // In a box, so that requests of a service without faults need no memory for it.
            Some(faults) => Box::pin(faults.apply(request, app.sdk_app_id, command)).await,
        }
    }

    /// Reads the body of a request whose caller was checked. A body without valid credentials is never kept.
    pub(super) async fn read_body<T>(
        &self,
        request: &HttpRequest,
        payload: Payload,
        checked: Result<T, Failure>,
    ) -> Result<(T, Body), Failure> {
        match checked {
            Ok(checked) => Ok((checked, self.bodies.read(request, payload).await?)),
            Err(failure) => {
                body::discard(request, payload).await;
                Err(failure)
            }
        }
    }

    /// Counts a call against the app's limit.
    pub(super) fn check_rate(&self, app: &App, command: &'static str) -> Result<(), Failure> {
        let max = app.limits.calls_per_second;
        self.noted(app, self.rates.check(app.sdk_app_id, command, max))
    }

    /// Counts what a call with many items counts beyond the one call that was counted when it came.
    pub(super) fn check_rate_of_items(
        &self,
        app: &App,
        command: &'static str,
        items: usize,
    ) -> Result<(), Failure> {
        let max = app.limits.calls_per_second;
        let Some(further) = further_calls(items, max) else { return Ok(()) };
        self.noted(app, self.rates.check_further(app.sdk_app_id, command, max, further))
    }

    fn noted(&self, app: &App, checked: Result<(), Failure>) -> Result<(), Failure> {
        if checked.is_err() {
            self.service.metrics().app(app.sdk_app_id.number()).rate_limited.inc();
        }
        checked
    }
}

/// Gives a request its id and its span, and lets `answer` answer it. The request is counted and logged afterwards.
pub(super) async fn answer_request(
    door: &Door,
    counted: &CallMetrics,
    request: &HttpRequest,
    answer: impl AsyncFnOnce(&mut Watch<'_>) -> HttpResponse,
) -> HttpResponse {
    let id = RequestId::of(request);
    let span = tracing::trace_span!(
        target: "earmark::span",
        "request",
        call = counted.name,
        request_id = %id,
        code = tracing::field::Empty
    );
    let answered = async {
        let mut watch = Watch::start(door.service.metrics(), &door.refused, counted, &id);
        answer(&mut watch).await
    };
    let answered = request_id::CURRENT.scope(id.clone(), answered.instrument(span)).await;
    finish(door, &id, request, answered)
}

/// Adds the headers of every answer. Before the service stops, each answer closes its connection, so that no client
/// sends another request on it. After a CONNECT or an upgrade, the answer also closes the connection.
fn finish(
    door: &Door,
    id: &RequestId,
    request: &HttpRequest,
    mut answer: HttpResponse,
) -> HttpResponse {
    LastRequest::note(request);
    if let Some(id) = id.header() {
        answer.headers_mut().insert(request_id::HEADER, id);
    }
    if door.service.is_stopping() || connection::takes_the_connection(request) {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

/// The arrival of a request that arrives now.
pub(super) fn arrival() -> Arrival {
    Arrival { now: unix_now(), deadline: Deadline::of_a_request() }
}

/// The only place where the service reads the clock.
pub(in crate::http) fn unix_now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "time is read here once per request, then passed on"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
