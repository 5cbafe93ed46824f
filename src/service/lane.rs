//! A lane: the queue of a worker thread's writes. Writes that wait at the same time share a commit.
//!
//! While the lane commits a batch, new writes wait. Then the lane commits all waiting writes together, with one flush
//! of the WAL and one round trip per statement. There is no timer: an idle lane commits a write at once. If more writes
//! wait than fit into a batch, apps take turns.
//!
//! Lanes lock rows in the order of their keys, so lanes and other processes on the same database do not deadlock.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use prometheus::IntCounter;
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};
use tokio::task::yield_now;
use tokio::time::Instant;
use tracing::Instrument;

use super::commit::{Outcomes, Writes, commit, mark};
use super::news::Waiting;
use super::trace;
use super::turns::{self, Turns};
use super::write::commit_alone;
use super::{Write, Written};
use crate::deadline::Deadline;
use crate::domain::{Change, SdkAppId};
use crate::error::{Error, Queue};
use crate::store::{Connection, KnownMembers, Store};

/// Requests that may wait in a lane. The lane refuses more at once.
const JOBS_MAX: usize = 1024;
/// Requests of one app that may wait in a lane.
const JOBS_OF_AN_APP_MAX: usize = JOBS_MAX / 2;
/// Most requests, and most conversations, in one batch. This bounds how long a request waits for the others.
const BATCH_JOBS_MAX: usize = 256;
const BATCH_ITEMS_MAX: usize = 1600;
/// A connection that was idle for longer is pinged before it is used. Under load it is never idle that long.
const UNCHECKED_IDLE_MAX: Duration = Duration::from_millis(20);

#[derive(Debug, Clone)]
pub(super) struct Lane {
    jobs: Turns<Job>,
    probes: mpsc::Sender<Probe>,
}

/// A question whether the lane can write.
#[derive(Debug)]
struct Probe {
    deadline: Deadline,
    answer: oneshot::Sender<Result<(), Error>>,
}

/// A waiting request. Its writes are committed in one transaction.
#[derive(Debug)]
struct Job {
    app: SdkAppId,
    items: usize,
    writes: Vec<Write>,
    known: KnownMembers,
    deadline: Deadline,
    begun: Instant,
    trace: trace::Waiting,
    answer: oneshot::Sender<Result<Outcomes, Error>>,
}

impl Job {
    /// Whether the job can take the fast path: it only marks conversations of one user.
    fn only_marks(&self) -> bool {
        matches!(&*self.writes, [Write { change: Change::Mark(_), expected_revision: None, .. }])
    }

    /// Returns the job. If it is too late to begin, answers it with a timeout and returns `None`.
    fn unless_late(self) -> Option<Self> {
        if !self.deadline.is_too_late_to_begin() {
            return Some(self);
        }
        self.answer(Err(Error::Unavailable(None)));
        None
    }

    /// If the client has disconnected, the answer is dropped.
    fn answer(self, outcomes: Result<Outcomes, Error>) {
        drop(self.answer.send(outcomes));
    }
}

impl turns::Job for Job {
    fn app(&self) -> SdkAppId {
        self.app
    }

    fn items(&self) -> usize {
        self.items
    }
}

impl Lane {
    pub(super) fn start(
        store: &Store,
        runtime: &Handle,
        waiting: &Waiting,
        history: Duration,
        ended: IntCounter,
    ) -> Self {
        let jobs = Turns::new(JOBS_MAX, JOBS_OF_AN_APP_MAX);
        let (probes, received) = mpsc::channel(1);
        let worker = Worker {
            store: store.clone(),
            waiting: waiting.clone(),
            history,
            ended,
            jobs: jobs.clone(),
            probes: received,
            connection: None,
        };
        runtime.spawn(worker.run());
        Self { jobs, probes }
    }

    /// Commits writes in one transaction, which other requests may share.
    pub(super) async fn write(
        &self,
        writes: Vec<Write>,
        known: KnownMembers,
        deadline: Deadline,
    ) -> Result<Outcomes, Error> {
        // All writes of a request are of one app.
        let Some(app) = writes.first().map(|write| write.app.sdk_app_id) else {
            return Ok(Vec::new());
        };
        let items = writes.iter().map(|write| write.change.touched().count()).sum();
        let (answer, answered) = oneshot::channel();
        let (begun, trace) = (Instant::now(), trace::Waiting::start());
        let job = Job { app, items, writes, known, deadline, begun, trace, answer };
        self.jobs.push(job).map_err(|_| Error::Overloaded(Queue::Writes))?;
        match deadline.limit(answered).await {
            Ok(Ok(outcomes)) => outcomes,
            Ok(Err(_)) | Err(_) => Err(Error::InDoubt(None)),
        }
    }

