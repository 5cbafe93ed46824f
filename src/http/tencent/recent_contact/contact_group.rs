//! Contact groups and stored conversations in requests and answers.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::domain::{
    App, Applied, ContactGroup, ContactGroupName, Conversation, ConversationState, Refusal,
    StandardMark,
};
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::json::Field;
use crate::http::openapi::schema::{bits, count, shown_conversation};
use crate::http::tencent::codes::Family;
use crate::http::tencent::envelope::ItemResult;
use crate::http::tencent::recent_contact::contact_item::{ContactItem, write_address};
use crate::limits::MARK_BITS;
use crate::service::{Service, Write};

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
pub struct GroupItem {
    /// The name of the contact group.
    group_name: String,
    /// The number of the contact group, counted per user and never reused.
    #[schemars(range(min = 1))]
    group_id: u32,
}

impl From<&ContactGroup> for GroupItem {
    fn from(group: &ContactGroup) -> Self {
        Self { group_name: group.name.as_str().to_owned(), group_id: group.id }
    }
}

#[derive(Debug, Serialize, JsonSchema)]
#[serde(rename_all = "PascalCase")]
// `update_contact_group` flattens it, so it is a schema of its own only in the other call.
#[schemars(rename = "CreateContactGroupResultItem")]
pub struct ResultItem {
    contact_item: ContactItem,
    #[serde(flatten)]
    result: ItemResult,
}

impl ResultItem {
    #[must_use]
    pub fn result(&self) -> &ItemResult {
        &self.result
    }

    #[must_use]
    pub fn list(shown: Vec<ContactItem>, applied: &Applied) -> Vec<Self> {
        let result =
            |outcome: &Result<(), Refusal>| ItemResult::new(*outcome, Family::RecentContact);
        shown
            .into_iter()
            .zip(&applied.items)
            .map(|(contact_item, outcome)| Self { contact_item, result: result(outcome) })
            .collect()
    }
}

/// A stored conversation. Empty fields are left out, except the standard mark.
///
/// Serialized by hand: a page has 100 of them, and filling structs for a derived `Serialize` takes longer than writing.
#[derive(Debug)]
pub struct ContactResultItem(pub (Conversation, ConversationState));

impl Serialize for ContactResultItem {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let (conversation, state) = &self.0;
        let mut item = out.serialize_map(None)?;
        write_address(&mut item, conversation, "ToGroupId")?;
        item.serialize_entry("StandardMark", &MarkBits(state.standard))?;
        if !state.custom.is_empty() {
            item.serialize_entry("CustomMark", state.custom.as_str())?;
        }
        if !state.group_ids.is_empty() {
            item.serialize_entry("ContactGroupId", &state.group_ids)?;
        }
        // Without a position, the conversation was only pinned: its marks and contact groups never changed.
        let timestamp = if state.position.is_some() { state.changed_at } else { 0 };
        item.serialize_entry("Timestamp", &timestamp)?;
        item.end()
    }
}

impl JsonSchema for ContactResultItem {
    fn schema_name() -> Cow<'static, str> {
        "ContactResultItem".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let more = json!({
            "StandardMark": generator.subschema_for::<MarkBits>(),
            "CustomMark": { "type": "string", "minLength": 1, "description": "Left out when empty." },
            "ContactGroupId": {
                "type": "array", "minItems": 1, "items": { "type": "integer", "minimum": 1 },
                "description": "Numbers of its contact groups. Left out if there are none.",
            },
            "Timestamp": count("Unix seconds of the last change to marks or contact groups. 0 if there was none."),
        });
        shown_conversation("ToGroupId", &["StandardMark", "Timestamp"], more)
    }
}

/// A standard mark in answers: binary, highest bit first, no leading zeros. Empty if no bit is set.
#[derive(Debug)]
pub struct MarkBits(pub StandardMark);

impl MarkBits {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for MarkBits {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let bits = self.0.bits();
        let digits: [u8; 64] =
            std::array::from_fn(|nr| if bits << nr >> 63 == 0 { b'0' } else { b'1' });
        // Begin at the first 1. The digits are ASCII, so this is valid UTF-8.
        let written = digits.get(bits.leading_zeros() as usize..).unwrap_or_default();
        out.serialize_str(std::str::from_utf8(written).unwrap_or_default())
    }
}

impl JsonSchema for MarkBits {
    fn schema_name() -> Cow<'static, str> {
        "StandardMark".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string", "pattern": "^(1[01]*)?$", "maxLength": MARK_BITS, "x-bits": bits(),
            "description": "Binary digits. The last digit is bit 0. Empty if no bit is set.",
        })
    }
}

/// The contact group that a change concerned. If there is none, this is a bug.
/// Makes a change that gives a contact group this name. If the name is taken, says by which contact group.
pub(super) async fn write_named(
    service: &Service,
    write: Write,
    name: &ContactGroupName,
    path: &'static str,
) -> Result<Applied, Failure> {
    let (app, owner, deadline) = (write.app.clone(), write.owner.clone(), write.arrival.deadline);
    let error = match service.write(write).await {
        Ok(written) => return Ok(written.applied),
        Err(error) => error,
    };
    if matches!(error, Error::Refused(Refusal::ContactGroupNameTaken))
        && let Ok((head, _)) = service.user(app, owner, deadline).await
        && let Some((group, conversations)) =
            head.groups.into_iter().find(|(group, _)| group.name == *name)
    {
        return Err(Failure::ContactGroupNameTaken { path, id: group.id, conversations });
    }
    Err(error.into())
}

pub(super) fn changed_group(applied: &Applied) -> Result<&ContactGroup, Failure> {
    let group = applied.group.as_ref();
    Ok(group.ok_or_else(|| Error::internal("a change of a contact group named none"))?)
}

/// A name to look up a contact group. A name that is too long is not an error, it is just not found.
pub(super) fn existing_name(field: &Field<'_>) -> Result<ContactGroupName, Failure> {
    field.parsed(ContactGroupName::parse)
}

/// Checks the length of a new name. Call this last: other errors of the body come first.
pub(super) fn check_length(
    path: &Field<'_>,
    name: &ContactGroupName,
    app: &App,
) -> Result<(), Failure> {
    let max = app.limits.group_name_bytes;
    if name.fits(max) {
        Ok(())
    } else {
        Err(Failure::ContactGroupNameLength { path: path.path(), max, got: name.as_str().len() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_mark_is_written_from_its_highest_bit_down() {
        let written = |bits| serde_json::to_value(MarkBits(StandardMark::new(bits))).unwrap();
        let check = |bits, text: &str| assert_eq!(written(bits), text);
        check(0, "");
        check(1, "1");
        check(0b1110, "1110");
        check(1 << 63 | 1, &format!("1{}1", "0".repeat(62)));
    }
}
