//! Cursors: where a client is in an app's feed.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::{FeedPosition, SdkAppId};
use crate::http::v1::cursor::{check_value, numbers};

/// A position as text that clients do not look into: epoch, number and a check value, in hexadecimal. The check value covers
/// the app, so that the cursor of another app, or of a user, is noticed. Clients keep the text as it is, so a later release
/// can put several numbers into it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FeedCursor {
    pub(super) app: SdkAppId,
    pub(super) position: FeedPosition,
}

impl FeedCursor {
    /// `None` unless it is a cursor of this app's feed.
    pub(super) fn parse(text: &str, app: SdkAppId) -> Option<Self> {
        let mut numbers = numbers(text);
        let position = FeedPosition { epoch: numbers.next()??, number: numbers.next()?? };
        let cursor = Self { app, position };
        (cursor.to_string() == text).then_some(cursor)
    }

    fn check_value(self) -> u32 {
        let mut digest = Sha256::new();
        digest.update(b"feed");
        for number in [self.app.number().cast_unsigned(), self.position.epoch, self.position.number]
        {
            digest.update(number.to_be_bytes());
        }
        check_value(digest)
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let FeedPosition { epoch, number } = self.position;
        write!(out, "{epoch:x}-{number:x}-{:08x}", self.check_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_for_its_own_app_only() {
        let [app, other] = [1, 2].map(|number| SdkAppId::new(number).unwrap());
        let position = FeedPosition { epoch: 1, number: u64::MAX };
        let text = FeedCursor { app, position }.to_string();
        assert_eq!(FeedCursor::parse(&text, app).map(|cursor| cursor.position), Some(position));
        assert!(FeedCursor::parse(&text, other).is_none());
        let longer = format!("{text}-0");
        for text in ["", "1", "1-2", "1-2-00000000", &longer, &text.to_uppercase()] {
            assert!(FeedCursor::parse(text, app).is_none(), "{text}");
        }
    }
}
