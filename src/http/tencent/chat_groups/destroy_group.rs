//! `group_open_http_svc/destroy_group`: ends a chat group.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, ChatGroupId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::service::Service;

pub struct DestroyGroup(ChatGroupId);

/// Nothing besides the envelope.
#[derive(Serialize)]
pub struct Answer {}

impl Call for DestroyGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let bytes_max = app.limits.chat_group_id_bytes;
        body.get("GroupId")?.parsed(|id| ChatGroupId::parse(id, bytes_max)).map(Self)
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        service.destroy_chat_group(&app, self.0, arrival.deadline).await?;
        Ok(Answer {})
    }
}
