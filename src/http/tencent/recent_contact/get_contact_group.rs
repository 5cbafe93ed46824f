//! `recentcontact/get_contact_group`: lists conversations with a mark or a contact group, page by page.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{App, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::count;
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::recent_contact::contact_group::{ContactResultItem, GroupItem};
use crate::limits::Limits;
use crate::service::Service;

pub struct GetContactGroup {
    owner: UserId,
    start_index: u32,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The conversations of this page.
    contact_item: Vec<ContactResultItem>,
    /// All contact groups of the user.
    group_item: Vec<GroupItem>,
    /// Whether this is the last page.
    #[schemars(extend("enum" = [0, 1], "x-meanings" = { "0": "there is more", "1": "the last page" }))]
    complete_flag: u8,
    /// The next `StartIndex`; 0 on the last page.
    #[schemars(range(max = i32::MAX))]
    next_start_index: u32,
}

impl Call for GetContactGroup {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "get_contact_group";
    const IS_READ_ONLY: bool = true;

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        // For the first page, clients leave the field out or send null.
        let start_index = body.get("StartIndex")?.cursor()?;
        Ok(Self { owner, start_index })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let page = service.read_page(app, self.owner, self.start_index, arrival.deadline).await?;
        Ok(Answer {
            contact_item: page.conversations.into_iter().map(ContactResultItem).collect(),
            group_item: page.groups.iter().map(GroupItem::from).collect(),
            complete_flag: page.next.is_none().into(),
            next_start_index: page.next.unwrap_or(0),
        })
    }

    fn operation(_: &Limits) -> Operation {
        let start =
            count("The `NextStartIndex` of the previous page. 0 or absent is the first page.");
        Operation {
            summary: "Lists conversations with a mark or a contact group",
            description: "Lists the user's conversations with a mark or a contact group, in the order in which they first got \
                one. Each page holds up to `page-items` conversations (a limit of the app) and all contact groups.",
            request: of_user(&[], json!({ "StartIndex": start })),
            codes: &[Code::UnknownUser],
            example: (
                r#"{"From_Account":"user0","StartIndex":0}"#,
                r#"{"ContactItem":[{"Type":1,"To_Account":"user1","StandardMark":"100000000000000000000000000000001","CustomMark":"abcd","ContactGroupId":[1],"Timestamp":1795473418},{"Type":2,"ToGroupId":"MyFirstGroup","StandardMark":"","ContactGroupId":[1],"Timestamp":1795473418}],"GroupItem":[{"GroupName":"friends","GroupId":1}],"CompleteFlag":1,"NextStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
