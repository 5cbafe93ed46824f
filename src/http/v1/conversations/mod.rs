//! A user's conversations.

pub(super) mod get_conversation;
pub(super) mod list_conversations;
