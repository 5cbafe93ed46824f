//! A conversation, identified by the other user or the chat group.

use smol_str::SmolStr;

use super::{ChatGroupId, Problem, SdkAppId, UserId, UserKey};

/// What is at the other end of a conversation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PeerKind {
    User,
    ChatGroup,
}

impl PeerKind {
    /// `kind` in the database.
    #[must_use]
    pub fn number(self) -> i16 {
        match self {
            Self::User => 1,
            Self::ChatGroup => 2,
        }
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
    /// `Type` in JSON, `kind` in the database.
    #[must_use]
    pub fn kind(&self) -> i16 {
        match self {
            Self::OneToOne(_) => 1,
            Self::Group(_) => 2,
        }
    }

    #[must_use]
    pub fn peer_id(&self) -> &str {
        match self {
            Self::OneToOne(user) => user.as_str(),
            Self::Group(group) => group.as_str(),
        }
    }

    /// The other end, if it is a user.
    #[must_use]
    pub fn user_key(&self, sdk_app_id: SdkAppId) -> Option<UserKey> {
        match self {
            Self::OneToOne(user_id) => Some(UserKey { sdk_app_id, user_id: user_id.clone() }),
            Self::Group(_) => None,
        }
    }

    /// Reads a conversation from the database. The length of the id is not checked: the limit may have been lowered.
    pub fn stored(kind: i16, peer_id: impl AsRef<str> + Into<SmolStr>) -> Result<Self, Problem> {
        match kind {
            1 => UserId::parse(peer_id, u32::MAX).map(Self::OneToOne),
            2 => ChatGroupId::parse(peer_id, u32::MAX).map(Self::Group),
            _ => Err(Problem::new(format!("{kind} is not a kind of conversation"))),
        }
    }
}
