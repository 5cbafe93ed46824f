//! `recentcontact/update_contact_group`: renames a contact group, or adds and removes conversations.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{App, Change, MemberChange, Problem, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{any_of, by_kind, choice, limited_array, named, object, titled};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, ContactGroupPaths, Family};
use crate::http::tencent::envelope::ItemCounts;
use crate::http::tencent::recent_contact::contact_group::{
    ResultItem, changed_group, check_length, existing_name, write_named,
};
use crate::http::tencent::recent_contact::contact_item::{self, ContactItem};
use crate::limits::Limits;
use crate::service::{Service, Write};

/// The only `UpdateType`: one contact group.
const ONE_GROUP: u8 = 1;

/// Beside those of every call of `recentcontact`.
const CODES: &[Code] = &[
    Code::UnknownUser,
    Code::ItemCount,
    Code::ChatGroupGone,
    Code::ConversationsFull,
    Code::UnknownContactGroup,
    Code::ContactGroupNameLength,
    Code::EditionTooLow,
];

pub struct UpdateContactGroup {
    owner: UserId,
    update_group_type: u8,
    old_group_name: String,
    change: Change,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    #[schemars(extend("const" = ONE_GROUP))]
    update_type: u8,
    update_group_result: UpdateGroupResult,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct UpdateGroupResult {
    #[schemars(extend("enum" = [1, 2]))]
    update_group_type: u8,
    /// The name after the change.
    group_name: String,
    #[schemars(range(min = 1))]
    group_id: u32,
    /// The name before the change.
    old_group_name: String,
    /// One for each conversation, in order; empty after a rename.
    contact_result_item: Vec<ContactResultItem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "UpdateContactGroupResultItem")]
struct ContactResultItem {
    #[schemars(extend("enum" = [1, 2]))]
    contact_opt_type: u8,
    #[serde(flatten)]
    result: ResultItem,
}

