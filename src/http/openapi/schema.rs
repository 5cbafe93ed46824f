//! The schemas of requests and answers. Their limits come from `limits.rs`.

use serde_json::{Map, Value, json};

use super::codes;
use crate::limits::{Limits, MARK_BITS};

/// A text of `least` to `most` bytes of UTF-8, without NUL. The service checks `x-maxBytes`. JSON Schema counts
/// characters, and a text never has more characters than bytes.
pub(in crate::http) fn text(least: u32, most: u32, about: &str) -> Value {
    json!({
        "type": "string", "description": about, "minLength": least, "maxLength": most,
        "x-maxBytes": most, "pattern": "^[^\\u0000]*$",
    })
}

/// Like [`text`], but the maximum is a limit of the app, by name.
fn limited_text(least: u32, (limit, most): (&str, u32), about: &str) -> Value {
    let mut schema = text(least, most, about);
    schema["x-limit"] = limit.into();
    schema
}

pub(in crate::http) fn choice(about: &str, meanings: &[(u8, &str)]) -> Value {
    let numbers: Vec<u8> = meanings.iter().map(|(number, _)| *number).collect();
    let names: Map<String, Value> =
        meanings.iter().map(|(number, name)| (number.to_string(), (*name).into())).collect();
    json!({ "type": "integer", "description": about, "enum": numbers, "x-meanings": names })
}

pub(in crate::http) fn count(about: &str) -> Value {
    json!({ "type": "integer", "minimum": 0, "description": about })
}

/// An array in a request, with a fixed maximum length.
pub(in crate::http) fn array(least: usize, most: usize, about: &str, items: Value) -> Value {
    let mut schema = answered(about, items);
    schema["minItems"] = least.into();
    schema["maxItems"] = most.into();
    schema
}

/// An array in a request. The maximum length is a limit of the app, by name.
pub(in crate::http) fn limited_array(
    least: usize,
    (limit, most): (&str, u32),
    about: &str,
    items: Value,
) -> Value {
    let mut schema = array(least, most as usize, about, items);
    schema["x-limit"] = limit.into();
    schema
}

/// An array in an answer.
pub(in crate::http) fn answered(about: &str, items: Value) -> Value {
    let mut schema = json!({ "type": "array", "description": about });
    schema["items"] = items;
    schema
}

/// An object in a request. The service ignores other fields.
pub(in crate::http) fn object(required: &[&str], properties: Value) -> Value {
    let mut schema = json!({ "type": "object", "required": required });
    schema["properties"] = properties;
    schema
}

/// An object in an answer. It has no other fields.
pub(in crate::http) fn closed(required: &[&str], properties: Value) -> Value {
    let mut schema = object(required, properties);
    schema["additionalProperties"] = false.into();
    schema
}

pub(in crate::http) fn with(mut schema: Value, name: &str, constraint: Value) -> Value {
    schema[name] = constraint;
    schema
}

pub(in crate::http) fn joined(mut properties: Value, more: Value) -> Value {
    if let (Value::Object(all), Value::Object(more)) = (&mut properties, more) {
        all.extend(more);
    }
    properties
}

pub(in crate::http) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

pub(in crate::http) fn item_result(item_codes: &[u32]) -> Value {
    let codes: Vec<u32> = std::iter::once(0).chain(item_codes.iter().copied()).collect();
    json!({
        "ResultCode": {
            "type": "integer", "enum": codes,
            "description": "0: success; a write is committed. Otherwise the item was refused and changed nothing.",
        },
        "ResultInfo": { "type": "string", "description": "The reason in words; empty on success." },
    })
}

/// Ties the id to `Type`: `Type` 1 needs the first field of `ids` (a user), `Type` 2 one of the others (a chat group).
/// If `shown`, the other id must be absent.
fn id_by_type(ids: &[&str], shown: bool) -> Value {
    let (user, groups) = (ids.iter().take(1), ids.iter().skip(1));
    let any = |names: Vec<&&str>| -> Vec<Value> {
        names.into_iter().map(|name| json!({ "required": [name] })).collect()
    };
    let case = |number: u8, has: Vec<Value>, has_not: Vec<Value>| {
        let mut case = json!({ "properties": { "Type": { "const": number } }, "anyOf": has });
        if shown {
            case["not"] = json!({ "anyOf": has_not });
        }
        case
    };
    let (user, groups) = (any(user.collect()), any(groups.collect()));
    json!([case(1, user.clone(), groups.clone()), case(2, groups, user)])
}

