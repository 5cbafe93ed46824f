//! A bounded queue in which apps take turns, so that the jobs of one app do not delay those of the others.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::domain::SdkAppId;

/// What a job costs, in items.
pub(super) trait Job {
    fn app(&self) -> SdkAppId;
    fn items(&self) -> usize;
}

/// Items for which an app may take jobs before it is the next app's turn. One job may have more.
const TURN_ITEMS: usize = 100;

/// Deficit round robin: see ADR 25.
#[derive(Debug)]
pub(super) struct Turns<J>(Arc<Shared<J>>);

#[derive(Debug)]
struct Shared<J> {
    waiting: Mutex<Waiting<J>>,
    /// Woken when a job arrives, and when the queue is closed.
    arrived: Notify,
    jobs_max: usize,
    jobs_of_an_app_max: usize,
}

#[derive(Debug)]
struct Waiting<J> {
    jobs: HashMap<SdkAppId, VecDeque<J>>,
    /// The apps with waiting jobs. The first one has the turn.
    order: VecDeque<SdkAppId>,
    /// Items that the first app may still take.
    items_left: usize,
    length: usize,
    is_closed: bool,
}

impl<J> Clone for Turns<J> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<J: Job> Turns<J> {
    pub(super) fn new(jobs_max: usize, jobs_of_an_app_max: usize) -> Self {
        let waiting = Waiting {
            jobs: HashMap::new(),
            order: VecDeque::new(),
            items_left: TURN_ITEMS,
            length: 0,
            is_closed: false,
        };
        let (waiting, arrived) = (Mutex::new(waiting), Notify::new());
        Self(Arc::new(Shared { waiting, arrived, jobs_max, jobs_of_an_app_max }))
    }

    fn lock(&self) -> MutexGuard<'_, Waiting<J>> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns the job if the queue is full or closed.
    pub(super) fn push(&self, job: J) -> Result<(), J> {
        let mut waiting = self.lock();
        let app = job.app();
        let of_the_app = waiting.jobs.get(&app).map_or(0, VecDeque::len);
        let is_full = waiting.length >= self.0.jobs_max || of_the_app >= self.0.jobs_of_an_app_max;
        if waiting.is_closed || is_full {
            return Err(job);
        }
        if of_the_app == 0 {
            waiting.order.push_back(app);
        }
        waiting.length += 1;
        waiting.jobs.entry(app).or_default().push_back(job);
        drop(waiting);
        self.0.arrived.notify_one();
        Ok(())
    }

    pub(super) fn len(&self) -> usize {
        self.lock().length
    }

    /// Refuses new jobs. The waiting ones can still be taken.
    pub(super) fn close(&self) {
        self.lock().is_closed = true;
        self.0.arrived.notify_one();
    }

    /// The next job. `None` after the last job of a closed queue. Only one task may call this.
    pub(super) async fn next(&self) -> Option<J> {
        loop {
            if let Some(job) = self.try_next() {
                return Some(job);
            }
            if self.lock().is_closed {
                return None;
            }
            self.0.arrived.notified().await;
        }
    }

    /// The next job, if one waits.
    pub(super) fn try_next(&self) -> Option<J> {
        let mut waiting = self.lock();
        let waiting = &mut *waiting;
        let app = *waiting.order.front()?;
        let jobs = waiting.jobs.get_mut(&app)?;
        let job = jobs.pop_front()?;
        waiting.length -= 1;
        waiting.items_left = waiting.items_left.saturating_sub(job.items());
        if jobs.is_empty() {
            waiting.jobs.remove(&app);
        }
        if waiting.items_left == 0 || !waiting.jobs.contains_key(&app) {
            waiting.order.pop_front();
            if waiting.jobs.contains_key(&app) {
                waiting.order.push_back(app);
            }
            waiting.items_left = TURN_ITEMS;
        }
        Some(job)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Call(i64, usize);

    impl Job for Call {
        fn app(&self) -> SdkAppId {
            SdkAppId::new(self.0).unwrap()
        }

        fn items(&self) -> usize {
            self.1
        }
    }

    fn queue(jobs: impl IntoIterator<Item = Call>) -> Turns<Call> {
        let queue = Turns::new(1000, 100);
        for job in jobs {
            assert!(queue.push(job).is_ok());
        }
        queue
    }

    fn order(queue: &Turns<Call>) -> Vec<i64> {
        std::iter::from_fn(|| queue.try_next()).map(|job| job.0).collect()
    }

    #[test]
    fn apps_with_large_jobs_take_turns() {
        let large = |app| (0..3).map(move |_| Call(app, 100));
        assert_eq!(order(&queue(large(1).chain(large(2)))), [1, 2, 1, 2, 1, 2]);
    }

    #[test]
    fn an_app_with_small_jobs_may_take_as_many_items_as_one_with_large_jobs() {
        let jobs = (0..3).map(|_| Call(1, 100)).chain((0..4).map(|_| Call(2, 50)));
        assert_eq!(order(&queue(jobs)), [1, 2, 2, 1, 2, 2, 1]);
    }

    #[test]
    fn the_jobs_of_one_app_keep_their_order() {
        let queue = queue((1..=5).map(|items| Call(1, items)));
        let items: Vec<_> = std::iter::from_fn(|| queue.try_next()).map(|job| job.1).collect();
        assert_eq!(items, [1, 2, 3, 4, 5]);
    }

    #[test]
    fn an_app_that_comes_back_does_not_keep_what_was_left_of_its_turn() {
        let queue = queue([Call(1, 10), Call(2, 90), Call(2, 90)]);
        assert_eq!(queue.try_next().unwrap().0, 1);
        assert!(queue.push(Call(1, 10)).is_ok());
        assert_eq!(order(&queue), [2, 2, 1]);
    }

    #[test]
    fn a_full_part_of_one_app_leaves_room_for_the_others() {
        let queue = queue((0..100).map(|_| Call(1, 1)));
        assert!(queue.push(Call(1, 1)).is_err());
        assert!(queue.push(Call(2, 1)).is_ok());
        assert_eq!(queue.len(), 101);
        let full = Turns::new(2, 100);
        for (app, fits) in [(1, true), (2, true), (3, false)] {
            assert_eq!(full.push(Call(app, 1)).is_ok(), fits, "app {app}");
        }
    }

    #[tokio::test]
    async fn a_closed_queue_ends_after_its_last_job() {
        let queue = queue([Call(1, 1)]);
        queue.close();
        assert!(queue.push(Call(2, 1)).is_err());
        assert!(queue.next().await.is_some());
        assert!(queue.next().await.is_none());
    }
}
