//! Webhooks get the changes of an app's feed.

mod address;
mod client;
mod delivery;
mod message;

pub(super) use delivery::{deliver, is_on};
pub(super) use message::{DIRECTORY_CHANGED, USER_CHANGED};
