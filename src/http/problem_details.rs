//! Errors outside the API: an ordinary HTTP status and a problem document (RFC 9457).

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{CACHE_CONTROL, X_CONTENT_TYPE_OPTIONS};
use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::Refusal;
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::tencent::codes::ContactGroupPaths;
use crate::http::tencent::envelope::described;

#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct ProblemDetails<'a> {
    /// The status in words.
    title: &'a str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong.
    detail: &'a str,
    /// The path to the field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    field: Option<&'a str>,
}

pub(super) fn answer(status: StatusCode, detail: &str, field: Option<&str>) -> HttpResponse {
    let title = status.canonical_reason().unwrap_or_default();
    HttpResponse::build(status)
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type("application/problem+json")
        .json(ProblemDetails { title, status: status.as_u16(), detail, field })
}

/// Answers a failure, and logs it.
pub(super) fn failure(failure: impl Into<Failure>) -> HttpResponse {
    let failure = &failure.into();
    let field =
        if let Failure::Parameter { path, .. } = failure { Some(path.as_str()) } else { None };
    let status = if matches!(failure, Failure::Service(Error::Internal(_))) {
        StatusCode::INTERNAL_SERVER_ERROR
    } else if matches!(
        failure,
        Failure::Service(Error::Unavailable(_) | Error::InDoubt(_) | Error::Overloaded(_))
    ) {
        StatusCode::SERVICE_UNAVAILABLE
    } else if matches!(failure, Failure::Service(Error::Refused(Refusal::UnknownApp))) {
        StatusCode::NOT_FOUND
    } else if matches!(failure, Failure::BodyTooLarge) {
        StatusCode::PAYLOAD_TOO_LARGE
    } else {
        StatusCode::BAD_REQUEST
    };
    answer(status, &described(failure, ContactGroupPaths::DEFAULT), field)
}
