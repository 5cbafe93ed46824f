//! `DELETE /v1/apps/{app}/users/{user}/conversations/{type}/{id}`: clears marks, contact groups and pin of a conversation.

use std::sync::Arc;

use actix_web::http::Method;

use super::get_conversation::{PATH, read};
use crate::deadline::Arrival;
use crate::domain::{App, Change, Conversation, UserAccess, UserId};
use crate::http::failure::Failure;
use crate::http::tencent::envelope::ItemCounts;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownConversation;
use crate::http::v1::write::write;
use crate::service::{Service, Write};

pub(in crate::http::v1) struct DeleteConversation {
    user: UserId,
    conversation: Conversation,
    expected_revision: Option<u64>,
}

impl Call for DeleteConversation {
    const NAME: &'static str = "v1_delete_conversation";
    const METHOD: Method = Method::DELETE;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Users(UserAccess::Write);

    type Answer = ShownConversation;

    fn operation() -> Operation {
        Operation::new(
            "Clears a conversation",
            "Clears its marks, its contact groups and its pin. The answer is the empty conversation.",
        )
        .if_match()
        .path_value("id", "user3")
        .answer(
            r#"{"type":"user","id":"user3","marks":[],"custom":null,"groups":[],"pinned":false,"changed_at":null,"revision":0}"#,
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let (user, conversation) = (request.path.user(app)?, request.path.conversation(app)?);
        Ok(Self { user, conversation, expected_revision: request.expected_revision()? })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<ShownConversation>, Failure> {
        let Self { user, conversation, expected_revision } = self;
        let current = read(service, &app, &user, &conversation, arrival.deadline);
        let change = Change::Forget(conversation.clone());
        let (app, owner) = (app.clone(), user.clone());
        let change = Write { app, owner, change, expected_revision, arrival };
        let written = write(service, change, current).await?;
        written.applied.items.into_iter().collect::<Result<(), _>>()?;
        Ok(Reply::at(written.revision, ShownConversation::empty(&conversation)))
    }

    fn items(_: &ShownConversation) -> ItemCounts {
        ItemCounts { ok: 1, ..ItemCounts::default() }
    }
}
