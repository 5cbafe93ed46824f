//! A connection of the pool, and transactions on it.
//!
//! Everything that is asked on a connection has a deadline. A connection that does not answer until then is closed, its
//! place in the pool is free again, and PostgreSQL is told to cancel what it still does for it: a connection can fall
//! silent without being closed, as when a firewall forgets it, and sqlx would wait for ever.

use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Postgres, Transaction};
use tokio::time::timeout;

use super::cancel::Canceller;
use super::idle::Permit;
use super::session::{Session, Usage};
use crate::deadline::Deadline;
use crate::error::Error;

/// How long a connection may take to answer what costs the server nothing.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(1);

/// A connection for one use after another. When it is dropped, it goes back to the pool if it still answers, and is closed
/// if it does not.
#[derive(Debug)]
pub struct Connection {
    inner: PoolConnection<Postgres>,
    begin: &'static str,
    keeps_statements: bool,
    usage: Usage,
    canceller: Canceller,
    /// The server's process, to cancel what it does; `None` where a pooler may change it.
    process: Option<i32>,
    taken: Instant,
    used: Instant,
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
            taken: now,
            used: now,
            permit: None,
            is_closed: false,
        }
    }

    /// Asks whether the server answers and, where the session is this connection's own, which process serves it. Behind a
    /// pooler in transaction mode, a statement outside of a transaction may be prepared in one session and executed in
    /// another.
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

    /// Begins a transaction with the settings of a request.
    pub async fn begin(&mut self) -> Result<Tx<'_>, Error> {
        let (keeps_statements, deadline) = (self.keeps_statements, self.usage.deadline);
        self.usage.deadline = deadline.or_within(ANSWER_MAX);
        let inner = self.usage.wait(self.inner.begin_with(self.begin)).await?;
        self.usage.deadline = deadline;
        Ok(Tx { inner, usage: &mut self.usage, keeps_statements })
    }

    /// Begins a transaction without the settings of a request.
    pub(super) async fn begin_plain(&mut self) -> Result<Tx<'_>, Error> {
        let inner = self.usage.wait(self.inner.begin()).await?;
        Ok(Tx { inner, usage: &mut self.usage, keeps_statements: self.keeps_statements })
    }

    /// Begins to read. One statement needs no transaction, except on a connection whose session is shared with others.
    pub async fn read(&mut self) -> Result<Reader<'_>, Error> {
        Ok(if self.keeps_statements {
            Reader::Plain(self)
        } else {
            Reader::InTransaction(self.begin().await?)
        })
    }

    /// The server's session belongs to this connection: settings and prepared statements stay.
    pub(super) fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    pub(super) fn session(&mut self) -> Session<'_> {
        Session {
            connection: &mut self.inner,
            usage: &mut self.usage,
            keeps_statements: self.keeps_statements,
        }
    }

    /// How long ago it was taken from the pool.
    pub(super) fn age(&self) -> Duration {
        self.taken.elapsed()
    }

    /// Notes that it has just answered.
    pub fn has_answered(&mut self) {
        self.used = Instant::now();
    }

    /// Gives up its permit while it is idle.
    pub(super) fn give_up_permit(&mut self) -> Permit {
        self.permit.take()
    }

    /// It is used again, until this deadline.
    pub(super) fn used_with(mut self, permit: Permit, deadline: Deadline) -> Self {
        self.permit = permit;
        self.usage.deadline = deadline;
        self
    }

    /// Returns the connection for another use until this deadline, if it has answered within the time for which it is
    /// `trusted`, or answers now.
    pub async fn if_it_answers(mut self, deadline: Deadline, trusted: Duration) -> Option<Self> {
        self.usage.deadline = deadline.or_within(ANSWER_MAX);
        let answers =
            self.used.elapsed() <= trusted || self.usage.wait(self.inner.ping()).await.is_ok();
        self.usage.deadline = deadline;
        answers.then_some(self)
    }

    /// Closes the connection without waiting for the server.
    pub fn discard(mut self) {
        self.close();
    }

    fn close(&mut self) {
        self.is_closed = true;
        // sqlx closes the connection when this future is dropped before it has begun.
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
            // sqlx rolls back what was begun and pings the server. It does so without a deadline, and the place in the
            // pool is taken meanwhile.
            drop(tokio::spawn(timeout(ANSWER_MAX, self.inner.return_to_pool())));
        }
    }
}

/// A transaction: everything in it happens at [`Tx::commit`], or nothing does.
#[must_use = "a transaction that is not committed is rolled back"]
pub struct Tx<'c> {
    pub(super) inner: Transaction<'c, Postgres>,
    usage: &'c mut Usage,
    keeps_statements: bool,
}

impl Tx<'_> {
    /// Makes it durable. Whether a commit that failed has happened is not known, so it is always [`Error::InDoubt`].
    pub async fn commit(self) -> Result<(), Error> {
        let Self { inner, usage, .. } = self;
        usage.wait(inner.commit()).await.map_err(|error| Error::InDoubt(Some(error.into())))
    }

    /// Undoes it, and waits until its locks are free.
    pub async fn rollback(self) -> Result<(), Error> {
        let Self { inner, usage, .. } = self;
        Ok(usage.wait(inner.rollback()).await?)
    }

    pub(super) fn session(&mut self) -> Session<'_> {
        Session {
            connection: &mut self.inner,
            usage: self.usage,
            keeps_statements: self.keeps_statements,
        }
    }
}

/// Something to read with, one statement at a time.
pub enum Reader<'c> {
    /// Each statement by itself.
    Plain(&'c mut Connection),
    /// In a transaction, which is rolled back in the end.
    InTransaction(Tx<'c>),
}

impl Reader<'_> {
    pub(super) fn session(&mut self) -> Session<'_> {
        match self {
            Self::Plain(connection) => connection.session(),
            Self::InTransaction(tx) => tx.session(),
        }
    }
}
