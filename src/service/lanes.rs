//! Commits shared by everyone who is waiting.
//!
//! Each worker thread has lanes of its own. A write waits in one of them while the lane's transaction is under way. Then
//! the lane takes all that waits and commits it together: one flush of the log and one round trip per statement for all.
//! There is no timer: a write that finds its lane idle is committed at once, alone. Rows are locked in sorted order, so
//! lanes, and other processes on the same database, do not wait for each other in a circle.

use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};
use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::{Instant, timeout};
use tracing::Instrument;

use super::Write;
use super::commit::{Batch, Failure, Outcomes, OutcomesAsLoaded, commit, commit_as_loaded};
use super::trace;
use super::write::alone;
use crate::error::Error;
use crate::store::{Connection, DEADLINE, LAST_TRY, Store};

/// Requests that may wait in one lane; more are refused at once.
const LANE_JOBS_MAX: usize = 1024;
/// Requests, and conversations in them, that one transaction takes: what a batch may cost its last request in time.
const BATCH_JOBS_MAX: usize = 256;
const BATCH_ITEMS_MAX: usize = 1600;

/// A thread's lanes, from the side of those who write.
#[derive(Debug, Clone)]
pub(super) struct Lanes(Arc<[mpsc::Sender<Message>]>);

enum Message {
    Write(Job),
    /// Finish what waits, then end.
    Close,
}

/// A request that waits: its writes belong together.
struct Job {
    writes: Vec<Write>,
    begun: Instant,
    trace: trace::Waiting,
    answer: oneshot::Sender<Result<Outcomes, Error>>,
}

impl Job {
    fn items(&self) -> usize {
        self.writes.iter().map(|write| write.change.touched().count()).sum()
    }

    /// One statement can save it.
    fn is_simple(&self) -> bool {
        matches!(&*self.writes, [write] if write.change.is_about_conversations())
    }

    /// It, unless it is too late to begin: then it is answered so.
    fn unless_late(self) -> Option<Self> {
        if self.begun.elapsed() <= LAST_TRY {
            return Some(self);
        }
        self.answer(Err(Error::Timeout(None)));
        None
    }

    /// A caller who has gone away does not get to know the answer.
    fn answer(self, outcomes: Result<Outcomes, Error>) {
        drop(self.answer.send(outcomes));
    }
}

impl Lanes {
    /// Starts lanes.
    pub(super) fn start(store: &Store, runtime: &Handle, lanes: usize) -> Self {
        let start = |_| {
            let (sender, queue) = mpsc::channel(LANE_JOBS_MAX);
            runtime.spawn(Lane { store: store.clone(), queue, connection: None }.run());
            sender
        };
        Self((0..lanes.max(1)).map(start).collect())
    }

    /// Commits writes that belong together, along with those of others.
    pub(super) async fn write(&self, writes: Vec<Write>) -> Result<Outcomes, Error> {
        let Some(first) = writes.first() else { return Ok(Vec::new()) };
        let hash = BuildHasherDefault::<DefaultHasher>::default().hash_one(first.key());
        let lanes = u64::try_from(self.0.len()).unwrap_or(1);
        let lane = usize::try_from(hash % lanes).unwrap_or(0);
        let (answer, answered) = oneshot::channel();
        let job = Message::Write(Job {
            writes,
            begun: Instant::now(),
            trace: trace::Waiting::start(),
            answer,
        });
        self.0[lane].try_send(job).map_err(|_| Error::Overloaded)?;
        match timeout(DEADLINE, answered).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(_)) | Err(_) => Err(Error::Timeout(None)),
        }
    }

    /// How many requests wait in each.
    pub(super) fn waiting(&self) -> Vec<usize> {
        self.0.iter().map(|lane| lane.max_capacity() - lane.capacity()).collect()
    }

    /// Lets the lanes finish what waits, and takes nothing any more. Their connections come back when they are done.
    pub(super) async fn close(&self) {
        for lane in self.0.iter() {
            // A lane that is gone is closed.
            drop(lane.send(Message::Close).await);
        }
    }
}

/// A lane, from the side of the database.
struct Lane {
    store: Store,
    queue: mpsc::Receiver<Message>,
    connection: Option<Connection>,
}

