//! What a request is called: in the log, in its answer's head, in the text of a fault.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use actix_web::HttpRequest;
use actix_web::http::header::{HeaderName, HeaderValue};

/// Where a caller may say it, and where the answer does.
pub const HEADER: HeaderName = HeaderName::from_static("x-request-id");
/// Longest id that is taken over from a caller, in bytes.
const GIVEN_BYTES_MAX: usize = 64;

tokio::task_local! {
    /// The id of the request that is being answered.
    pub static CURRENT: RequestId;
}

/// The id of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestId {
    /// Made here.
    Made(u64),
    /// The caller's.
    Given(HeaderValue),
}

impl RequestId {
    /// For the head of the answer.
    pub fn header(&self) -> Option<HeaderValue> {
        match self {
            Self::Made(_) => HeaderValue::try_from(self.to_string()).ok(),
            Self::Given(value) => Some(value.clone()),
        }
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Made(number) => write!(out, "{number:016x}"),
            Self::Given(value) => out.write_str(value.to_str().unwrap_or_default()),
        }
    }
}

/// Where ids come from.
#[derive(Debug)]
pub struct RequestIds {
    start: u64,
    count: AtomicU64,
}

impl RequestIds {
    /// Those of this thread: others begin elsewhere.
    #[must_use]
    pub fn new() -> Self {
        let mut bytes = [0; 8];
        // Without randomness all begin at the same number: worse to search for, no reason to fail.
        let _ = getrandom::fill(&mut bytes);
        Self { start: u64::from_ne_bytes(bytes), count: AtomicU64::new(0) }
    }

    /// The caller's id, if there is one that can stand in a log, or a new one.
    pub fn of(&self, request: &HttpRequest) -> RequestId {
        match request.headers().get(HEADER) {
            Some(given) if is_fine(given.as_bytes()) => RequestId::Given(given.clone()),
            _ => RequestId::Made(self.next()),
        }
    }

    /// Numbers that do not repeat and do not look alike: `SplitMix64`.
    fn next(&self) -> u64 {
        const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
        let count = self.count.fetch_add(1, Ordering::Relaxed);
        let number = self.start.wrapping_add(count.wrapping_mul(STEP));
        let number = (number ^ (number >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let number = (number ^ (number >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        number ^ (number >> 31)
    }
}

fn is_fine(given: &[u8]) -> bool {
    let is_plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"-_.".contains(byte);
    (1..=GIVEN_BYTES_MAX).contains(&given.len()) && given.iter().all(is_plain)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn made_ids_do_not_repeat() {
        let ids = RequestIds::new();
        let made: BTreeSet<_> =
            (0..10_000).map(|_| RequestId::Made(ids.next()).to_string()).collect();
        assert_eq!(made.len(), 10_000);
        assert!(made.iter().all(|id| id.len() == 16));
    }

    #[test]
    fn an_id_is_taken_over_only_if_it_can_stand_in_a_log() {
        for good in ["a", "0f8fad5b-d9cb-469f-a165-70867728950e", "A_b.9", &"x".repeat(64)] {
            assert!(is_fine(good.as_bytes()), "{good}");
        }
        for bad in ["", &"x".repeat(65), "a b", "a\tb", "a\"b", "é", "a=b", "{}"] {
            assert!(!is_fine(bad.as_bytes()), "{bad}");
        }
    }
}
