//! `GET /v1/apps/{app}/changes`: which users have changed, for a backend that follows.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::cursor::FeedCursor;
use crate::deadline::Arrival;
use crate::domain::{App, FeedChange, FeedPosition, FeedStart};
use crate::http::failure::Failure;
use crate::http::openapi::schema::one_of;
use crate::http::v1::call::{LastingCall, Reply, Request};
use crate::http::v1::caller::{Access, LastingCaller};
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ConversationId;
use crate::limits::CHANGES_WAIT_MAX_S;

const LIMIT_MAX: u32 = 1000;

pub(in crate::http::v1) struct GetAppChanges {
    start: FeedStart<Vec<FeedPosition>>,
    wait: Duration,
    limit: u32,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "AppChanges")]
pub(in crate::http::v1) struct Answer {
    /// For `after`.
    cursor: String,
    /// In the order of the commits. A change may come again after a cursor was used twice; none is left out.
    changes: Vec<ShownChange>,
}

#[derive(Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(rename = "AppChange", transform = one_of)]
enum ShownChange {
    /// The state of a user has reached this revision. Changes that were committed together are one.
    User { user: String, revision: u64 },
    /// A user or a chat group was deleted, or came back. This changes what each user who has that conversation is shown.
    Directory { directory: DirectoryChange },
}

#[derive(Serialize, JsonSchema)]
struct DirectoryChange {
    #[serde(flatten)]
    id: ConversationId,
    gone: bool,
    /// Counts such changes of the app.
    revision: u64,
}

impl From<FeedChange> for ShownChange {
    fn from(change: FeedChange) -> Self {
        match change {
            FeedChange::User { user_id, revision } => {
                Self::User { user: user_id.as_str().to_owned(), revision }
            }
            FeedChange::Directory { member, is_gone: gone, directory_revision: revision } => {
                let id = ConversationId::from(&member);
                Self::Directory { directory: DirectoryChange { id, gone, revision } }
            }
        }
    }
}

impl LastingCall for GetAppChanges {
    const NAME: &'static str = "v1_get_app_changes";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/changes";
    const ACCESS: Access = Access::Admins;

    type Answer = Answer;

    fn operation() -> Operation {
        let number =
            |least: u32, most: u32| json!({ "type": "integer", "minimum": least, "maximum": most });
        Operation::new(
            "Tells which users have changed",
            "The app's feed, which an operator turns on. Changes are in the order of the commits. One may come twice, none is left \
             out. Without `after`, the answer has the cursor of now and no change. Status 410: the cursor is not known any more; \
             begin with `oldest`, or read all users anew.",
        )
        .query("after", "The cursor of the answer before, or `oldest`. Absent: from now on.", json!({ "type": "string" }), Value::Null)
        .query("wait", "How many seconds to wait for a change.", number(0, CHANGES_WAIT_MAX_S), Value::Null)
        .query("limit", "The most changes in the answer.", number(1, LIMIT_MAX), Value::Null)
        .answer(r#"{"cursor":"1-2-5b0d8a2c","changes":[{"user":"user0","revision":3}]}"#)
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let parameters = request.parameters(&["after", "wait", "limit"])?;
        let start = match parameters.text("after") {
            None => FeedStart::Now,
            Some("oldest") => FeedStart::Oldest,
            Some(text) => {
                let cursor = FeedCursor::parse(text, app.sdk_app_id);
                FeedStart::After(cursor.ok_or(Failure::CursorUnknown)?.positions)
            }
        };
        let wait_s = parameters.number("wait", 0..=CHANGES_WAIT_MAX_S)?.unwrap_or_default();
        let limit = parameters.number("limit", 1..=LIMIT_MAX)?.unwrap_or(LIMIT_MAX);
        Ok(Self { start, wait: Duration::from_secs(wait_s.into()), limit })
    }

    async fn run(
        self,
        caller: LastingCaller,
        app: Arc<App>,
        _: Arrival,
        _: &HttpRequest,
    ) -> Result<HttpResponse, Failure> {
        let read = caller.door.service.read_feed(&app, self.start, self.limit, self.wait);
        let page = read.await?.ok_or(Failure::CursorUnknown)?;
        if !self.wait.is_zero() {
            caller.check_again().await?;
        }
        let cursor = FeedCursor { app: app.sdk_app_id, positions: page.positions }.to_string();
        let changes = page.changes.into_iter().map(ShownChange::from).collect();
        Ok(Reply::of_app(Answer { cursor, changes }).response())
    }
}
