//! With whom: a conversation is known by its other end.

use smol_str::SmolStr;

use super::{ChatGroupId, Problem, UserId};

/// One of a user's conversations (`ContactItem`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Conversation {
    /// `Type` 1: with one other user.
    OneToOne(UserId),
    /// `Type` 2: in a chat group.
    Group(ChatGroupId),
}

impl Conversation {
    /// `Type` on the wire, `kind` in the database.
    #[must_use]
    pub fn kind(&self) -> i16 {
        match self {
            Self::OneToOne(_) => 1,
            Self::Group(_) => 2,
        }
    }

    /// The id of the other end.
    #[must_use]
    pub fn peer_id(&self) -> &str {
        match self {
            Self::OneToOne(user) => user.as_str(),
            Self::Group(group) => group.as_str(),
        }
    }

    /// The conversation of a stored `kind` and id.
    pub fn stored(kind: i16, peer_id: impl AsRef<str> + Into<SmolStr>) -> Result<Self, Problem> {
        match kind {
            1 => UserId::parse(peer_id, u32::MAX).map(Self::OneToOne),
            2 => ChatGroupId::parse(peer_id, u32::MAX).map(Self::Group),
            _ => Err(Problem::new(format!("{kind} is not a kind of conversation"))),
        }
    }
}
