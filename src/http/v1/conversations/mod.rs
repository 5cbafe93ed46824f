//! A user's conversations.

pub(super) mod batch;
pub(super) mod delete_conversation;
pub(super) mod get_conversation;
pub(super) mod list_conversations;
mod patch;
pub(super) mod patch_conversation;
