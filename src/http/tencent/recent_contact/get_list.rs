//! `recentcontact/get_list`: the conversations that anything is kept about, pinned ones first.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Conversation, Kept, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_group::MarkBits;
use crate::http::tencent::recent_contact::contact_item::SessionId;
use crate::service::{ListCursor, Service};

pub struct GetList {
    owner: UserId,
    after: ListCursor,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    session_item: Vec<SessionItem>,
    complete_flag: u8,
    time_stamp: u64,
    start_index: u32,
    top_time_stamp: u64,
    top_start_index: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct SessionItem {
    #[serde(flatten)]
    id: SessionId,
    msg_time: u64,
    top_flag: u8,
    #[serde(skip_serializing_if = "MarkBits::is_empty")]
    standard_mark: MarkBits,
    #[serde(skip_serializing_if = "str::is_empty")]
    custom_mark: Box<str>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    contact_group_id: Vec<u32>,
}

impl Call for GetList {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let after = ListCursor {
            changed_at: body.get("TimeStamp")?.cursor()?.into(),
            position: body.get("StartIndex")?.cursor()?,
            pin_position: body.get("TopStartIndex")?.cursor()?,
        };
        // Only checked: pins are read along `TopStartIndex` alone, and everything is always supported.
        body.get("TopTimeStamp")?.cursor()?;
        body.get("AssistFlags")?.cursor()?;
        Ok(Self { owner, after })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let list = service.read_list(app, self.owner, self.after, arrival.deadline).await?;
        let next = list.next.unwrap_or_default();
        let pinned = list.conversations.iter().rfind(|(_, kept)| kept.pin_position.is_some());
        let top_time_stamp = match (list.next, pinned) {
            (Some(_), Some((_, kept))) => kept.changed_at,
            _ => 0,
        };
        Ok(Answer {
            complete_flag: list.next.is_none().into(),
            time_stamp: next.changed_at,
            start_index: next.position,
            top_time_stamp,
            top_start_index: next.pin_position,
            session_item: list.conversations.into_iter().map(SessionItem::from).collect(),
        })
    }
}

impl From<(Conversation, Kept)> for SessionItem {
    fn from((conversation, kept): (Conversation, Kept)) -> Self {
        Self {
            id: SessionId(conversation),
            msg_time: kept.changed_at,
            top_flag: kept.pin_position.is_some().into(),
            standard_mark: MarkBits(kept.standard),
            custom_mark: kept.custom.into(),
            contact_group_id: kept.group_ids,
        }
    }
}
