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

/// One limiter per app and command. The rate is part of the key, so a changed limit takes effect at once.
#[derive(Debug, Clone)]
pub(in crate::http) struct RateLimits(
    Cache<(SdkAppId, &'static str, NonZeroU32), Arc<DefaultDirectRateLimiter>>,
);

impl RateLimits {
    pub(in crate::http) fn new() -> Self {
        Self(Cache::builder().max_capacity(LIMITERS_MAX).time_to_idle(LIMITER_IDLE_MAX).build())
    }

    /// Counts one call against `max` per second; 0 = unlimited.
    pub(in crate::http) fn check(
        &self,
        app: SdkAppId,
        command: &'static str,
        max: u32,
    ) -> Result<(), Failure> {
        let Some(rate) = NonZeroU32::new(max) else { return Ok(()) };
        let limiter = self.0.get_with((app, command, rate), || {
            Arc::new(RateLimiter::direct(Quota::per_second(rate)))
        });
        limiter.check().map_err(|_| Failure::TooManyCalls { max })
    }
}
