//! `recentcontact/search_contact_group`: looks up the state of given conversations.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{App, Conversation, Problem, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{limited_array, named};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::recent_contact::contact_group::{ContactResultItem, GroupItem};
use crate::http::tencent::recent_contact::contact_item;
use crate::limits::Limits;
use crate::service::Service;

pub struct SearchContactGroup {
    owner: UserId,
    wanted: Vec<Conversation>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// One for each conversation, in order.
    contact_result_item: Vec<ContactResultItem>,
    /// The contact groups that the answer refers to.
    group_item: Vec<GroupItem>,
}

impl Call for SearchContactGroup {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "search_contact_group";
    const IS_READ_ONLY: bool = true;

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
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

    fn size(&self) -> usize {
        self.wanted.len()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let found = service.search(app, self.owner, self.wanted, arrival.deadline).await?;
        Ok(Answer {
            contact_result_item: found.conversations.into_iter().map(ContactResultItem).collect(),
            group_item: found.groups.iter().map(GroupItem::from).collect(),
        })
    }

    fn operation(limits: &Limits) -> Operation {
        let max = ("search-items", limits.search_items);
        Operation {
            summary: "Looks up conversations",
            description: "Returns the state of the given conversations, in the order of the request. A conversation without \
                state has an empty `StandardMark` and `Timestamp` 0.",
            request: of_user(
                &["ContactItem"],
                json!({ "ContactItem": limited_array(1, max, "The conversations.", named("ContactItem")) }),
            ),
            codes: &[Code::UnknownUser],
            example: (
                r#"{"From_Account":"user0","ContactItem":[{"Type":1,"To_Account":"user1"},{"Type":1,"To_Account":"user9"}]}"#,
                r#"{"ContactResultItem":[{"Type":1,"To_Account":"user1","StandardMark":"100000000000000000000000000000001","CustomMark":"abcd","ContactGroupId":[1],"Timestamp":1795473418},{"Type":1,"To_Account":"user9","StandardMark":"","Timestamp":0}],"GroupItem":[{"GroupName":"friends","GroupId":1}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
