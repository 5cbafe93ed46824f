//! `ContactItem`: a conversation in requests and answers.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::domain::{App, ChatGroupId, Conversation, Problem};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::schema::shown_conversation;

/// A conversation in answers: `Type` and the matching id.
#[derive(Debug)]
pub struct ContactItem(pub Conversation);

impl Serialize for ContactItem {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        write_addressed(&self.0, "ToGroupId", out)
    }
}

impl JsonSchema for ContactItem {
    fn schema_name() -> Cow<'static, str> {
        "ShownContactItem".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        shown_conversation("ToGroupId", &[], json!({}))
    }
}

/// A conversation in the answers of `top` and `get_list`, where the id of a chat group is named `GroupId`.
#[derive(Debug)]
pub struct SessionId(pub Conversation);

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        write_addressed(&self.0, "GroupId", out)
    }
}

impl JsonSchema for SessionId {
    fn schema_name() -> Cow<'static, str> {
        "ShownRecentContactItem".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        shown_conversation("GroupId", &[], json!({}))
    }
}

fn write_addressed<S: Serializer>(
    conversation: &Conversation,
    group_name: &'static str,
    out: S,
) -> Result<S::Ok, S::Error> {
    let mut item = out.serialize_map(Some(2))?;
    write_address(&mut item, conversation, group_name)?;
    item.end()
}

/// Writes `Type` and the matching id. `group_name` is the field name for a chat group's id.
pub(super) fn write_address<M: SerializeMap>(
    item: &mut M,
    conversation: &Conversation,
    group_name: &'static str,
) -> Result<(), M::Error> {
    let name = match conversation {
        Conversation::OneToOne(_) => "To_Account",
        Conversation::Group(_) => group_name,
    };
    item.serialize_entry("Type", &conversation.kind())?;
    item.serialize_entry(name, conversation.peer_id())
}

/// Ignores an id that does not match `Type`.
pub(super) fn parse(item: &Field<'_>, app: &App) -> Result<Conversation, Failure> {
    parse_named(item, &["ToGroupId"], app)
}

/// Like [`parse`], but the chat group's id is in the first of the fields `group_names` that is present.
pub(super) fn parse_named(
    item: &Field<'_>,
    group_names: &[&'static str],
    app: &App,
) -> Result<Conversation, Failure> {
    let kind = item.first_of(&["Type", "type"])?;
    match kind.integer_or_text(&["1", "2"])? {
        1 => item.get("To_Account")?.account(app.limits.user_id_bytes).map(Conversation::OneToOne),
        2 => item
            .first_of(group_names)?
            .parsed(|id| ChatGroupId::parse(id, app.limits.chat_group_id_bytes))
            .map(Conversation::Group),
        _ => Err(kind.refuse(Problem::new("must be 1 (one-to-one) or 2 (group)"))),
    }
}
