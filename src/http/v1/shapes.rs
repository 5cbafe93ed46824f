//! What answers consist of.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{
    App, ChatGroupId, ContactGroup, Conversation, MarkBit, MarkNames, NamedMark, PeerKind, Problem,
    StandardMark, UserId,
};
use crate::http::openapi::schema::one_of;
use crate::limits::Limits;
use crate::service::{Head, Shown};

/// A mark: its name if it has one, otherwise its bit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(untagged)]
#[schemars(transform = one_of)]
pub(super) enum Mark {
    Name(#[schemars(length(min = 1))] String),
    Bit(#[schemars(range(max = 63))] u8),
}

/// A mark with a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "NamedMark")]
pub(super) struct ShownMark {
    #[schemars(range(max = 63))]
    bit: u8,
    name: String,
    /// `#rgb` or `#rrggbb`; `null` if there is none.
    color: Option<String>,
}

impl ShownMark {
    pub(super) fn new(bit: MarkBit, mark: &NamedMark) -> Self {
        Self {
            bit: bit.number(),
            name: mark.name.as_str().to_owned(),
            color: mark.color.as_ref().map(|color| color.as_str().to_owned()),
        }
    }

    pub(super) fn all(app: &App) -> Vec<Self> {
        let standard = MarkNames::standard().map(|(bit, name)| Self {
            bit: bit.number(),
            name: name.to_owned(),
            color: None,
        });
        standard.chain(app.marks.iter().map(|(bit, mark)| Self::new(bit, mark))).collect()
    }
}

impl Mark {
    fn of(bit: MarkBit, app: &App) -> Self {
        match app.marks.name(bit) {
            Some(name) => Self::Name(name.to_owned()),
            None => Self::Bit(bit.number()),
        }
    }
}

/// The other end of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "ConversationId")]
pub(in crate::http) struct ConversationId {
    /// `user`: with one other user. `group`: in a chat group.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = ["user", "group"]))]
    kind: &'static str,
    /// The other user's or the chat group's.
    id: String,
}

impl From<&Conversation> for ConversationId {
    fn from(conversation: &Conversation) -> Self {
        let kind = match conversation {
            Conversation::OneToOne(_) => "user",
            Conversation::Group(_) => "group",
        };
        Self { kind, id: conversation.peer_id().to_owned() }
    }
}

/// Reads the `type` of a [`ConversationId`].
pub(super) fn peer_kind(text: &str) -> Result<PeerKind, Problem> {
    match text {
        "user" => Ok(PeerKind::User),
        "group" => Ok(PeerKind::ChatGroup),
        _ => Err(Problem::new("must be user or group")),
    }
}

/// Reads the `id` of a [`ConversationId`].
pub(super) fn conversation_with(
    kind: PeerKind,
    id: &str,
    limits: &Limits,
) -> Result<Conversation, Problem> {
    match kind {
        PeerKind::User => UserId::parse(id, limits.user_id_bytes).map(Conversation::OneToOne),
        PeerKind::ChatGroup => {
            ChatGroupId::parse(id, limits.chat_group_id_bytes).map(Conversation::Group)
        }
    }
}

/// A user's state about a conversation.
#[derive(Debug, Clone, PartialEq, Serialize, JsonSchema)]
#[schemars(rename = "Conversation")]
pub(super) struct ShownConversation {
    #[serde(flatten)]
    id: ConversationId,
    /// In the order of the bits.
    marks: Vec<Mark>,
    /// `null` if there is none.
    custom: Option<String>,
    /// The names of the contact groups that hold it, in the order in which the contact groups were made. So a contact group
    /// that is moved changes no conversation.
    groups: Vec<String>,
    pinned: bool,
    /// The last change of marks and contact groups; `null` if there is no state.
    #[schemars(extend("format" = "date-time"))]
    changed_at: Option<String>,
    /// The user's revision of the last change; 0 if there is no state.
    revision: u64,
}

impl ShownConversation {
    pub(super) fn new(shown: &Shown, head: &Head, app: &App) -> Self {
        let Shown { conversation, state, revision } = shown;
        let name = |id: &u32| {
            let group = head.groups.iter().map(|(group, _)| group).find(|group| group.id == *id);
            group.map(|group| group.name.as_str().to_owned())
        };
        Self {
            id: conversation.into(),
            marks: marks(state.standard, app),
            custom: Some(state.custom.as_str().to_owned()).filter(|text| !text.is_empty()),
            groups: state.group_ids.iter().filter_map(name).collect(),
            pinned: state.is_pinned(),
            changed_at: Some(rfc_3339(state.changed_at)),
            revision: *revision,
        }
    }

    /// A conversation without state.
    pub(super) fn empty(conversation: &Conversation) -> Self {
        Self {
            id: conversation.into(),
            marks: Vec::new(),
            custom: None,
            groups: Vec::new(),
            pinned: false,
            changed_at: None,
            revision: 0,
        }
    }
}

fn marks(mark: StandardMark, app: &App) -> Vec<Mark> {
    mark.iter().map(|bit| Mark::of(bit, app)).collect()
}

/// A user's folder of conversations.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
#[schemars(rename = "Group")]
pub(super) struct ShownGroup {
    name: String,
    /// Counts the contact groups that the user has ever made. It stays when the contact group gets another name.
    id: u32,
    /// How many conversations are in it.
    conversations: u32,
}

impl ShownGroup {
    pub(super) fn new(group: &ContactGroup, conversations: u32) -> Self {
        Self { name: group.name.as_str().to_owned(), id: group.id, conversations }
    }

    pub(super) fn all(head: &Head) -> Vec<Self> {
        let shown = |(group, conversations): &(ContactGroup, u32)| Self::new(group, *conversations);
        head.groups.iter().map(shown).collect()
    }
}

/// A time in RFC 3339 with milliseconds, from Unix seconds.
pub(in crate::http) fn rfc_3339(seconds: u64) -> String {
    struct Shown(time::OffsetDateTime);
    impl fmt::Display for Shown {
        fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
            let (date, (hour, minute, second)) = (self.0.date(), self.0.to_hms());
            let (year, month, day) = (date.year(), u8::from(date.month()), date.day());
            write!(out, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.000Z")
        }
    }
    let latest = time::OffsetDateTime::new_utc(time::Date::MAX, time::Time::MAX);
    let time = i64::try_from(seconds)
        .ok()
        .and_then(|at| time::OffsetDateTime::from_unix_timestamp(at).ok());
    Shown(time.unwrap_or(latest)).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_shown_in_rfc_3339() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_795_473_418, "2026-11-23T22:36:58.000Z"),
            (u64::MAX, "9999-12-31T23:59:59.000Z"),
        ] {
            assert_eq!(rfc_3339(seconds), text);
        }
    }
}
