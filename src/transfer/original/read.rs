//! Reads a user through `get_contact_group` and `get_list`.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};
use serde_json::{Value, json};

use super::UserError;
use super::client::{CallError, Original};
use crate::transfer::form::{Account, ContactGroup, Conversation, PeerType, User};

/// How often a user is read who changes meanwhile.
const READS: u32 = 3;
/// More pages than the caps allow are pages without end.
const PAGES_MAX: u32 = 10_000;
/// A user with more conversations is none.
const CONVERSATIONS_MAX: usize = 100_000;
/// All features: pins, and conversations without a message.
const ASSIST_FLAGS: u32 = 63;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MarkPage {
    #[serde(default)]
    contact_item: Vec<MarkItem>,
    #[serde(default)]
    group_item: Vec<GroupItem>,
    complete_flag: u8,
    #[serde(default)]
    next_start_index: u64,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GroupItem {
    group_name: String,
    group_id: u32,
}

/// The other end of a conversation. Each call has a name of its own for the chat group.
#[derive(Debug, Deserialize)]
struct Peer {
    #[serde(rename = "Type", deserialize_with = "number_or_text")]
    kind: u64,
    #[serde(rename = "To_Account")]
    to_account: Option<String>,
    #[serde(rename = "ToGroupId", alias = "GroupId")]
    group_id: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct MarkItem {
    #[serde(flatten)]
    peer: Peer,
    #[serde(default)]
    standard_mark: String,
    #[serde(default)]
    custom_mark: String,
    #[serde(default)]
    contact_group_id: Vec<u32>,
    #[serde(default)]
    timestamp: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct ListPage {
    #[serde(default)]
    session_item: Vec<SessionItem>,
    complete_flag: u8,
    #[serde(default)]
    time_stamp: u64,
    #[serde(default)]
    start_index: u64,
    #[serde(default)]
    top_time_stamp: u64,
    #[serde(default)]
    top_start_index: u64,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SessionItem {
    #[serde(flatten)]
    peer: Peer,
    #[serde(default)]
    msg_time: u64,
    #[serde(default)]
    top_flag: u8,
}

/// Older documents of the original call `Type` a string.
fn number_or_text<'d, D: Deserializer<'d>>(deserializer: D) -> Result<u64, D::Error> {
    let value = Value::deserialize(deserializer)?;
    let number = value.as_u64().or_else(|| value.as_str()?.parse().ok());
    number.ok_or_else(|| serde::de::Error::custom("Type must be 1 or 2"))
}

impl Peer {
    fn key(self) -> Result<(PeerType, String), ReadError> {
        let key = match self.kind {
            1 => self.to_account.map(|id| (PeerType::User, id)),
            2 => self.group_id.map(|id| (PeerType::Group, id)),
            _ => None,
        };
        key.ok_or_else(|| ReadError::Changed("a conversation has no other end".to_owned()))
    }
}

/// Why one attempt to read a user has failed.
enum ReadError {
    Call(CallError),
    /// The pages do not fit together: the user changes, or the service is wrong.
    Changed(String),
}

impl From<CallError> for ReadError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

/// Reads a user. `None`: the service does not know the user.
pub(super) async fn read_user(original: &Original, user: &str) -> Result<Option<User>, UserError> {
    let mut reason = String::new();
    for _ in 0..READS {
        match read_once(original, user).await {
            Ok(user) => return Ok(Some(user)),
            Err(ReadError::Call(CallError::UnknownUser)) => return Ok(None),
            Err(ReadError::Call(error)) => return Err(error.into()),
            Err(ReadError::Changed(what)) => reason = what,
        }
    }
    Err(UserError::OnlyThis(format!("incomplete after {READS} attempts: {reason}")))
}

async fn read_once(original: &Original, user: &str) -> Result<User, ReadError> {
    let (groups, mut conversations) = marks(original, user).await?;
    let mut next_position = 1;
    for row in &mut conversations {
        row.position = Some(next_position);
        next_position += 1;
    }
    let mut rows: BTreeMap<(PeerType, String), Conversation> =
        conversations.into_iter().map(|row| ((row.kind, row.id.clone()), row)).collect();
    // The newest pin comes first.
    for (key, changed_at) in pins(original, user).await?.into_iter().rev() {
        let row = rows.entry(key.clone()).or_insert_with(|| Conversation {
            kind: key.0,
            id: key.1,
            marks: Vec::new(),
            custom: Box::default(),
            groups: Vec::new(),
            position: None,
            pin_position: None,
            holds_place: false,
            changed_at,
            revision: 1,
        });
        row.pin_position = Some(next_position);
        next_position += 1;
    }
    let has_state = !groups.is_empty() || !rows.is_empty();
    Ok(User {
        id: user.to_owned(),
        // The service knows the user, and does not tell nick and face here.
        account: Some(Account::default()),
        revision: has_state.into(),
        forgotten_revision: 0,
        groups_revision: (!groups.is_empty()).into(),
        next_position,
        next_group_id: groups.last().map_or(1, |group| group.id.saturating_add(1)),
        contact_groups: groups,
        conversations: rows.into_values().collect(),
    })
}

/// Contact groups by id, and the conversations with a mark or a contact group in the order of the service.
async fn marks(
    original: &Original,
    user: &str,
) -> Result<(Vec<ContactGroup>, Vec<Conversation>), ReadError> {
    let changed = |what: &str| Err(ReadError::Changed(what.to_owned()));
    let (mut start, mut groups) = (0, None);
    let mut rows: Vec<Conversation> = Vec::new();
    for _ in 0..PAGES_MAX {
        let body = json!({ "From_Account": user, "StartIndex": start });
        let page: MarkPage = original.call("recentcontact/get_contact_group", &body, 1).await?;
        let known = groups.get_or_insert_with(|| page.group_item.clone());
        if *known != page.group_item {
            return changed("the contact groups changed between two pages");
        }
        for item in page.contact_item {
            let row = conversation(item)?;
            if row.groups.iter().any(|id| known.iter().all(|group| group.group_id != *id)) {
                return changed("a conversation is in a contact group that the page does not list");
            }
            rows.push(row);
        }
        if rows.len() > CONVERSATIONS_MAX {
            break;
        }
        if page.complete_flag == 1 {
            let keys: std::collections::BTreeSet<_> =
                rows.iter().map(|row| (row.kind, &row.id)).collect();
            if keys.len() < rows.len() {
                return changed("a conversation is on two pages");
            }
            return Ok((contact_groups(groups.unwrap_or_default()), rows));
        }
        if page.next_start_index <= start {
            return changed("CompleteFlag is 0, but NextStartIndex does not grow");
        }
        start = page.next_start_index;
    }
    changed("the pages do not end")
}

fn contact_groups(mut items: Vec<GroupItem>) -> Vec<ContactGroup> {
    items.sort_unstable_by_key(|item| item.group_id);
    let group = |item: GroupItem| ContactGroup {
        id: item.group_id,
        name: item.group_name,
        rank: None,
        name_revision: 1,
    };
    items.into_iter().map(group).collect()
}

fn conversation(item: MarkItem) -> Result<Conversation, ReadError> {
    let marks = bits(&item.standard_mark).ok_or_else(|| {
        ReadError::Changed(format!("StandardMark is {:.80?}", item.standard_mark))
    })?;
    let (kind, id) = item.peer.key()?;
    let mut groups = item.contact_group_id;
    groups.sort_unstable();
    groups.dedup();
    Ok(Conversation {
        kind,
        id,
        holds_place: !marks.is_empty() || !item.custom_mark.is_empty(),
        marks,
        custom: item.custom_mark.into(),
        groups,
        position: None,
        pin_position: None,
        changed_at: item.timestamp,
        revision: 1,
    })
}

/// The bits of a binary number, lowest first.
fn bits(text: &str) -> Option<Vec<u8>> {
    let digits = text.trim_start_matches('0');
    if digits.len() > 64 || digits.bytes().any(|digit| !b"01".contains(&digit)) {
        return None;
    }
    let bits = digits.bytes().rev().zip(0..).filter(|(digit, _)| *digit == b'1');
    Some(bits.map(|(_, bit)| bit).collect())
}

/// The pinned conversations in the order of the service, each with its time.
async fn pins(
    original: &Original,
    user: &str,
) -> Result<Vec<((PeerType, String), u64)>, ReadError> {
    let mut cursor = [0; 4];
    let mut pins: Vec<((PeerType, String), u64)> = Vec::new();
    for _ in 0..PAGES_MAX {
        let [time_stamp, start_index, top_time_stamp, top_start_index] = cursor;
        let body = json!({
            "From_Account": user, "TimeStamp": time_stamp, "StartIndex": start_index,
            "TopTimeStamp": top_time_stamp, "TopStartIndex": top_start_index,
            "AssistFlags": ASSIST_FLAGS,
        });
        let page: ListPage = original.call("recentcontact/get_list", &body, 1).await?;
        for item in page.session_item.into_iter().filter(|item| item.top_flag == 1) {
            let time = item.msg_time;
            let key = item.peer.key()?;
            if pins.iter().all(|(other, _)| *other != key) {
                pins.push((key, time));
            }
        }
        let next = [page.time_stamp, page.start_index, page.top_time_stamp, page.top_start_index];
        if page.complete_flag == 1 {
            return Ok(pins);
        }
        if next == cursor || pins.len() > CONVERSATIONS_MAX {
            break;
        }
        cursor = next;
    }
    Err(ReadError::Changed("the pages of get_list do not end".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_standard_mark_is_read_from_its_highest_bit_down() {
        assert_eq!(bits(""), Some(vec![]));
        assert_eq!(bits("1110"), Some(vec![1, 2, 3]));
        assert_eq!(bits("011111110"), Some(vec![1, 2, 3, 4, 5, 6, 7]));
        assert_eq!(bits(&format!("1{}", "0".repeat(63))), Some(vec![63]));
        for bad in ["2", " 1", "0x1", &format!("1{}", "0".repeat(64))] {
            assert_eq!(bits(bad), None, "{bad}");
        }
    }
}
