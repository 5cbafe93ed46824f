//! `group_open_http_svc/create_group` and `import_group`: put a chat group into the directory.

use std::sync::Arc;

use serde::Serialize;

use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, ChatGroup, ChatGroupId, ChatGroupType};
use crate::error::Error;
use crate::http::tencent::door::Call;
use crate::http::tencent::json::Field;
use crate::service::{ChatGroupRequest, Service};

pub struct CreateGroup(ChatGroupRequest);

pub struct ImportGroup(ChatGroupRequest);

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    group_id: String,
}

impl Call for CreateGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        parse(body, app).map(Self)
    }

    async fn run(
        self,
        service: &Service,
        app: Arc<App>,
        arrival: Arrival,
    ) -> Result<Answer, Error> {
        add(self.0, service, &app, arrival.deadline).await
    }
}

impl Call for ImportGroup {
    type Answer = Answer;

    fn parse(body: &Field<'_>, app: &App) -> Result<Self, Error> {
        let request = parse(body, app)?;
        match request.group_type {
            ChatGroupType::AvChatRoom => Err(Error::ChatGroupNotImportable),
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
    ) -> Result<Answer, Error> {
        add(self.0, service, &app, arrival.deadline).await
    }
}

fn parse(body: &Field<'_>, app: &App) -> Result<ChatGroupRequest, Error> {
    let owner = body.get("Owner_Account")?;
    if owner.present().is_some() {
        // Who owns a chat group is nothing that this service keeps; it is only checked to be an account's name.
        owner.account(app.limits.user_id_bytes)?;
    }
    let id = body.get("GroupId")?;
    let id = match id.present().map(|id| id.text()).transpose()? {
        // Clients send an empty id when none is chosen.
        None | Some("") => None,
        Some(_) => {
            Some(id.parsed(|id| ChatGroupId::parse_chosen(id, app.limits.chat_group_id_bytes))?)
        }
    };
    Ok(ChatGroupRequest {
        id,
        group_type: body.get("Type")?.parsed(str::parse)?,
        name: body.get("Name")?.parsed(ChatGroup::check_name)?,
    })
}

async fn add(
    request: ChatGroupRequest,
    service: &Service,
    app: &Arc<App>,
    deadline: Deadline,
) -> Result<Answer, Error> {
    let id = service.create_chat_group(app, request, deadline).await?;
    Ok(Answer { group_id: id.as_str().to_owned() })
}
