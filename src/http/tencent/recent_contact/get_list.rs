//! `recentcontact/get_list`: lists all conversations with state, pinned ones first.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{App, Conversation, ConversationState, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::count;
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::recent_contact::contact_group::MarkBits;
use crate::http::tencent::recent_contact::contact_item::SessionId;
use crate::limits::Limits;
use crate::service::{ListCursor, Service};

pub struct GetList {
    owner: UserId,
    after: ListCursor,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The conversations of this page.
    session_item: Vec<SessionItem>,
    /// Whether this is the last page.
    #[schemars(extend("enum" = [0, 1], "x-meanings" = { "0": "there is more", "1": "the last page" }))]
    complete_flag: u8,
    /// A cursor; 0 at the end.
    time_stamp: u64,
    /// A cursor; 0 at the end.
    start_index: u32,
    /// A cursor; 0 at the end.
    top_time_stamp: u64,
    /// A cursor; 0 at the end.
    top_start_index: u32,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct SessionItem {
    #[serde(flatten)]
    id: SessionId,
    /// Unix seconds of the last change to marks and contact groups.
    msg_time: u64,
    /// Whether it is pinned.
    #[schemars(extend("enum" = [0, 1], "x-meanings" = { "0": "not pinned", "1": "pinned" }))]
    top_flag: u8,
    /// Left out when no bit is set.
    #[serde(skip_serializing_if = "MarkBits::is_empty")]
    standard_mark: MarkBits,
    /// Left out when empty.
    #[serde(skip_serializing_if = "str::is_empty")]
    #[schemars(length(min = 1))]
    custom_mark: Box<str>,
    /// Numbers of its contact groups. Left out if there are none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(min = 1), inner(range(min = 1)))]
    contact_group_id: Vec<u32>,
}

impl Call for GetList {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "get_list";
    const IS_READ_ONLY: bool = true;

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let after = ListCursor {
            changed_at: body.get("TimeStamp")?.cursor()?.into(),
            position: body.get("StartIndex")?.cursor()?,
            pin_position: body.get("TopStartIndex")?.cursor()?,
        };
        // Validated but not used: `TopStartIndex` alone is the cursor of the pins, and `AssistFlags` changes nothing.
        body.get("TopTimeStamp")?.cursor()?;
        body.get("AssistFlags")?.cursor()?;
        Ok(Self { owner, after })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let list = service.read_list(app, self.owner, self.after, arrival.deadline).await?;
        let next = list.next.unwrap_or_default();
        let pinned = list.conversations.iter().rfind(|(_, state)| state.pin_position.is_some());
        let top_time_stamp = match (list.next, pinned) {
            (Some(_), Some((_, state))) => state.changed_at,
            _ => 0,
        };
        Ok(Answer {
            complete_flag: list.next.is_none().into(),
            time_stamp: next.changed_at,
            start_index: next.position,
            top_time_stamp,
            top_start_index: next.pin_position,
            session_item: list.conversations.into_iter().map(SessionItem::from).collect(),
        })
    }

    fn operation(_: &Limits) -> Operation {
        let again = |name: &str| {
            count(&format!("The `{name}` of the previous page. 0 or absent is the first page."))
        };
        Operation {
            summary: "Lists all conversations, pinned ones first",
            description: "Lists all conversations with state. The pinned ones come first, newest pin first, then the others, \
                newest change first. For the next page, send all four cursors back unchanged.",
            request: of_user(
                &[],
                json!({
                    "TimeStamp": again("TimeStamp"), "StartIndex": again("StartIndex"),
                    "TopTimeStamp": again("TopTimeStamp"), "TopStartIndex": again("TopStartIndex"),
                    "AssistFlags": count("Features that the client supports, as bits of Tencent Cloud Chat. Ignored here."),
                }),
            ),
            codes: &[Code::UnknownUser],
            example: (
                r#"{"From_Account":"user0","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":15}"#,
                r#"{"SessionItem":[{"Type":1,"To_Account":"user1","MsgTime":1795473418,"TopFlag":1,"StandardMark":"100000000000000000000000000000001","CustomMark":"abcd","ContactGroupId":[1]},{"Type":2,"GroupId":"MyFirstGroup","MsgTime":1795473418,"TopFlag":0,"ContactGroupId":[1]}],"CompleteFlag":1,"TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}

impl From<(Conversation, ConversationState)> for SessionItem {
    fn from((conversation, state): (Conversation, ConversationState)) -> Self {
        Self {
            id: SessionId(conversation),
            msg_time: state.changed_at,
            top_flag: state.pin_position.is_some().into(),
            standard_mark: MarkBits(state.standard),
            custom_mark: state.custom.into(),
            contact_group_id: state.group_ids,
        }
    }
}
