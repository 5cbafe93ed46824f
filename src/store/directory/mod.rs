//! The directory: which accounts and chat groups exist, and which are gone.

pub mod accounts;
pub mod chat_groups;
pub(super) mod gone;