impl Lane {
    async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            self.let_others_come().await;
            let batch = self.gather(first);
            let (simple, mut others): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(|job| self.store.keeps_sessions() && job.is_simple());
            others.extend(self.commit_as_loaded(simple).await);
            self.commit(others).await;
        }
    }

    /// Commits writes together without a lock, and gives back those that need one.
    async fn commit_as_loaded(&mut self, batch: Vec<Job>) -> Vec<Job> {
        let Some((batch, outcomes, begun)) = self.together(batch, Self::saved_as_loaded).await
        else {
            return Vec::new();
        };
        let mut others = Vec::new();
        let done = outcomes.iter().flatten().count();
        if done > 0 {
            self.store.metrics().commits.ended(done, begun.elapsed());
        }
        for (job, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Some(outcome) => job.answer(Ok(vec![outcome])),
                None => others.push(job),
            }
        }
        others
    }

    /// Commits writes together in a transaction.
    async fn commit(&mut self, batch: Vec<Job>) {
        let batch = batch.into_iter().filter_map(Job::unless_late).collect();
        let Some((batch, outcomes, begun)) = self.together(batch, Self::committed).await else {
            return;
        };
        self.store.metrics().commits.ended(batch.len(), begun.elapsed());
        let mut outcomes = outcomes.into_iter();
        for job in batch {
            let own = outcomes.by_ref().take(job.writes.len()).collect();
            job.answer(Ok(own));
        }
    }

    /// Does something for a batch within the deadline, and says when it began. If it fails, everybody is answered.
    async fn together<T>(
        &mut self,
        batch: Vec<Job>,
        work: impl AsyncFnOnce(&mut Self, &[&Write]) -> Result<T, Failure>,
    ) -> Option<(Vec<Job>, T, Instant)> {
        if batch.is_empty() {
            return None;
        }
        let writes: Vec<&Write> = batch.iter().flat_map(|job| &job.writes).collect();
        let begun = Instant::now();
        let spans = trace::transaction(batch.iter().map(|job| &job.trace));
        let work = timeout(DEADLINE, work(self, &writes)).instrument(spans.shared());
        // A lane that ended would refuse the writes of its users for good, so not even a panic may end it.
        let done = AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Ok(Err(Failure::InDoubt(Error::internal("a panic, see above")))));
        drop(spans);
        match done.unwrap_or(Err(Failure::InDoubt(Error::Timeout(None)))) {
            Ok(outcomes) => Some((batch, outcomes, begun)),
            Err(failure) => {
                self.store.metrics().commits.ended(batch.len(), begun.elapsed());
                self.discard_connection();
                self.answer_failure(batch, failure);
                None
            }
        }
    }

    /// Waits for as long as this thread has other requests to read, and no longer: each turn of its events that brings
    /// another write is followed by one more. There is no timer, and where nobody else comes it is a single turn.
    async fn let_others_come(&self) {
        let mut waiting = 0;
        loop {
            yield_now().await;
            let before = std::mem::replace(&mut waiting, self.queue.len());
            if waiting == before || waiting >= BATCH_JOBS_MAX {
                return;
            }
        }
    }

    /// Takes what waits, up to the size of a batch; those who have gone away are left out, and those
    /// for whom it is too late are told so.
    fn gather(&mut self, first: Message) -> Vec<Job> {
        let (mut batch, mut items, mut next) = (Vec::new(), 0, Some(first));
        while let Some(message) = next {
            match message {
                Message::Close => self.queue.close(),
                Message::Write(job) if job.answer.is_closed() => {}
                Message::Write(job) => {
                    if let Some(mut job) = job.unless_late() {
                        job.trace.end();
                        self.store.metrics().commits.waited(job.begun.elapsed());
                        items += job.items();
                        batch.push(job);
                    }
                }
            }
            let is_full = batch.len() >= BATCH_JOBS_MAX || items >= BATCH_ITEMS_MAX;
            next = if is_full { None } else { self.queue.try_recv().ok() };
        }
        batch
    }

    async fn saved_as_loaded(&mut self, writes: &[&Write]) -> Result<OutcomesAsLoaded, Failure> {
        let batch = Batch::of(writes);
        // A connection may have died while the lane was idle: what is read can be read on another one as well.
        if let Some(connection) = &mut self.connection
            && let Ok(states) = batch.load(connection).await
        {
            return commit_as_loaded(connection, &batch, states).await;
        }
        self.discard_connection();
        let connection = self.connection.insert(self.store.connection().await?);
        let states = batch.load(connection).await?;
        commit_as_loaded(connection, &batch, states).await
    }

    async fn committed(&mut self, writes: &[&Write]) -> Result<Outcomes, Failure> {
        // A connection may have died while the lane was idle: nothing was asked of it, so another one is as good.
        if let Some(connection) = &mut self.connection
            && let Ok(tx) = connection.begin().await
        {
            return commit(tx, writes).await;
        }
        self.discard_connection();
        let connection = self.connection.insert(self.store.connection().await?);
        commit(connection.begin().await?, writes).await
    }

    fn discard_connection(&mut self) {
        if let Some(connection) = self.connection.take() {
            connection.discard();
        }
    }

    /// What failed before it happened is tried again, each request alone and off the lane: whoever is to blame fails
    /// alone then, and the lane goes on.
    fn answer_failure(&self, batch: Vec<Job>, failure: Failure) {
        let commits = &self.store.metrics().commits;
        commits.failed(matches!(failure, Failure::InDoubt(_)));
        for job in batch {
            match &failure {
                Failure::InDoubt(_) => job.answer(Err(Error::Timeout(None))),
                Failure::Before(_) => {
                    commits.retries.inc();
                    let store = self.store.clone();
                    tokio::spawn(async move {
                        let outcomes = alone(&store, &job.writes, job.begun).await;
                        job.answer(outcomes);
                    });
                }
            }
        }
        tracing::warn!(cause = ?failure.into_error(), "a shared transaction failed");
    }
}
