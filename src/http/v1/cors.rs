//! CORS: the pages of an app's allowed origins may call the native API.
//!
//! The app is in the path and its origins are in the database. actix-cors asks a closure that cannot wait for a database,
//! and it answers before the front door has counted the request.

use actix_web::dev::RequestHead;
use actix_web::guard::GuardContext;
use actix_web::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderValue, ORIGIN, VARY,
};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Payload;
use actix_web::{HttpRequest, HttpResponse};

use super::path::PathValues;
use super::problem;
use crate::deadline::Deadline;
use crate::http::body;
use crate::http::connection;
use crate::http::door::{Door, answer_request};
use crate::http::failure::Failure;
use crate::http::tencent::codes::{Code, Family};
use crate::metrics::CallMetrics;

const REQUEST_HEADERS: HeaderValue =
    HeaderValue::from_static("Authorization, Content-Type, If-Match, Last-Event-ID");
const ANSWER_HEADERS: HeaderValue = HeaderValue::from_static("ETag, X-Request-Id, Retry-After");
/// For how many seconds a browser need not ask again.
const MAX_AGE_S: HeaderValue = HeaderValue::from_static("600");

/// The value of the header `Origin`, if the app allows it.
#[derive(Debug)]
pub(super) struct AllowedOrigin(HeaderValue);

impl AllowedOrigin {
    /// The app is looked up before the caller is checked, so that a page can also read that its UserSig has expired.
    /// Strangers can make us do this, as with a UserSig that is not valid: look-ups of unknown apps share a rate.
    pub(super) async fn of(
        door: &Door,
        request: &HttpRequest,
        deadline: Deadline,
    ) -> Result<Option<Self>, Failure> {
        let Some(origin) = request.headers().get(ORIGIN) else { return Ok(None) };
        let app = PathValues::of(request).app().parse().map_err(|_| Failure::SdkAppIdInvalid)?;
        let app = door.service.app_uncounted(app, deadline).await?;
        let allowed = app
            .allowed_origins
            .iter()
            .any(|allowed| allowed.as_str().as_bytes() == origin.as_bytes());
        Ok(allowed.then(|| Self(origin.clone())))
    }
}

/// Lets the page read the answer.
pub(super) fn share(mut answer: HttpResponse, with: Option<AllowedOrigin>) -> HttpResponse {
    let headers = answer.headers_mut();
    // What the answer says of origins depends on the origin, also if it is none.
    headers.append(VARY, HeaderValue::from_static("Origin"));
    if let Some(AllowedOrigin(origin)) = with {
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.insert(ACCESS_CONTROL_EXPOSE_HEADERS, ANSWER_HEADERS);
    }
    answer
}

/// Whether a browser asks what a page may send.
pub(super) fn is_preflight(context: &GuardContext<'_>) -> bool {
    let RequestHead { method, headers, .. } = context.head();
    *method == Method::OPTIONS
        && headers.contains_key(ORIGIN)
        && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
}

/// Answers a preflight. `methods` are those of the path. Without the header `Access-Control-Allow-Origin`, the browser lets
/// the page send nothing.
pub(super) async fn answer_preflight(
    door: &Door,
    counted: &CallMetrics,
    methods: &str,
    request: &HttpRequest,
    payload: Payload,
) -> HttpResponse {
    answer_request(door, counted, request, async |watch| {
        connection::read_no_body(request);
        body::discard(request, payload).await;
        let origin = match AllowedOrigin::of(door, request, Deadline::of_a_request()).await {
            Ok(origin) => origin,
            Err(failure) => {
                watch.failed(&failure, Family::RecentContact);
                return share(problem::response(&failure), None);
            }
        };
        watch.answered(Code::Ok);
        let mut answer = HttpResponse::build(StatusCode::NO_CONTENT).finish();
        if let Some(methods) = methods.parse().ok().filter(|_| origin.is_some()) {
            let headers = answer.headers_mut();
            headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
            headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, REQUEST_HEADERS);
            headers.insert(ACCESS_CONTROL_MAX_AGE, MAX_AGE_S);
        }
        share(answer, origin)
    })
    .await
}
