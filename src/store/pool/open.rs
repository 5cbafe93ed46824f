//! Opens a session, prepares it, and checks that its server can keep our promises.
//!
//! We believe nothing about a session. Its settings are set after it is open, and read back: PgBouncer refuses the startup
//! parameter `options`, or drops it. A name may lead to a standby, and a promoted server may have other settings.

use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{ConnectOptions as _, Row as _};

use super::database::{Database, Targets};
use super::epoch::note_history;
use super::fence::{Fence, Timeline};
use super::session::{State, Usage, timeout};
use super::texts::{ASK, Texts};
use crate::deadline::Deadline;
use crate::error::Error;

/// How long the server may take to answer a request that costs it no work, such as a ping.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(1);

/// Why a session cannot be used. Nothing was written.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(transparent)]
    Sqlx(#[from] sqlx::Error),
    /// The file of the database URL cannot be read or parsed.
    #[error("{0}")]
    Url(String),
    #[error(
        "the database accepts no writes: it is a standby, or default_transaction_read_only is on; use the address of the \
         primary"
    )]
    ReadOnly,
    #[error(
        "the database is an old primary: another server has taken over since; stop it, or make it a standby"
    )]
    OldPrimary,
    #[error(
        "fsync or full_page_writes is off, so a crash of the database loses acknowledged writes; turn both on, or set \
         --allow-unsafe-database / EARMARK_ALLOW_UNSAFE_DATABASE"
    )]
    NotCrashSafe,
    #[error(
        "a pooler gives each transaction another session, as PgBouncer does in transaction mode; set \
         --database-statement-cache / EARMARK_DATABASE_STATEMENT_CACHE to false"
    )]
    SharedSession,
    #[error(
        "the address of partition {0} leads to another database, or to another partition; compare --partition-map / \
         EARMARK_PARTITION_MAP with `earmark partitions`"
    )]
    OtherPartition(u16),
    #[error(
        "synchronous_commit is off on the server that has partition {0}, and Citus does not pass a session's settings on; set \
         it for the role at the coordinator: ALTER ROLE … SET synchronous_commit = 'on'"
    )]
    NotDurable(u16),
    #[error("cannot read how the database is divided into partitions")]
    Identity(#[source] Error),
}

/// The database cannot serve us now, whatever the reason. Operators read the reason in the log.
impl From<ConnectError> for Error {
    fn from(error: ConnectError) -> Self {
        Self::Unavailable(Some(error.into()))
    }
}

/// A session that was not opened.
#[derive(Debug)]
pub(super) struct NotOpened {
    pub(super) error: ConnectError,
    /// The connection on which its set-up failed. The server may still execute a statement of the set-up.
    pub(super) half_open: Option<Box<Open>>,
}

impl From<ConnectError> for NotOpened {
    fn from(error: ConnectError) -> Self {
        Self { error, half_open: None }
    }
}

/// A process of the server that serves one session. A process id alone may be used again, also by another server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) pid: i32,
    pub(super) started: String,
}

/// An open session, with what we know about it.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) connection: PgConnection,
    pub(super) usage: Usage,
    /// `None` where a pooler may change it.
    pub(super) process: Option<Process>,
    /// The value of `earmark.session`. Empty where a pooler shares sessions.
    name: String,
    allows_unsafe: bool,
    texts: Arc<Texts>,
    fence: Arc<Fence>,
    /// `None` where a pooler may give us a session of any server later.
    pass: Option<u64>,
    /// The generation of [`super::slots::Slots`] in which the session was opened.
    pub(super) generation: u64,
    pub(super) opened_at: Instant,
    pub(super) used_at: Instant,
    checked_at: Instant,
}

impl Database {
    /// Opens a session on the first server that can serve us.
    pub(super) async fn open(&self, deadline: Deadline) -> Result<Open, NotOpened> {
        let deadline = deadline.or_within(Deadline::OF_A_REQUEST);
        let targets = self.targets().await.map_err(ConnectError::Url)?;
        let mut result = Err(ConnectError::Url("names no host".to_owned()).into());
        for target in self.in_order(&targets) {
            result = self.open_on(&targets, target, deadline).await;
            if result.is_ok() {
                self.prefer(target);
                break;
            }
        }
        result
    }

    async fn open_on(
        &self,
        targets: &Targets,
        target: usize,
        deadline: Deadline,
    ) -> Result<Open, NotOpened> {
        let mut deadline = targets.attempt(deadline);
        if targets.hosts.len() > 1 {
            // Time must be left for the other hosts.
            deadline = deadline.or_within(ANSWER_MAX);
        }
        let connect = targets.hosts[target].connect();
        let connected = deadline.limit(connect).await.unwrap_or_else(|_| Err(timeout()));
        let connection = connected.map_err(ConnectError::Sqlx)?;
        let now = Instant::now();
        let mut open = Open {
            connection,
            usage: Usage::until(deadline),
            process: None,
            name: String::new(),
            allows_unsafe: self.allows_unsafe(),
            texts: self.texts().clone(),
            fence: self.fence().clone(),
            pass: None,
            generation: 0,
            opened_at: now,
            used_at: now,
            checked_at: now,
        };
        match self.set_up(&mut open).await {
            Ok(()) => Ok(open),
            Err(error) => Err(NotOpened { error, half_open: Some(Box::new(open)) }),
        }
    }

