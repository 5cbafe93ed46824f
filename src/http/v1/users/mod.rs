//! A user's state as a whole.

pub(super) mod get_user;
