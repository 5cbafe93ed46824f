//! Conversation groups and what is kept about conversations, as requests name them and answers show them.

use serde::ser::SerializeMap as _;
use serde::{Serialize, Serializer};

use crate::domain::{
    App, Applied, ContactGroup, ContactGroupName, Conversation, Kept, StandardMark,
};
use crate::error::{Error, Family};
use crate::http::tencent::envelope::ItemResult;
use crate::http::tencent::json::Field;
use crate::http::tencent::recent_contact::contact_item::{ContactItem, write_address};

/// A conversation group: name and number.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct GroupItem {
    group_name: String,
    group_id: u32,
}

impl From<&ContactGroup> for GroupItem {
    fn from(group: &ContactGroup) -> Self {
        Self { group_name: group.name.as_str().to_owned(), group_id: group.id }
    }
}

/// What became of one conversation.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ResultItem {
    contact_item: ContactItem,
    #[serde(flatten)]
    result: ItemResult,
}

impl ResultItem {
    pub fn result(&self) -> &ItemResult {
        &self.result
    }

    /// One per conversation, in order.
    pub fn list(shown: Vec<ContactItem>, applied: &Applied) -> Vec<Self> {
        let result = |outcome| ItemResult::new(outcome, Family::RecentContact);
        shown
            .into_iter()
            .zip(&applied.items)
            .map(|(contact_item, outcome)| Self { contact_item, result: result(outcome) })
            .collect()
    }
}

/// What is kept about one conversation. What is empty is left out, but for the standard mark.
///
/// Written as it was read: a page has a hundred, and to arrange each for `serde` to derive this takes longer than to write it.
#[derive(Debug)]
pub struct ContactResultItem(pub (Conversation, Kept));

impl Serialize for ContactResultItem {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let (conversation, kept) = &self.0;
        let mut item = out.serialize_map(None)?;
        write_address(&mut item, conversation, "ToGroupId")?;
        item.serialize_entry("StandardMark", &MarkBits(kept.standard))?;
        if !kept.custom.is_empty() {
            item.serialize_entry("CustomMark", kept.custom.as_str())?;
        }
        if !kept.group_ids.is_empty() {
            item.serialize_entry("ContactGroupId", &kept.group_ids)?;
        }
        // A conversation that is only pinned has no marks or groups that could have changed.
        let timestamp = if kept.position.is_some() { kept.changed_at } else { 0 };
        item.serialize_entry("Timestamp", &timestamp)?;
        item.end()
    }
}

/// A standard mark as answers write it: binary, most significant bit first, no leading zeros, nothing for no bit.
#[derive(Debug)]
pub struct MarkBits(pub StandardMark);

impl MarkBits {
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Serialize for MarkBits {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        let bits = self.0.bits();
        let digits: [u8; 64] =
            std::array::from_fn(|nr| if bits << nr >> 63 == 0 { b'0' } else { b'1' });
        // Zeros and ones are text, from the first one on.
        let written = digits.get(bits.leading_zeros() as usize..).unwrap_or_default();
        out.serialize_str(std::str::from_utf8(written).unwrap_or_default())
    }
}

/// A name to find a conversation group by, of any length: one that is too long is not there.
pub(super) fn existing_name(field: &Field<'_>) -> Result<ContactGroupName, Error> {
    field.parsed(ContactGroupName::parse)
}

/// A name to give to a conversation group. Its length comes after everything else about the body.
pub(super) fn check_length(
    path: &Field<'_>,
    name: &ContactGroupName,
    app: &App,
) -> Result<(), Error> {
    let max = app.limits.group_name_bytes;
    if name.fits(max) {
        Ok(())
    } else {
        Err(Error::GroupNameLength { path: path.path(), max, got: name.as_str().len() })
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
