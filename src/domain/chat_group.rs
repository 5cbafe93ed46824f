//! Chat groups: id, type and name. The service stores no members and no messages.

use std::str::FromStr;

use smol_str::SmolStr;

use super::Problem;
use super::problem::check_text;
use crate::limits::CHAT_GROUP_NAME_BYTES_MAX;

/// Prefix of generated ids. An id that a client chooses must not begin with it.
const GENERATED: &str = "@TGS#";
/// Prefix of the ids of communities, whether they are generated or chosen.
const COMMUNITY: &str = "@TGS#_";

/// The id of a chat group (`ToGroupId`). Contact groups have numbers instead.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatGroupId(SmolStr);

impl ChatGroupId {
    /// Accepts 1 to `bytes_max` bytes of UTF-8 without NUL.
    pub fn parse(text: impl AsRef<str> + Into<SmolStr>, bytes_max: u32) -> Result<Self, Problem> {
        check_text(text.as_ref(), 1..=bytes_max).map(|()| Self(text.into()))
    }

    /// Accepts an id that a client chooses for a new chat group: printable ASCII, without the prefix of generated ids. The
    /// id of a community may have the prefix of communities.
    pub fn parse_chosen(
        text: &str,
        group_type: ChatGroupType,
        bytes_max: u32,
    ) -> Result<Self, Problem> {
        let is_community = group_type == ChatGroupType::Community && text.starts_with(COMMUNITY);
        if text.starts_with(GENERATED) && !is_community {
            return Err(Problem::new(format!("must not begin with {GENERATED}")));
        }
        Self::parse_imported(text, bytes_max)
    }

    /// Accepts an id that a chat group has elsewhere: printable ASCII.
    pub fn parse_imported(text: &str, bytes_max: u32) -> Result<Self, Problem> {
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Problem::new("must be printable ASCII"));
        }
        Self::parse(text, bytes_max)
    }

    /// Makes an id in Tencent's format: `@TGS#1…`, and `@TGS#_…` for a community.
    #[must_use]
    pub fn of_random_bytes(bytes: [u8; 10], group_type: ChatGroupType) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
        let prefix = match group_type {
            ChatGroupType::Community => COMMUNITY.to_owned(),
            ChatGroupType::Private
            | ChatGroupType::Public
            | ChatGroupType::ChatRoom
            | ChatGroupType::AvChatRoom => format!("{GENERATED}1"),
        };
        let digits = bytes.iter().map(|byte| char::from(DIGITS[usize::from(byte % 32)]));
        Self(format!("{prefix}{}", digits.collect::<String>()).into())
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChatGroupType {
    /// Also called a work group.
    Private,
    Public,
    /// Also called a meeting group.
    ChatRoom,
    /// An audio and video room.
    AvChatRoom,
    Community,
}

impl ChatGroupType {
    pub const ALL: [Self; 5] =
        [Self::Private, Self::Public, Self::ChatRoom, Self::AvChatRoom, Self::Community];

    /// The name in JSON and in the database.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Private => "Private",
            Self::Public => "Public",
            Self::ChatRoom => "ChatRoom",
            Self::AvChatRoom => "AVChatRoom",
            Self::Community => "Community",
        }
    }
}

impl FromStr for ChatGroupType {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Problem::unless_named(&Self::ALL, Self::name, text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChatGroup {
    pub id: ChatGroupId,
    pub group_type: ChatGroupType,
    pub name: String,
}

impl ChatGroup {
    /// Accepts 1 to 30 bytes of UTF-8 without NUL.
    pub fn check_name(name: &str) -> Result<String, Problem> {
        check_text(name, 1..=CHAT_GROUP_NAME_BYTES_MAX).map(|()| name.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chosen_id_is_printable_ascii_without_the_generated_prefix() {
        let is_good = |id: &str, group_type| ChatGroupId::parse_chosen(id, group_type, 48).is_ok();
        assert!(is_good("MyFirstGroup", ChatGroupType::Public));
        for id in ["", "@TGS#1", "@TGS#_1", "中", "a\tb", "a\0", &"x".repeat(49)] {
            assert!(!is_good(id, ChatGroupType::Public), "{id:?}");
        }
        assert!(is_good("@TGS#_1", ChatGroupType::Community));
        assert!(!is_good("@TGS#1", ChatGroupType::Community));
        assert!(ChatGroupId::parse_imported("@TGS#1", 48).is_ok());
    }

    #[test]
    fn a_generated_id_has_the_prefix_of_its_type() {
        for (group_type, prefix) in
            [(ChatGroupType::Public, "@TGS#1"), (ChatGroupType::Community, "@TGS#_")]
        {
            let id = ChatGroupId::of_random_bytes([255; 10], group_type);
            assert!(id.as_str().starts_with(prefix), "{id:?}");
        }
    }
}
