//! Calls, their requests, and the parts of their answers that the model predicts.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{CALLED_PEERS, FIRST_CHAT_GROUP, PEERS, peer_id};

/// A call about one user. Names of contact groups are numbers.
#[derive(Debug, Clone)]
pub enum Call {
    Import,
    DeleteAccount,
    Mark(Vec<Mark>),
    Create(u8, Vec<u8>),
    Rename(u8, u8),
    Update(u8, Vec<(u8, bool)>),
    Del(u8),
    Top(bool, Vec<u8>),
    Forget(u8),
    Get,
    Search(Vec<u8>),
    List,
    /// This and the calls after it are of the native API only.
    Patch(Vec<Patch>),
    /// Creates a contact group unless there is one.
    Put(u8),
    /// Renames a contact group, moves it, or both.
    Edit(u8, Option<u8>, Option<u32>),
}

/// A change of a batch. An item of the original's calls may be refused in part; a patch is applied as a whole.
#[derive(Debug, Default, Clone)]
pub struct Patch {
    pub peer: u8,
    pub set: Vec<u8>,
    /// None of these bits is in `set`.
    pub clear: Vec<u8>,
    /// An empty text clears the custom mark.
    pub custom: Option<String>,
    pub add_to: Vec<u8>,
    /// None of these contact groups is in `add_to`.
    pub remove_from: Vec<u8>,
    pub pinned: Option<bool>,
}

/// A `MarkItem`.
#[derive(Debug, Clone)]
pub struct Mark {
    pub peer: u8,
    pub opt_type: u8,
    pub set: Option<Vec<u8>>,
    pub clear: Option<Vec<u8>>,
    pub custom: Option<String>,
}

/// The part of an answer that the model predicts.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct Answer {
    /// `ErrorCode`.
    pub code: u64,
    /// The `ResultCode` of each item.
    pub items: Vec<u64>,
    pub conversations: Vec<ConversationView>,
    /// Names and ids of contact groups.
    pub groups: Vec<(u8, u64)>,
}

/// A conversation as an answer shows it.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct ConversationView {
    pub peer: u8,
    pub mark: u64,
    pub custom: String,
    pub groups: Vec<u64>,
    pub pinned: bool,
}

impl Answer {
    pub fn failure(code: u64) -> Self {
        Self { code, ..Self::default() }
    }

    pub fn items(items: Vec<u64>) -> Self {
        Self { items, ..Self::default() }
    }
}

impl Mark {
    fn any() -> impl Strategy<Value = Self> {
        let bits = || {
            let bit = prop_oneof![Just(63_u8), 0..3_u8, 0..64_u8];
            prop::option::of(prop::collection::vec(bit, 0..4))
        };
        let custom = prop::option::of(prop_oneof![Just(String::new()), "[a-c]{1,2}|中"]);
        (0..CALLED_PEERS, 1..=3_u8, bits(), bits(), custom)
            .prop_map(|(peer, opt_type, set, clear, custom)| Self {
                peer,
                opt_type,
                set,
                clear,
                custom,
            })
            .prop_filter("the service refuses an item without a change", |mark| {
                let bits = mark.set.is_some() || mark.clear.is_some();
                match mark.opt_type {
                    1 => bits,
                    2 => mark.custom.is_some(),
                    _ => bits || mark.custom.is_some(),
                }
            })
    }
}

impl Call {
    pub fn only_reads(&self) -> bool {
        matches!(self, Self::Get | Self::Search(_) | Self::List)
    }

    /// The service refuses this call if `peer` is deleted from the directory.
    pub fn looks_up(&self, peer: u8) -> bool {
        match self {
            Self::Mark(marks) => marks.iter().any(|mark| mark.peer == peer),
            Self::Patch(patches) => patches.iter().any(|patch| patch.peer == peer),
            Self::Update(_, changes) => changes.iter().any(|(other, _)| *other == peer),
            Self::Create(_, peers) | Self::Top(_, peers) => peers.contains(&peer),
            Self::Import
            | Self::DeleteAccount
            | Self::Rename(..)
            | Self::Del(_)
            | Self::Forget(_)
            | Self::Get
            | Self::Search(_)
            | Self::List
            | Self::Put(_)
            | Self::Edit(..) => false,
        }
    }

