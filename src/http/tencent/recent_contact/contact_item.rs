//! `ContactItem`: how a conversation is addressed.

use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

use crate::domain::{App, ChatGroupId, Conversation, Problem};
use crate::error::Error;
use crate::http::tencent::json::Field;

/// A conversation as answers show it: its type, and the id that goes with the type.
#[derive(Debug)]
pub struct ContactItem(pub Conversation);

impl Serialize for ContactItem {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        write_addressed(&self.0, "ToGroupId", out)
    }
}

/// A conversation as `top` and `get_list` show it: they call the id of a chat group `GroupId`.
#[derive(Debug)]
pub struct SessionId(pub Conversation);

impl Serialize for SessionId {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        write_addressed(&self.0, "GroupId", out)
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

/// Writes the type, and the id under the name that goes with it: `group_name` for a chat group's.
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

/// Reads a conversation; the id that does not go with `Type` is ignored.
pub(super) fn parse(item: &Field<'_>, app: &App) -> Result<Conversation, Error> {
    parse_named(item, &["ToGroupId"], app)
}

/// Reads a conversation whose chat group id has one of these names: the first that is there.
pub(super) fn parse_named(
    item: &Field<'_>,
    group_names: &[&'static str],
    app: &App,
) -> Result<Conversation, Error> {
    let kind = item.get("Type")?;
    match kind.integer()? {
        1 => item.get("To_Account")?.account(app.limits.user_id_bytes).map(Conversation::OneToOne),
        2 => item
            .first_of(group_names)?
            .parsed(|id| ChatGroupId::parse(id, app.limits.chat_group_id_bytes))
            .map(Conversation::Group),
        _ => Err(kind.refuse(Problem::new("must be 1 (one-to-one) or 2 (group)"))),
    }
}
