//! The audit trail. A change that is one transaction writes its entry in it. A change that takes several, such as erasing a user, writes
//! an entry before the first, and what came of it after the last: whatever happens, there is a trace.

use serde_json::Value;

use super::Service;
use crate::audit::{Entry, Recorded, Wanted};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::store::{self, Partitions, Tx};

/// Writes the entry of a change that is about to begin, and returns its number.
pub async fn begin(
    partitions: &Partitions,
    entry: &Entry,
    deadline: Deadline,
) -> Result<i64, Error> {
    let add = async |tx: &mut Tx<'_>| store::audit::add(tx, entry).await;
    partitions.shared().clone().write(deadline, add).await
}

/// Adds to the entry what came of the change. Nothing that was done depends on it, so a failure is only logged.
pub async fn finish(partitions: &Partitions, number: i64, after: Value) {
    let deadline = Deadline::of_a_request();
    let complete = async |tx: &mut Tx<'_>| store::audit::complete(tx, number, &after).await;
    let done = deadline.limit(partitions.shared().clone().write(deadline, complete)).await;
    if let Err(error) = done.unwrap_or_else(|late| Err(Error::late_write(late))) {
        let cause = error.with_causes();
        tracing::warn!(cause, number, "the audit trail lacks what came of a change");
    }
}

/// Entries of the audit trail, newest first.
pub async fn load_audit(
    partitions: &Partitions,
    wanted: Wanted,
    deadline: Deadline,
) -> Result<Vec<Recorded>, Error> {
    let read = partitions.shared().clone();
    read.read(deadline, async |reader| store::audit::load(reader, wanted).await).await
}

impl Service {
    pub async fn audit(&self, wanted: Wanted, deadline: Deadline) -> Result<Vec<Recorded>, Error> {
        let partitions = self.partitions.clone();
        let load = async move { load_audit(&partitions, wanted, deadline).await };
        self.within(deadline, Error::late_read, load).await
    }
}
