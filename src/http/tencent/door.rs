//! The front door: every call passes the same checks in the same order before its own work begins.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::{ConnectionType, Method, header};
use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use futures_util::StreamExt;
use serde::Serialize;
use tracing::Instrument;

use crate::deadline::{Arrival, Deadline};
use crate::domain::App;
use crate::error::{Error, Family};
use crate::http::request_id::{self, RequestId};
use crate::http::tencent::caller::{Credentials, VerifiedSigs};
use crate::http::tencent::envelope::{self, ItemCounts};
use crate::http::tencent::json::{Field, Json};
use crate::http::tencent::rate_limit::RateLimits;
use crate::http::tencent::watch::Watch;
use crate::limits::BODY_BYTES_MAX;
use crate::metrics::CallMetrics;
use crate::service::Service;

/// How long a body may take to arrive.
pub const BODY_TIME_MAX: Duration = Duration::from_secs(10);
/// How much of a body that is too large is still read, so that the caller gets to see the answer.
const BODY_DRAIN_BYTES_MAX: usize = 16 * BODY_BYTES_MAX;

/// A call of the API: what is read from a body, and what is done with it.
pub trait Call: Sized + 'static {
    /// What is answered inside the envelope.
    type Answer: Serialize;

    /// Reads the body: wrong fields first, then counts.
    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error>;

    /// Does it.
    fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> impl Future<Output = Result<Self::Answer, Error>>;

    /// What became of the items of an answer; nothing for a call that has none.
    fn items(_answer: &Self::Answer) -> ItemCounts {
        ItemCounts::default()
    }
}

/// Whether the last request of a connection has come: what is behind one that says `Connection: close` is no request,
/// whoever put it there.
#[derive(Debug, Default)]
pub struct LastRequest(Cell<bool>);

impl LastRequest {
    fn has_come_before(request: &HttpRequest) -> bool {
        request.conn_data::<Self>().is_some_and(|last| last.0.get())
    }

    /// Takes note of a request that is answered now: the next one of its connection begins after that.
    fn note(request: &HttpRequest) {
        let is_last = request.head().connection_type() == ConnectionType::Close;
        if let Some(last) = request.conn_data::<Self>().filter(|_| is_last) {
            last.0.set(true);
        }
    }
}

/// What the front door needs: shared by all workers.
#[derive(Debug)]
pub struct Door {
    pub service: Service,
    sigs: VerifiedSigs,
    rates: RateLimits,
}

impl Door {
    pub fn new(service: Service) -> Self {
        Self { service, sigs: VerifiedSigs::new(), rates: RateLimits::new() }
    }

    /// The same door for the thread that this is called on, one of `threads`.
    pub fn for_this_thread(&self, threads: usize) -> Self {
        Self {
            service: self.service.for_this_thread(threads),
            sigs: self.sigs.clone(),
            rates: self.rates.clone(),
        }
    }
}

/// Handles one request for the call `C`, and always answers.
pub async fn handle<C: Call>(
    door: Data<Door>,
    family: Family,
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
    let answer = answer::<C>(&door, family, &counted, &id, &request, payload).instrument(span);
    let answer = request_id::CURRENT.scope(id.clone(), answer).await;
    finish(&door, &id, &request, answer)
}

async fn answer<C: Call>(
    door: &Door,
    family: Family,
    counted: &CallMetrics,
    id: &RequestId,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let mut watch = Watch::start(door.service.metrics(), counted, id);
    match admit::<C>(door, &mut watch, counted.name, request, payload).await {
        Ok(answer) => {
            watch.items = C::items(&answer);
            watch.answered(0);
            envelope::success(answer)
        }
        Err(error) => {
            watch.answered(error.code(family));
            if matches!(error, Error::Overloaded) {
                door.service.metrics().overloaded.inc();
            }
            envelope::failure(&error, family)
        }
    }
}

