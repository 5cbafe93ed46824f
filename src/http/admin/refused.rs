//! `GET /admin/v1/apps/{sdkappid}/refused`: why the last requests of an app were refused.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::problem_details;
use super::apps::number;
use crate::deadline::Deadline;
use crate::http::door::{Door, unix_now};
use crate::http::failure::Failure;
use crate::http::refused::Entry;

#[derive(Serialize, JsonSchema)]
pub(in crate::http) struct RefusedList {
    /// Newest first.
    refused: Vec<ShownRefused>,
}

/// Requests that were refused for the same reason.
#[derive(Serialize, JsonSchema)]
#[schemars(rename = "RefusedRequest")]
struct ShownRefused {
    /// Unix seconds of the last of them.
    at: u64,
    /// Of the last of them. The log has it, too.
    request_id: String,
    /// The name of the call, as metrics have it.
    call: &'static str,
    /// The `ErrorCode`, or the `ResultCode` of the first refused item. `x-error-codes` explains it.
    code: u32,
    /// What was wrong, and where. Of the first refused item, if only items were refused.
    info: String,
    /// Whose state the request was about. `null` if it named no user, or if its credentials were wrong.
    user: Option<String>,
    /// Refused items, of those in `items`. `null` if the whole request was refused.
    refused_items: Option<u64>,
    items: Option<u64>,
    /// How many requests were refused for this reason.
    times: u64,
}

impl From<Entry> for ShownRefused {
    fn from(entry: Entry) -> Self {
        let Entry { refused, at, request_id, times } = entry;
        Self {
            at,
            request_id,
            call: refused.call,
            code: refused.code,
            info: refused.info,
            user: refused.user.map(Into::into),
            refused_items: refused.items.map(|(refused, _)| refused),
            items: refused.items.map(|(_, items)| items),
            times,
        }
    }
}

pub(super) async fn list(door: Data<Door>, path: Path<String>) -> HttpResponse {
    let list = async {
        let app = number(&path)?;
        door.service.load_app(app, Deadline::of_a_request()).await?;
        let refused = door.refused.of(app, unix_now()).into_iter().map(Into::into).collect();
        Ok::<_, Failure>(HttpResponse::Ok().json(RefusedList { refused }))
    };
    list.await.unwrap_or_else(problem_details::failure)
}
