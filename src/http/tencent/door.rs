//! The front door: every call passes the same checks in the same order before its own work begins.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::{ConnectionType, Method};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, Resource};
use serde::Serialize;
use tokio::time::Instant;
use tracing::Instrument;

use super::body::{self, Bodies};
use super::codes::{Code, ContactGroupPaths, Family};
use super::envelope::{self, ItemCounts};
use super::failure::Failure;
use super::registry::path;
use crate::deadline::{Arrival, Deadline};
use crate::domain::App;
use crate::error::{Error, Queue};
use crate::http::connection;
use crate::http::openapi::Operation;
use crate::http::request_id::{self, RequestId};
use crate::http::tencent::caller::{Credentials, VerifiedSigs};
use crate::http::tencent::json::{Field, Json};
use crate::http::tencent::rate_limit::{ONE_CALL, RateLimits, further_calls};
use crate::http::tencent::watch::Watch;
use crate::limits::Limits;
use crate::metrics::{CallMetrics, Metrics};
use crate::service::Service;

/// A changed key or admin takes effect within 5 seconds, also on a request whose body takes longer.
const RECHECK_AFTER: Duration = Duration::from_secs(1);

/// A call of the API: how to read its body, and what to do.
pub trait Call: Sized + 'static {
    const FAMILY: Family;
    const COMMAND: &'static str;
    const CONTACT_GROUP: ContactGroupPaths = ContactGroupPaths::DEFAULT;

    /// The fields of the answer, without the envelope.
    type Answer: Serialize;

    fn operation(limits: &Limits) -> Operation;

    /// Reads the body. Reports wrong fields before wrong counts.
    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure>;

    /// Items in the body. A call with many counts as several calls of the app's rate.
    fn size(&self) -> usize {
        1
    }

    fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> impl Future<Output = Result<Self::Answer, Failure>>;

    /// Counts the answer's items for the metrics.
    fn items(_answer: &Self::Answer) -> ItemCounts {
        ItemCounts::default()
    }
}

/// Set once a request with `Connection: close` has been answered. We refuse any later request on the connection, as a
/// defence against request smuggling.
#[derive(Debug, Default)]
pub(in crate::http) struct LastRequest(Cell<bool>);

impl LastRequest {
    fn has_come_before(request: &HttpRequest) -> bool {
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
}

impl Door {
    pub(in crate::http) fn new(service: Service) -> Self {
        Self { service, sigs: VerifiedSigs::new(), rates: RateLimits::new(), bodies: Bodies::new() }
    }

    pub(in crate::http) fn for_this_thread(&self, threads: usize) -> Self {
        Self {
            service: self.service.for_this_thread(threads),
            sigs: self.sigs.clone(),
            rates: self.rates.clone(),
            bodies: self.bodies.clone(),
        }
    }
}

/// A caller that may call.
struct Caller<'r> {
    credentials: Credentials<'r>,
    app: Arc<App>,
}

impl Door {
    /// The app, if the caller is one of its admins.
    async fn check_credentials(
        &self,
        who: &Credentials<'_>,
        arrival: Arrival,
    ) -> Result<Arc<App>, Failure> {
        let app = self.service.app(who.sdk_app_id, arrival.deadline).await?;
        if app.disabled {
            return Err(Failure::AppDisabled);
        }
        let lookups = &self.service.metrics().user_sig_cache;
        let key = self.sigs.check(who, &app, arrival.now, lookups)?;
        self.service.note_key_use(&app, key, arrival.now);
        if app.has_admin(&who.identifier) { Ok(app) } else { Err(Failure::NotAdmin) }
    }

    /// Counts calls against the app's limit.
    fn check_rate(
        &self,
        app: &App,
        command: &'static str,
        calls: NonZeroU32,
    ) -> Result<(), Failure> {
        let max = app.limits.calls_per_second;
        self.rates.check(app.sdk_app_id, command, max, calls).inspect_err(|_| {
            self.service.metrics().app(app.sdk_app_id.number()).rate_limited.inc();
        })
    }
}

pub(super) fn route<C: Call>(metrics: &Metrics) -> Resource {
    let counted = Rc::new(metrics.call(C::COMMAND));
    web::resource(path(C::FAMILY, C::COMMAND))
        .to(move |door, request, payload| handle::<C>(door, counted.clone(), request, payload))
}

