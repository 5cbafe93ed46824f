//! How clients hear of changes of a user's state: by asking, by waiting, and as a stream.

mod follower;
pub(super) mod get_changes;
pub(super) mod get_events;
mod stream;

use schemars::JsonSchema;
use serde::Serialize;

use super::cursor::Cursor;
use super::shapes::{ConversationId, ShownConversation, ShownGroup};
use crate::domain::{App, UserKey};
use crate::service::Changes;

/// What is different from an earlier moment. To put it on top of what the client had gives what the service has.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Changes")]
pub(super) struct ShownChanges {
    revision: u64,
    /// For `since` of the next call.
    cursor: String,
    /// The conversations that are different, each whole.
    conversations: Vec<ShownConversation>,
    /// Conversations that have no state any more, or whose other end was deleted. The client may never have had them.
    removed: Vec<ConversationId>,
    /// All contact groups in the user's order, if anything about them is different.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Vec<ShownGroup>")]
    groups: Option<Vec<ShownGroup>>,
}

impl ShownChanges {
    fn new(changes: &Changes, key: &UserKey, app: &App) -> Self {
        let Changes { head, conversations, removed, groups_differ } = changes;
        Self {
            revision: head.at.revision,
            cursor: Cursor { key, at: head.at }.to_string(),
            conversations: conversations
                .iter()
                .map(|shown| ShownConversation::new(shown, head, app))
                .collect(),
            removed: removed.iter().map(ConversationId::from).collect(),
            groups: groups_differ.then(|| ShownGroup::all(head)),
        }
    }
}
