//! Cursors: where a client is in the history of a user's state.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::{Moment, UserKey};

/// A moment of one user, as text that clients do not look into: epoch, directory revision, revision and a check value, in
/// hexadecimal. The check value covers the user, so that the cursor of another user is noticed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Cursor<'k> {
    pub(super) key: &'k UserKey,
    pub(super) at: Moment,
}

impl<'k> Cursor<'k> {
    /// `None` unless it is a cursor of this user.
    pub(super) fn parse(text: &str, key: &'k UserKey) -> Option<Self> {
        let mut numbers = numbers(text);
        let at = Moment {
            epoch: numbers.next()??,
            directory_revision: numbers.next()??,
            revision: numbers.next()??,
        };
        let cursor = Self { key, at };
        (cursor.to_string() == text).then_some(cursor)
    }

    fn check_value(&self) -> u32 {
        let Moment { epoch, directory_revision, revision } = self.at;
        let mut digest = Sha256::new();
        for number in [epoch, directory_revision, revision] {
            digest.update(number.to_be_bytes());
        }
        digest.update(self.key.sdk_app_id.number().to_be_bytes());
        digest.update(self.key.user_id.as_str().as_bytes());
        check_value(digest)
    }
}

/// The numbers in a cursor; `None` in place of what is no number.
pub(super) fn numbers(text: &str) -> impl Iterator<Item = Option<u64>> {
    text.split('-').map(|number| u64::from_str_radix(number, 16).ok())
}

/// The check value of a cursor: the first bytes of a digest.
pub(super) fn check_value(digest: Sha256) -> u32 {
    digest.finalize().iter().take(4).fold(0, |value, byte| value << 8 | u32::from(*byte))
}

impl fmt::Display for Cursor<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Moment { epoch, directory_revision, revision } = self.at;
        write!(out, "{epoch:x}-{directory_revision:x}-{revision:x}-{:08x}", self.check_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SdkAppId, UserId};

    fn key(user: &str) -> UserKey {
        UserKey { sdk_app_id: SdkAppId::new(1).unwrap(), user_id: UserId::parse(user, 32).unwrap() }
    }

    #[test]
    fn a_cursor_is_read_back_for_its_own_user_only() {
        let (key, other) = (key("user0"), key("user1"));
        let at = Moment { epoch: 1, directory_revision: 0, revision: u64::MAX };
        let text = Cursor { key: &key, at }.to_string();
        assert_eq!(Cursor::parse(&text, &key).map(|cursor| cursor.at), Some(at));
        assert!(Cursor::parse(&text, &other).is_none());
        for text in [
            "",
            "1",
            "1-0-2",
            "1-0-2-00000000",
            &format!("{text}-0"),
            &text.to_uppercase(),
            &format!("0{text}"),
        ] {
            assert!(Cursor::parse(text, &key).is_none(), "{text}");
        }
    }
}
