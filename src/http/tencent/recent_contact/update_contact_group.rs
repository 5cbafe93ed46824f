//! `recentcontact/update_contact_group`: renames a conversation group, or changes what is in it.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Change, MemberChange, Problem, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::envelope::ItemCounts;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_group::{
    ResultItem, check_length, existing_name,
};
use crate::http::tencent::recent_contact::contact_item::{self, ContactItem};
use crate::service::{Service, Write};

/// The only `UpdateType` there is: one conversation group.
const ONE_GROUP: u8 = 1;

pub struct UpdateContactGroup {
    owner: UserId,
    update_group_type: u8,
    old_group_name: String,
    change: Change,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    update_type: u8,
    update_group_result: UpdateGroupResult,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateGroupResult {
    update_group_type: u8,
    group_name: String,
    group_id: u32,
    old_group_name: String,
    contact_result_item: Vec<ContactResultItem>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct ContactResultItem {
    contact_opt_type: u8,
    #[serde(flatten)]
    result: ResultItem,
}

impl Call for UpdateContactGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
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
                (1, Change::RenameGroup { old, new })
            }
            2 => (2, Change::ChangeMembers(old, parse_members(&group, app)?)),
            _ => {
                let problem = "must be 1 (rename) or 2 (add and remove conversations)";
                return Err(update_group_type.refuse(Problem::new(problem)));
            }
        };
        Ok(Self { owner, update_group_type, old_group_name, change })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let members = if let Change::ChangeMembers(_, members) = &self.change {
            members.as_slice()
        } else {
            &[]
        };
        let (opt_types, shown): (Vec<_>, Vec<_>) = members
            .iter()
            .map(|change| (opt_type(change.member), ContactItem(change.conversation.clone())))
            .unzip();
        let write = Write { app, owner: self.owner, change: self.change, arrival };
        let (old, new) = ("UpdateGroup.OldGroupName", "UpdateGroup.NewGroupName");
        let applied =
            service.write(write).await.map_err(|error| error.with_group_names_at(old, new))?;
        let contact_result_item = opt_types
            .into_iter()
            .zip(ResultItem::list(shown, &applied))
            .map(|(contact_opt_type, result)| ContactResultItem { contact_opt_type, result })
            .collect();
        let group = applied.group()?;
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
}

fn parse_members(group: &Field<'_>, app: &App) -> Result<Vec<MemberChange>, Error> {
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
