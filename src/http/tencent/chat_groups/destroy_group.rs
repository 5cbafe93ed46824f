//! `group_open_http_svc/destroy_group`: destroys a chat group.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::deadline::Arrival;
use crate::domain::{App, ChatGroupId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{named, object};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::limits::Limits;
use crate::service::Service;

pub struct DestroyGroup(ChatGroupId);

#[derive(Serialize, JsonSchema)]
pub struct Answer {}

impl Call for DestroyGroup {
    const FAMILY: Family = Family::ChatGroups;
    const COMMAND: &'static str = "destroy_group";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let bytes_max = app.limits.chat_group_id_bytes;
        body.get("GroupId")?.parsed(|id| ChatGroupId::parse(id, bytes_max)).map(Self)
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        service.destroy_chat_group(&app, self.0, arrival.deadline).await?;
        Ok(Answer {})
    }

    fn operation(_: &Limits) -> Operation {
        Operation {
            summary: "Destroys a chat group",
            description: "The users' marks, contact groups and pins for it stay stored but are hidden.",
            request: object(&["GroupId"], json!({ "GroupId": named("ChatGroupId") })),
            codes: &[Code::UnknownChatGroup],
            example: (
                r#"{"GroupId":"MySecondGroup"}"#,
                r#"{"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