/// The properties that identify a conversation. `group_ids` are the field names for a chat group's id.
pub(in crate::http) fn conversation_properties(group_ids: &[&str]) -> Value {
    let mut properties = json!({
        "Type": choice("What kind of conversation.", &[(1, "one-to-one"), (2, "chat group")]),
        "To_Account": named("UserID"),
    });
    for name in group_ids {
        properties[*name] = named("ChatGroupId");
    }
    properties
}

pub(in crate::http) fn conversation(group_ids: &[&str]) -> Value {
    let ids = [&["To_Account"], group_ids].concat();
    let schema = object(&["Type"], conversation_properties(group_ids));
    with(schema, "oneOf", id_by_type(&ids, false))
}

/// A conversation in an answer: `Type`, its id, and the properties of `more`.
pub(in crate::http) fn shown_conversation(group_id: &str, required: &[&str], more: Value) -> Value {
    let properties = joined(conversation_properties(&[group_id]), more);
    let schema = closed(&[&["Type"], required].concat(), properties);
    with(schema, "oneOf", id_by_type(&["To_Account", group_id], true))
}

fn bits() -> Value {
    json!({
        "0": "favourite", "1": "unread", "2": "folded", "3": "hidden",
        "4..31": "reserved by the original; stored", "32..63": "your own",
    })
}

pub(in crate::http) fn schemas(limits: &Limits) -> Value {
    let highest = MARK_BITS - 1;
    json!({
        "UserID": limited_text(1, ("user-id-bytes", limits.user_id_bytes), "The name of a user."),
        "ChatGroupId": limited_text(
            1, ("chat-group-id-bytes", limits.chat_group_id_bytes), "The id of a chat group."),
        "GroupName": limited_text(
            1, ("group-name-bytes", limits.group_name_bytes), "The name of a contact group."),
        "CustomMark": limited_text(
            0, ("custom-mark-bytes", limits.custom_mark_bytes), "A text of your own. An empty text clears the mark."),
        "ContactItem": with(conversation(&["ToGroupId"]), "description",
            "One of the user's conversations, identified by the other user or the chat group.".into()),
        "Bits": {
            "type": "array", "x-bits": bits(),
            "description": format!("Bits 0 to {highest}. A bit that is both set and cleared ends cleared."),
            "items": { "type": "integer", "minimum": 0, "maximum": highest },
        },
        "StandardMark": {
            "type": "string", "pattern": "^(1[01]*)?$", "maxLength": MARK_BITS, "x-bits": bits(),
            "description": "Binary digits. The last digit is bit 0. Empty if no bit is set.",
        },
        "ShownContactItem": shown_conversation("ToGroupId", &[], json!({})),
        "GroupItem": closed(&["GroupName", "GroupId"], json!({
            "GroupName": { "type": "string", "description": "The name of the contact group." },
            "GroupId": {
                "type": "integer", "minimum": 1,
                "description": "The number of the contact group, counted per user and never reused.",
            },
        })),
        "Failure": closed(&["ActionStatus", "ErrorCode", "ErrorInfo", "ErrorDisplay"], json!({
            "ActionStatus": { "const": "FAIL" },
            "ErrorCode": { "type": "integer", "minimum": 1, "description": "See `x-error-codes`." },
            "ErrorInfo": {
                "type": "string", "minLength": 1,
                "description": "What is wrong and where. The text may change.",
            },
            "ErrorDisplay": { "const": "" },
        })),
        "ProblemDetails": closed(&["title", "status", "detail"], json!({
            "title": { "type": "string", "description": "The status in words." },
            "status": { "type": "integer", "description": "The HTTP status." },
            "detail": { "type": "string", "description": "What is wrong." },
            "field": { "type": "string", "description": "The path to the field that is wrong." },
        })),
    })
}

pub(in crate::http) fn success(required: &[&str], properties: &Value) -> Value {
    let envelope = json!({
        "ActionStatus": { "const": "OK" }, "ErrorCode": { "const": 0 },
        "ErrorInfo": { "const": "" }, "ErrorDisplay": { "const": "" },
    });
    let always = ["ActionStatus", "ErrorCode", "ErrorInfo", "ErrorDisplay"];
    closed(&[required, &always].concat(), joined(properties.clone(), envelope))
}

pub(in crate::http) fn failure(codes: &[u32]) -> Value {
    json!({
        "allOf": [named("Failure"), { "properties": { "ErrorCode": { "enum": codes } } }],
        "description": format!("Also with HTTP status 200. {}", codes::SEE),
    })
}
