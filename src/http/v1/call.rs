//! A call of the native API: what passes the front door, and how it is answered.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::{
    ALLOW, CACHE_CONTROL, ETAG, HeaderName, IF_MATCH, X_CONTENT_TYPE_OPTIONS,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, Route};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::caller::{self, Access, LastingCaller};
use super::cors::{self, AllowedOrigin};
use super::operation::Operation;
use super::path::PathValues;
use super::problem;
pub(super) use super::request::{Parameters, Request};
use crate::deadline::{Arrival, Deadline};
use crate::domain::App;
use crate::http::body;
use crate::http::caller::Credentials;
use crate::http::connection;
use crate::http::door::{Door, LastRequest, RECHECK_AFTER, answer_request, arrival};
use crate::http::failure::Failure;
use crate::http::json::{Field, Json};
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::ItemCounts;
use crate::http::watch::Watch;
use crate::metrics::{CallMetrics, Metrics};
use crate::service::Service;

const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// A call: where it is, who may make it, and what it does.
pub(super) trait Call: Sized + 'static {
    /// Also the metric label.
    const NAME: &'static str;
    const METHOD: Method;
    /// Below `/v1/apps/{app}`.
    const PATH: &'static str;
    const ACCESS: Access;

    type Answer: Serialize + JsonSchema;

    /// For the OpenAPI document.
    fn operation() -> Operation;

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure>;

    /// Items in the body. A call with many counts as several calls of the app's rate.
    fn size(&self) -> usize {
        1
    }

    fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> impl Future<Output = Result<Reply<Self::Answer>, Failure>>;

    /// Counts the answer's items for the metrics.
    fn items(_answer: &Self::Answer) -> ItemCounts {
        ItemCounts::default()
    }
}

/// A call whose answer comes later, or in parts. Its caller is checked as for a [`Call`], and again before each part.
pub(super) trait LastingCall: Sized + 'static {
    const NAME: &'static str;
    const METHOD: Method;
    const PATH: &'static str;
    const ACCESS: Access;

    /// The answer, or the data of each event.
    type Answer: Serialize + JsonSchema;

    /// For the OpenAPI document.
    fn operation() -> Operation;

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure>;

    /// `request` is for what a stream has to know of its connection.
    fn run(
        self,
        caller: LastingCaller,
        app: Arc<App>,
        arrival: Arrival,
        request: &HttpRequest,
    ) -> impl Future<Output = Result<HttpResponse, Failure>>;
}

/// An answer that is not a problem.
pub(super) struct Reply<A> {
    pub(super) status: StatusCode,
    /// The user's revision, for the header `ETag`.
    pub(super) revision: Option<u64>,
    pub(super) answer: A,
}

impl<A> Reply<A> {
    pub(super) fn at(revision: u64, answer: A) -> Self {
        Self { status: StatusCode::OK, revision: Some(revision), answer }
    }

    /// An answer that is not about a user.
    pub(super) fn of_app(answer: A) -> Self {
        Self { status: StatusCode::OK, revision: None, answer }
    }
}

impl<A: Serialize> Reply<A> {
    pub(super) fn response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status);
        if let Some(revision) = self.revision {
            response.insert_header((ETAG, format!("\"{revision}\"")));
        }
        response
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            .json(&self.answer)
    }
}

/// What the check of a caller has to know of a call.
#[derive(Clone, Copy)]
struct Kind {
    name: &'static str,
    access: Access,
}

/// A request that is not checked yet.
#[derive(Clone, Copy)]
struct Asked<'r> {
    request: &'r HttpRequest,
    arrival: Arrival,
    kind: Kind,
}

/// A caller that may call.
struct Caller<'r> {
    credentials: Credentials<'r>,
    app: Arc<App>,
}

/// A call that passed the front door.
struct Admitted<'r, C> {
    caller: Caller<'r>,
    call: C,
    arrival: Arrival,
}

pub(super) fn route<C: Call>(metrics: &Metrics) -> Route {
    let counted = Rc::new(metrics.call(C::NAME));
    web::method(C::METHOD)
        .to(move |door, request, payload| handle::<C>(door, counted.clone(), request, payload))
}

pub(super) fn lasting_route<C: LastingCall>(metrics: &Metrics) -> Route {
    let counted = Rc::new(metrics.call(C::NAME));
    web::method(C::METHOD).to(move |door, request, payload| {
        handle_lasting::<C>(door, counted.clone(), request, payload)
    })
}

async fn handle<C: Call>(
    door: Data<Door>,
    counted: Rc<CallMetrics>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let kind = Kind { name: C::NAME, access: C::ACCESS };
    answer_call(&door, &counted, &request, kind, async |watch, asked| {
        let admitted = admit(&door, watch, asked, payload, C::parse, C::size).await?;
        let Admitted { caller, call, arrival } = admitted;
        let reply = call.run(&door.service, caller.app, arrival).await?;
        watch.items = C::items(&reply.answer);
        Ok(reply.response())
    })
    .await
}

async fn handle_lasting<C: LastingCall>(
    door: Data<Door>,
    counted: Rc<CallMetrics>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let kind = Kind { name: C::NAME, access: C::ACCESS };
    answer_call(&door, &counted, &request, kind, async |watch, asked| {
        let admitted = admit(&door, watch, asked, payload, C::parse, |_| 1).await?;
        let Admitted { caller: Caller { credentials, app }, call, arrival } = admitted;
        let path = PathValues::of(&request);
        let caller = LastingCaller::new(door.clone(), credentials, kind.access, &path)?;
        let begun = Instant::now();
        let answered = call.run(caller, app, arrival, &request).await;
        // Most of it is no time that the service needed.
        watch.waited = begun.elapsed();
        answered
    })
    .await
}

