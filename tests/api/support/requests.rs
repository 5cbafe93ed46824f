//! Bodies of requests, and what matters of answers.

use serde_json::{Value, json};

/// A `ContactItem` with a user.
pub(crate) fn user(peer: &str) -> Value {
    json!({ "Type": 1, "To_Account": peer })
}

/// A `ContactItem` with a chat group.
pub(crate) fn group(id: &str) -> Value {
    json!({ "Type": 2, "ToGroupId": id })
}

/// A body for `mark_contact`.
pub(crate) fn mark_contact(owner: &str, items: impl Into<Value>) -> Value {
    json!({ "From_Account": owner, "MarkItem": items.into() })
}

/// An item that sets one bit of the conversation with `peer`.
pub(crate) fn set(peer: &str, bit: u8) -> Value {
    change(&user(peer), &[bit], &[])
}

/// An item that clears one bit.
pub(crate) fn clear(peer: &str, bit: u8) -> Value {
    change(&user(peer), &[], &[bit])
}

/// An item that sets and clears bits.
pub(crate) fn change(contact_item: &Value, set: &[u8], clear: &[u8]) -> Value {
    json!({ "OptType": 1, "ContactItem": contact_item, "SetMark": set, "ClearMark": clear })
}

/// An item that gives the conversation with `peer` a custom mark.
pub(crate) fn custom(peer: &str, text: &str) -> Value {
    json!({ "OptType": 2, "ContactItem": user(peer), "CustomMark": text })
}

/// The `ErrorCode`, and the `ResultCode` of each item.
pub(crate) fn codes(answer: &Value) -> (u64, Vec<u64>) {
    let items = answer["ResultItem"].as_array().map_or(&[][..], Vec::as_slice);
    let code = |item: &Value| item["ResultCode"].as_u64().unwrap();
    (answer["ErrorCode"].as_u64().unwrap(), items.iter().map(code).collect())
}

/// The `ErrorCode` and the `ErrorInfo`, for a request that fails as a whole: it has no answer besides.
#[track_caller]
pub(crate) fn failure(answer: &Value) -> (u64, &str) {
    let names: Vec<_> = answer.as_object().unwrap().keys().collect();
    assert_eq!(names, ["ActionStatus", "ErrorCode", "ErrorInfo", "ErrorDisplay"], "{answer}");
    (answer["ErrorCode"].as_u64().unwrap(), answer["ErrorInfo"].as_str().unwrap())
}

/// The request fails as a whole, with this code, and says this.
#[track_caller]
pub(crate) fn assert_fails(answer: &Value, code: u64, info: &str) {
    assert_eq!(failure(answer), (code, info), "{answer}");
}
