//! The checks. Each says what was found and what to do about it.

pub(super) mod schema;
pub(super) mod server;
