//! A bounded number of sessions: those in use, those that are idle, and those that were given up and still run on the server.
//!
//! A request takes a slot and an idle session, or opens a session if none is idle. So there are never more sessions than
//! slots.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use super::open::{ANSWER_MAX, Open};
use crate::deadline::Deadline;

/// A session that was idle for longer is closed.
const IDLE_MAX: Duration = Duration::from_mins(10);
/// An older session is closed when it becomes idle, so that memory on the server is freed and a moved name is followed.
const AGE_MAX: Duration = Duration::from_mins(30);

/// The right to have one session, until it is dropped.
#[derive(Debug)]
pub(super) struct Slot {
    _free: OwnedSemaphorePermit,
    _writing: Option<OwnedSemaphorePermit>,
}

/// What a session is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Read,
    Any,
}

#[derive(Debug)]
pub(super) struct Slots {
    max: u32,
    free: Arc<Semaphore>,
    /// One less, so that reads go on while all commits wait for a standby. With one or two slots there is none to spare.
    writing: Arc<Semaphore>,
    idle: Mutex<Idle>,
}

#[derive(Debug, Default)]
struct Idle {
    sessions: Vec<Open>,
    /// Counts how often all sessions became outdated.
    generation: u64,
    is_closed: bool,
}

impl Slots {
    pub(super) fn new(max: u32) -> Self {
        let slots = usize::try_from(max).unwrap_or(Semaphore::MAX_PERMITS);
        let writing = if slots > 2 { slots - 1 } else { slots };
        Self {
            max,
            free: Semaphore::new(slots).into(),
            writing: Semaphore::new(writing).into(),
            idle: Mutex::default(),
        }
    }

    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a free slot. Returns `None` if the store is closed.
    pub(super) async fn take(&self, purpose: Purpose) -> Option<Slot> {
        let writing = match purpose {
            Purpose::Read => None,
            Purpose::Any => Some(self.writing.clone().acquire_owned().await.ok()?),
        };
        Some(Slot { _free: self.free.clone().acquire_owned().await.ok()?, _writing: writing })
    }

    /// Takes the idle session that was used last.
    pub(super) fn take_idle(&self) -> Option<Open> {
        self.idle().sessions.pop()
    }

    /// Takes the sessions that were idle for longer than this.
    pub(super) fn take_older(&self, than: Duration) -> Vec<Open> {
        let mut idle = self.idle();
        idle.sessions.extract_if(.., |open| open.used_at.elapsed() > than).collect()
    }

    pub(super) fn generation(&self) -> u64 {
        self.idle().generation
    }

    /// Keeps a session for the next request, and frees its slot after that.
    pub(super) fn keep(&self, open: Open, slot: Slot) {
        let mut idle = self.idle();
        let is_fit = !idle.is_closed
            && open.generation == idle.generation
            && open.opened_at.elapsed() < AGE_MAX;
        idle.sessions.retain(|open| open.used_at.elapsed() < IDLE_MAX);
        if is_fit {
            idle.sessions.push(open);
        }
        drop((idle, slot));
    }

    /// Closes all idle sessions now, and those in use when they become idle.
    pub(super) fn renew(&self, generation: u64) {
        let mut idle = self.idle();
        if generation == idle.generation {
            idle.generation += 1;
            idle.sessions.clear();
        }
    }

    pub(super) fn max(&self) -> u32 {
        self.max
    }

    pub(super) fn in_use(&self) -> u32 {
        let free = u32::try_from(self.free.available_permits()).unwrap_or(self.max);
        self.max.saturating_sub(free)
    }

    pub(super) fn idle_count(&self) -> usize {
        self.idle().sessions.len()
    }

    /// Refuses new requests, waits for the sessions in use, and closes all.
    pub(super) async fn close(&self) {
        self.idle().is_closed = true;
        let all = timeout(Deadline::OF_A_REQUEST, self.free.acquire_many(self.max)).await;
        self.free.close();
        self.writing.close();
        drop(all);
        let idle = std::mem::take(&mut self.idle().sessions);
        for open in idle {
            _ = timeout(ANSWER_MAX, sqlx::Connection::close(open.connection)).await;
        }
    }
}
