//! `recentcontact/del_contact_group`: ends a conversation group; its conversations stay.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, Change, ContactGroupName, Problem, UserId};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_group::{GroupItem, existing_name};
use crate::service::{Service, Write};

pub struct DelContactGroup {
    owner: UserId,
    name: ContactGroupName,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    group_item: Vec<GroupItem>,
}

impl Call for DelContactGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
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
    ) -> Result<Answer, Error> {
        let change = Change::DeleteGroup(self.name);
        let path = "GroupName[0]";
        let write = Write { app, owner: self.owner, change, arrival };
        let applied =
            service.write(write).await.map_err(|error| error.with_group_names_at(path, path))?;
        Ok(Answer { group_item: vec![applied.group()?.into()] })
    }
}