    async fn set_up(&self, open: &mut Open) -> Result<(), ConnectError> {
        if self.keeps_statements() {
            open.set().await?;
        }
        open.check().await?;
        if let Some(partition) = self.partition() {
            let allows_unsafe = open.allows_unsafe;
            partition.check(&mut open.connection, &mut open.usage, allows_unsafe).await?;
        }
        let timeline = open.usage.wait(Timeline::of(&mut open.connection)).await?;
        if self.keeps_statements() {
            open.pass = Some(open.fence.pass(timeline).ok_or(ConnectError::OldPrimary)?);
        }
        if timeline.is_some() {
            let raises = self.raises_epoch();
            note_history(&mut open.connection, &mut open.usage, raises).await?;
        }
        Ok(())
    }

    /// Connects to the first server that answers, and neither sets nor checks anything.
    pub(in crate::store) async fn connect(&self) -> Result<PgConnection, ConnectError> {
        let targets = self.targets().await.map_err(ConnectError::Url)?;
        let mut result = Err(sqlx::Error::Io(std::io::ErrorKind::NotFound.into()));
        for target in self.in_order(&targets) {
            result = targets.hosts[target].connect().await;
            if result.is_ok() {
                break;
            }
        }
        Ok(result?)
    }

    /// Whether a second connection gets the session of `first`, as in a pooler's transaction mode. Poolers prefer the session
    /// that was used last. If a second connection cannot be had in time, later checks decide.
    pub(super) async fn shares_session(&self, first: &Open) -> bool {
        let ask = async {
            let mut connection = self.connect().await?;
            let row = sqlx::raw_sql(ASK).fetch_one(&mut connection).await?;
            sqlx::Connection::close(connection).await?;
            Ok::<String, ConnectError>(row.try_get("name")?)
        };
        let name = Deadline::within(ANSWER_MAX).limit(ask).await;
        matches!(name, Ok(Ok(name)) if name == first.name)
    }
}

impl Open {
    async fn set(&mut self) -> Result<(), sqlx::Error> {
        let rows = sqlx::raw_sql(self.texts.set.clone()).fetch_all(&mut self.connection);
        let rows = self.usage.wait(rows).await?;
        let row = rows.last().ok_or(sqlx::Error::RowNotFound)?;
        self.name = row.try_get("name")?;
        // A role may not see its own session if the server hides it. Then we cannot end it.
        let started: Option<String> = row.try_get("started")?;
        let pid = row.try_get("pid")?;
        self.process = started.map(|started| Process { pid, started });
        Ok(())
    }

    /// Checks that the server still answers, can write, and keeps what it acknowledges.
    async fn check(&mut self) -> Result<(), ConnectError> {
        let row: PgRow =
            self.usage.wait(sqlx::raw_sql(ASK).fetch_one(&mut self.connection)).await?;
        let is = |column| row.try_get::<bool, _>(column);
        if is("is_read_only")? {
            return Err(ConnectError::ReadOnly);
        }
        if !is("is_crash_safe")? && !self.allows_unsafe {
            return Err(ConnectError::NotCrashSafe);
        }
        let schema: &str = row.try_get("schema")?;
        let is_in_schema = self.texts.schema.as_deref().is_none_or(|expected| schema == expected);
        let is_ours =
            row.try_get::<&str, _>("name")? == self.name && is("is_durable")? && is_in_schema;
        if !self.name.is_empty() && !is_ours {
            return Err(ConnectError::SharedSession);
        }
        self.checked_at = Instant::now();
        Ok(())
    }

    /// Checks a session that was idle for longer than `unchecked_max`, or that was not checked for a second. Returns whether it
    /// can be used.
    pub(super) async fn check_again(
        &mut self,
        deadline: Deadline,
        unchecked_max: Duration,
    ) -> bool {
        self.usage.deadline = deadline.or_within(ANSWER_MAX);
        let is_fit = if self.pass.is_some_and(|pass| !self.fence.admits(pass)) {
            false
        } else if self.checked_at.elapsed() > CHECKED_MAX {
            match self.check().await {
                Ok(()) => true,
                Err(error) => {
                    tracing::warn!(cause = %error, "a database connection cannot be used any more");
                    false
                }
            }
        } else if self.used_at.elapsed() > unchecked_max {
            let ping = sqlx::Connection::ping(&mut self.connection);
            self.usage.wait(ping).await.is_ok()
        } else {
            true
        };
        self.usage.deadline = deadline;
        if !is_fit && self.usage.state == State::Ready {
            self.usage.state = State::Unusable;
        }
        is_fit
    }
}

/// How long a session may be used without a check.
const CHECKED_MAX: Duration = Duration::from_secs(1);
