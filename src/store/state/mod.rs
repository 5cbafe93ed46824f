//! The state of users: one row in `users` for each, and the rows that its lock protects.

mod columns;
pub mod contact_groups;
mod conversation_columns;
pub mod conversations;
pub mod forgetting;
pub mod marks;
pub mod reading;
pub mod snapshot;
pub mod users;

use crate::domain::{UserKey, UserState};
use crate::limits::Limits;

/// A changed user, with the limits that the change was checked against.
#[derive(Debug, Clone, Copy)]
pub struct ChangedUser<'a> {
    pub key: &'a UserKey,
    pub state: &'a UserState,
    pub limits: &'a Limits,
    /// The user's revision after the change.
    pub revision: u64,
}
