//! Calls per second, per app and command.

use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::failure::Failure;
use crate::domain::SdkAppId;

/// Capacity of the cache, and how long a bucket stays without a call. No count is lost: a bucket refills in 1 second.
const BUCKETS_MAX: u64 = 100_000;
const BUCKET_IDLE_MAX: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

/// A call counts once, and once more for each further 25 items: see ADR 25.
const ITEMS_OF_A_CALL: usize = 25;
pub(super) const ONE_CALL: NonZeroU32 = NonZeroU32::MIN;

/// For how many calls beyond the first a call with this many items counts. It never counts for more than a second's
/// calls, so that a low limit does not refuse it for good.
pub(in crate::http) fn further_calls(items: usize, max: u32) -> Option<NonZeroU32> {
    let further = items.saturating_sub(1) / ITEMS_OF_A_CALL;
    let further = u32::try_from(further).unwrap_or(u32::MAX);
    NonZeroU32::new(further.min(max.saturating_sub(1)))
}

/// One bucket per app and command. The rate is part of the key, so a changed limit takes effect at once.
#[derive(Debug, Clone)]
pub(in crate::http) struct RateLimits(Cache<(SdkAppId, &'static str, NonZeroU32), Arc<Bucket>>);

impl RateLimits {
    pub(in crate::http) fn new() -> Self {
        Self(Cache::builder().max_capacity(BUCKETS_MAX).time_to_idle(BUCKET_IDLE_MAX).build())
    }

    /// Counts a call against `max` per second; 0 = unlimited.
    pub(in crate::http) fn check(
        &self,
        app: SdkAppId,
        command: &'static str,
        max: u32,
    ) -> Result<(), Failure> {
        self.take(app, command, max, |bucket| bucket.take(ONE_CALL, Instant::now()))
    }

    /// Counts the further calls of a call that [`Self::check`] has counted once. If there are too many, takes that count back.
    pub(in crate::http) fn check_further(
        &self,
        app: SdkAppId,
        command: &'static str,
        max: u32,
        further: NonZeroU32,
    ) -> Result<(), Failure> {
        self.take(app, command, max, |bucket| bucket.take_further(further, Instant::now()))
    }

    fn take(
        &self,
        app: SdkAppId,
        command: &'static str,
        max: u32,
        take: impl FnOnce(&Bucket) -> bool,
    ) -> Result<(), Failure> {
        let Some(rate) = NonZeroU32::new(max) else { return Ok(()) };
        let new = || Arc::new(Bucket::new(rate, Instant::now()));
        if take(&self.0.get_with((app, command, rate), new)) {
            Ok(())
        } else {
            Err(Failure::TooManyCalls { max })
        }
    }
}

/// A token bucket for the calls of a second, by the generic cell rate algorithm: it stores only when it will be full again.
/// The crate `governor` has the same algorithm, but gives nothing back.
#[derive(Debug)]
struct Bucket {
    rate: NonZeroU32,
    full_at: Mutex<Instant>,
}

impl Bucket {
    fn new(rate: NonZeroU32, now: Instant) -> Self {
        Self { rate, full_at: Mutex::new(now) }
    }

    /// Takes all of these calls, or none.
    fn take(&self, calls: NonZeroU32, now: Instant) -> bool {
        let mut full_at = self.full_at();
        let then = (*full_at).max(now) + self.time_of(calls);
        let is_enough = then <= now + SECOND;
        if is_enough {
            *full_at = then;
        }
        is_enough
    }

    /// Takes the further calls of a call that was taken. If there are not so many, gives that call back.
    fn take_further(&self, calls: NonZeroU32, now: Instant) -> bool {
        let is_enough = self.take(calls, now);
        if !is_enough {
            *self.full_at() -= self.time_of(ONE_CALL);
        }
        is_enough
    }

    /// How long it takes to refill so many calls.
    fn time_of(&self, calls: NonZeroU32) -> Duration {
        SECOND * calls.get() / self.rate.get()
    }

    fn full_at(&self) -> MutexGuard<'_, Instant> {
        self.full_at.lock().unwrap_or_else(PoisonError::into_inner)
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

    fn number(calls: u32) -> NonZeroU32 {
        NonZeroU32::new(calls).unwrap()
    }

    #[test]
    fn a_bucket_holds_the_calls_of_a_second_and_refills_steadily() {
        for rate in [1, 3, 200, 1_000_000] {
            let start = Instant::now();
            let bucket = Bucket::new(number(rate), start);
            assert!(!bucket.take(number(rate + 1), start), "more than it holds");
            assert!(bucket.take(number(rate), start));
            assert!(!bucket.take(ONE_CALL, start), "it is empty");
            let later = start + SECOND / rate;
            assert!(bucket.take(ONE_CALL, later) && !bucket.take(ONE_CALL, later), "{rate}");
            // It holds no more than a second's calls, however long it waits.
            let much_later = start + SECOND * 100;
            assert!(!bucket.take(number(rate + 1), much_later));
            assert!(bucket.take(number(rate), much_later));
        }
    }

    #[test]
    fn calls_that_are_refused_for_their_items_use_up_none_of_the_rate() {
        // Each call counts for four, and the bucket refills one between two of them.
        let mut now = Instant::now();
        let bucket = Bucket::new(number(200), now);
        let mut call = || {
            now += SECOND / 200;
            bucket.take(ONE_CALL, now) && bucket.take_further(number(3), now)
        };

        // These use up the calls of the first second.
        for _ in 0..200 {
            call();
        }
        let admitted = (0..200).filter(|_| call()).count();

        assert_eq!(admitted, 50);
    }
}
