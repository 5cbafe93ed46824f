//! A call of the native API: what passes the front door, and how it is answered.

use std::rc::Rc;
use std::sync::Arc;

use actix_web::http::header::{ALLOW, CACHE_CONTROL, ETAG, IF_MATCH, X_CONTENT_TYPE_OPTIONS};
use actix_web::http::{Method, StatusCode};
use actix_web::web::{self, Data, Payload};
use actix_web::{HttpRequest, HttpResponse, Route};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::time::Instant;

use super::caller::{self, Access};
use super::cors::{self, AllowedOrigin};
use super::operation::Operation;
use super::path::PathValues;
use super::problem;
use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, Problem};
use crate::http::body;
use crate::http::caller::Credentials;
use crate::http::connection;
use crate::http::door::{Door, LastRequest, RECHECK_AFTER, answer_request, unix_now};
use crate::http::failure::Failure;
use crate::http::json::{Field, Json};
use crate::http::rate_limit::{ONE_CALL, further_calls};
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::ItemCounts;
use crate::http::watch::Watch;
use crate::metrics::{CallMetrics, Metrics};
use crate::service::Service;

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

/// What a call is parsed from.
pub(super) struct Request<'r> {
    pub(super) path: PathValues<'r>,
    /// Decoded like a form.
    query: &'r str,
    /// An absent field if the request has no body.
    pub(super) body: Field<'r>,
    if_match: Option<&'r str>,
}

impl Request<'_> {
    /// A parameter of the query. If it is given twice, the first counts.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        let mut parameters = form_urlencoded::parse(self.query.as_bytes());
        parameters.find(|(other, _)| other == name).map(|(_, value)| value.into_owned())
    }

    /// The revision in `If-Match`, such as `"41"`. `*` expects none.
    pub(super) fn expected_revision(&self) -> Result<Option<u64>, Failure> {
        let Some(text) = self.if_match.map(str::trim).filter(|text| *text != "*") else {
            return Ok(None);
        };
        let revision = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let revision = revision.and_then(|revision| revision.parse().ok());
        let problem = Problem::new("must be a revision in quotes, such as \"41\"");
        let refused = Failure::Parameter { path: "If-Match".to_owned(), problem };
        revision.map(Some).ok_or(refused)
    }
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
}

impl<A: Serialize> Reply<A> {
    fn response(&self) -> HttpResponse {
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

/// A caller that may call.
struct Caller<'r> {
    credentials: Credentials<'r>,
    app: Arc<App>,
}

pub(super) fn route<C: Call>(metrics: &Metrics) -> Route {
    let counted = Rc::new(metrics.call(C::NAME));
    web::method(C::METHOD)
        .to(move |door, request, payload| handle::<C>(door, counted.clone(), request, payload))
}

async fn handle<C: Call>(
    door: Data<Door>,
    counted: Rc<CallMetrics>,
    request: HttpRequest,
    payload: Payload,
) -> HttpResponse {
    answer_request(&door, &counted, &request, async |watch| {
        connection::read_no_body(&request);
        let arrival = Arrival { now: unix_now(), deadline: Deadline::of_a_request() };
        let origin = AllowedOrigin::of(&door, &request, arrival.deadline).await.ok().flatten();
        let answer = match admit::<C>(&door, watch, &request, payload, arrival).await {
            Ok(reply) => {
                watch.items = C::items(&reply.answer);
                watch.answered(Code::Ok);
                reply.response()
            }
            Err(failure) => {
                watch.failed(&failure, Family::RecentContact);
                problem::response(&failure)
            }
        };
        cors::share(answer, origin)
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
async fn admit<C: Call>(
    door: &Door,
    watch: &mut Watch<'_>,
    request: &HttpRequest,
    payload: Payload,
    arrival: Arrival,
) -> Result<Reply<C::Answer>, Failure> {
    let begun = Instant::now();
    let checked = check_caller::<C>(door, watch, request, arrival).await;
    let (caller, body) = door.read_body(request, payload, checked).await?;
    // The client's time for the body is not taken from the service's time for the call.
    let arrival = Arrival { deadline: Deadline::of_a_request(), ..arrival };
    let app = if begun.elapsed() < RECHECK_AFTER {
        caller.app
    } else {
        checked_app::<C>(door, &caller.credentials, request, arrival).await?
    };
    let call = {
        let json = if body.bytes.is_empty() { None } else { Some(Json::parse(&body.bytes)?) };
        let if_match = request.headers().get(IF_MATCH);
        let request = Request {
            path: PathValues::of(request),
            query: request.query_string(),
            body: json.as_ref().map_or(Field::ABSENT, Field::root),
            if_match: if_match.map(|value| value.to_str().unwrap_or_default()),
        };
        C::parse(&request, &app)?
    };
    if let Some(more) = further_calls(call.size(), app.limits.calls_per_second) {
        door.check_rate(&app, C::NAME, more)?;
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
    if LastRequest::has_come_before(request) {
        return Err(Failure::AfterClose);
    }
    body::check_announced(request)?;
    if connection::takes_the_connection(request) {
        return Err(Failure::Upgrade);
    }
    let credentials = caller::credentials(request, &PathValues::of(request))?;
    watch.app = Some(credentials.sdk_app_id);
    let app = checked_app::<C>(door, &credentials, request, arrival).await?;
    door.check_rate(&app, C::NAME, ONE_CALL)?;
    Ok(Caller { credentials, app })
}

async fn checked_app<C: Call>(
    door: &Door,
    credentials: &Credentials<'_>,
    request: &HttpRequest,
    arrival: Arrival,
) -> Result<Arc<App>, Failure> {
    let app = door.check_user_sig(credentials, arrival).await?;
    caller::check_access(C::ACCESS, &credentials.identifier, &app, &PathValues::of(request))?;
    Ok(app)
}
