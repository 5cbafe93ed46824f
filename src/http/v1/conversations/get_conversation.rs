//! `GET /v1/apps/{app}/users/{user}/conversations/{type}/{id}`.

use std::sync::Arc;

use actix_web::http::Method;

use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, Conversation, UserAccess, UserId};
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownConversation;
use crate::service::Service;

pub(in crate::http::v1) const PATH: &str = "/users/{user}/conversations/{type}/{id}";

pub(in crate::http::v1) struct GetConversation {
    user: UserId,
    conversation: Conversation,
}

impl Call for GetConversation {
    const NAME: &'static str = "v1_get_conversation";
    const METHOD: Method = Method::GET;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Users(UserAccess::Read);

    type Answer = ShownConversation;

    fn operation() -> Operation {
        Operation::new(
            "Shows a conversation",
            "A conversation without state is shown empty, with revision 0. `ETag` has the user's revision.",
        )
        .answer(
            r#"{"type":"user","id":"user1","marks":["favorite"],"custom":null,"groups":["work"],"pinned":false,"changed_at":"2026-11-28T16:00:00.000Z","revision":2}"#,
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        Ok(Self { user: request.path.user(app)?, conversation: request.path.conversation(app)? })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<ShownConversation>, Failure> {
        let Self { user, conversation } = self;
        let (revision, answer) =
            read(service, &app, &user, &conversation, arrival.deadline).await?;
        Ok(Reply::at(revision, answer))
    }
}

/// Reads a conversation, and the revision at which it is so.
pub(in crate::http::v1) async fn read(
    service: &Service,
    app: &Arc<App>,
    user: &UserId,
    conversation: &Conversation,
    deadline: Deadline,
) -> Result<(u64, ShownConversation), Error> {
    let (app, user) = (app.clone(), user.clone());
    let (head, shown) =
        service.conversation(app.clone(), user, conversation.clone(), deadline).await?;
    let answer = match shown {
        Some(shown) => ShownConversation::new(&shown, &head, &app),
        None => ShownConversation::empty(conversation),
    };
    Ok((head.at.revision, answer))
}
