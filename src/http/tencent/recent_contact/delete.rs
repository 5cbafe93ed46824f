//! `recentcontact/delete`: clears all state of a conversation.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::deadline::Arrival;
use crate::domain::{App, Change, Conversation, UserId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{choice, conversation, joined, named};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::recent_contact::contact_item;
use crate::limits::Limits;
use crate::service::{Service, Write};

pub struct Delete {
    owner: UserId,
    conversation: Conversation,
}

#[derive(Serialize, JsonSchema)]
pub struct Answer {}

impl Call for Delete {
    const FAMILY: Family = Family::RecentContact;
    const COMMAND: &'static str = "delete";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let owner = body.get("From_Account")?.account(app.limits.user_id_bytes)?;
        let conversation = contact_item::parse_named(body, &["ToGroupid", "ToGroupId"], app)?;
        Ok(Self { owner, conversation })
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let change = Change::Forget(self.conversation);
        let applied = service
            .write(Write { app, owner: self.owner, change, expected_revision: None, arrival })
            .await?
            .applied;
        applied.items.into_iter().collect::<Result<(), _>>()?;
        Ok(Answer {})
    }

    fn operation(_: &Limits) -> Operation {
        let from = json!({ "From_Account": named("UserID") });
        let mut request = conversation(&["ToGroupid", "ToGroupId"]);
        request["required"] = json!(["From_Account", "Type"]);
        request["properties"] = joined(from, request["properties"].take());
        request["properties"]["ClearRamble"] = choice(
            "Whether to clear messages, too. Ignored: this service stores no messages.",
            &[(0, "no"), (1, "yes")],
        );
        Operation {
            summary: "Clears a conversation",
            description: "Clears marks, contact groups and pin of one conversation. Succeeds even if nothing is stored.",
            request,
            codes: &[Code::UnknownUser],
            example: (
                r#"{"From_Account":"user0","Type":1,"To_Account":"user1"}"#,
                r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
