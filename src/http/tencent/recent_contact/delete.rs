//! `recentcontact/delete`: forgets what is kept about a conversation.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Change, Conversation, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_item;
use crate::service::{Service, Write};

pub struct Delete {
    owner: UserId,
    conversation: Conversation,
}

/// Nothing besides the envelope.
#[derive(Serialize)]
pub struct Answer {}

impl Call for Delete {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let conversation = contact_item::parse_named(body, &["ToGroupid", "ToGroupId"], app)?;
        Ok(Self { owner, conversation })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let change = Change::Forget(self.conversation);
        let applied = service.write(Write { app, owner: self.owner, change, arrival }).await?;
        applied.items.into_iter().collect::<Result<(), _>>()?;
        Ok(Answer {})
    }
}
