//! The deadline of a request.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// The time by which a request must be answered. The front door sets it when the request arrives. Every wait gets it.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct Late;

#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// When the request arrived, in Unix seconds.
    pub now: u64,
    pub deadline: Deadline,
}

impl Deadline {
    pub const OF_A_REQUEST: Duration = Duration::from_secs(3);
    /// No write begins with less time than this before the deadline.
    const LAST_BEGIN: Duration = Duration::from_millis(500);
    /// For commands of operators, which have no time limit.
    pub const NONE: Self = Self(None);

    #[must_use]
    pub fn of_a_request() -> Self {
        Self::within(Self::OF_A_REQUEST)
    }

    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self(Some(Instant::now() + time))
    }

    /// The earlier of this deadline and `time` from now.
    #[must_use]
    pub fn or_within(self, time: Duration) -> Self {
        let other = Instant::now() + time;
        Self(Some(self.0.map_or(other, |own| own.min(other))))
    }

    /// The later of the two. `NONE` is later than any other.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(own, other)| own.max(other)))
    }

    /// Whether too little time is left for a write. PostgreSQL could commit it after the client has received a timeout:
    /// the `statement_timeout` is 2.5 seconds.
    #[must_use]
    pub fn is_too_late_to_begin(self) -> bool {
        self.0.is_some_and(|at| Instant::now() + Self::LAST_BEGIN > at)
    }

    /// Drops `work` at the deadline.
    pub async fn limit<T>(self, work: impl Future<Output = T>) -> Result<T, Late> {
        match self.0 {
            Some(at) => timeout_at(at, work).await.map_err(|_| Late),
            None => Ok(work.await),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn work_ends_at_the_deadline() {
        let deadline = Deadline::within(Duration::from_secs(3));
        let begun = Instant::now();
        assert_eq!(deadline.limit(std::future::pending::<()>()).await, Err(Late));
        assert_eq!(begun.elapsed().as_secs(), 3);
        assert_eq!(deadline.limit(async { 7 }).await, Ok(7), "a ready future is not late");
    }

    #[tokio::test(start_paused = true)]
    async fn it_is_too_late_to_begin_in_the_last_half_second() {
        let deadline = Deadline::of_a_request();
        tokio::time::advance(Duration::from_millis(2499)).await;
        assert!(!deadline.is_too_late_to_begin());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(deadline.is_too_late_to_begin());
        assert!(!Deadline::NONE.is_too_late_to_begin());
    }

    #[tokio::test(start_paused = true)]
    async fn the_earlier_or_the_later_of_two_deadlines_is_chosen() {
        let (soon, late) = (Duration::from_secs(1), Duration::from_secs(9));
        let (now, at) = (Instant::now(), |time| Deadline::within(time));
        let check = |deadline: Deadline, time| assert_eq!(deadline.0, Some(now + time));
        check(at(soon).or_within(late), soon);
        check(at(late).or_within(soon), soon);
        check(Deadline::NONE.or_within(soon), soon);
        check(at(soon).later(at(late)), late);
        check(at(late).later(at(soon)), late);
        assert_eq!(Deadline::NONE.later(at(soon)).0, None);
    }
}
