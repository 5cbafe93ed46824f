//! A lane: the queue in which the writes of a worker thread wait, and share a commit.
//!
//! While the lane's batch is under way, new writes wait. Then the lane takes all that wait and commits them together: one
//! flush of the log and one round trip per statement for all. There is no timer: a write that finds its lane idle is
//! committed at once, alone. Rows are locked in the order of their keys, so lanes, and other processes on the same database,
//! do not wait for each other in a circle.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::Instant;
use tracing::Instrument;

use super::Write;
use super::commit::{Failure, Outcomes, commit, mark};
use super::trace;
use super::write::commit_alone;
use crate::deadline::Deadline;
use crate::domain::{Applied, Change};
use crate::error::Error;
use crate::store::{Connection, Store};

/// Requests that may wait in a lane; more are refused at once.
const JOBS_MAX: usize = 1024;
/// Requests, and conversations in them, that one batch takes: what a batch may cost its last request in time.
const BATCH_JOBS_MAX: usize = 256;
const BATCH_ITEMS_MAX: usize = 1600;
/// A connection that was idle for longer is pinged before it is used. Under load it is never idle that long.
const UNCHECKED_IDLE_MAX: Duration = Duration::from_millis(20);

/// The side of a lane that takes writes.
#[derive(Debug, Clone)]
pub(super) struct Lane(mpsc::Sender<Message>);

enum Message {
    Write(Job),
    /// Finish what waits, then end.
    Close,
}

/// A request that waits. Its writes belong together.
struct Job {
    writes: Vec<Write>,
    deadline: Deadline,
    begun: Instant,
    trace: trace::Waiting,
    answer: oneshot::Sender<Result<Outcomes, Error>>,
}

impl Job {
    fn items(&self) -> usize {
        self.writes.iter().map(|write| write.change.touched().count()).sum()
    }

    /// It only marks conversations of one user.
    fn only_marks(&self) -> bool {
        matches!(&*self.writes, [write] if matches!(write.change, Change::Mark(_)))
    }

    /// Returns the job. If it is too late to begin, answers it with a timeout and returns `None`.
    fn unless_late(self) -> Option<Self> {
        if !self.deadline.is_too_late_to_begin() {
            return Some(self);
        }
        self.answer(Err(Error::Timeout(None)));
        None
    }

    /// A caller that has gone does not hear the answer.
    fn answer(self, outcomes: Result<Outcomes, Error>) {
        drop(self.answer.send(outcomes));
    }
}

impl Lane {
    /// Starts a lane on this runtime.
    pub(super) fn start(store: &Store, runtime: &Handle, history: Duration) -> Self {
        let (sender, queue) = mpsc::channel(JOBS_MAX);
        let worker = Worker { store: store.clone(), history, queue, connection: None };
        runtime.spawn(worker.run());
        Self(sender)
    }

    /// Commits writes that belong together, along with those of other requests.
    pub(super) async fn write(
        &self,
        writes: Vec<Write>,
        deadline: Deadline,
    ) -> Result<Outcomes, Error> {
        if writes.is_empty() {
            return Ok(Vec::new());
        }
        let (answer, answered) = oneshot::channel();
        let (begun, trace) = (Instant::now(), trace::Waiting::start());
        let job = Job { writes, deadline, begun, trace, answer };
        self.0.try_send(Message::Write(job)).map_err(|_| Error::Overloaded)?;
        match deadline.limit(answered).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(_)) | Err(_) => Err(Error::Timeout(None)),
        }
    }

    /// How many requests wait.
    pub(super) fn waiting(&self) -> usize {
        self.0.max_capacity() - self.0.capacity()
    }

    /// Lets the lane finish what waits. It takes nothing any more then, and gives its connection back.
    pub(super) async fn close(&self) {
        // A lane that has ended is closed.
        drop(self.0.send(Message::Close).await);
    }
}

/// The side of a lane that commits.
struct Worker {
    store: Store,
    history: Duration,
    queue: mpsc::Receiver<Message>,
    connection: Option<Connection>,
}

impl Worker {
    async fn run(mut self) {
        while let Some(first) = self.queue.recv().await {
            self.let_others_come().await;
            let batch = self.gather(first);
            let (marks, mut others): (Vec<_>, Vec<_>) =
                batch.into_iter().partition(Job::only_marks);
            others.extend(self.mark(marks).await);
            self.commit(others).await;
        }
    }

