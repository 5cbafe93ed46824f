//! What `create_group` and `import_group` have in common.

use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::deadline::Deadline;
use crate::domain::{App, ChatGroup, ChatGroupId, ChatGroupType, Problem};
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

/// Reads the id of a chat group of this type, of at most so many bytes.
type ReadId = fn(&str, ChatGroupType, u32) -> Result<ChatGroupId, Problem>;

pub(super) fn parse(
    body: &Field<'_>,
    app: &App,
    read_id: ReadId,
) -> Result<ChatGroupRequest, Failure> {
    if let Some(owner) = body.get("Owner_Account")?.not_empty() {
        // The owner is checked but not stored.
        owner.account(app.limits.user_id_bytes)?;
    }
    let group_type = body.get("Type")?.parsed(str::parse)?;
    // Clients send an empty id to let the service choose one.
    let id = body.get("GroupId")?.not_empty();
    let id = id.map(|id| id.parsed(|id| read_id(id, group_type, app.limits.chat_group_id_bytes)));
    let name = body.get("Name")?.parsed(ChatGroup::check_name)?;
    Ok(ChatGroupRequest { id: id.transpose()?, group_type, name })
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

/// The request. `types` are the allowed values of `Type`, `pattern` is that of the id.
pub(super) fn schema(types: &[&str], pattern: &str, about_id: &str, limits: &Limits) -> Value {
    let chosen = json!({
        "type": "string", "pattern": pattern, "maxLength": limits.chat_group_id_bytes, "x-limit": "chat-group-id-bytes",
        "description": about_id,
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