/// What both kinds of calls have in common: a failure becomes a problem document, and an allowed page may read the answer.
async fn answer_call<'r>(
    door: &Door,
    counted: &CallMetrics,
    request: &'r HttpRequest,
    kind: Kind,
    answer: impl AsyncFnOnce(&mut Watch<'_>, Asked<'r>) -> Result<HttpResponse, Failure>,
) -> HttpResponse {
    answer_request(door, counted, request, async |watch| {
        connection::read_no_body(request);
        let arrival = arrival();
        let origin = AllowedOrigin::of(door, request, arrival.deadline).await.ok().flatten();
        let response = match answer(watch, Asked { request, arrival, kind }).await {
            Ok(response) => {
                watch.answered(Code::Ok);
                response
            }
            Err(failure) => {
                watch.failed(&failure, Family::RecentContact);
                problem::response(&failure)
            }
        };
        if watch.is_refused() {
            let user = PathValues::of(request).behind("users").unwrap_or_default();
            watch.user = (!user.is_empty()).then(|| user.into());
        }
        cors::share(response, origin)
    })
    .await
}

/// Answers a request to a path that is not in the API.
pub(super) async fn refuse_path(
    door: &Door,
    counted: &CallMetrics,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    refuse(door, counted, request, payload, &Failure::UnknownPath).await
}

/// Answers a request whose path has other methods.
pub(super) async fn refuse_method(
    door: &Door,
    counted: &CallMetrics,
    methods: &str,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    let failure = Failure::Method(request.method().to_string());
    let mut response = refuse(door, counted, request, payload, &failure).await;
    if let Ok(methods) = methods.parse() {
        response.headers_mut().insert(ALLOW, methods);
    }
    response
}

async fn refuse(
    door: &Door,
    counted: &CallMetrics,
    request: &HttpRequest,
    payload: Payload,
    failure: &Failure,
) -> HttpResponse {
    answer_request(door, counted, request, async |watch| {
        connection::read_no_body(request);
        body::discard(request, payload).await;
        watch.failed(failure, Family::RecentContact);
        let origin =
            AllowedOrigin::of(door, request, Deadline::of_a_request()).await.ok().flatten();
        cors::share(problem::response(failure), origin)
    })
    .await
}

/// Checks the caller before it reads the body, so that a body without valid credentials is never kept.
async fn admit<'r, C>(
    door: &Door,
    watch: &mut Watch<'_>,
    asked: Asked<'r>,
    payload: Payload,
    parse: fn(&Request<'_>, &App) -> Result<C, Failure>,
    size: fn(&C) -> usize,
) -> Result<Admitted<'r, C>, Failure> {
    let Asked { request, arrival, kind } = asked;
    let begun = Instant::now();
    let checked = check_caller(door, watch, request, arrival, kind).await;
    let (mut caller, body) = door.read_body(request, payload, checked).await?;
    door.apply_fault(request, &caller.app, kind.name).await?;
    // The client's time for the body is not taken from the service's time for the call.
    let arrival = Arrival { deadline: Deadline::of_a_request(), ..arrival };
    if begun.elapsed() >= RECHECK_AFTER {
        caller.app = checked_app(door, &caller.credentials, request, arrival, kind).await?;
    }
    let app = &caller.app;
    let call = {
        let json = if body.bytes.is_empty() { None } else { Some(Json::parse(&body.bytes)?) };
        let header = |name: &HeaderName| {
            request.headers().get(name).map(|value| value.to_str().unwrap_or_default())
        };
        let request = Request {
            path: PathValues::of(request),
            caller: &caller.credentials.identifier,
            query: request.query_string(),
            body: json.as_ref().map_or(Field::ABSENT, Field::root),
            if_match: header(&IF_MATCH),
            last_event_id: header(&LAST_EVENT_ID),
        };
        parse(&request, app)?
    };
    door.check_rate_of_items(app, kind.name, size(&call))?;
    // Many requests may wait for PostgreSQL at once, so free the memory that this one no longer needs.
    drop(body);
    Ok(Admitted { caller, call, arrival })
}

/// The request's framing, the caller's right to call, and the app's rate.
async fn check_caller<'r>(
    door: &Door,
    watch: &mut Watch<'_>,
    request: &'r HttpRequest,
    arrival: Arrival,
    kind: Kind,
) -> Result<Caller<'r>, Failure> {
    if LastRequest::has_come_before(request) {
        return Err(Failure::AfterClose);
    }
    body::check_announced(request)?;
    if connection::takes_the_connection(request) {
        return Err(Failure::Upgrade);
    }
    let credentials = caller::credentials(request, &PathValues::of(request))?;
    watch.names_app(credentials.sdk_app_id, arrival);
    let app = checked_app(door, &credentials, request, arrival, kind).await?;
    watch.admitted();
    door.check_rate(&app, kind.name)?;
    Ok(Caller { credentials, app })
}

async fn checked_app(
    door: &Door,
    credentials: &Credentials<'_>,
    request: &HttpRequest,
    arrival: Arrival,
    kind: Kind,
) -> Result<Arc<App>, Failure> {
    let app = door.check_user_sig(credentials, arrival).await?;
    caller::check_access(kind.access, &credentials.identifier, &app, &PathValues::of(request))?;
    Ok(app)
}
