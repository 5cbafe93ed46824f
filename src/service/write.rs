//! The one way in which a user's state changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Service;
use super::commit::{Failure, Outcomes, commit};
use super::lanes::Lanes;
use crate::domain::{App, Applied, Change, UserId, UserKey};
use crate::error::Error;
use crate::store::{LAST_TRY, Store};

/// How long to wait before a transaction is tried again that has not happened.
const PAUSE: Duration = Duration::from_millis(10);

/// How writes come to their transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteMode {
    /// Writes that wait at the same time share one, in so many lanes.
    Shared {
        /// Transactions of a thread that are under way at the same time.
        lanes: usize,
    },
    /// Each request has its own. For comparison, and for finding faults.
    Single,
}

impl Default for WriteMode {
    fn default() -> Self {
        Self::Shared { lanes: 1 }
    }
}

/// The way that was chosen.
#[derive(Debug, Clone)]
pub(super) enum Writer {
    Shared(Lanes),
    Single(Store),
}

/// A change of one user's state, and for whom.
#[derive(Debug, Clone)]
pub struct Write {
    /// The app of the user.
    pub app: Arc<App>,
    /// The user whose state it is.
    pub owner: UserId,
    /// What to do.
    pub change: Change,
    /// Unix seconds.
    pub now: u64,
}

impl Write {
    pub(super) fn key(&self) -> UserKey {
        UserKey { sdk_app_id: self.app.sdk_app_id, user_id: self.owner.clone() }
    }
}

impl Service {
    /// Changes a user's state, durably, before it returns.
    pub async fn write(&self, write: Write) -> Result<Applied, Error> {
        write.change.check_edition(&write.app)?;
        let mut outcomes = self.write_together(vec![write]).await?;
        outcomes.pop().unwrap_or_else(|| Err(Error::internal("a write had no outcome")))
    }

    /// Changes the states of several users in one transaction, and answers each: one that is refused does not touch the
    /// others.
    pub async fn write_together(&self, writes: Vec<Write>) -> Result<Outcomes, Error> {
        match &self.writer {
            Writer::Shared(lanes) => lanes.write(writes).await,
            Writer::Single(store) => {
                let (store, begun) = (store.clone(), Instant::now());
                self.within_deadline(async move { alone(&store, &writes, begun).await }).await
            }
        }
    }
}

/// Commits writes in a transaction of their own. What PostgreSQL gave up before it happened, for the sake of others or for
/// a lock that did not come, is tried again while there is time: `begun` is when the request was.
pub(super) async fn alone(
    store: &Store,
    writes: &[Write],
    begun: Instant,
) -> Result<Outcomes, Error> {
    let writes: Vec<&Write> = writes.iter().collect();
    loop {
        match attempt(store, &writes).await {
            Err(Failure::Before(Error::Timeout(_))) if begun.elapsed() + PAUSE < LAST_TRY => {
                sleep(PAUSE).await;
            }
            done => return done.map_err(Failure::into_error),
        }
    }
}

async fn attempt(store: &Store, writes: &[&Write]) -> Result<Outcomes, Failure> {
    let commits = &store.metrics().commits;
    let begun = Instant::now();
    let attempt = async {
        let mut connection = store.connection().await?;
        commit(connection.begin().await?, writes).await
    };
    let done = attempt.await;
    commits.ended(1, begun.elapsed());
    done.inspect_err(|failure| commits.failed(matches!(failure, Failure::InDoubt(_))))
}
