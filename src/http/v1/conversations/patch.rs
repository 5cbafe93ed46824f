//! What changes in a conversation, in requests.

use serde_json::{Value, json};

use crate::domain::{
    App, BitChange, ContactGroupName, Conversation, CustomMark, MarkBit, Patch, Problem,
};
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::schema::named;
use crate::limits::Limits;

pub(super) const FIELDS: [&str; 6] = ["set", "clear", "custom", "add_to", "remove_from", "pinned"];

/// Reads [`FIELDS`]. What is absent does not change.
pub(super) fn parse(
    body: &Field<'_>,
    conversation: Conversation,
    app: &App,
) -> Result<Patch, Failure> {
    let (set, clear) = opposites(body, ["set", "clear"], |item| parse_mark(item, app))?;
    let (add_to, remove_from) =
        opposites(body, ["add_to", "remove_from"], |item| item.parsed(ContactGroupName::parse))?;
    let custom = body.get_nullable("custom")?;
    let custom = match custom.present() {
        None => None,
        Some(_) if custom.is_null() => Some(CustomMark::default()),
        Some(text) => {
            Some(text.parsed(|text| CustomMark::parse(text, app.limits.custom_mark_bytes))?)
        }
    };
    let pinned = body.get("pinned")?;
    Ok(Patch {
        conversation,
        bits: BitChange { set: set.into_iter().collect(), clear: clear.into_iter().collect() },
        custom,
        add_to,
        remove_from,
        pinned: pinned.present().map(|pinned| pinned.boolean()).transpose()?,
    })
}

/// The schema of [`FIELDS`].
pub(super) fn schema() -> Value {
    let limits = Limits::default();
    let mark = named("Mark");
    let list = |about: &str, item: &Value| json!({ "type": ["array", "null"], "items": item, "description": about });
    let name = json!({ "type": "string" });
    json!({
        "type": "object", "additionalProperties": false,
        "properties": {
            "set": list("Marks to set, by name or bit.", &mark),
            "clear": list("Marks to clear, by name or bit. None may be in `set`, too.", &mark),
            "custom": {
                "type": ["string", "null"], "maxLength": limits.custom_mark_bytes, "pattern": "^[^\\x00]*$",
                "x-limit": "custom-mark-bytes", "description": "The custom mark. `null` and an empty text clear it.",
            },
            "add_to": list("Contact groups to add it to. They must exist.", &name),
            "remove_from": list("Contact groups to remove it from. They must exist, and none may be in `add_to`, too.", &name),
            "pinned": { "type": ["boolean", "null"] },
        },
    })
}

/// Reads two lists, none of whose items may be in both.
fn opposites<T: PartialEq>(
    body: &Field<'_>,
    names: [&'static str; 2],
    read: impl Fn(&Field<'_>) -> Result<T, Failure>,
) -> Result<(Vec<T>, Vec<T>), Failure> {
    let [first, second] = names;
    let list = |name, read: &dyn Fn(&Field<'_>) -> Result<T, Failure>| {
        let list = body.get(name)?;
        if list.present().is_some() { list.array(read) } else { Ok(Vec::new()) }
    };
    let ones = list(first, &read)?;
    let others = list(second, &|item| {
        let other = read(item)?;
        if ones.contains(&other) {
            return Err(item.refuse(Problem::new(format!("is in {first}, too"))));
        }
        Ok(other)
    })?;
    Ok((ones, others))
}

/// A mark by its name or by its bit.
fn parse_mark(item: &Field<'_>, app: &App) -> Result<MarkBit, Failure> {
    let bit = match (item.text(), item.integer()) {
        (Ok(name), _) => {
            app.marks.bit(name).ok_or_else(|| Problem::new("the app has no mark of this name"))
        }
        (_, Ok(number)) => MarkBit::parse(number),
        (Err(_), Err(_)) => Err(Problem::new("must be the name or the bit of a mark")),
    };
    bit.map_err(|problem| item.refuse(problem))
}