    /// Checks that a write that arrives now would be done before the deadline.
    pub(super) async fn probe(&self, deadline: Deadline) -> Result<(), Error> {
        let (answer, answered) = oneshot::channel();
        let asked = async {
            self.probes.send(Probe { deadline, answer }).await.ok()?;
            answered.await.ok()
        };
        match deadline.limit(asked).await {
            Ok(Some(answer)) => answer,
            Ok(None) => Err(Error::internal("the lane has ended")),
            Err(late) => Err(Error::Unavailable(Some(
                anyhow::Error::new(late).context("the lane does not take writes"),
            ))),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.jobs.len()
    }

    /// Makes the lane finish the waiting jobs, refuse new ones, and give its connection back.
    pub(super) fn close(&self) {
        self.jobs.close();
    }
}

struct Worker {
    store: Store,
    waiting: Waiting,
    history: Duration,
    /// Requests whose transaction has ended.
    ended: IntCounter,
    jobs: Turns<Job>,
    probes: mpsc::Receiver<Probe>,
    connection: Option<Connection>,
}

impl Worker {
    async fn run(mut self) {
        loop {
            tokio::select! {
                first = self.jobs.next() => match first {
                    Some(first) => self.write(first).await,
                    None => return,
                },
                Some(probe) = self.probes.recv() => self.answer(probe).await,
            }
        }
    }

    /// Commits a job, together with those that wait.
    async fn write(&mut self, first: Job) {
        self.let_others_come().await;
        let batch = self.gather(first);
        let (marks, mut others): (Vec<_>, Vec<_>) = batch.into_iter().partition(Job::only_marks);
        others.extend(self.mark(marks).await);
        self.commit(others).await;
    }

    async fn answer(&mut self, Probe { deadline, answer }: Probe) {
        if answer.is_closed() {
            return;
        }
        let work = Box::pin(deadline.limit(self.probe(deadline)));
        let done = match AssertUnwindSafe(work).catch_unwind().await {
            Ok(Ok(done)) => done,
            Ok(Err(late)) => Err(Error::late_read(late)),
            Err(_) => Err(Error::internal("a panic, logged above")),
        };
        if done.is_err() {
            self.connection = None;
        }
        drop(answer.send(done));
    }

    /// Takes a batch without writes through both paths, on the lane's connection. PostgreSQL refuses it wherever it would
    /// refuse a write: on a standby, in a read-only session, without the right to write, on a locked table. It changes no
    /// row and is rolled back, so it leaves nothing to vacuum and uses up no transaction id.
    async fn probe(&mut self, deadline: Deadline) -> Result<(), Error> {
        let none = Writes { writes: &[], known: &KnownMembers::default() };
        self.marked(none, deadline).await?;
        self.committed(none, deadline).await?;
        Ok(())
    }

    /// The fast path. Returns the jobs that need the locking path.
    async fn mark(&mut self, batch: Vec<Job>) -> Vec<Job> {
        let Some((batch, outcomes, begun)) = self.together(batch, Self::marked).await else {
            return Vec::new();
        };
        let mut others = Vec::new();
        let done = outcomes.iter().flatten().count();
        if done > 0 {
            self.store.metrics().commits.ended(done, begun.elapsed());
            self.ended.inc_by(done as u64);
        }
        let mut news = self.waiting.news();
        for (job, outcome) in batch.into_iter().zip(outcomes) {
            match outcome {
                Some(written) => {
                    let own = vec![Ok(written)];
                    news.add(&job.writes, &own);
                    job.answer(Ok(own));
                }
                None => others.push(job),
            }
        }
        news.tell();
        others
    }

    async fn commit(&mut self, batch: Vec<Job>) {
        let batch = batch.into_iter().filter_map(Job::unless_late).collect();
        let Some((batch, outcomes, begun)) = self.together(batch, Self::committed).await else {
            return;
        };
        self.store.metrics().commits.ended(batch.len(), begun.elapsed());
        self.ended.inc_by(batch.len() as u64);
        let mut outcomes = outcomes.into_iter();
        let mut news = self.waiting.news();
        for job in batch {
            let own = outcomes.by_ref().take(job.writes.len()).collect();
            news.add(&job.writes, &own);
            job.answer(Ok(own));
        }
        news.tell();
    }

