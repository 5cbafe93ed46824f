//! Until when a request must be answered.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

/// Until when something must be done. It is made when a request arrives and passed down to every wait.
#[derive(Debug, Clone, Copy)]
pub struct Deadline(Option<Instant>);

/// The deadline has passed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the deadline has passed")]
pub struct Late;

/// When a request arrived, and until when it must be answered.
#[derive(Debug, Clone, Copy)]
pub struct Arrival {
    /// Unix seconds.
    pub now: u64,
    /// When the answer is due.
    pub deadline: Deadline,
}

impl Deadline {
    /// How long a request may take: the API's promise.
    pub const OF_A_REQUEST: Duration = Duration::from_secs(3);
    /// How long before the deadline nothing is begun any more that writes.
    const LAST_BEGIN: Duration = Duration::from_millis(500);
    /// For commands of operators, which may take as long as they take.
    pub const NONE: Self = Self(None);

    /// The deadline of a request that has arrived now.
    #[must_use]
    pub fn of_a_request() -> Self {
        Self::within(Self::OF_A_REQUEST)
    }

    /// The deadline of what may take so long from now on.
    #[must_use]
    pub fn within(time: Duration) -> Self {
        Self(Some(Instant::now() + time))
    }

    /// This deadline, or an earlier one if something may not take longer than `time` from now on.
    #[must_use]
    pub fn or_within(self, time: Duration) -> Self {
        let other = Instant::now() + time;
        Self(Some(self.0.map_or(other, |own| own.min(other))))
    }

    /// The later of two.
    #[must_use]
    pub fn later(self, other: Self) -> Self {
        Self(self.0.zip(other.0).map(|(own, other)| own.max(other)))
    }

    /// A write that begins now could not be taken back in time: PostgreSQL gives up a statement after 2.5 seconds.
    #[must_use]
    pub fn is_too_late_to_begin(self) -> bool {
        self.0.is_some_and(|at| Instant::now() + Self::LAST_BEGIN > at)
    }

    /// Does the work, but stops at the deadline.
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
        assert_eq!(deadline.limit(async { 7 }).await, Ok(7), "what is there at once is not late");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_begins_in_the_last_half_second() {
        let deadline = Deadline::of_a_request();
        tokio::time::advance(Duration::from_millis(2499)).await;
        assert!(!deadline.is_too_late_to_begin());
        tokio::time::advance(Duration::from_millis(2)).await;
        assert!(deadline.is_too_late_to_begin());
        assert!(!Deadline::NONE.is_too_late_to_begin());
    }

    #[tokio::test(start_paused = true)]
    async fn one_of_two_deadlines_holds() {
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
