//! `recentcontact/get_contact_group`: all marked and grouped conversations, page by page.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_group::{ContactResultItem, GroupItem};
use crate::service::Service;

pub struct GetContactGroup {
    owner: UserId,
    start_index: u32,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    contact_item: Vec<ContactResultItem>,
    group_item: Vec<GroupItem>,
    complete_flag: u8,
    next_start_index: u32,
}

impl Call for GetContactGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        // Clients leave it out, or send null, for the first page.
        let start_index = body.get("StartIndex")?.cursor()?;
        Ok(Self { owner, start_index })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let page = service.read_page(app, self.owner, self.start_index, arrival.deadline).await?;
        Ok(Answer {
            contact_item: page.conversations.into_iter().map(ContactResultItem).collect(),
            group_item: page.groups.iter().map(GroupItem::from).collect(),
            complete_flag: page.next.is_none().into(),
            next_start_index: page.next.unwrap_or(0),
        })
    }
}
