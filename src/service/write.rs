//! Writes. Every change of a user's state goes through here.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Service;
use super::commit::{Outcomes, Writes, commit};
use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, Applied, Change, UserId, UserKey};
use crate::error::Error;
use crate::store::{KnownMembers, Store};

/// Pause before a transaction is retried.
const PAUSE: Duration = Duration::from_millis(10);

#[derive(Debug, Clone)]
pub struct Write {
    pub app: Arc<App>,
    pub owner: UserId,
    pub change: Change,
    /// The revision of the user's state that the change is meant for. Another one refuses it. `None` means any.
    pub expected_revision: Option<u64>,
    pub arrival: Arrival,
}

/// A committed write.
#[derive(Debug)]
pub struct Written {
    pub applied: Applied,
    /// The revision of the user's state right after this write. Writes that shared its commit have revisions of their own, so
    /// a client that knows this one has seen no other client's change.
    pub revision: u64,
}

impl Write {
    pub(super) fn key(&self) -> UserKey {
        UserKey { sdk_app_id: self.app.sdk_app_id, user_id: self.owner.clone() }
    }
}

impl Service {
    /// Changes a user's state. Returns after PostgreSQL has committed the change.
    pub async fn write(&self, write: Write) -> Result<Written, Error> {
        write.change.check_edition(&write.app)?;
        let deadline = write.arrival.deadline;
        let mut outcomes = self.write_together(vec![write], deadline).await?;
        outcomes.pop().unwrap_or_else(|| Err(Error::internal("a write had no outcome")))
    }
}

/// Commits writes in their own transaction. If PostgreSQL rolled it back, because of a conflict or a lock timeout,
/// retries it while enough time is left.
pub(super) async fn commit_alone(
    store: &Store,
    writes: &[Write],
    known: &KnownMembers,
    history: Duration,
    deadline: Deadline,
) -> Result<Outcomes, Error> {
    let writes: Vec<&Write> = writes.iter().collect();
    loop {
        match attempt(store, Writes { writes: &writes, known }, history, deadline).await {
            Err(Error::Unavailable(_)) if !deadline.is_too_late_to_begin() => sleep(PAUSE).await,
            done => return done,
        }
    }
}

async fn attempt(
    store: &Store,
    writes: Writes<'_>,
    history: Duration,
    deadline: Deadline,
) -> Result<Outcomes, Error> {
    let commits = &store.metrics().commits;
    let begun = Instant::now();
    let attempt = async { commit(&mut store.connection(deadline).await?, writes, history).await };
    let done = attempt.await;
    commits.ended(1, begun.elapsed());
    done.inspect_err(|error| commits.failed(error.is_in_doubt()))
}
