//! `group_open_http_svc/get_group_info`: looks up chat groups in the directory.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::deadline::Arrival;
use crate::domain::{App, ChatGroup, ChatGroupId, ChatGroupType, Problem, Refusal};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::Operation;
use crate::http::openapi::schema::{array, named, object};
use crate::http::tencent::call::Call;
use crate::http::tencent::codes::{Code, Family};
use crate::limits::{CHAT_GROUP_ITEMS_MAX, Limits};
use crate::service::Service;

pub struct GetGroupInfo(Vec<ChatGroupId>);

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// One for each id, in order.
    group_info: Vec<GroupInfo>,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
struct GroupInfo {
    /// As in the request.
    group_id: String,
    /// 0: the chat group exists.
    #[schemars(extend("enum" = [Code::Ok.number(), Code::UnknownChatGroup.number(), Code::InternalError.number()]))]
    error_code: u32,
    /// The reason in words; empty if the chat group exists.
    error_info: String,
    /// Only if the chat group exists.
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str", extend("enum" = ChatGroupType::ALL.map(ChatGroupType::name)))]
    group_type: Option<&'static str>,
    /// Only if the chat group exists.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "String")]
    name: Option<String>,
}

impl Call for GetGroupInfo {
    const FAMILY: Family = Family::ChatGroups;
    const COMMAND: &'static str = "get_group_info";
    const IS_READ_ONLY: bool = true;

    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Failure> {
        let list = body.get("GroupIdList")?;
        let bytes_max = app.limits.chat_group_id_bytes;
        let ids = list.array(|id| id.parsed(|id| ChatGroupId::parse(id, bytes_max)))?;
        if (1..=CHAT_GROUP_ITEMS_MAX).contains(&ids.len()) {
            Ok(Self(ids))
        } else {
            let problem = format!("must hold 1 to {CHAT_GROUP_ITEMS_MAX} items, got {}", ids.len());
            Err(list.refuse(Problem::new(problem)))
        }
    }

    fn size(&self) -> usize {
        self.0.len()
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Failure> {
        let groups = service.chat_groups(&app, self.0, arrival.deadline).await?;
        Ok(Answer { group_info: groups.into_iter().map(GroupInfo::from).collect() })
    }

    fn operation(_: &Limits) -> Operation {
        let ids = array(1, CHAT_GROUP_ITEMS_MAX, "The ids.", named("ChatGroupId"));
        Operation {
            summary: "Looks chat groups up",
            description: "Returns id, type and name of up to 50 chat groups.",
            request: object(&["GroupIdList"], json!({ "GroupIdList": ids })),
            codes: &[Code::UnknownChatGroup],
            example: (
                r#"{"GroupIdList":["MyFirstGroup","nothing"]}"#,
                r#"{"GroupInfo":[{"GroupId":"MyFirstGroup","ErrorCode":0,"ErrorInfo":"","Type":"Public","Name":"First"},{"GroupId":"nothing","ErrorCode":10010,"ErrorInfo":"GroupId: no such chat group, or it was destroyed"}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
            ),
        }
    }
}

impl From<(ChatGroupId, Option<ChatGroup>)> for GroupInfo {
    fn from((id, group): (ChatGroupId, Option<ChatGroup>)) -> Self {
        let missing = Failure::from(Refusal::UnknownChatGroup);
        let (error_code, error_info) = match group {
            Some(_) => (0, String::new()),
            None => (missing.code(Family::ChatGroups).number(), missing.to_string()),
        };
        Self {
            group_id: id.as_str().to_owned(),
            error_code,
            error_info,
            group_type: group.as_ref().map(|group| group.group_type.name()),
            name: group.map(|group| group.name),
        }
    }
}
