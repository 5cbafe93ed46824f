//! OpenAPI schemas that several calls of `im_open_login_svc` share.

use crate::http::openapi::schema::{joined, named, object, text, titled, with_either};
use crate::limits::ACCOUNT_VALUE_BYTES_MAX;
use serde_json::{Value, json};

/// A user, named by `UserID` or by the older field `Identifier`.
pub(super) fn user(more: Value) -> Value {
    let names = json!({
        "UserID": named("UserID"),
        "Identifier": { "$ref": "#/components/schemas/UserID", "description": "The older name of `UserID`." },
    });
    with_either(object(&[], joined(names, more)), "UserID", "Identifier")
}

pub(super) fn account() -> Value {
    let most = u32::try_from(ACCOUNT_VALUE_BYTES_MAX).unwrap_or(u32::MAX);
    titled(
        "Account",
        user(json!({
            "Nick": text(0, most, "The display name."),
            "FaceUrl": text(0, most, "The URL of a picture."),
        })),
    )
}
