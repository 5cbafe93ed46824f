//! `group_open_http_svc/get_group_info`: what the directory knows of chat groups.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::Arrival;
use crate::domain::{App, ChatGroup, ChatGroupId, Problem};
use crate::error::{Error, Family};
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::limits::CHAT_GROUP_ITEMS_MAX;
use crate::service::Service;

pub struct GetGroupInfo(Vec<ChatGroupId>);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    group_info: Vec<GroupInfo>,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct GroupInfo {
    group_id: String,
    error_code: u32,
    error_info: String,
    #[serde(rename = "Type", skip_serializing_if = "Option::is_none")]
    group_type: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
}

impl Call for GetGroupInfo {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
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

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        let groups = service.chat_groups(&app, self.0, arrival.deadline).await?;
        Ok(Answer { group_info: groups.into_iter().map(GroupInfo::from).collect() })
    }
}

impl From<(ChatGroupId, Option<ChatGroup>)> for GroupInfo {
    fn from((id, group): (ChatGroupId, Option<ChatGroup>)) -> Self {
        let missing = Error::UnknownChatGroup;
        let (error_code, error_info) = match group {
            Some(_) => (0, String::new()),
            None => (missing.code(Family::ChatGroups), missing.to_string()),
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