    /// A random write or read of the original's API.
    pub fn any() -> impl Strategy<Value = Self> {
        let peers = || prop::collection::vec(0..CALLED_PEERS, 1..5);
        prop_oneof![
            14 => Self::write(),
            3 => Just(Self::Get),
            3 => peers().prop_map(Self::Search),
            2 => Just(Self::List),
        ]
    }

    /// A random write of the original's API.
    pub fn write() -> impl Strategy<Value = Self> {
        let peers = || prop::collection::vec(0..CALLED_PEERS, 1..4);
        let changes = prop::collection::vec((0..CALLED_PEERS, any::<bool>()), 1..4);
        prop_oneof![
            4 => Just(Self::Import),
            1 => Just(Self::DeleteAccount),
            8 => prop::collection::vec(Mark::any(), 1..4).prop_map(Self::Mark),
            3 => (0..3_u8, peers()).prop_map(|(name, peers)| Self::Create(name, peers)),
            2 => (0..3_u8, 0..3_u8).prop_map(|(old, new)| Self::Rename(old, new)),
            5 => (0..3_u8, changes).prop_map(|(name, changes)| Self::Update(name, changes)),
            2 => (0..3_u8).prop_map(Self::Del),
            4 => (any::<bool>(), peers()).prop_map(|(pin, peers)| Self::Top(pin, peers)),
            2 => (0..CALLED_PEERS).prop_map(Self::Forget),
        ]
    }
}

fn contact_item(peer: u8) -> Value {
    if peer < FIRST_CHAT_GROUP {
        json!({ "Type": 1, "To_Account": peer_id(peer) })
    } else {
        json!({ "Type": 2, "ToGroupId": peer_id(peer) })
    }
}

/// The command and the body of a call's request to the original's API.
#[expect(clippy::too_many_lines, reason = "a table with one body for each call")]
pub fn request(owner: &str, call: &Call) -> (&'static str, Value) {
    let items = |peers: &[u8]| peers.iter().copied().map(contact_item).collect::<Vec<_>>();
    let name = |name: u8| name.to_string();
    match call {
        Call::Import => ("im_open_login_svc/account_import", json!({ "UserID": owner })),
        Call::DeleteAccount => {
            ("im_open_login_svc/account_delete", json!({ "DeleteItem": [{ "UserID": owner }] }))
        }
        Call::Mark(marks) => {
            let item = |mark: &Mark| {
                json!({
                    "OptType": mark.opt_type, "ContactItem": contact_item(mark.peer),
                    "SetMark": mark.set, "ClearMark": mark.clear, "CustomMark": mark.custom,
                })
            };
            let marks: Vec<_> = marks.iter().map(item).collect();
            ("recentcontact/mark_contact", json!({ "From_Account": owner, "MarkItem": marks }))
        }
        Call::Create(group, peers) => (
            "recentcontact/create_contact_group",
            json!({
                "From_Account": owner,
                "GroupContactItem": [{ "GroupName": name(*group), "ContactItem": items(peers) }],
            }),
        ),
        Call::Rename(old, new) => (
            "recentcontact/update_contact_group",
            json!({
                "From_Account": owner, "UpdateType": 1, "UpdateGroup": {
                    "UpdateGroupType": 1, "OldGroupName": name(*old), "NewGroupName": name(*new),
                },
            }),
        ),
        Call::Update(group, changes) => {
            let change = |&(peer, member): &(u8, bool)| {
                json!({
                    "ContactOptType": if member { 1 } else { 2 },
                    "ContactItem": contact_item(peer),
                })
            };
            let changes: Vec<_> = changes.iter().map(change).collect();
            let group = json!({
                "UpdateGroupType": 2, "OldGroupName": name(*group), "ContactUpdateItem": changes,
            });
            (
                "recentcontact/update_contact_group",
                json!({ "From_Account": owner, "UpdateType": 1, "UpdateGroup": group }),
            )
        }
        Call::Del(group) => (
            "recentcontact/del_contact_group",
            json!({ "From_Account": owner, "GroupName": [name(*group)] }),
        ),
        Call::Top(pin, peers) => (
            "recentcontact/top",
            json!({
                "From_Account": owner, "OperationType": if *pin { 1 } else { 2 },
                "RecentContactItem": items(peers),
            }),
        ),
        Call::Forget(peer) => {
            let mut body = contact_item(*peer);
            body["From_Account"] = json!(owner);
            ("recentcontact/delete", body)
        }
        Call::Get => ("recentcontact/get_contact_group", json!({ "From_Account": owner })),
        Call::Search(peers) => (
            "recentcontact/search_contact_group",
            json!({ "From_Account": owner, "ContactItem": items(peers) }),
        ),
        Call::List => (
            "recentcontact/get_list",
            json!({
                "From_Account": owner, "TimeStamp": 0, "StartIndex": 0, "TopTimeStamp": 0,
                "TopStartIndex": 0, "AssistFlags": 63,
            }),
        ),
        Call::Patch(_) | Call::Put(_) | Call::Edit(..) => {
            panic!("only the native API has {call:?}")
        }
    }
}

