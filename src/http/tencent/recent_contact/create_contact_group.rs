//! `recentcontact/create_contact_group`: creates a contact group.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{App, Change, ContactGroupName, Conversation, Problem, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{array, limited_array, named, object, titled};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, ContactGroupPaths, Family};
use crate::http::tencent::envelope::ItemCounts;
use crate::http::tencent::recent_contact::contact_group::{
    GroupItem, ResultItem, changed_group, check_length, existing_name, write_named,
};
use crate::http::tencent::recent_contact::contact_item::{self, ContactItem};
use crate::limits::Limits;
use crate::service::{Service, Write};

pub struct CreateContactGroup {
    owner: UserId,
    name: ContactGroupName,
    conversations: Vec<Conversation>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The new contact group.
    group_result_item: Vec<GroupResultItem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct GroupResultItem {
    group_item: GroupItem,
    /// One for each conversation, in order.
    result_item: Vec<ResultItem>,
}

impl Call for CreateContactGroup {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "create_contact_group";
    const CONTACT_GROUP: ContactGroupPaths = ContactGroupPaths {
        existing: "GroupContactItem[0].GroupName",
        new: "GroupContactItem[0].GroupName",
    };
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
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

    fn size(&self) -> usize {
        self.conversations.len()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let shown = self.conversations.iter().cloned().map(ContactItem).collect();
        let change = Change::CreateGroup(self.name.clone(), self.conversations);
        let write = Write { app, owner: self.owner, change, expected_revision: None, arrival };
        let path = Self::CONTACT_GROUP.new;
        let applied = write_named(service, write, &self.name, path).await?;
        let group_item = changed_group(&applied)?.into();
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

    fn operation(limits: &Limits) -> Operation {
        const CODES: &[Code] = &[
            Code::UnknownUser,
            Code::ItemCount,
            Code::ChatGroupGone,
            Code::ConversationsFull,
            Code::ContactGroupsFull,
            Code::ContactGroupNameLength,
            Code::EditionTooLow,
        ];
        let max = ("group-items", limits.group_items);
        let group = object(
            &["GroupName"],
            json!({
                "GroupName": named("GroupName"),
                "ContactItem": limited_array(0, max, "The conversations to add.", named("ContactItem")),
            }),
        );
        Operation {
            summary: "Creates a contact group",
            description: "Creates one contact group, with or without conversations. Refused if the user has a contact group \
                of that name.",
            request: of_user(
                &["GroupContactItem"],
                json!({ "GroupContactItem": array(1, 1, "Exactly one contact group.", titled("GroupContactItem", group)) }),
            ),
            codes: CODES,
            example: (
                r#"{"From_Account":"user0","GroupContactItem":[{"GroupName":"friends","ContactItem":[{"Type":1,"To_Account":"user1"},{"Type":1,"To_Account":"user2"}]}]}"#,
                r#"{"GroupResultItem":[{"GroupItem":{"GroupName":"friends","GroupId":1},"ResultItem":[{"ContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""},{"ContactItem":{"Type":1,"To_Account":"user2"},"ResultCode":0,"ResultInfo":""}]}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
