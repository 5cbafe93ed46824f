//! `group_open_http_svc/create_group`: creates a chat group.

use std::sync::Arc;

use super::new_group::{Answer, add, parse, schema};
use crate::deadline::Arrival;
use crate::domain::{App, ChatGroupType};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::limits::Limits;
use crate::service::{ChatGroupRequest, Service};

pub struct CreateGroup(ChatGroupRequest);

impl Call for CreateGroup {
    const FAMILY: Family = Family::ChatGroups;
    const COMMAND: &'static str = "create_group";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        parse(body, app).map(Self)
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        add(self.0, service, &app, arrival.deadline).await
    }

    fn operation(limits: &Limits) -> Operation {
        Operation {
            summary: "Creates a chat group",
            description: "Adds a chat group to the directory. Members and messages are not stored here.",
            request: schema(&ChatGroupType::ALL.map(ChatGroupType::name), limits),
            codes: &[Code::ChatGroupIdTaken],
            example: (
                r#"{"Owner_Account":"user0","Type":"Public","Name":"First","GroupId":"MyFirstGroup"}"#,
                r#"{"GroupId":"MyFirstGroup","ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
