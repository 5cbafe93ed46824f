//! Connections that were used a moment ago, for the next use: without a word to the server in between.
//!
//! The pool asks each connection that comes back whether the server is there, a round trip more for each statement. So
//! those who want a connection wait here, where one goes from hand to hand, and not in the pool.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connection::Connection;

/// How long after it came from the pool a connection is kept at hand. Then the pool asks, and ends what is too old.
const KEPT_MAX: Duration = Duration::from_secs(1);

/// The connections at hand, and turns for as many as there may be in use.
#[derive(Debug)]
pub(super) struct AtHand {
    turns: Arc<Semaphore>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    idle: Vec<Connection>,
    is_closed: bool,
}

impl Drop for State {
    /// Nobody is left to ask whether the server is there, which may have stopped by now.
    fn drop(&mut self) {
        for connection in self.idle.drain(..) {
            connection.discard();
        }
    }
}

/// The right to use one connection, which ends when it is dropped.
pub(super) type Turn = Option<OwnedSemaphorePermit>;

impl AtHand {
    /// For a pool of so many connections.
    pub(super) fn of(connections: u32) -> Self {
        let turns = usize::try_from(connections).unwrap_or(Semaphore::MAX_PERMITS);
        Self { turns: Arc::new(Semaphore::new(turns)), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until somebody else is done, if need be.
    pub(super) async fn turn(&self) -> Turn {
        // Turns never end: whoever comes too late is told so by the pool.
        self.turns.clone().acquire_owned().await.ok()
    }

    /// The connection that was used last, if the server is still there.
    pub(super) async fn take(&self) -> Option<Connection> {
        loop {
            let mut connection = self.state().idle.pop()?;
            if connection.is_there().await {
                return Some(connection);
            }
            connection.discard();
        }
    }

    /// Keeps a connection on which everything that was asked has been answered, and then ends the turn.
    pub(super) fn keep(&self, mut connection: Connection) {
        let turn = connection.rest();
        let mut state = self.state();
        if !state.is_closed && connection.age() < KEPT_MAX {
            state.idle.push(connection);
        }
        drop(turn);
    }

    /// How many there are.
    pub(super) fn count(&self) -> usize {
        self.state().idle.len()
    }

    /// Gives all of them back to the pool, and keeps none any more.
    pub(super) fn close(&self) {
        let mut state = self.state();
        state.is_closed = true;
        state.idle.clear();
    }
}
