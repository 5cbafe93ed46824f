//! `GET /v1/apps/{app}/users/{user}/events`: the changes as a stream of Server-Sent Events.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Value, json};

use super::ShownChanges;
use super::follower::Follower;
use super::get_changes::moment;
use super::stream::Events;
use crate::deadline::Arrival;
use crate::domain::{App, Moment, UserAccess, UserId};
use crate::http::connection;
use crate::http::failure::Failure;
use crate::http::v1::call::{LastingCall, Request};
use crate::http::v1::caller::{Access, LastingCaller};
use crate::http::v1::operation::Operation;
use crate::service::ListenerKind;

pub(in crate::http::v1) struct GetEvents {
    user: UserId,
    /// `None` begins now.
    since: Option<Moment>,
}

impl LastingCall for GetEvents {
    const NAME: &'static str = "v1_get_events";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/users/{user}/events";
    const ACCESS: Access = Access::Users(UserAccess::Read);

    type Answer = ShownChanges;

    fn operation() -> Operation {
        Operation::new(
            "Tells each change as it happens",
            "Server-Sent Events. The `data` of an event `changes` is what `changes` answers, since the event before; its `id` is \
             the cursor. An event `resync` is the last one: read the state anew. A comment comes every 15 seconds. Without \
             `since` and `Last-Event-ID`, the stream begins with an event without changes.",
        )
        .query("since", "The cursor of an answer before.", json!({ "type": "string" }), Value::Null)
        .last_event_id()
        .event_stream(
            "id: 1-0-3-5b0d8a2c\nevent: changes\ndata: {\"revision\":3,\"cursor\":\"1-0-3-5b0d8a2c\",\"conversations\":[],\"removed\":[]}\n\n",
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let user = request.path.user(app)?;
        let parameters = request.parameters(&["since"])?;
        // A client that resumes repeats its URL, so the header is newer.
        let since = request.last_event_id().or(parameters.text("since"));
        let since = since.map(|since| moment(since, &user, app)).transpose()?;
        Ok(Self { user, since })
    }

    async fn run(
        self,
        caller: LastingCaller,
        app: Arc<App>,
        arrival: Arrival,
        request: &HttpRequest,
    ) -> Result<HttpResponse, Failure> {
        let Self { user, since } = self;
        let mut follower = Follower::new(caller, user, &app, since, ListenerKind::Stream);
        let changes = follower.read(&app, arrival.deadline).await?;
        // A client without a cursor gets one at once.
        let first = (since.is_none() || !changes.is_empty())
            .then(|| ShownChanges::new(&changes, follower.key(), &app));
        let events = Events::new(follower, first.as_ref(), connection::stream(request));
        Ok(HttpResponse::Ok()
            .insert_header((CONTENT_TYPE, "text/event-stream"))
            .insert_header((CACHE_CONTROL, "no-store"))
            .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
            // nginx would collect events before it passes them on.
            .insert_header(("X-Accel-Buffering", "no"))
            .body(events))
    }
}
