//! `GET /v1/apps/{app}/users/{user}`: what the user has.

use std::sync::Arc;

use actix_web::http::Method;
use schemars::JsonSchema;
use serde::Serialize;

use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, UserAccess, UserId, UserKey};
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::cursor::Cursor;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownGroup;
use crate::service::Service;

pub(in crate::http::v1) struct GetUser {
    user: UserId,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "User")]
pub(in crate::http::v1) struct Answer {
    revision: u64,
    /// For `since` of `changes` and `events`.
    cursor: String,
    /// In the user's order.
    groups: Vec<ShownGroup>,
    limits: Limits,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Limits")]
struct Limits {
    /// Conversations with a mark or a custom mark.
    marked: Limit,
    /// Conversations in contact groups.
    grouped: Limit,
    pinned: Limit,
    groups: Limit,
}

#[derive(Serialize, JsonSchema)]
#[schemars(rename = "Limit")]
struct Limit {
    used: u32,
    max: u32,
}

impl Answer {
    /// Reads it, and the revision at which it is so.
    pub(in crate::http::v1) async fn read(
        service: &Service,
        app: &Arc<App>,
        user: &UserId,
        deadline: Deadline,
    ) -> Result<(u64, Self), Error> {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: user.clone() };
        let (head, taken) = service.user(app.clone(), user.clone(), deadline).await?;
        let (groups, max) = (u32::try_from(head.groups.len()).unwrap_or(u32::MAX), app.limits);
        let answer = Self {
            revision: head.at.revision,
            cursor: Cursor { key: &key, at: head.at }.to_string(),
            groups: ShownGroup::all(&head),
            limits: Limits {
                marked: Limit { used: taken.marked, max: max.marked },
                grouped: Limit { used: taken.grouped, max: max.grouped },
                pinned: Limit { used: taken.pinned, max: max.pinned },
                groups: Limit { used: groups, max: max.groups },
            },
        };
        Ok((head.at.revision, answer))
    }
}

impl Call for GetUser {
    const NAME: &'static str = "v1_get_user";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = "/users/{user}";
    const ACCESS: Access = Access::Users(UserAccess::Read);

    type Answer = Answer;

    fn operation() -> Operation {
        Operation::new(
            "Shows what a user has",
            "The revision, the contact groups, and how much of each limit is used. A user who has nothing has revision 0.",
        )
        .answer(
            r#"{"revision":2,"cursor":"1-0-2-0ff05a3e","groups":[{"name":"work","id":1,"conversations":1}],"limits":{"marked":{"used":1,"max":1000},"grouped":{"used":1,"max":1000},"pinned":{"used":0,"max":50},"groups":{"used":1,"max":20}}}"#,
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        Ok(Self { user: request.path.user(app)? })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<Answer>, Failure> {
        let (revision, answer) = Answer::read(service, &app, &self.user, arrival.deadline).await?;
        Ok(Reply::at(revision, answer))
    }
}
