//! Calls per second, per app and command.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use crate::domain::SdkAppId;
use crate::error::Error;

/// Limiters that are remembered at once, and for how long without a call: a full second refills one anyway.
const LIMITERS_MAX: u64 = 100_000;
const LIMITER_IDLE_MAX: Duration = Duration::from_mins(1);

/// Counts calls of each app and command. The rate is part of the key, so that a changed limit counts at once.
#[derive(Debug, Clone)]
pub struct RateLimits(Cache<(SdkAppId, &'static str, NonZeroU32), Arc<DefaultDirectRateLimiter>>);

impl RateLimits {
    pub fn new() -> Self {
        Self(Cache::builder().max_capacity(LIMITERS_MAX).time_to_idle(LIMITER_IDLE_MAX).build())
    }

    /// Counts one call against `max` per second; 0 = unlimited.
    pub fn check(&self, app: SdkAppId, command: &'static str, max: u32) -> Result<(), Error> {
        let Some(rate) = NonZeroU32::new(max) else { return Ok(()) };
        let limiter = self.0.get_with((app, command, rate), || {
            Arc::new(RateLimiter::direct(Quota::per_second(rate)))
        });
        limiter.check().map_err(|_| Error::TooManyCalls { max })
    }
}