    /// Marks conversations in one statement, and returns the jobs that need the locking path.
    async fn mark(&mut self, batch: Vec<Job>) -> Vec<Job> {
        let Some((batch, outcomes, begun)) = self.together(batch, Self::marked).await else {
            return Vec::new();
        };
        let mut others = Vec::new();
        let done = outcomes.iter().flatten().count();
        if done > 0 {
            self.store.metrics().commits.ended(done, begun.elapsed());
        }
        for (job, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Some(applied) => job.answer(Ok(vec![Ok(applied)])),
                None => others.push(job),
            }
        }
        others
    }

    /// Commits writes together on the locking path.
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

    /// Does something for a batch until the last deadline in it, and says when it began. If that fails, each job is
    /// answered, or tried again alone.
    async fn together<T>(
        &mut self,
        batch: Vec<Job>,
        work: impl AsyncFnOnce(&mut Self, &[&Write], Deadline) -> Result<T, Failure>,
    ) -> Option<(Vec<Job>, T, Instant)> {
        // A job whose deadline is earlier is answered by it: what the batch does for it is then in doubt.
        let deadline = batch.iter().map(|job| job.deadline).reduce(Deadline::later)?;
        let writes: Vec<&Write> = batch.iter().flat_map(|job| &job.writes).collect();
        let begun = Instant::now();
        let spans = trace::transaction(batch.iter().map(|job| &job.trace));
        let work = Box::pin(work(self, &writes, deadline));
        let work = deadline.limit(work).instrument(spans.shared());
        // A lane that ended would refuse the writes of its users for good, so not even a panic may end it.
        let done = AssertUnwindSafe(work)
            .catch_unwind()
            .await
            .unwrap_or_else(|_| Ok(Err(Failure::InDoubt(Error::internal("a panic, see above")))));
        drop(spans);
        match done.unwrap_or_else(|late| Err(Failure::InDoubt(late.into()))) {
            Ok(outcomes) => Some((batch, outcomes, begun)),
            Err(failure) => {
                self.store.metrics().commits.ended(batch.len(), begun.elapsed());
                // It is closed if something is still under way on it, and otherwise goes back to the pool.
                self.connection = None;
                self.answer_failure(batch, failure);
                None
            }
        }
    }

    /// Lets this thread read other requests first, for as long as each round of its events brings another write. There is no
    /// timer, and where no other write comes it is a single round.
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

    /// Takes the jobs that wait, up to the size of a batch, without those whose caller has gone or whose time is up.
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

    /// The lane's connection, checked if it was idle. A write must not be the first to find out that it has ended: whether
    /// the write happened would not be known.
    async fn connection(&mut self, deadline: Deadline) -> Result<&mut Connection, Error> {
        let kept = match self.connection.take() {
            Some(connection) => connection.check_idle(deadline, UNCHECKED_IDLE_MAX).await,
            None => None,
        };
        let connection = match kept {
            Some(connection) => connection,
            None => self.store.connection(deadline).await?,
        };
        Ok(self.connection.insert(connection))
    }

    async fn marked(
        &mut self,
        writes: &[&Write],
        deadline: Deadline,
    ) -> Result<Vec<Option<Applied>>, Failure> {
        let connection = self.connection(deadline).await?;
        let outcomes = mark(connection, writes).await?;
        connection.mark_used();
        Ok(outcomes)
    }

    async fn committed(
        &mut self,
        writes: &[&Write],
        deadline: Deadline,
    ) -> Result<Outcomes, Failure> {
        let history = self.history;
        let connection = self.connection(deadline).await?;
        let outcomes = commit(connection, writes, history).await?;
        connection.mark_used();
        Ok(outcomes)
    }

    /// A batch that failed before anything happened is tried again, each request alone and off the lane: the request that
    /// is to blame fails alone then, and the lane goes on.
    fn answer_failure(&self, batch: Vec<Job>, failure: Failure) {
        let commits = &self.store.metrics().commits;
        commits.failed(matches!(failure, Failure::InDoubt(_)));
        for job in batch {
            match &failure {
                Failure::InDoubt(_) => job.answer(Err(Error::Timeout(None))),
                Failure::Before(_) => {
                    commits.retries.inc();
                    let (store, history) = (self.store.clone(), self.history);
                    tokio::spawn(async move {
                        let outcomes =
                            commit_alone(&store, &job.writes, history, job.deadline).await;
                        job.answer(outcomes);
                    });
                }
            }
        }
        tracing::warn!(cause = ?failure.into_error(), "a batch of writes failed");
    }
}
