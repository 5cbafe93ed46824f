//! `recentcontact/create_contact_group`: a new conversation group.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Change, ContactGroupName, Conversation, Problem, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::envelope::ItemCounts;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_group::{
    GroupItem, ResultItem, check_length, existing_name,
};
use crate::http::tencent::recent_contact::contact_item::{self, ContactItem};
use crate::service::{Service, Write};

pub struct CreateContactGroup {
    owner: UserId,
    name: ContactGroupName,
    conversations: Vec<Conversation>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    group_result_item: Vec<GroupResultItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupResultItem {
    group_item: GroupItem,
    result_item: Vec<ResultItem>,
}

impl Call for CreateContactGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let list = body.get("GroupContactItem")?;
        let mut groups = list.array(|group| {
            let name = group.get("GroupName")?;
            let members = group.get("ContactItem")?;
            let conversations = match members.present() {
                None => Vec::new(),
                Some(_) => members.array(|item| contact_item::parse(item, app))?,
            };
            let count = members.check_count(conversations.len(), 0..=app.limits.group_items);
            let parsed = existing_name(&name)?;
            let checked = count.and_then(|()| check_length(&name, &parsed, app));
            Ok((parsed, conversations, checked))
        })?;
        match (groups.pop(), groups.pop()) {
            (Some((name, conversations, checked)), None) => {
                checked?;
                Ok(Self { owner, name, conversations })
            }
            _ => Err(list.refuse(Problem::new("must hold exactly 1 conversation group"))),
        }
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let shown = self.conversations.iter().cloned().map(ContactItem).collect();
        let change = Change::CreateGroup(self.name, self.conversations);
        let path = "GroupContactItem[0].GroupName";
        let write = Write { app, owner: self.owner, change, arrival };
        let applied =
            service.write(write).await.map_err(|error| error.with_group_names_at(path, path))?;
        let group_item = applied.group()?.into();
        let result_item = ResultItem::list(shown, &applied);
        Ok(Answer { group_result_item: vec![GroupResultItem { group_item, result_item }] })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer
            .group_result_item
            .iter()
            .flat_map(|group| &group.result_item)
            .map(ResultItem::result)
            .collect()
    }
}
