//! Builds the schemas of requests, whose limits come from `limits.rs`, and derives those of answers from their structs.

use schemars::generate::SchemaSettings;
use schemars::transform::RecursiveTransform;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::codes;
use crate::limits::{Limits, MARK_BITS};

/// Generates the schemas of answers as components. `item_codes` are the values of each `ResultCode`, beside 0.
pub(in crate::http) fn generator(item_codes: Vec<u32>) -> SchemaGenerator {
    SchemaSettings::draft2020_12()
        .for_serialize()
        .with(|settings| settings.definitions_path = "/components/schemas".into())
        .with_transform(RecursiveTransform(move |schema: &mut Schema| {
            describe_answer(schema, &item_codes);
        }))
        .into_generator()
}

/// Adds what a struct does not say, and removes what says more about Rust than about the answer.
fn describe_answer(schema: &mut Schema, item_codes: &[u32]) {
    if let Some(result_code) = schema.pointer_mut("/properties/ResultCode") {
        result_code["enum"] = std::iter::once(0).chain(item_codes.iter().copied()).collect();
    }
    if schema.get("type").is_some_and(|kind| kind == "object") {
        // An answer has no other fields.
        schema.insert("additionalProperties".to_owned(), false.into());
    }
    // PostgreSQL's numbers are signed. Clients get 32 bits unless they are told. Other widths in Rust promise nothing.
    match schema.get("format").and_then(Value::as_str) {
        Some("uint64") => _ = schema.insert("format".to_owned(), "int64".into()),
        Some(name) if name.starts_with("uint") => _ = schema.remove("format"),
        Some(_) | None => {}
    }
    if schema.get("enum").or(schema.get("const")).is_some() {
        schema.remove("minimum");
        schema.remove("maximum");
    }
}

/// A text of `least` to `most` bytes of UTF-8, without NUL. The service checks `x-maxBytes`. JSON Schema counts
/// characters, and a text never has more characters than bytes.
pub(in crate::http) fn text(least: u32, most: u32, about: &str) -> Value {
    json!({
        "type": "string", "description": about, "minLength": least, "maxLength": most,
        "x-maxBytes": most, "pattern": "^[^\\x00]*$",
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
    let mut schema = json!({ "type": "array", "description": about });
    schema["items"] = items;
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

/// An object in a request. The service ignores other fields.
pub(in crate::http) fn object(required: &[&str], properties: Value) -> Value {
    let mut schema = json!({ "type": "object", "required": required });
    schema["properties"] = properties;
    schema
}

/// An object that has no other fields.
pub(super) fn closed(required: &[&str], properties: Value) -> Value {
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

/// Gives a schema in a request the name of the component that it becomes.
pub(in crate::http) fn titled(name: &str, schema: Value) -> Value {
    with(schema, "title", name.into())
}

/// Moves the schemas that have a title into `components`.
pub(super) fn move_titled(schema: &mut Value, components: &mut Map<String, Value>) {
    match schema {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| move_titled(field, components));
            let title = fields.get("title").and_then(Value::as_str).map(str::to_owned);
            if let Some(title) = title {
                fields.remove("title");
                let moved = std::mem::replace(schema, named(&title));
                components.insert(title, moved);
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| move_titled(item, components)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

pub(in crate::http) fn named(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

/// The branches of an enum exclude each other, which schemars does not say. From `anyOf`, the generator of clients for Rust makes
/// an empty type.
pub(in crate::http) fn one_of(schema: &mut Schema) {
    if let Some(branches) = schema.remove("anyOf") {
        schema.insert("oneOf".to_owned(), branches);
    }
}

/// An object that must have one of these fields.
pub(in crate::http) fn any_of(names: &[&str]) -> Value {
    let has: Vec<_> = names.iter().map(|name| json!({ "required": [name] })).collect();
    json!({ "anyOf": has })
}

/// An object that must have one of these two fields. Not `anyOf`, from which generators of clients make two classes.
pub(in crate::http) fn with_either(schema: Value, first: &str, second: &str) -> Value {
    let schema = with(schema, "if", json!({ "not": { "required": [first] } }));
    with(schema, "then", json!({ "required": [second] }))
}

/// Like [`with_either`], but not both.
pub(in crate::http) fn with_one_of(schema: Value, first: &str, second: &str) -> Value {
    let schema = with_either(schema, first, second);
    with(schema, "else", json!({ "not": { "required": [second] } }))
}

/// Adds what an object must have, by the number in its field `kind`. This is not `oneOf`, from which generators of clients
/// make a class for each number.
pub(in crate::http) fn by_kind(schema: Value, kind: &str, cases: &[(u8, Value)]) -> Value {
    let Some(((number, then), others)) = cases.split_first() else { return schema };
    if others.is_empty() {
        return joined(schema, then.clone());
    }
    let schema = with(schema, "if", json!({ "properties": { kind: { "const": number } } }));
    let schema = with(schema, "then", then.clone());
    with(schema, "else", by_kind(json!({}), kind, others))
}

/// Ties the id to `Type`: `Type` 1 needs the first field of `ids` (a user), `Type` 2 one of the others (a chat group).
/// If `shown`, the other id must be absent.
fn with_id_by_type(schema: Value, ids: &[&str], shown: bool) -> Value {
    let (user, groups) = ids.split_at(1.min(ids.len()));
    let case = |has: &[&str], has_not: &[&str]| {
        let case = any_of(has);
        if shown { with(case, "not", any_of(has_not)) } else { case }
    };
    let cases = [(1, case(user, groups)), (2, case(groups, user))];
    by_kind(schema, "Type", &cases)
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
    with_id_by_type(schema, &ids, false)
}

/// A conversation in an answer: `Type`, its id, and the properties of `more`.
pub(in crate::http) fn shown_conversation(
    group_id: &str,
    required: &[&str],
    more: Value,
) -> Schema {
    let required = [&["Type"], required].concat();
    let schema = object(&required, joined(conversation_properties(&[group_id]), more));
    let schema = with_id_by_type(schema, &["To_Account", group_id], true);
    Schema::try_from(schema).unwrap_or_default()
}

pub(in crate::http) fn bits() -> Value {
    json!({
        "0": "favorite", "1": "unread", "2": "collapsed", "3": "hidden",
        "4..31": "reserved by the original; stored", "32..63": "your own",
    })
}

/// The schemas that requests share.
pub(super) fn schemas(limits: &Limits) -> Value {
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
    })
}

pub(super) fn failure(codes: &[u32]) -> Value {
    json!({
        "allOf": [named("Failure"), { "properties": { "ErrorCode": { "type": "integer", "enum": codes } } }],
        "description": format!("Also with HTTP status 200. {}", codes::SEE),
    })
}