/// What is on no path of the API.
pub fn refuse_path(door: &Door, counted: &CallMetrics, request: &HttpRequest) -> HttpResponse {
    let id = RequestId::of(request);
    let mut watch = Watch::start(door.service.metrics(), counted, &id);
    watch.answered(Error::UnknownPath.code(Family::RecentContact));
    finish(door, &id, request, envelope::failure(&Error::UnknownPath, Family::RecentContact))
}

/// What every answer's head says. Once the service is to stop, connections are closed as they are answered, so that no
/// caller sends a request on one that is about to go; so is one whose request takes it.
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
    if door.service.is_stopping() || takes_the_connection(request) {
        answer.head_mut().set_connection_type(ConnectionType::Close);
    }
    answer
}

async fn admit<C: Call>(
    door: &Door,
    watch: &mut Watch<'_>,
    command: &'static str,
    request: &HttpRequest,
    payload: Payload,
) -> Result<C::Answer, Error> {
    let body = read_body(request, payload).await?;
    let who = Credentials::parse(request.query_string())?;
    watch.app = Some(who.sdk_app_id);
    let arrival = Arrival { now: unix_now(), deadline: Deadline::of_a_request() };
    let app = door.service.app(who.sdk_app_id, arrival.deadline).await?;
    if app.disabled {
        return Err(Error::AppDisabled);
    }
    door.sigs.check(&who, &app, arrival.now, &door.service.metrics().user_sig_cache)?;
    if !app.has_admin(&who.identifier) {
        return Err(Error::NotAdmin);
    }
    door.rates.check(app.sdk_app_id, command, app.limits.calls_per_second).inspect_err(|_| {
        door.service.metrics().app(app.sdk_app_id.number()).rate_limited.inc();
    })?;
    let call = C::parse(&Field::root(&Json::parse(&body)?), &app)?;
    // Many may wait for the database at once, each with what it wants and no more.
    drop(body);
    call.run(&door.service, app, arrival).await
}

/// POST, or a GET that carries a body: a client of the original sends one so.
async fn read_body(request: &HttpRequest, payload: Payload) -> Result<Vec<u8>, Error> {
    if LastRequest::has_come_before(request) {
        return Err(Error::AfterClose);
    }
    let method = request.method();
    if method != Method::POST && method != Method::GET {
        return Err(Error::Method(method.to_string()));
    }
    if takes_the_connection(request) {
        return Err(Error::Upgrade);
    }
    let body = whole(payload).await?;
    if method == Method::GET && body.is_empty() {
        return Err(Error::Method("GET without a body".to_owned()));
    }
    Ok(body)
}

/// What follows such a request on its connection is its body, says the HTTP library, whatever its length says: nobody else's
/// request must come after it.
fn takes_the_connection(request: &HttpRequest) -> bool {
    let protocols = request.headers().get_all(header::UPGRADE);
    request.method() == Method::CONNECT
        || protocols.into_iter().any(|to| to.as_bytes().eq_ignore_ascii_case(b"websocket"))
}

/// A body to its end, within the time and the size that any body may have.
async fn whole(payload: Payload) -> Result<Vec<u8>, Error> {
    let collected = tokio::time::timeout(BODY_TIME_MAX, collect(payload)).await;
    collected.map_err(|_| Error::BodyUnreadable)?
}

async fn collect(mut payload: Payload) -> Result<Vec<u8>, Error> {
    let (mut body, mut length) = (Vec::new(), 0);
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|_| Error::BodyUnreadable)?;
        length += chunk.len();
        if length <= BODY_BYTES_MAX {
            body.extend_from_slice(&chunk);
        } else if length > BODY_DRAIN_BYTES_MAX {
            break;
        }
    }
    if length <= BODY_BYTES_MAX { Ok(body) } else { Err(Error::BodyTooLarge) }
}

/// The one place where the service reads the clock.
pub fn unix_now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "time is read here once per request, then passed on"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
