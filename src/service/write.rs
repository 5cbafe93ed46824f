//! The one way in which a user's state changes.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};

use super::Service;
use super::commit::{Failure, Outcomes, commit};
use crate::deadline::{Arrival, Deadline};
use crate::domain::{App, Applied, Change, UserId, UserKey};
use crate::error::Error;
use crate::store::Store;

/// How long to wait before a transaction that has not happened is tried again.
const PAUSE: Duration = Duration::from_millis(10);

/// A change of one user's state.
#[derive(Debug, Clone)]
pub struct Write {
    /// The app of the user.
    pub app: Arc<App>,
    /// The user whose state it is.
    pub owner: UserId,
    /// What to do.
    pub change: Change,
    /// When the request arrived that asks for it.
    pub arrival: Arrival,
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
        let deadline = write.arrival.deadline;
        let mut outcomes = self.lane.write(vec![write], deadline).await?;
        outcomes.pop().unwrap_or_else(|| Err(Error::internal("a write had no outcome")))
    }

    /// Changes the states of several users in one transaction and answers each. A refused change leaves the others as they
    /// are.
    pub async fn write_together(
        &self,
        writes: Vec<Write>,
        deadline: Deadline,
    ) -> Result<Outcomes, Error> {
        self.lane.write(writes, deadline).await
    }
}

/// Commits writes in a transaction of their own. If PostgreSQL gave it up before anything happened, because of other writers
/// or a lock that did not come, it is tried again while there is time.
pub(super) async fn commit_alone(
    store: &Store,
    writes: &[Write],
    history: Duration,
    deadline: Deadline,
) -> Result<Outcomes, Error> {
    let writes: Vec<&Write> = writes.iter().collect();
    loop {
        match attempt(store, &writes, history, deadline).await {
            Err(Failure::Before(Error::Timeout(_))) if !deadline.is_too_late_to_begin() => {
                sleep(PAUSE).await;
            }
            done => return done.map_err(Failure::into_error),
        }
    }
}

async fn attempt(
    store: &Store,
    writes: &[&Write],
    history: Duration,
    deadline: Deadline,
) -> Result<Outcomes, Failure> {
    let commits = &store.metrics().commits;
    let begun = Instant::now();
    let attempt = async { commit(&mut store.connection(deadline).await?, writes, history).await };
    let done = attempt.await;
    commits.ended(1, begun.elapsed());
    done.inspect_err(|failure| commits.failed(matches!(failure, Failure::InDoubt(_))))
}
