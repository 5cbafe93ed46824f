//! Cursors: where a client is in an app's feed.

use std::fmt;

use sha2::{Digest, Sha256};

use crate::domain::{FeedPosition, SdkAppId};
use crate::http::v1::cursor::{check_value, numbers};

/// Positions as text that clients do not look into: epoch and number of each, and a check value, in hexadecimal. The check value
/// covers the app, so that the cursor of another app, or of a user, is noticed.
#[derive(Debug, Clone)]
pub(super) struct FeedCursor {
    pub(super) app: SdkAppId,
    /// One for each schema with a feed.
    pub(super) positions: Vec<FeedPosition>,
}

impl FeedCursor {
    /// `None` unless it is a cursor of this app's feed.
    pub(super) fn parse(text: &str, app: SdkAppId) -> Option<Self> {
        let numbers: Vec<_> = numbers(text).collect();
        let (positions, _check_value) = numbers.as_chunks::<2>();
        let position = |[epoch, number]: &[Option<u64>; 2]| {
            Some(FeedPosition { epoch: (*epoch)?, number: (*number)? })
        };
        let positions = positions.iter().map(position).collect::<Option<Vec<_>>>()?;
        let cursor = Self { app, positions };
        (cursor.to_string() == text).then_some(cursor)
    }

    fn check_value(&self) -> u32 {
        let mut digest = Sha256::new();
        digest.update(b"feed");
        digest.update(self.app.number().to_be_bytes());
        for FeedPosition { epoch, number } in &self.positions {
            digest.update(epoch.to_be_bytes());
            digest.update(number.to_be_bytes());
        }
        check_value(digest)
    }
}

impl fmt::Display for FeedCursor {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for FeedPosition { epoch, number } in &self.positions {
            write!(out, "{epoch:x}-{number:x}-")?;
        }
        write!(out, "{:08x}", self.check_value())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_for_its_own_app_only() {
        let [app, other] = [1, 2].map(|number| SdkAppId::new(number).unwrap());
        let position = FeedPosition { epoch: 1, number: u64::MAX };
        let several = [position, FeedPosition { epoch: 2, number: 0 }].to_vec();
        let text = FeedCursor { app, positions: several.clone() }.to_string();
        assert_eq!(FeedCursor::parse(&text, app).map(|cursor| cursor.positions), Some(several));
        let text = FeedCursor { app, positions: vec![position] }.to_string();
        let found = FeedCursor::parse(&text, app).map(|cursor| cursor.positions);
        assert_eq!(found, Some(vec![position]));
        assert!(FeedCursor::parse(&text, other).is_none());
        let longer = format!("{text}-0");
        for text in ["", "1", "1-2", "1-2-00000000", &longer, &text.to_uppercase()] {
            assert!(FeedCursor::parse(text, app).is_none(), "{text}");
        }
    }
}
