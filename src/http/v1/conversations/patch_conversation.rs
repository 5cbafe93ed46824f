//! `PATCH /v1/apps/{app}/users/{user}/conversations/{type}/{id}`: changes parts of a conversation.

use std::sync::Arc;

use actix_web::http::Method;

use super::get_conversation::{PATH, read};
use super::patch;
use crate::deadline::Arrival;
use crate::domain::{App, Change, Patch, UserAccess, UserId};
use crate::http::failure::Failure;
use crate::http::tencent::envelope::ItemCounts;
use crate::http::v1::call::{Call, Reply, Request};
use crate::http::v1::caller::Access;
use crate::http::v1::operation::Operation;
use crate::http::v1::shapes::ShownConversation;
use crate::http::v1::write::{after_commit, write};
use crate::service::{Service, Write};

pub(in crate::http::v1) struct PatchConversation {
    user: UserId,
    patch: Patch,
    expected_revision: Option<u64>,
}

impl Call for PatchConversation {
    const NAME: &'static str = "v1_patch_conversation";
    const METHOD: Method = Method::PATCH;
    const PATH: &'static str = PATH;
    const ACCESS: Access = Access::Users(UserAccess::Write);

    type Answer = ShownConversation;

    fn operation() -> Operation {
        Operation::new(
            "Changes a conversation",
            "Changes what the body names, all of it or nothing. Sent again, it changes nothing. A mark is a name or a bit. With \
             `If-Match`, another revision is refused with status 409 and the current state.",
        )
        .if_match()
        .body(
            "ConversationPatch",
            patch::schema(),
            r#"{"set":["favorite"],"clear":["unread"],"custom":"later","add_to":["work"],"pinned":true}"#,
        )
        .answer(
            r#"{"type":"user","id":"user1","marks":["favorite"],"custom":"later","groups":["work"],"pinned":true,"changed_at":"2026-11-28T16:00:00.000Z","revision":3}"#,
        )
    }

    fn parse(request: &Request<'_>, app: &App) -> Result<Self, Failure> {
        let (user, conversation) = (request.path.user(app)?, request.path.conversation(app)?);
        request.body.only(&patch::FIELDS)?;
        let patch = patch::parse(&request.body, conversation, app)?;
        Ok(Self { user, patch, expected_revision: request.expected_revision()? })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Reply<ShownConversation>, Failure> {
        let Self { user, patch, expected_revision } = self;
        let conversation = patch.conversation.clone();
        let read = async || read(service, &app, &user, &conversation, arrival.deadline).await;
        let change = Change::of_patches(vec![patch]);
        let (app, owner) = (app.clone(), user.clone());
        let change = Write { app, owner, change, expected_revision, arrival };
        let written = write(service, change, read()).await?;
        written.applied.items.into_iter().collect::<Result<(), _>>()?;
        let (_, shown) = read().await.map_err(after_commit)?;
        Ok(Reply::at(written.revision, shown))
    }

    fn items(_: &ShownConversation) -> ItemCounts {
        ItemCounts { ok: 1, ..ItemCounts::default() }
    }
}
