//! Idle connections that readers hand to the next reader, past sqlx's pool.
//!
//! The pool pings each connection that comes back to it, which costs a round trip for each statement. So a reader looks
//! here first. A connection stays here for at most [`KEPT_MAX`]; then it goes back to the pool, which checks it and closes
//! it when it is too old.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;
use crate::deadline::Deadline;

/// How long after it came from the pool a connection is kept.
const KEPT_MAX: Duration = Duration::from_secs(1);
/// After how long without use a connection is asked whether it still answers before it is used again. A read that fails
/// has changed nothing.
const TRUSTED: Duration = Duration::from_secs(1);

/// Idle connections, and a permit for each connection that may be in use.
#[derive(Debug)]
pub(super) struct Idle {
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: Vec<Connection>,
    is_closed: bool,
}

impl Drop for State {
    /// The runtime may have stopped, so the connections cannot be given back to the pool.
    fn drop(&mut self) {
        for connection in self.connections.drain(..) {
            connection.discard();
        }
    }
}

/// The right to use one connection. It ends when it is dropped.
pub(super) type Permit = Option<OwnedSemaphorePermit>;

impl Idle {
    /// For a pool of so many connections.
    pub(super) fn of(connections: u32) -> Self {
        let permits = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(permits)), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a permit.
    pub(super) async fn permit(&self) -> Permit {
        // The semaphore is never closed. A closed pool refuses by itself.
        self.permits.clone().acquire_owned().await.ok()
    }

    /// The connection that was used last, if it still answers.
    pub(super) async fn take(&self, deadline: Deadline) -> Option<Connection> {
        loop {
            let connection = self.state().connections.pop()?;
            if let Some(connection) = connection.if_it_answers(deadline, TRUSTED).await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection on which nothing is under way, and then gives back its permit.
    pub(super) fn keep(&self, mut connection: Connection) {
        connection.has_answered();
        let permit = connection.give_up_permit();
        let mut state = self.state();
        if !state.is_closed && connection.age() < KEPT_MAX {
            state.connections.push(connection);
        }
        drop(permit);
    }

    pub(super) fn count(&self) -> usize {
        self.state().connections.len()
    }

    /// Gives all connections back to the pool, and keeps none any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.connections.clear();
    }
}
