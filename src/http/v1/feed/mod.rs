//! The feed of an app.

mod cursor;
pub(super) mod get_app_changes;