async fn handle<C: Call>(
    door: Data<Door>,
    counted: Rc<CallMetrics>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let id = RequestId::of(&request);
    let span = tracing::trace_span!(
        target: "earmark::span",
        "request",
        call = counted.name,
        request_id = %id,
        code = tracing::field::Empty
    );
    let answer = answer::<C>(&door, &counted, &id, &request, payload).instrument(span);
    let answer = request_id::CURRENT.scope(id.clone(), answer).await;
    finish(&door, &id, &request, answer)
}

async fn answer<C: Call>(
    door: &Door,
    counted: &CallMetrics,
    id: &RequestId,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let mut watch = Watch::start(door.service.metrics(), counted, id);
    match admit::<C>(door, &mut watch, request, payload).await {
        Ok(answer) => {
            watch.items = C::items(&answer);
            watch.answered(Code::Ok);
            envelope::success(answer)
        }
        Err(failure) => {
            watch.answered(failure.code(C::FAMILY));
            if matches!(failure, Failure::Service(Error::Overloaded(Queue::Writes))) {
                door.service.metrics().overloaded.inc();
            }
            envelope::failure(&failure, C::FAMILY, C::CONTACT_GROUP)
        }
    }
}

/// Answers a request to a path that is not in the API.
pub(in crate::http) async fn refuse_path(
    door: &Door,
    counted: &CallMetrics,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    connection::read_no_body(request);
    discard_body(request, payload).await;
    let id = RequestId::of(request);
    let mut watch = Watch::start(door.service.metrics(), counted, &id);
    watch.answered(Code::UnknownCommand);
    let paths = ContactGroupPaths::DEFAULT;
    let answer = envelope::failure(&Failure::UnknownPath, Family::RecentContact, paths);
    finish(door, &id, request, answer)
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

/// Checks the caller before it reads the body, so that a body without valid credentials is never kept.
async fn admit<C: Call>(
    door: &Door,
    watch: &mut Watch<'_>,
    request: &HttpRequest,
    payload: Payload,
) -> Result<C::Answer, Failure> {
    connection::read_no_body(request);
    let begun = Instant::now();
    let arrival = Arrival { now: unix_now(), deadline: Deadline::of_a_request() };
    let caller = match check_caller::<C>(door, watch, request, arrival).await {
        Ok(caller) => caller,
        Err(failure) => {
            discard_body(request, payload).await;
            return Err(failure);
        }
    };
    let body = door.bodies.read(request, payload).await?;
    if request.method() == Method::GET && body.bytes.is_empty() {
        return Err(Failure::Method("GET without a body".to_owned()));
    }
    // The client's time for the body is not taken from the service's time for the call.
    let arrival = Arrival { deadline: Deadline::of_a_request(), ..arrival };
    let app = if begun.elapsed() < RECHECK_AFTER {
        caller.app
    } else {
        door.check_credentials(&caller.credentials, arrival).await?
    };
    let call = C::parse(&Field::root(&Json::parse(&body.bytes)?), &app)?;
    if let Some(more) = further_calls(call.size(), app.limits.calls_per_second) {
        door.check_rate(&app, C::COMMAND, more)?;
    }
    // Many requests may wait for PostgreSQL at once, so free the memory that this one no longer needs.
    drop(body);
    call.run(&door.service, app, arrival).await
}

/// The request's framing, the caller's right to call, and the app's rate.
async fn check_caller<'r, C: Call>(
    door: &Door,
    watch: &mut Watch<'_>,
    request: &'r HttpRequest,
    arrival: Arrival,
) -> Result<Caller<'r>, Failure> {
    check_framing(request)?;
    let credentials = Credentials::parse(request.query_string())?;
    watch.app = Some(credentials.sdk_app_id);
    let app = door.check_credentials(&credentials, arrival).await?;
    door.check_rate(&app, C::COMMAND, ONE_CALL)?;
    Ok(Caller { credentials, app })
}

/// Accepts POST, and GET with a body, because a client of Tencent's API sends that.
fn check_framing(request: &HttpRequest) -> Result<(), Failure> {
    if LastRequest::has_come_before(request) {
        return Err(Failure::AfterClose);
    }
    body::check_announced(request)?;
    let method = request.method();
    if method != Method::POST && method != Method::GET {
        return Err(Failure::Method(method.to_string()));
    }
    if connection::takes_the_connection(request) {
        return Err(Failure::Upgrade);
    }
    if method == Method::GET && !connection::announces_body(request) {
        return Err(Failure::Method("GET without a body".to_owned()));
    }
    Ok(())
}

/// The body that follows an upgrade never ends.
async fn discard_body(request: &HttpRequest, payload: Payload) {
    if !connection::takes_the_connection(request) {
        body::discard(request, payload).await;
    }
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
