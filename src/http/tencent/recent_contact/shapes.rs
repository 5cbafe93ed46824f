//! OpenAPI schemas that requests of several calls of `recentcontact` share.

use crate::http::openapi::schema::{joined, object};
use serde_json::{Value, json};

/// A request: the user who owns the state, and the given properties.
pub(super) fn of_user(required: &[&str], properties: Value) -> Value {
    let user = json!({ "From_Account": { "$ref": "#/components/schemas/UserID", "description": "The user who owns the conversations." } });
    object(&[&["From_Account"], required].concat(), joined(user, properties))
}
