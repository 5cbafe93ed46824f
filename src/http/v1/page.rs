//! Where the next page of a list begins, as text that clients do not look into.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::domain::{Conversation, Moment, UserKey};
use crate::service::Place;

const CHECK_BYTES: usize = 8;

/// The begin of a page. It holds the moment of the list's first page, which all its pages show: what changes while a client reads
/// the pages is told by `changes` since then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PageStart {
    pub(super) first_page_at: Moment,
    pub(super) after: Place,
}

impl PageStart {
    /// `list` tells this list from others: the order and the filters. It and the user are covered by a check value.
    pub(super) fn text(&self, key: &UserKey, list: &str) -> String {
        let Moment { epoch, directory_revision, revision } = self.first_page_at;
        let Place { sort_key, conversation } = &self.after;
        let mut bytes = Vec::new();
        for number in [epoch, directory_revision, revision, sort_key.cast_unsigned()] {
            bytes.extend(number.to_be_bytes());
        }
        bytes.extend(conversation.kind().to_be_bytes());
        bytes.extend(conversation.peer_id().as_bytes());
        let check = check_value(&bytes, key, list);
        URL_SAFE_NO_PAD.encode([&check[..], &bytes].concat())
    }

    /// `None` unless it is of this list of this user.
    pub(super) fn parse(text: &str, key: &UserKey, list: &str) -> Option<Self> {
        let bytes = URL_SAFE_NO_PAD.decode(text).ok()?;
        let (check, bytes) = bytes.split_first_chunk::<CHECK_BYTES>()?;
        if *check != check_value(bytes, key, list) {
            return None;
        }
        let (epoch, rest) = number(bytes)?;
        let (directory_revision, rest) = number(rest)?;
        let (revision, rest) = number(rest)?;
        let (sort_key, rest) = number(rest)?;
        let (kind, peer_id) = rest.split_first_chunk()?;
        let peer_id = std::str::from_utf8(peer_id).ok()?;
        let conversation = Conversation::stored(i16::from_be_bytes(*kind), peer_id).ok()?;
        Some(Self {
            first_page_at: Moment { epoch, directory_revision, revision },
            after: Place { sort_key: sort_key.cast_signed(), conversation },
        })
    }
}

fn number(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let (number, rest) = bytes.split_first_chunk()?;
    Some((u64::from_be_bytes(*number), rest))
}

fn check_value(bytes: &[u8], key: &UserKey, list: &str) -> [u8; CHECK_BYTES] {
    let mut digest = Sha256::new();
    digest.update(key.sdk_app_id.number().to_be_bytes());
    for part in [key.user_id.as_str().as_bytes(), list.as_bytes(), bytes] {
        digest.update((part.len() as u64).to_be_bytes());
        digest.update(part);
    }
    let mut check = [0; CHECK_BYTES];
    check.iter_mut().zip(digest.finalize()).for_each(|(to, from)| *to = from);
    check
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{SdkAppId, UserId};

    fn key(user: &str) -> UserKey {
        UserKey { sdk_app_id: SdkAppId::new(1).unwrap(), user_id: UserId::parse(user, 32).unwrap() }
    }

    #[test]
    fn a_page_is_read_back_for_its_own_list_and_user_only() {
        let start = PageStart {
            first_page_at: Moment { epoch: 1, directory_revision: 2, revision: u64::MAX },
            after: Place {
                sort_key: i64::MIN,
                conversation: Conversation::stored(2, "中/ group").unwrap(),
            },
        };
        let text = start.text(&key("user0"), "any=1");
        assert_eq!(PageStart::parse(&text, &key("user0"), "any=1"), Some(start));
        assert_eq!(PageStart::parse(&text, &key("user1"), "any=1"), None);
        assert_eq!(PageStart::parse(&text, &key("user0"), "any=2"), None);
        for length in 0..text.len() {
            assert_eq!(PageStart::parse(&text[..length], &key("user0"), "any=1"), None);
        }
        assert_eq!(PageStart::parse("=", &key("user0"), "any=1"), None);
    }
}
