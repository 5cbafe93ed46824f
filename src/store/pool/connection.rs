//! A connection of the pool, and transactions on it.
//!
//! Every statement has a deadline. If the server has not answered by then, we close the connection, which frees its place
//! in the pool, and cancel its statement on the server. A connection can fall silent without being closed, for example
//! when a firewall forgets it, and sqlx would wait for ever.

use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Postgres, Transaction};
use tokio::time::timeout;

use super::cancel::Canceller;
use super::idle::Permit;
use super::session::{Session, Usage};
use crate::deadline::Deadline;
use crate::error::Error;

/// How long the server may take to answer a request that costs it no work, such as a ping.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(1);

/// A connection. When it is dropped while a statement runs, it is closed, and otherwise it returns to the pool.
#[derive(Debug)]
pub struct Connection {
    inner: PoolConnection<Postgres>,
    begin: &'static str,
    keeps_statements: bool,
    usage: Usage,
    canceller: Canceller,
    /// The server process, for cancelling; `None` where a pooler may change it.
    process: Option<i32>,
    acquired_at: Instant,
    used_at: Instant,
    permit: Permit,
    is_closed: bool,
}

impl Connection {
    pub(super) fn new(
        inner: PoolConnection<Postgres>,
        begin: &'static str,
        keeps_statements: bool,
        canceller: Canceller,
        deadline: Deadline,
    ) -> Self {
        let (now, usage) = (Instant::now(), Usage { deadline, is_busy: false });
        Self {
            inner,
            begin,
            keeps_statements,
            usage,
            canceller,
            process: None,
            acquired_at: now,
            used_at: now,
            permit: None,
            is_closed: false,
        }
    }

    /// Checks that the server answers, and asks for its process where the session belongs to this connection. Behind a pooler
    /// in transaction mode we only ping: a statement outside of a transaction may be prepared in one session and executed
    /// in another.
    pub(super) async fn check(&mut self) -> Result<(), sqlx::Error> {
        self.usage.deadline = self.usage.deadline.or_within(ANSWER_MAX);
        if self.keeps_statements {
            let process = sqlx::query_scalar!("SELECT pg_backend_pid()");
            self.process = process.fetch_one(self.session()).await?;
        } else {
            self.usage.wait(self.inner.ping()).await?;
        }
        Ok(())
    }

    /// Begins a transaction with the timeouts of a request.
    pub async fn begin(&mut self) -> Result<Tx<'_>, Error> {
        let (keeps_statements, deadline) = (self.keeps_statements, self.usage.deadline);
        self.usage.deadline = deadline.or_within(ANSWER_MAX);
        let inner = self.usage.wait(self.inner.begin_with(self.begin)).await?;
        self.usage.deadline = deadline;
        Ok(Tx { inner, usage: &mut self.usage, keeps_statements })
    }

    /// Begins a transaction without the timeouts of a request.
    pub(in crate::store) async fn begin_plain(&mut self) -> Result<Tx<'_>, Error> {
        let inner = self.usage.wait(self.inner.begin()).await?;
        Ok(Tx { inner, usage: &mut self.usage, keeps_statements: self.keeps_statements })
    }

    /// Begins to read. One statement needs a transaction only where a pooler shares the session with other clients.
    pub async fn read(&mut self) -> Result<Reader<'_>, Error> {
        Ok(if self.keeps_statements {
            Reader::Plain(self)
        } else {
            Reader::InTransaction(self.begin().await?)
        })
    }

    /// The server's session belongs to this connection, so settings and prepared statements stay.
    pub(in crate::store) fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    pub(in crate::store) fn session(&mut self) -> Session<'_> {
        Session {
            connection: &mut self.inner,
            usage: &mut self.usage,
            keeps_statements: self.keeps_statements,
        }
    }

    /// Time since the connection left the pool.
    pub(super) fn age(&self) -> Duration {
        self.acquired_at.elapsed()
    }

    /// Starts the idle time: the server has just answered.
    pub fn mark_used(&mut self) {
        self.used_at = Instant::now();
    }

    pub(super) fn take_permit(&mut self) -> Permit {
        self.permit.take()
    }

    pub(super) fn reuse(mut self, permit: Permit, deadline: Deadline) -> Self {
        self.permit = permit;
        self.usage.deadline = deadline;
        self
    }

    /// Pings the server if the connection was idle for longer than `unchecked_max`. Returns the connection for use until
    /// the deadline, unless the ping fails.
    pub async fn check_idle(mut self, deadline: Deadline, unchecked_max: Duration) -> Option<Self> {
        self.usage.deadline = deadline.or_within(ANSWER_MAX);
        let answers = self.used_at.elapsed() <= unchecked_max
            || self.usage.wait(self.inner.ping()).await.is_ok();
        self.usage.deadline = deadline;
        answers.then_some(self)
    }

    /// Closes the connection without waiting for the server.
    pub fn discard(mut self) {
        self.close();
    }

    fn close(&mut self) {
        self.is_closed = true;
        // sqlx closes the connection when this future is dropped before its first poll.
        drop(self.inner.return_to_pool());
        if let Some(process) = self.process.filter(|_| self.usage.is_busy) {
            self.canceller.cancel(process);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if self.is_closed {
            return;
        }
        if self.usage.is_busy {
            self.close();
        } else {
            // sqlx rolls back an open transaction and pings the server. It sets no deadline for that, and the connection
            // takes a place in the pool meanwhile.
            drop(tokio::spawn(timeout(ANSWER_MAX, self.inner.return_to_pool())));
        }
    }
}

/// A transaction.
#[must_use = "a transaction that is not committed is rolled back"]
pub struct Tx<'c> {
    pub(in crate::store) inner: Transaction<'c, Postgres>,
    usage: &'c mut Usage,
    keeps_statements: bool,
}

impl Tx<'_> {
    /// Commits, durably. A commit that fails may have happened, so the error is always [`Error::InDoubt`].
    pub async fn commit(self) -> Result<(), Error> {
        let Self { inner, usage, .. } = self;
        usage.wait(inner.commit()).await.map_err(|error| Error::InDoubt(Some(error.into())))
    }

    /// Rolls back, and waits until the locks are free.
    pub async fn rollback(self) -> Result<(), Error> {
        let Self { inner, usage, .. } = self;
        Ok(usage.wait(inner.rollback()).await?)
    }

    pub(in crate::store) fn session(&mut self) -> Session<'_> {
        Session {
            connection: &mut self.inner,
            usage: self.usage,
            keeps_statements: self.keeps_statements,
        }
    }
}

/// A connection or a transaction, for reading one statement at a time.
pub enum Reader<'c> {
    Plain(&'c mut Connection),
    /// The transaction is rolled back at the end.
    InTransaction(Tx<'c>),
}

impl Reader<'_> {
    pub(in crate::store) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Plain(connection) => connection.session(),
            Self::InTransaction(tx) => tx.session(),
        }
    }
}
