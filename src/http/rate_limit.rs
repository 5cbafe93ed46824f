//! Calls per second, per app and command.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use super::failure::Failure;
use crate::domain::SdkAppId;

/// Capacity of the cache, and how long a limiter stays without a call. No count is lost: a limiter refills in 1 second.
const LIMITERS_MAX: u64 = 100_000;
const LIMITER_IDLE_MAX: Duration = Duration::from_mins(1);

/// A call counts once, and once more for each further 25 items: see ADR 25.
const ITEMS_OF_A_CALL: usize = 25;
pub(in crate::http) const ONE_CALL: NonZeroU32 = NonZeroU32::MIN;

/// For how many calls beyond the first a call with this many items counts. It never counts for more than a second's
/// calls, so that a low limit does not refuse it for good.
pub(in crate::http) fn further_calls(items: usize, max: u32) -> Option<NonZeroU32> {
    let further = items.saturating_sub(1) / ITEMS_OF_A_CALL;
    let further = u32::try_from(further).unwrap_or(u32::MAX);
    NonZeroU32::new(further.min(max.saturating_sub(1)))
}

/// One limiter per app and command. The rate is part of the key, so a changed limit takes effect at once.
#[derive(Debug, Clone)]
pub(in crate::http) struct RateLimits(
    Cache<(SdkAppId, &'static str, NonZeroU32), Arc<DefaultDirectRateLimiter>>,
);

impl RateLimits {
    pub(in crate::http) fn new() -> Self {
        Self(Cache::builder().max_capacity(LIMITERS_MAX).time_to_idle(LIMITER_IDLE_MAX).build())
    }

    /// Counts calls against `max` per second; 0 = unlimited.
    pub(in crate::http) fn check(
        &self,
        app: SdkAppId,
        command: &'static str,
        max: u32,
        calls: NonZeroU32,
    ) -> Result<(), Failure> {
        let Some(rate) = NonZeroU32::new(max) else { return Ok(()) };
        let limiter = self.0.get_with((app, command, rate), || {
            Arc::new(RateLimiter::direct(Quota::per_second(rate)))
        });
        match limiter.check_n(calls) {
            Ok(Ok(())) => Ok(()),
            Ok(Err(_)) | Err(_) => Err(Failure::TooManyCalls { max }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(items: usize, max: u32, expected: u32) {
        assert_eq!(further_calls(items, max).map_or(0, NonZeroU32::get), expected);
    }

    #[test]
    fn a_call_counts_once_more_for_each_further_25_items() {
        for (items, expected) in
            [(0, 0), (1, 0), (25, 0), (26, 1), (50, 1), (51, 2), (100, 3), (300, 11)]
        {
            check(items, 200, expected);
        }
    }

    #[test]
    fn a_call_counts_for_at_most_the_calls_of_a_second() {
        check(100, 3, 2);
        check(100, 1, 0);
        // No limit.
        check(100, 0, 0);
    }
}
