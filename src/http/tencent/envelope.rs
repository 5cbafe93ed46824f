//! The envelope of every answer. The HTTP status is always 200; `ErrorCode` says whether the call succeeded.

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::header::RETRY_AFTER;
use schemars::JsonSchema;
use serde::Serialize;

use super::codes::{Code, ContactGroupPaths, Family};
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::request_id::CURRENT;

const JSON: &str = "application/json; charset=utf-8";
/// A limit of calls per second has room again after a second at the latest.
const RATE_RETRY_AFTER_S: &str = "1";

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub(in crate::http) struct Success<T> {
    #[serde(flatten)]
    answer: T,
    #[schemars(extend("const" = "OK"))]
    action_status: &'static str,
    #[schemars(extend("const" = 0))]
    error_code: u32,
    #[schemars(extend("const" = ""))]
    error_info: &'static str,
    #[schemars(extend("const" = ""))]
    error_display: &'static str,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "Failure")]
pub(in crate::http) struct FailureAnswer<'a> {
    #[schemars(extend("const" = "FAIL"))]
    action_status: &'static str,
    /// See `x-error-codes`.
    #[schemars(range(min = 1))]
    error_code: u32,
    /// What is wrong and where. The text may change.
    #[schemars(length(min = 1))]
    error_info: &'a str,
    #[schemars(extend("const" = ""))]
    error_display: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct ItemResult {
    /// 0: success; a write is committed. Otherwise the item was refused and changed nothing.
    result_code: u32,
    /// The reason in words; empty on success.
    result_info: String,
}

impl ItemResult {
    pub fn new<E: Into<Failure>>(outcome: Result<(), E>, family: Family) -> Self {
        match outcome.map_err(Into::into) {
            Ok(()) => Self { result_code: Code::Ok.number(), result_info: String::new() },
            Err(failure) => Self {
                result_code: failure.code(family).number(),
                result_info: described(&failure, ContactGroupPaths::DEFAULT),
            },
        }
    }
}

#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct ItemCounts {
    pub ok: u64,
    pub refused: u64,
    /// Of the first refused item: the code and the reason in words. 0 and empty if there is none.
    pub code: u32,
    pub info: String,
}

impl<'r> FromIterator<&'r ItemResult> for ItemCounts {
    fn from_iter<I: IntoIterator<Item = &'r ItemResult>>(results: I) -> Self {
        let mut counts = Self::default();
        for ItemResult { result_code, result_info } in results {
            if *result_code == 0 {
                counts.ok += 1;
                continue;
            }
            if counts.refused == 0 {
                (counts.code, counts.info) = (*result_code, result_info.clone());
            }
            counts.refused += 1;
        }
        counts
    }
}

pub fn success(answer: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().content_type(JSON).json(Success {
        answer,
        action_status: "OK",
        error_code: 0,
        error_info: "",
        error_display: "",
    })
}

/// Also logs the failure. Proxies and access logs cannot show it, because the HTTP status is 200.
#[must_use]
pub fn failure(
    failure: &Failure,
    family: Family,
    contact_group: ContactGroupPaths,
) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if matches!(failure, Failure::TooManyCalls { .. } | Failure::Fault(Code::TooManyCalls)) {
        answer.insert_header((RETRY_AFTER, RATE_RETRY_AFTER_S));
    }
    answer.content_type(JSON).json(FailureAnswer {
        action_status: "FAIL",
        error_code: failure.code(family).number(),
        error_info: &described(failure, contact_group),
        error_display: "",
    })
}

/// Returns the text for the client, and logs it. An internal error shows the client only the request id. The log has
/// the cause beside that id.
#[must_use]
pub fn described(failure: &Failure, contact_group: ContactGroupPaths) -> String {
    log_failure(failure, failure.text(contact_group).into())
}

/// Logs a failure that is answered with this text, and returns what to show the client of it.
pub(in crate::http) fn log_failure(failure: &Failure, text: Cow<'static, str>) -> String {
    if let Failure::Service(Error::Internal(cause)) = failure {
        let request_id = request_id();
        tracing::error!(request_id, cause = format!("{cause:#}"), "internal error");
        return format!("{text} (request {request_id})");
    }
    if let Failure::Service(error @ (Error::Unavailable(cause) | Error::InDoubt(cause))) = failure {
        let cause = cause.as_ref();
        let cause = cause.map_or_else(|| "deadline".to_owned(), |cause| format!("{cause:#}"));
        tracing::warn!(request_id = request_id(), cause, "{error}");
    } else {
        tracing::debug!("{text}");
    }
    text.into_owned()
}

/// The id of the current request; empty outside a request.
fn request_id() -> String {
    CURRENT.try_with(ToString::to_string).unwrap_or_default()
}
