//! A user's conversations.

pub(super) mod get_conversation;
