//! What `create_group` and `import_group` have in common.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::deadline::Deadline;
use crate::domain::{App, ChatGroup, ChatGroupId};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::schema::{object, text};
use crate::limits::{CHAT_GROUP_NAME_BYTES_MAX, Limits};
use crate::service::{ChatGroupRequest, Service};

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct Answer {
    /// The id of the new chat group.
    #[schemars(length(min = 1))]
    group_id: String,
}

pub(super) fn parse(body: &Field<'_>, app: &App) -> Result<ChatGroupRequest, Failure> {
    let owner = body.get("Owner_Account")?;
    if owner.present().is_some() {
        // The owner is checked but not stored.
        owner.account(app.limits.user_id_bytes)?;
    }
    let id = body.get("GroupId")?;
    let id = match id.present().map(|id| id.text()).transpose()? {
        // Clients send an empty id to let the service choose one.
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

pub(super) async fn add(
    request: ChatGroupRequest,
    service: &Service,
    app: &Arc<App>,
    deadline: Deadline,
) -> Result<Answer, Failure> {
    let id = service.create_chat_group(app, request, deadline).await?;
    Ok(Answer { group_id: id.as_str().to_owned() })
}

/// The request. `types` are the allowed values of `Type`.
pub(super) fn schema(types: &[&str], limits: &Limits) -> Value {
    let chosen = json!({
        "type": "string", "pattern": "^(?!@TGS#)[ -~]*$", "maxLength": limits.chat_group_id_bytes, "x-limit": "chat-group-id-bytes",
        "description": "An id of your choice: printable ASCII, not beginning with `@TGS#`. If absent or empty, the service generates one.",
    });
    object(
        &["Type", "Name"],
        json!({
            "Owner_Account": { "$ref": "#/components/schemas/UserID", "description": "Must be a valid UserID. Not stored." },
            "Type": { "enum": types, "description": "What kind of chat group." },
            "Name": text(1, CHAT_GROUP_NAME_BYTES_MAX, "The name of the chat group."),
            "GroupId": chosen,
        }),
    )
}
