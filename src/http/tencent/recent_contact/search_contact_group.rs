//! `recentcontact/search_contact_group`: what is kept about given conversations.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Conversation, Problem, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_group::{ContactResultItem, GroupItem};
use crate::http::tencent::recent_contact::contact_item;
use crate::service::Service;

pub struct SearchContactGroup {
    owner: UserId,
    wanted: Vec<Conversation>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    contact_result_item: Vec<ContactResultItem>,
    group_item: Vec<GroupItem>,
}

impl Call for SearchContactGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let list = body.get("ContactItem")?;
        let wanted = list.array(|item| contact_item::parse(item, app))?;
        let max = app.limits.search_items;
        if u32::try_from(wanted.len()).is_ok_and(|count| (1..=max).contains(&count)) {
            Ok(Self { owner, wanted })
        } else {
            let problem = format!("must hold 1 to {max} items, got {}", wanted.len());
            Err(list.refuse(Problem::new(problem)))
        }
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let found = service.search(app, self.owner, self.wanted, arrival.deadline).await?;
        Ok(Answer {
            contact_result_item: found.conversations.into_iter().map(ContactResultItem).collect(),
            group_item: found.groups.iter().map(GroupItem::from).collect(),
        })
    }
}
