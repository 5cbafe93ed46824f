//! `recentcontact/top`: pins and unpins conversations.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use super::shapes::of_user;
use crate::deadline::Arrival;
use crate::domain::{App, Change, Conversation, Problem, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{choice, conversation, limited_array, titled};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::{ItemCounts, ItemResult};
use crate::http::tencent::recent_contact::contact_item::{self, SessionId};
use crate::limits::Limits;
use crate::service::{Service, Write};

pub struct Top {
    owner: UserId,
    pin: bool,
    conversations: Vec<Conversation>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// One for each conversation, in order.
    result_item: Vec<ResultItem>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
#[schemars(rename = "TopResultItem")]
struct ResultItem {
    recent_contact_item: SessionId,
    #[serde(flatten)]
    result: ItemResult,
}

impl Call for Top {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "top";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let operation = body.get("OperationType")?;
        let pin = match operation.integer()? {
            1 => true,
            2 => false,
            _ => return Err(operation.refuse(Problem::new("must be 1 (pin) or 2 (unpin)"))),
        };
        let list = body.get("RecentContactItem")?;
        let names = &["GroupId", "ToGroupId"];
        let conversations = list.array(|item| contact_item::parse_named(item, names, app))?;
        list.check_count(conversations.len(), 1..=app.limits.mark_items)?;
        Ok(Self { owner, pin, conversations })
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
        let shown: Vec<_> = self.conversations.iter().cloned().map(SessionId).collect();
        let change = if self.pin { Change::Pin } else { Change::Unpin }(self.conversations);
        let applied = service
            .write(Write { app, owner: self.owner, change, expected_revision: None, arrival })
            .await?
            .applied;
        let result_item = shown
            .into_iter()
            .zip(&applied.items)
            .map(|(recent_contact_item, outcome)| ResultItem {
                recent_contact_item,
                result: ItemResult::new(*outcome, Family::RecentContact),
            })
            .collect();
        Ok(Answer { result_item })
    }

    fn items(answer: &Answer) -> ItemCounts {
        answer.result_item.iter().map(|item| &item.result).collect()
    }

    fn operation(limits: &Limits) -> Operation {
        const CODES: &[Code] =
            &[Code::UnknownUser, Code::ItemCount, Code::ChatGroupGone, Code::PinsFull];
        let max = ("mark-items", limits.mark_items);
        Operation {
            summary: "Pins and unpins conversations",
            description: "Pins are independent of marks and have their own limit. Pinning a pinned conversation succeeds, and so does unpinning one that is not pinned.",
            request: of_user(
                &["OperationType", "RecentContactItem"],
                json!({
                    "OperationType": choice("What to do.", &[(1, "pin"), (2, "unpin")]),
                    "RecentContactItem": limited_array(
                        1, max, "The conversations.", titled("RecentContactItem", conversation(&["GroupId", "ToGroupId"]))),
                }),
            ),
            codes: CODES,
            example: (
                r#"{"From_Account":"user0","OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"user1"}]}"#,
                r#"{"ResultItem":[{"RecentContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
