//! `group_open_http_svc/create_group`: creates a chat group.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::new_group::{add, parse, schema};
use crate::deadline::Arrival;
use crate::domain::{App, ChatGroupId, ChatGroupType};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::limits::Limits;
use crate::service::{ChatGroupRequest, Service};

pub struct CreateGroup(ChatGroupRequest);

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    #[serde(flatten)]
    id: super::new_group::Answer,
    /// As it was asked for.
    #[schemars(extend("enum" = ChatGroupType::ALL.map(ChatGroupType::name)))]
    #[serde(rename = "Type")]
    group_type: &'static str,
}

impl Call for CreateGroup {
    const FAMILY: Family = Family::ChatGroups;
    const COMMAND: &'static str = "create_group";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        parse(body, app, ChatGroupId::parse_chosen).map(Self)
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let group_type = self.0.group_type.name();
        let id = add(self.0, service, &app, arrival.deadline).await?;
        Ok(Answer { id, group_type })
    }

    fn operation(limits: &Limits) -> Operation {
        Operation {
            summary: "Creates a chat group",
            description: "Adds a chat group to the directory. Members and messages are not stored here.",
            request: schema(
                &ChatGroupType::ALL.map(ChatGroupType::name),
                "^(?!@TGS#)[ -~]*$",
                "An id of your choice: printable ASCII, not beginning with `@TGS#`. The id of a `Community` may begin with \
                    `@TGS#_`. If absent or empty, the service generates one.",
                limits,
            ),
            codes: &[Code::ChatGroupIdTaken],
            example: (
                r#"{"Owner_Account":"user0","Type":"Public","Name":"First","GroupId":"MyFirstGroup"}"#,
                r#"{"GroupId":"MyFirstGroup","Type":"Public","ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
