//! The frame of every answer: HTTP 200, the truth in `ErrorCode`.

use actix_web::HttpResponse;
use serde::Serialize;

use crate::error::{Error, Family};
use crate::http::request_id::CURRENT;

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<'a, T> {
    #[serde(flatten)]
    answer: Option<T>,
    action_status: &'static str,
    error_code: u32,
    error_info: &'a str,
    error_display: &'static str,
}

/// What became of one item: `ResultCode` and `ResultInfo`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ItemResult {
    result_code: u32,
    result_info: String,
}

impl ItemResult {
    pub fn new(outcome: &Result<(), Error>, family: Family) -> Self {
        match outcome {
            Ok(()) => Self { result_code: 0, result_info: String::new() },
            Err(error) => Self { result_code: error.code(family), result_info: described(error) },
        }
    }
}

/// How many items of an answer went well, and how many were refused.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct ItemCounts {
    pub ok: u64,
    pub refused: u64,
}

impl<'r> FromIterator<&'r ItemResult> for ItemCounts {
    fn from_iter<I: IntoIterator<Item = &'r ItemResult>>(results: I) -> Self {
        results.into_iter().fold(Self::default(), |counts, result| match result.result_code {
            0 => Self { ok: counts.ok + 1, ..counts },
            _ => Self { refused: counts.refused + 1, ..counts },
        })
    }
}

/// Frames an answer.
pub fn success(answer: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(Envelope {
        answer: Some(answer),
        action_status: "OK",
        error_code: 0,
        error_info: "",
        error_display: "",
    })
}

/// Frames a failure, which has no answer besides, and logs it: the status line says 200, so this is where we notice.
pub fn failure(error: &Error, family: Family) -> HttpResponse {
    HttpResponse::Ok().json(Envelope {
        answer: None::<()>,
        action_status: "FAIL",
        error_code: error.code(family),
        error_info: &described(error),
        error_display: "",
    })
}

/// The text for the caller. What is our fault names the request, whose id stands in the log beside the cause.
pub fn described(error: &Error) -> String {
    if let Error::Internal(cause) = error {
        let request_id = request_id();
        tracing::error!(request_id, cause = format!("{cause:#}"), "internal error");
        return format!("{error} (request {request_id})");
    }
    if let Error::Timeout(cause) = error {
        let cause =
            cause.as_ref().map_or_else(|| "deadline".to_owned(), |cause| format!("{cause:#}"));
        tracing::warn!(request_id = request_id(), cause, "the database did not answer");
    } else {
        tracing::debug!("{error}");
    }
    error.to_string()
}

/// The id of the request that is being answered; empty outside of any.
fn request_id() -> String {
    CURRENT.try_with(ToString::to_string).unwrap_or_default()
}
