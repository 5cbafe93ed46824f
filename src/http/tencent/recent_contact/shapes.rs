//! OpenAPI schemas that several calls of `recentcontact` share.

use crate::http::openapi::item_codes;
use crate::http::openapi::schema::{
    closed, count, item_result, joined, named, object, shown_conversation,
};
use crate::http::tencent::codes::{Code, Family};
use serde_json::{Value, json};

/// A request: the user who owns the state, and the given properties.
pub(super) fn of_user(required: &[&str], properties: Value) -> Value {
    let user = json!({ "From_Account": { "$ref": "#/components/schemas/UserID", "description": "The user who owns the conversations." } });
    object(&[&["From_Account"], required].concat(), joined(user, properties))
}

pub(super) fn result_of(codes: &[Code]) -> Value {
    item_result(&item_codes(Family::RecentContact, codes))
}

pub(super) fn outcome(codes: &[Code]) -> Value {
    let shown = json!({ "ContactItem": named("ShownContactItem") });
    closed(&["ContactItem", "ResultCode", "ResultInfo"], joined(shown, result_of(codes)))
}

pub(super) fn kept() -> Value {
    shown_conversation(
        "ToGroupId",
        &["StandardMark", "Timestamp"],
        json!({
            "StandardMark": named("StandardMark"),
            "CustomMark": { "type": "string", "minLength": 1, "description": "Left out when empty." },
            "ContactGroupId": {
                "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 1 },
                "description": "Numbers of its contact groups. Left out if there are none.",
            },
            "Timestamp": count("Unix seconds of the last change to marks or contact groups. 0 if there was none."),
        }),
    )
}