    /// Runs `work` for a batch until the latest deadline in it. Returns the jobs, the result and the start time. If
    /// `work` fails, answers or retries each job and returns `None`.
    async fn together<T>(
        &mut self,
        batch: Vec<Job>,
        work: impl AsyncFnOnce(&mut Self, Writes<'_>, Deadline) -> Result<T, Error>,
    ) -> Option<(Vec<Job>, T, Instant)> {
        // A client with an earlier deadline gets `InDoubt` from `Lane::write`, because the batch may still commit.
        let deadline = batch.iter().map(|job| job.deadline).reduce(Deadline::later)?;
        let writes: Vec<&Write> = batch.iter().flat_map(|job| &job.writes).collect();
        let known = KnownMembers::union(batch.iter().map(|job| &job.known));
        let begun = Instant::now();
        let spans = trace::transaction(batch.iter().map(|job| &job.trace));
        let together = Writes { writes: &writes, known: &known };
        let work = Box::pin(work(self, together, deadline));
        let work = deadline.limit(work).instrument(spans.shared());
        // If a panic ended the lane, all later writes of this thread would be refused. So we catch it.
        let done = AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|_| {
            Ok(Err(Error::InDoubt(Some(anyhow::Error::msg("a panic, logged above")))))
        });
        drop(spans);
        match done.unwrap_or_else(|late| Err(Error::late_write(late))) {
            Ok(outcomes) => Some((batch, outcomes, begun)),
            Err(error) => {
                self.store.metrics().commits.ended(batch.len(), begun.elapsed());
                // Dropping the connection closes it if a statement is still running, and otherwise returns it to the
                // pool.
                self.connection = None;
                self.answer_failure(batch, &error);
                None
            }
        }
    }

    /// Lets this thread read other requests first, so that batches become larger. The wait goes on while each round of
    /// the thread's event loop brings another write. Without other writes it is a single round.
    async fn let_others_come(&self) {
        let mut waiting = 0;
        loop {
            yield_now().await;
            let before = std::mem::replace(&mut waiting, self.jobs.len());
            if waiting == before || waiting >= BATCH_JOBS_MAX {
                return;
            }
        }
    }

    /// Takes the waiting jobs, up to the size of a batch. Drops jobs of clients that have disconnected, and answers
    /// jobs that are too late.
    fn gather(&self, first: Job) -> Vec<Job> {
        let (mut batch, mut items, mut next) = (Vec::new(), 0, Some(first));
        while let Some(job) = next {
            if !job.answer.is_closed()
                && let Some(mut job) = job.unless_late()
            {
                job.trace.end();
                self.store.metrics().commits.waited(job.begun.elapsed());
                items += job.items;
                batch.push(job);
            }
            let is_full = batch.len() >= BATCH_JOBS_MAX || items >= BATCH_ITEMS_MAX;
            next = if is_full { None } else { self.jobs.try_next() };
        }
        batch
    }

    /// The lane's connection, checked if it was idle. If a write were the first to use a broken connection, we would
    /// not know whether PostgreSQL committed the write.
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
        batch: Writes<'_>,
        deadline: Deadline,
    ) -> Result<Vec<Option<Written>>, Error> {
        let connection = self.connection(deadline).await?;
        let outcomes = mark(connection, batch).await?;
        connection.mark_used();
        Ok(outcomes)
    }

    async fn committed(
        &mut self,
        batch: Writes<'_>,
        deadline: Deadline,
    ) -> Result<Outcomes, Error> {
        let history = self.history;
        let connection = self.connection(deadline).await?;
        let outcomes = commit(connection, batch, history).await?;
        connection.mark_used();
        Ok(outcomes)
    }

    /// Retries each request alone and off the lane, if nothing of the batch was committed. Then only the request that
    /// caused the failure fails, and the lane goes on. If the commit is in doubt, nothing is retried.
    fn answer_failure(&self, batch: Vec<Job>, error: &Error) {
        let commits = &self.store.metrics().commits;
        commits.failed(error.is_in_doubt());
        for job in batch {
            if error.is_in_doubt() {
                job.answer(Err(Error::InDoubt(None)));
                continue;
            }
            commits.retries.inc();
            let (store, history) = (self.store.clone(), self.history);
            let waiting = self.waiting.clone();
            tokio::spawn(async move {
                let outcomes =
                    commit_alone(&store, &job.writes, &job.known, history, job.deadline).await;
                let mut news = waiting.news();
                if let Ok(own) = &outcomes {
                    news.add(&job.writes, own);
                }
                job.answer(outcomes);
                news.tell();
            });
        }
        tracing::warn!(cause = ?error, "a batch of writes failed");
    }
}
