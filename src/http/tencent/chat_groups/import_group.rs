//! `group_open_http_svc/import_group`: adds a chat group that exists elsewhere.

use std::sync::Arc;

use super::new_group::{Answer, add, parse, schema};
use crate::deadline::Arrival;
use crate::domain::{App, ChatGroupId, ChatGroupType};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::limits::Limits;
use crate::service::{ChatGroupRequest, Service};

pub struct ImportGroup(ChatGroupRequest);

impl Call for ImportGroup {
    const FAMILY: Family = Family::ChatGroups;
    const COMMAND: &'static str = "import_group";

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let request = parse(body, app, |id, _, max| ChatGroupId::parse_imported(id, max))?;
        match request.group_type {
            ChatGroupType::AvChatRoom => Err(Failure::NotImportable),
            ChatGroupType::Private
            | ChatGroupType::Public
            | ChatGroupType::ChatRoom
            | ChatGroupType::Community => Ok(Self(request)),
        }
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
        let types =
            ChatGroupType::ALL.into_iter().filter(|kind| *kind != ChatGroupType::AvChatRoom);
        let types: Vec<&str> = types.map(ChatGroupType::name).collect();
        Operation {
            summary: "Imports a chat group",
            description: "Like `create_group`, for chat groups that exist elsewhere. An `AVChatRoom` cannot be imported.",
            request: schema(
                &types,
                "^[ -~]*$",
                "The id that the chat group has elsewhere: printable ASCII. If absent or empty, the service generates one.",
                limits,
            ),
            codes: &[Code::NotImportable, Code::ChatGroupIdTaken],
            example: (
                r#"{"Type":"Private","Name":"Second","GroupId":"MySecondGroup"}"#,
                r#"{"GroupId":"MySecondGroup","ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}
