//! Chat groups: id, type and name. The service stores no members and no messages.

use std::str::FromStr;

use smol_str::SmolStr;

use super::Problem;
use super::problem::check_text;
use crate::limits::CHAT_GROUP_NAME_BYTES_MAX;

/// Prefix of generated ids. An id that a client chooses must not begin with it.
const GENERATED: &str = "@TGS#";

/// The id of a chat group (`ToGroupId`). Contact groups have numbers instead.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ChatGroupId(SmolStr);

impl ChatGroupId {
    /// Accepts 1 to `bytes_max` bytes of UTF-8 without NUL.
    pub fn parse(text: impl AsRef<str> + Into<SmolStr>, bytes_max: u32) -> Result<Self, Problem> {
        check_text(text.as_ref(), 1..=bytes_max).map(|()| Self(text.into()))
    }

    /// Accepts an id that a client chooses for a new chat group: printable ASCII, without the prefix of generated ids.
    pub fn parse_chosen(text: &str, bytes_max: u32) -> Result<Self, Problem> {
        if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
            return Err(Problem::new("must be printable ASCII"));
        }
        if text.starts_with(GENERATED) {
            return Err(Problem::new(format!("must not begin with {GENERATED}")));
        }
        Self::parse(text, bytes_max)
    }

    /// Makes an id in Tencent's format (`@TGS#1…`).
    #[must_use]
    pub fn of_random_bytes(bytes: [u8; 10]) -> Self {
        const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKLMNPQRSTUVWX";
        let digits = bytes.iter().map(|byte| char::from(DIGITS[usize::from(byte % 32)]));
        Self(format!("{GENERATED}1{}", digits.collect::<String>()).into())
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
        assert!(ChatGroupId::parse_chosen("MyFirstGroup", 48).is_ok());
        for id in ["", "@TGS#1", "中", "a\tb", "a\0", &"x".repeat(49)] {
            assert!(ChatGroupId::parse_chosen(id, 48).is_err(), "{id:?}");
        }
        assert!(ChatGroupId::of_random_bytes([255; 10]).as_str().starts_with("@TGS#1"));
    }
}
