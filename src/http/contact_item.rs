//! `ContactItem`: how a conversation is addressed.

use serde::Serialize;

use super::json::Field;
use crate::domain::{App, ChatGroupId, Conversation, Problem};
use crate::error::Error;

/// A conversation as answers show it: its type, and the id that goes with the type.
#[derive(Debug, Serialize)]
pub(super) struct ContactItem {
    #[serde(rename = "Type")]
    kind: i16,
    #[serde(rename = "To_Account", skip_serializing_if = "Option::is_none")]
    to_account: Option<String>,
    #[serde(rename = "ToGroupId", skip_serializing_if = "Option::is_none")]
    to_group_id: Option<String>,
}

impl From<&Conversation> for ContactItem {
    fn from(conversation: &Conversation) -> Self {
        let (kind, id) = (conversation.kind(), conversation.peer_id().to_owned());
        match conversation {
            Conversation::OneToOne(_) => Self { kind, to_account: Some(id), to_group_id: None },
            Conversation::Group(_) => Self { kind, to_account: None, to_group_id: Some(id) },
        }
    }
}

/// A conversation as `top` and `get_list` show it: they call the id of a chat group `GroupId`.
#[derive(Debug, Serialize)]
pub(super) struct SessionId {
    #[serde(rename = "Type")]
    kind: i16,
    #[serde(rename = "To_Account", skip_serializing_if = "Option::is_none")]
    to_account: Option<String>,
    #[serde(rename = "GroupId", skip_serializing_if = "Option::is_none")]
    group_id: Option<String>,
}

impl From<&Conversation> for SessionId {
    fn from(conversation: &Conversation) -> Self {
        let ContactItem { kind, to_account, to_group_id } = conversation.into();
        Self { kind, to_account, group_id: to_group_id }
    }
}

/// Reads a conversation; the id that does not go with `Type` is ignored.
pub(super) fn parse(item: &Field<'_>, app: &App) -> Result<Conversation, Error> {
    parse_named(item, &["ToGroupId"], app)
}

/// Reads a conversation whose chat group id has one of these names: the first that is there.
pub(super) fn parse_named(
    item: &Field<'_>,
    group_names: &[&'static str],
    app: &App,
) -> Result<Conversation, Error> {
    let kind = item.get("Type")?;
    match kind.integer()? {
        1 => item.get("To_Account")?.account(app.limits.user_id_bytes).map(Conversation::OneToOne),
        2 => item
            .first_of(group_names)?
            .parsed(|id| ChatGroupId::parse(id, app.limits.chat_group_id_bytes))
            .map(Conversation::Group),
        _ => Err(kind.refuse(Problem::new("must be 1 (one-to-one) or 2 (group)"))),
    }
}
