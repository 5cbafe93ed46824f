//! Sessions that we gave up: we closed the connection while the server may still execute a statement.
//!
//! Such a session holds its locks, and a place in `max_connections`. So it keeps its slot until the server says that it has
//! ended. If commits wait for a standby that is gone, the service then stops to open sessions instead of filling the server.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sqlx::Connection as _;
use tokio::runtime::Handle;
use tokio::time::sleep;

use super::database::Database;
use super::open::{ANSWER_MAX, ConnectError, Process};
use super::slots::Slot;
use crate::deadline::Deadline;
use crate::metrics::Metrics;

/// Time between two questions to the server.
const PAUSE: Duration = Duration::from_millis(200);

/// Ends these sessions, except those that may be committing, and returns those that are still there.
///
/// PostgreSQL must not end a session that waits for a synchronous standby: it would show the commit to others although the
/// standby may not have it. So we leave a session alone that may commit, until its statement is done.
const END: &str = "SELECT a.pid, (NOT s.commits OR COALESCE(a.state, 'active') <> 'active') AND pg_terminate_backend(a.pid) \
    FROM pg_stat_activity a JOIN unnest($1::int[], $2::text[], $3::boolean[]) AS s (pid, started, commits) \
        ON a.pid = s.pid AND a.backend_start::text = s.started";

/// Watches the sessions that were given up, through one connection of its own, which is open only while there are any.
///
/// PostgreSQL's `CancelRequest` needs no session, but sqlx does not expose the secret for it: `PgConnection` reads
/// `BackendKeyData` and keeps it private. So we call `pg_terminate_backend`.
#[derive(Debug, Clone)]
pub(super) struct Abandoned {
    database: Arc<Database>,
    metrics: Arc<Metrics>,
    watched: Arc<Mutex<Watched>>,
}

#[derive(Debug, Default)]
struct Watched {
    sessions: Vec<Session>,
    is_running: bool,
    is_closed: bool,
}

#[derive(Debug)]
struct Session {
    process: Process,
    commits: bool,
    slot: Option<Slot>,
}

impl Abandoned {
    pub(super) fn new(database: Arc<Database>, metrics: Arc<Metrics>) -> Self {
        Self { database, metrics, watched: Arc::default() }
    }

    fn watched(&self) -> MutexGuard<'_, Watched> {
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends a session, and keeps its slot until it has ended. The caller must have closed the connection. `commits` says that
    /// the outstanding statement may commit.
    pub(super) fn add(&self, process: Process, commits: bool, slot: Option<Slot>) {
        self.metrics.sessions_given_up.inc();
        // Without a runtime our process is about to end, and its connections end with it.
        let Ok(runtime) = Handle::try_current() else { return };
        let mut watched = self.watched();
        let slot = slot.filter(|_| !watched.is_closed);
        watched.sessions.push(Session { process, commits, slot });
        if !std::mem::replace(&mut watched.is_running, true) {
            runtime.spawn(self.clone().watch());
        }
    }

    /// Frees the slots, because the service stops and opens no more sessions. Those that still run end with our process.
    pub(super) fn close(&self) {
        let mut watched = self.watched();
        watched.is_closed = true;
        watched.sessions.iter_mut().for_each(|session| session.slot = None);
    }

    /// Asks until all sessions have ended.
    async fn watch(self) {
        loop {
            // If the server cannot be reached, its sessions may still run.
            if let Ok(Ok((asked, left))) = Deadline::within(ANSWER_MAX).limit(self.end()).await {
                let mut watched = self.watched();
                watched.sessions.retain(|session| {
                    !asked.contains(&session.process) || left.contains(&session.process.pid)
                });
                if watched.sessions.is_empty() {
                    watched.is_running = false;
                    return;
                }
            }
            sleep(PAUSE).await;
        }
    }

    /// Returns the sessions that it asked for, and the process ids of those that have not ended.
    async fn end(&self) -> Result<(Vec<Process>, Vec<i32>), ConnectError> {
        let (mut asked, mut commits) = (Vec::new(), Vec::new());
        for session in &self.watched().sessions {
            asked.push(session.process.clone());
            commits.push(session.commits);
        }
        let (pids, started): (Vec<_>, Vec<_>) =
            asked.iter().map(|process| (process.pid, process.started.as_str())).unzip();
        let mut connection = self.database.connect().await?;
        let left: Vec<(i32, bool)> = sqlx::query_as(END)
            .bind(pids)
            .bind(started)
            .bind(commits)
            .persistent(false)
            .fetch_all(&mut connection)
            .await?;
        connection.close().await?;
        Ok((asked, left.into_iter().map(|(pid, _)| pid).collect()))
    }
}
