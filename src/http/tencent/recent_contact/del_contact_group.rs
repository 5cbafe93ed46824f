//! `recentcontact/del_contact_group`: deletes a contact group, but not its conversations.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{App, Change, ContactGroupName, Problem, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{array, named};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, ContactGroupPaths, Family};
use crate::http::tencent::recent_contact::contact_group::{
    GroupItem, changed_group, existing_name,
};
use crate::limits::Limits;
use crate::service::{Service, Write};

pub struct DelContactGroup {
    owner: UserId,
    name: ContactGroupName,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The deleted contact group.
    group_item: Vec<GroupItem>,
}

impl Call for DelContactGroup {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "del_contact_group";
    const CONTACT_GROUP: ContactGroupPaths =
        ContactGroupPaths { existing: "GroupName[0]", new: "GroupName[0]" };
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let list = body.get("GroupName")?;
        let mut names = list.array(existing_name)?;
        match (names.pop(), names.pop()) {
            (Some(name), None) => Ok(Self { owner, name }),
            _ => Err(list.refuse(Problem::new("must hold exactly 1 name"))),
        }
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let change = Change::DeleteGroup(self.name);
        let write = Write { app, owner: self.owner, change, expected_revision: None, arrival };
        let applied = service.write(write).await?.applied;
        Ok(Answer { group_item: vec![changed_group(&applied)?.into()] })
    }

    fn operation(_: &Limits) -> Operation {
        Operation {
            summary: "Deletes a contact group",
            description: "Deletes one contact group. Its conversations keep their marks.",
            request: of_user(
                &["GroupName"],
                json!({ "GroupName": array(1, 1, "Exactly one name.", named("GroupName")) }),
            ),
            codes: &[Code::UnknownUser, Code::UnknownContactGroup, Code::EditionTooLow],
            example: (
                r#"{"From_Account":"user0","GroupName":["friends"]}"#,
                r#"{"GroupItem":[{"GroupName":"friends","GroupId":1}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
