//! What a client of the native API knows of a user.

use std::collections::BTreeMap;

use serde_json::Value;

use super::{Answer, ConversationView, FIRST_CHAT_GROUP, PEERS, peer_id};

const STANDARD_MARKS: [&str; 4] = ["favorite", "unread", "collapsed", "hidden"];

/// A client's copy of a user's state, to which the client applies changes.
#[derive(Debug, Clone, PartialEq)]
pub struct Known {
    pub cursor: String,
    /// By type and id.
    pub conversations: BTreeMap<(String, String), Value>,
    pub groups: Value,
}

fn key(conversation: &Value) -> (String, String) {
    let text = |name: &str| conversation[name].as_str().unwrap().to_owned();
    (text("type"), text("id"))
}

impl Known {
    /// `user` is the answer about the user, which has the cursor.
    pub fn new(user: &Value, conversations: impl IntoIterator<Item = Value>) -> Self {
        let cursor = user["cursor"].as_str().unwrap().to_owned();
        let conversations = conversations.into_iter().map(|one| (key(&one), one)).collect();
        Self { cursor, conversations, groups: user["groups"].clone() }
    }

    /// The revision in the cursor.
    pub fn revision(&self) -> i64 {
        i64::from_str_radix(self.cursor.split('-').nth(2).unwrap(), 16).unwrap()
    }

    /// Applies an answer of `changes`, or the data of an event.
    pub fn apply(&mut self, changes: &Value) {
        changes["cursor"].as_str().unwrap().clone_into(&mut self.cursor);
        for conversation in changes["conversations"].as_array().unwrap() {
            self.conversations.insert(key(conversation), conversation.clone());
        }
        for removed in changes["removed"].as_array().unwrap() {
            self.conversations.remove(&key(removed));
        }
        if let Some(groups) = changes.get("groups") {
            self.groups = groups.clone();
        }
    }

    /// What the original's API answers to a search for all conversations of the model.
    pub fn search(&self) -> Answer {
        let mut groups: Vec<_> = self.groups.as_array().unwrap().iter().map(named_group).collect();
        groups.sort_by_key(|(_, id)| *id);
        let conversations: Vec<_> = (0..PEERS).map(|peer| self.view(peer, &groups)).collect();
        groups.retain(|(_, id)| conversations.iter().any(|one| one.groups.contains(id)));
        Answer { conversations, groups, ..Answer::default() }
    }

    fn view(&self, peer: u8, groups: &[(u8, u64)]) -> ConversationView {
        let kind = if peer < FIRST_CHAT_GROUP { "user" } else { "group" };
        let nothing = ConversationView { peer, ..ConversationView::default() };
        let Some(shown) = self.conversations.get(&(kind.to_owned(), peer_id(peer))) else {
            return nothing;
        };
        let marks = shown["marks"].as_array().unwrap().iter().map(bit);
        let names = shown["groups"].as_array().unwrap().iter();
        let ids = names.map(|name| {
            let name: u8 = name.as_str().unwrap().parse().unwrap();
            groups.iter().find(|(other, _)| *other == name).unwrap().1
        });
        ConversationView {
            mark: marks.fold(0, |mark, bit| mark | 1 << bit),
            custom: shown["custom"].as_str().unwrap_or_default().to_owned(),
            groups: ids.collect(),
            ..nothing
        }
    }
}

/// Name and id.
fn named_group(group: &Value) -> (u8, u64) {
    (group["name"].as_str().unwrap().parse().unwrap(), group["id"].as_u64().unwrap())
}

/// The bit of a mark, which is shown as such or as a name.
fn bit(mark: &Value) -> u64 {
    let named = STANDARD_MARKS.iter().position(|name| mark == name);
    named.map_or_else(|| mark.as_u64().unwrap(), |position| position as u64)
}
