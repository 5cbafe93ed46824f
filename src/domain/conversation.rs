//! With whom: a conversation is known by its other end.

use std::sync::Arc;

use super::problem::check_text;
use super::{Problem, UserId};

/// The id of a chat group (`ToGroupId`). Not the number of a conversation group.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatGroupId(Arc<str>);

impl ChatGroupId {
    /// Accepts 1 to `bytes_max` bytes of UTF-8 without NUL.
    pub fn parse(text: &str, bytes_max: u32) -> Result<Self, Problem> {
        check_text(text, 1..=bytes_max).map(|()| Self(text.into()))
    }

    /// The id as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

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
    pub fn stored(kind: i16, peer_id: &str) -> Result<Self, Problem> {
        match kind {
            1 => UserId::parse(peer_id, u32::MAX).map(Self::OneToOne),
            2 => ChatGroupId::parse(peer_id, u32::MAX).map(Self::Group),
            _ => Err(Problem::new(format!("{kind} is not a kind of conversation"))),
        }
    }
}