/// Reads the answer to a call. Returns `None` if a field is missing or has the wrong type. Sorts the part of a list after the
/// pinned conversations by peer, because its order depends on the clock.
pub fn read_answer(call: &Call, answer: &Value) -> Option<Answer> {
    let code = answer["ErrorCode"].as_u64()?;
    if code != 0 {
        return Some(Answer::failure(code));
    }
    let list = |place: &str| answer.pointer(place)?.as_array().cloned();
    let codes = |place: &str| {
        let code = |item: &Value| item["ResultCode"].as_u64();
        list(place)?.iter().map(code).collect::<Option<Vec<_>>>()
    };
    let conversations =
        |place: &str| list(place)?.iter().map(read_conversation).collect::<Option<Vec<_>>>();
    let groups = |place: &str| list(place)?.iter().map(read_group).collect::<Option<Vec<_>>>();
    Some(match call {
        Call::Import | Call::Rename(..) | Call::Del(_) | Call::Forget(_) => Answer::default(),
        Call::DeleteAccount | Call::Mark(_) | Call::Top(..) => Answer::items(codes("/ResultItem")?),
        Call::Update(..) => Answer::items(codes("/UpdateGroupResult/ContactResultItem")?),
        Call::Create(..) => Answer {
            groups: vec![read_group(answer.pointer("/GroupResultItem/0/GroupItem")?)?],
            ..Answer::items(codes("/GroupResultItem/0/ResultItem")?)
        },
        Call::Get | Call::Search(_) => {
            let place =
                if matches!(call, Call::Get) { "/ContactItem" } else { "/ContactResultItem" };
            Answer {
                conversations: conversations(place)?,
                groups: groups("/GroupItem")?,
                ..Answer::default()
            }
        }
        Call::List => {
            let mut conversations = conversations("/SessionItem")?;
            let pinned = conversations.iter().take_while(|one| one.pinned).count();
            conversations[pinned..].sort_by_key(|one| one.peer);
            Answer { conversations, ..Answer::default() }
        }
        Call::Patch(_) | Call::Put(_) | Call::Edit(..) => return None,
    })
}

fn read_group(group: &Value) -> Option<(u8, u64)> {
    Some((group["GroupName"].as_str()?.parse().ok()?, group["GroupId"].as_u64()?))
}

fn read_conversation(item: &Value) -> Option<ConversationView> {
    let id = ["To_Account", "ToGroupId", "GroupId"].into_iter().find_map(|name| item.get(name));
    let peer = (0..PEERS).find(|peer| Some(peer_id(*peer).as_str()) == id.and_then(Value::as_str));
    let text = |name: &str| item.get(name).and_then(Value::as_str).unwrap_or_default();
    let mark = text("StandardMark");
    let groups = item.get("ContactGroupId").and_then(Value::as_array);
    Some(ConversationView {
        peer: peer?,
        mark: if mark.is_empty() { 0 } else { u64::from_str_radix(mark, 2).ok()? },
        custom: text("CustomMark").to_owned(),
        groups: groups.into_iter().flatten().map(Value::as_u64).collect::<Option<_>>()?,
        pinned: item.get("TopFlag").and_then(Value::as_u64) == Some(1),
    })
}
