//! The lanes of a thread: one for each partition, so that the writes of a batch are of one partition.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::runtime::Handle;

use super::commit::Outcomes;
use super::lane::Lane;
use super::news::Waiting;
use super::{Service, Write};
use crate::deadline::Deadline;
use crate::domain::Directory;
use crate::error::Error;
use crate::store::{KnownMembers, Partitions, Store, copies};

#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<[Lane]>);

impl Lanes {
    pub(super) fn start(
        partitions: &Partitions,
        runtime: &Handle,
        waiting: &Waiting,
        history: Duration,
    ) -> Self {
        let lane = |(number, store): (usize, &Store)| {
            let ended = store.metrics().partition_writes(number);
            Lane::start(store, runtime, waiting, history, ended)
        };
        Self(partitions.each().iter().enumerate().map(lane).collect())
    }

    /// Checks that a write that arrives now would be done before the deadline: the answer of each lane.
    pub(super) async fn probe(&self, deadline: Deadline) -> Vec<Result<(), Error>> {
        join_all(self.0.iter().map(|lane| lane.probe(deadline))).await
    }

    /// Requests that wait in all lanes.
    pub(super) fn waiting(&self) -> usize {
        self.0.iter().map(Lane::waiting).sum()
    }

    pub(super) fn close(&self) {
        self.0.iter().for_each(Lane::close);
    }
}

impl Service {
    /// Changes the states of several users of an app, those of each partition in one transaction, which other requests may share.
    /// If one change is refused, the others are still committed. Returns the outcomes in the order of the writes.
    pub(super) async fn write_together(
        &self,
        writes: Vec<Write>,
        deadline: Deadline,
    ) -> Result<Outcomes, Error> {
        if let [lane] = &*self.lanes.0 {
            return lane.write(writes, KnownMembers::default(), deadline).await;
        }
        let mut outcomes: Vec<_> = writes.iter().map(|_| None).collect();
        let parts = self.partitions.group(writes.into_iter().enumerate(), |(_, write)| write.key());
        let committed = parts.into_iter().map(|(number, writes)| async move {
            let (nrs, writes): (Vec<_>, Vec<_>) = writes.into_iter().unzip();
            let done = match self.known_members(&writes, deadline).await {
                Ok(known) => self.lanes.0[number].write(writes, known, deadline).await,
                Err(error) => Err(error),
            };
            (nrs, done)
        });
        let (mut failed, mut failure) = (0, None);
        for (nrs, done) in join_all(committed).await {
            match done {
                Ok(done) => {
                    for (nr, outcome) in nrs.into_iter().zip(done) {
                        outcomes[nr] = Some(outcome);
                    }
                }
                Err(error) => {
                    failed += nrs.len();
                    for nr in nrs {
                        outcomes[nr] = Some(Err(error.of_part()));
                    }
                    failure = failure.or(Some(error));
                }
            }
        }
        if let Some(failure) = failure.filter(|_| failed == outcomes.len()) {
            return Err(failure);
        }
        let missing = || Err(Error::internal("a write had no outcome"));
        Ok(outcomes.into_iter().map(|outcome| outcome.unwrap_or_else(missing)).collect())
    }

    /// Asks the other partitions and the shared tables for the members of the directory that the writes of a strict app need. A
    /// member who leaves later is noted in `gone`, which the write asks.
    async fn known_members(
        &self,
        writes: &[Write],
        deadline: Deadline,
    ) -> Result<KnownMembers, Error> {
        let mut known = KnownMembers::default();
        let Some(app) = writes.first().map(|write| &write.app) else { return Ok(known) };
        if app.directory != Directory::Strict {
            return Ok(known);
        }
        let app = app.sdk_app_id;
        let members = writes.iter().flat_map(|write| write.change.touched()).cloned();
        let asked = self.partitions.group_by_member(app, members, |member| member);
        let asked = asked.into_iter().map(|(schema, members)| {
            let read = schema.clone().read(deadline, async move |reader| {
                let present = copies::present(reader, app, &members).await?;
                let members = members.into_iter().zip(present);
                Ok(members.filter_map(|(member, is)| is.then_some(member)).collect::<Vec<_>>())
            });
            self.within(deadline, Error::late_read, read)
        });
        for members in try_join_all(asked).await? {
            known.add(app, members);
        }
        Ok(known)
    }
}
