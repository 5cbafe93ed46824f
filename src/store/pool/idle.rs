//! Idle connections that one reader hands to the next, without sqlx's pool.
//!
//! The pool pings each connection that returns to it, which costs one round trip per statement. So a reader takes a
//! connection from here first. After [`KEPT_MAX`] a connection returns to the pool, which checks it and closes old ones.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;
use crate::deadline::Deadline;

/// How long after it left the pool a connection may stay here.
const KEPT_MAX: Duration = Duration::from_secs(1);
/// A connection that was idle for longer is pinged before it is used. A read that fails has changed nothing.
const UNCHECKED_IDLE_MAX: Duration = Duration::from_secs(1);

#[derive(Debug)]
pub(super) struct IdleConnections {
    /// One permit for each connection that may be in use.
    permits: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    connections: Vec<Connection>,
    is_closed: bool,
}

impl Drop for State {
    /// The runtime may have stopped, so the connections cannot return to the pool.
    fn drop(&mut self) {
        for connection in self.connections.drain(..) {
            connection.discard();
        }
    }
}

/// The right to use one connection, until it is dropped.
pub(super) type Permit = Option<OwnedSemaphorePermit>;

impl IdleConnections {
    pub(super) fn new(permits: u32) -> Self {
        let permits = usize::try_from(permits).unwrap_or(Semaphore::MAX_PERMITS);
        Self { permits: Arc::new(Semaphore::new(permits)), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) async fn permit(&self) -> Permit {
        // The semaphore is never closed. A closed pool refuses by itself.
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Takes the connection that was used last, if the server still answers on it.
    pub(super) async fn take(&self, deadline: Deadline) -> Option<Connection> {
        loop {
            let connection = self.state().connections.pop()?;
            if let Some(connection) = connection.check_idle(deadline, UNCHECKED_IDLE_MAX).await {
                return Some(connection);
            }
        }
    }

    /// Keeps a connection on which no statement runs. The permit is released after that.
    pub(super) fn keep(&self, mut connection: Connection) {
        connection.mark_used();
        let permit = connection.take_permit();
        let mut state = self.state();
        if !state.is_closed && connection.age() < KEPT_MAX {
            state.connections.push(connection);
        }
        drop(permit);
    }

    pub(super) fn count(&self) -> usize {
        self.state().connections.len()
    }

    /// Returns all connections to the pool. From now on `keep` does so as well.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.connections.clear();
    }
}
