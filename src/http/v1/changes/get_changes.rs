//! `GET /v1/apps/{app}/users/{user}/changes`: what is different since a cursor.

use std::sync::Arc;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};
use tokio::time::Instant;

use super::ShownChanges;
use super::follower::{Event, Follower};
use crate::deadline::Arrival;
use crate::domain::{App, Moment, UserAccess, UserId, UserKey};
use crate::http::failure::Failure;
use crate::http::v1::call::{LastingCall, Parameters, Reply, Request};
use crate::http::v1::caller::{Access, LastingCaller};
use crate::http::v1::cursor::Cursor;
use crate::http::v1::operation::Operation;
use crate::limits::CHANGES_WAIT_MAX_S;
use crate::service::ListenerKind;

pub(in crate::http::v1) struct GetChanges {
    user: UserId,
    since: Moment,
    wait: Duration,
}

impl LastingCall for GetChanges {
    const NAME: &'static str = "v1_get_changes";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/users/{user}/changes";
    const ACCESS: Access = Access::Users(UserAccess::Read);

    type Answer = ShownChanges;

    fn operation() -> Operation {
        let wait =
            json!({ "type": "integer", "minimum": 0, "maximum": CHANGES_WAIT_MAX_S, "default": 0 });
        Operation::new(
            "Tells what is different since a cursor",
            "Each changed conversation is shown as it is now. `removed` has those without state, and those whose other end is \
             gone. With `wait`, the answer comes when something changes, or is empty after that many seconds. Status 410: the \
             cursor is not known any more; read the state anew.",
        )
        .needed_query("since", "The cursor of an answer before.")
        .query("wait", "How many seconds to wait for a change.", wait, Value::Null)
        .answer(
            r#"{"revision":3,"cursor":"1-0-3-5b0d8a2c","conversations":[{"type":"user","id":"user1","marks":["favorite"],"custom":null,"groups":["work"],"pinned":false,"changed_at":"2026-11-28T16:00:00.000Z","revision":3}],"removed":[{"type":"user","id":"user2"}]}"#,
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let user = request.path.user(app)?;
        let parameters = request.parameters(&["since", "wait"])?;
        let since = parameters.text("since").ok_or_else(|| {
            Parameters::missing("since", "is missing: it is the cursor of an answer before")
        })?;
        let wait_s = parameters.number("wait", 0..=CHANGES_WAIT_MAX_S)?.unwrap_or_default();
        let wait = Duration::from_secs(wait_s.into());
        Ok(Self { since: moment(since, &user, app)?, user, wait })
    }

    async fn run(
        self,
        caller: LastingCaller,
        mut app: Arc<App>,
        arrival: Arrival,
        _request: &HttpRequest,
    ) -> Result<HttpResponse, Failure> {
        let Self { user, since, wait } = self;
        let until = Instant::now() + wait;
        let mut follower = Follower::new(caller, user, &app, Some(since), ListenerKind::LongPoll);
        let mut changes = follower.read(&app, arrival.deadline).await?;
        while changes.is_empty() && !wait.is_zero() {
            let event = follower.wait(until).await;
            (app, changes) = follower.read_again().await?;
            if event != Event::Changed {
                break;
            }
        }
        let shown = ShownChanges::new(&changes, follower.key(), &app);
        Ok(Reply::at(changes.head.at.revision, shown).response())
    }
}

/// The moment of a cursor, as far as it can be told without the database.
pub(super) fn moment(cursor: &str, user: &UserId, app: &App) -> Result<Moment, Failure> {
    let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: user.clone() };
    let cursor = Cursor::parse(cursor, &key).ok_or(Failure::CursorUnknown)?;
    Ok(cursor.at)
}