impl Call for UpdateContactGroup {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "update_contact_group";
    const CONTACT_GROUP: ContactGroupPaths =
        ContactGroupPaths { existing: "UpdateGroup.OldGroupName", new: "UpdateGroup.NewGroupName" };
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let update_type = body.get("UpdateType")?;
        if update_type.integer()? != ONE_GROUP.into() {
            return Err(update_type.refuse(Problem::new("must be 1")));
        }
        let group = body.get("UpdateGroup")?;
        let update_group_type = group.get("UpdateGroupType")?;
        let old = existing_name(&group.get("OldGroupName")?)?;
        let old_group_name = old.as_str().to_owned();
        let (update_group_type, change) = match update_group_type.integer()? {
            1 => {
                let name = group.get("NewGroupName")?;
                let new = existing_name(&name)?;
                check_length(&name, &new, app)?;
                (1, Change::EditGroup { name: old, new_name: Some(new), index: None })
            }
            2 => (2, Change::ChangeMembers(old, parse_members(&group, app)?)),
            _ => {
                let problem = "must be 1 (rename) or 2 (add and remove conversations)";
                return Err(update_group_type.refuse(Problem::new(problem)));
            }
        };
        Ok(Self { owner, update_group_type, old_group_name, change })
    }

    fn size(&self) -> usize {
        self.change.touched().count()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let members = if let Change::ChangeMembers(_, members) = &self.change {
            members.as_slice()
        } else {
            &[]
        };
        let (opt_types, shown): (Vec<_>, Vec<_>) = members
            .iter()
            .map(|change| (opt_type(change.member), ContactItem(change.conversation.clone())))
            .unzip();
        let new_name = if let Change::EditGroup { new_name, .. } = &self.change {
            new_name.clone()
        } else {
            None
        };
        let write =
            Write { app, owner: self.owner, change: self.change, expected_revision: None, arrival };
        let applied = match new_name {
            Some(name) => write_named(service, write, &name, Self::CONTACT_GROUP.new).await?,
            None => service.write(write).await?.applied,
        };
        let contact_result_item = opt_types
            .into_iter()
            .zip(ResultItem::list(shown, &applied))
            .map(|(contact_opt_type, result)| ContactResultItem { contact_opt_type, result })
            .collect();
        let group = changed_group(&applied)?;
        Ok(Answer {
            update_type: ONE_GROUP,
            update_group_result: UpdateGroupResult {
                update_group_type: self.update_group_type,
                group_name: group.name.as_str().to_owned(),
                group_id: group.id,
                old_group_name: self.old_group_name,
                contact_result_item,
            },
        })
    }

    fn items(answer: &Answer) -> ItemCounts {
        let results = &answer.update_group_result.contact_result_item;
        results.iter().map(|item| item.result.result()).collect()
    }

    fn operation(limits: &Limits) -> Operation {
        let opt_type = choice("What to do with the conversation.", &[(1, "add"), (2, "remove")]);
        let item = object(
            &["ContactOptType", "ContactItem"],
            json!({ "ContactOptType": opt_type, "ContactItem": named("ContactItem") }),
        );
        let item = titled("ContactUpdateItem", item);
        let max = ("group-items", limits.group_items);
        let group = object(
            &["UpdateGroupType", "OldGroupName"],
            json!({
                "UpdateGroupType": choice("What changes.", &[(1, "rename"), (2, "add and remove conversations")]),
                "OldGroupName": { "$ref": "#/components/schemas/GroupName", "description": "The current name of the contact group." },
                "NewGroupName": { "$ref": "#/components/schemas/GroupName", "description": "The new name. With UpdateGroupType 1." },
                "ContactUpdateItem": limited_array(1, max, "What to add and remove. With UpdateGroupType 2.", item),
            }),
        );
        let cases = [(1, any_of(&["NewGroupName"])), (2, any_of(&["ContactUpdateItem"]))];
        let group = titled("UpdateGroup", by_kind(group, "UpdateGroupType", &cases));
        Operation {
            summary: "Changes a contact group",
            description: "Renames a contact group, or adds and removes conversations. Adding a member again succeeds, and so \
                does removing a conversation that is not a member.",
            request: of_user(
                &["UpdateType", "UpdateGroup"],
                json!({ "UpdateType": choice("What is updated.", &[(1, "one contact group")]), "UpdateGroup": group }),
            ),
            codes: CODES,
            example: (
                r#"{"From_Account":"user0","UpdateType":1,"UpdateGroup":{"UpdateGroupType":2,"OldGroupName":"friends","ContactUpdateItem":[{"ContactOptType":2,"ContactItem":{"Type":1,"To_Account":"user2"}},{"ContactOptType":1,"ContactItem":{"Type":2,"ToGroupId":"MyFirstGroup"}}]}}"#,
                r#"{"UpdateType":1,"UpdateGroupResult":{"UpdateGroupType":2,"GroupName":"friends","GroupId":1,"OldGroupName":"friends","ContactResultItem":[{"ContactOptType":2,"ContactItem":{"Type":1,"To_Account":"user2"},"ResultCode":0,"ResultInfo":""},{"ContactOptType":1,"ContactItem":{"Type":2,"ToGroupId":"MyFirstGroup"},"ResultCode":0,"ResultInfo":""}]},"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}

fn parse_members(group: &Field<'_>, app: &App) -> Result<Vec<MemberChange>, Failure> {
    let list = group.get("ContactUpdateItem")?;
    let changes = list.array(|item| {
        let opt_type = item.get("ContactOptType")?;
        let member = match opt_type.integer()? {
            1 => true,
            2 => false,
            _ => return Err(opt_type.refuse(Problem::new("must be 1 (add) or 2 (remove)"))),
        };
        let conversation = contact_item::parse(&item.get("ContactItem")?, app)?;
        Ok(MemberChange { conversation, member })
    })?;
    list.check_count(changes.len(), 1..=app.limits.group_items)?;
    Ok(changes)
}

fn opt_type(member: bool) -> u8 {
    if member { 1 } else { 2 }
}
