//! Calls of the native API.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{Answer, CALLED_PEERS, Call, FIRST_CHAT_GROUP, Patch, peer_id};

impl Patch {
    fn any() -> impl Strategy<Value = Self> {
        let bits = || {
            let bit = prop_oneof![Just(63_u8), 0..3_u8, 0..64_u8];
            prop::collection::vec(bit, 0..3)
        };
        let names = || prop::collection::vec(0..3_u8, 0..2);
        let custom = prop::option::of(prop_oneof![Just(String::new()), "[a-c]{1,2}|中"]);
        let pinned = any::<Option<bool>>();
        (0..CALLED_PEERS, bits(), bits(), custom, names(), names(), pinned).prop_map(
            |(peer, set, clear, custom, add_to, remove_from, pinned)| {
                Self { peer, set, clear, custom, add_to, remove_from, pinned }.without_opposites()
            },
        )
    }

    /// The service refuses a list of what to set that has an item of the list of what to clear.
    #[must_use]
    pub fn without_opposites(mut self) -> Self {
        self.clear.retain(|bit| !self.set.contains(bit));
        self.remove_from.retain(|name| !self.add_to.contains(name));
        self
    }
}

impl Call {
    /// A random write of the native API.
    pub fn native() -> impl Strategy<Value = Self> {
        let marks = Patch::any().prop_map(|patch| Patch {
            add_to: Vec::new(),
            remove_from: Vec::new(),
            pinned: None,
            ..patch
        });
        let patches = |patch| prop::collection::vec(patch, 1..4).prop_map(Self::Patch);
        prop_oneof![
            8 => patches(Patch::any().boxed()),
            4 => patches(marks.boxed()),
            4 => (0..3_u8).prop_map(Self::Put),
            4 => (0..3_u8, any::<Option<u8>>(), prop::option::of(0..4_u32))
                .prop_map(|(name, new, index)| Self::Edit(name, new.map(|new| new % 3), index)),
            2 => (0..3_u8).prop_map(Self::Del),
            2 => (0..CALLED_PEERS).prop_map(Self::Forget),
        ]
    }
}

/// The method, the path below the user and the body of a request.
///
/// # Panics
///
/// If the native API does not have the call.
#[must_use]
pub fn native_request(call: &Call) -> (&'static str, String, Option<Value>) {
    let kind = |peer: u8| if peer < FIRST_CHAT_GROUP { "user" } else { "group" };
    match call {
        Call::Patch(patches) => {
            let names = |names: &[u8]| names.iter().map(u8::to_string).collect::<Vec<_>>();
            let change = |patch: &Patch| {
                let mut change = json!({
                    "type": kind(patch.peer), "id": peer_id(patch.peer),
                    "set": patch.set, "clear": patch.clear,
                    "add_to": names(&patch.add_to), "remove_from": names(&patch.remove_from),
                    "pinned": patch.pinned,
                });
                if let Some(custom) = &patch.custom {
                    // Both mean the same.
                    let is_null = custom.is_empty() && patch.peer.is_multiple_of(2);
                    change["custom"] = if is_null { Value::Null } else { json!(custom) };
                }
                change
            };
            let changes: Vec<_> = patches.iter().map(change).collect();
            ("POST", "/batch".to_owned(), Some(json!({ "changes": changes })))
        }
        Call::Put(name) => ("PUT", format!("/groups/{name}"), None),
        Call::Edit(name, new_name, index) => {
            let body = json!({ "name": new_name.map(|name| name.to_string()), "position": index });
            ("PATCH", format!("/groups/{name}"), Some(body))
        }
        Call::Del(name) => ("DELETE", format!("/groups/{name}"), None),
        Call::Forget(peer) => {
            ("DELETE", format!("/conversations/{}/{}", kind(*peer), peer_id(*peer)), None)
        }
        Call::Import
        | Call::DeleteAccount
        | Call::Mark(_)
        | Call::Create(..)
        | Call::Rename(..)
        | Call::Update(..)
        | Call::Top(..)
        | Call::Get
        | Call::Search(_)
        | Call::List => panic!("the native API does not have {call:?}"),
    }
}

/// Reads the answer to a call. Returns `None` if a field is missing or has the wrong type.
#[must_use]
pub fn read_native_answer(call: &Call, status: u16, answer: &Value) -> Option<Answer> {
    if status >= 400 {
        return Some(Answer::failure(answer["code"].as_u64()?));
    }
    if let Call::Patch(_) = call {
        let code = |result: &Value| match result["status"].as_u64()? {
            200 => Some(0),
            _ => result["code"].as_u64(),
        };
        let results = answer["results"].as_array()?;
        return Some(Answer::items(results.iter().map(code).collect::<Option<_>>()?));
    }
    if let Call::Put(_) | Call::Edit(..) = call {
        let name = answer["name"].as_str()?.parse().ok()?;
        return Some(Answer { groups: vec![(name, answer["id"].as_u64()?)], ..Answer::default() });
    }
    Some(Answer::default())
}
