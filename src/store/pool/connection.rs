//! A connection, and transactions on it.
//!
//! Every statement has a deadline. If the server has not answered by then, we close the connection, and end its session on
//! the server. A connection can fall silent without being closed, for example when a firewall forgets it, and sqlx would wait
//! for ever.

use std::time::{Duration, Instant};

use sqlx::{Connection as _, Postgres, SqlSafeStr as _, SqlStr, Transaction};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::Pool;
use super::open::{ANSWER_MAX, Open};
use super::session::{Session, State, Usage};
use super::slots::Slot;
use crate::deadline::Deadline;
use crate::error::Error;

/// A connection. When it is dropped, it becomes idle, or is closed if a statement still runs.
#[derive(Debug)]
pub struct Connection {
    /// `None` only while this is dropped.
    held: Option<(Open, Slot)>,
    pool: Pool,
}

impl Connection {
    pub(super) fn new(open: Open, slot: Slot, pool: Pool) -> Self {
        Self { held: Some((open, slot)), pool }
    }

    fn open(&mut self) -> &mut Open {
        #[expect(clippy::expect_used, reason = "only `drop` takes it")]
        let (open, _) = self.held.as_mut().expect("a connection in use is open");
        open
    }

    /// Begins a transaction with the timeouts of a request.
    pub async fn begin(&mut self) -> Result<Tx<'_>, Error> {
        let deadline = self.open().usage.deadline;
        self.open().usage.deadline = deadline.or_within(ANSWER_MAX);
        let statement = if self.keeps_statements() {
            "BEGIN".into_sql_str()
        } else {
            self.pool.database.texts().begin_with_settings.clone()
        };
        let tx = self.begin_with(statement).await?;
        tx.usage.deadline = deadline;
        Ok(tx)
    }

    /// Begins a transaction without the timeouts of a request.
    pub(in crate::store) async fn begin_plain(&mut self) -> Result<Tx<'_>, Error> {
        self.begin_with(self.pool.database.texts().begin_plain.clone()).await
    }

    async fn begin_with(&mut self, statement: SqlStr) -> Result<Tx<'_>, Error> {
        let keeps_statements = self.keeps_statements();
        let Open { connection, usage, .. } = self.open();
        usage.is_in_transaction = true;
        match usage.wait(connection.begin_with(statement)).await {
            Ok(inner) => Ok(Tx { inner, usage, keeps_statements }),
            Err(error) => {
                // The settings may have failed after BEGIN, and sqlx does not roll back then.
                if usage.state == State::Ready {
                    usage.state = State::Unusable;
                }
                Err(Error::Unavailable(Some(error.into())))
            }
        }
    }

    /// Begins to read. One statement needs a transaction only where a pooler shares the session with other clients.
    pub async fn read(&mut self) -> Result<Reader<'_>, Error> {
        Ok(if self.keeps_statements() {
            Reader::Plain(self)
        } else {
            Reader::InTransaction(self.begin().await?)
        })
    }

    /// The server's session belongs to this connection, so settings and prepared statements stay.
    pub(in crate::store) fn keeps_statements(&self) -> bool {
        self.pool.database.keeps_statements()
    }

    /// Citus has the partition. It supports not all statements (ADR 34).
    pub(in crate::store) fn is_on_citus(&self) -> bool {
        self.pool.database.place().is_some()
    }

    /// For a statement that reads.
    pub(in crate::store) fn session(&mut self) -> Session<'_> {
        self.statement(false)
    }

    /// For a statement that writes, and is a transaction of its own.
    pub(in crate::store) fn committing_session(&mut self) -> Session<'_> {
        self.statement(true)
    }

    fn statement(&mut self, commits: bool) -> Session<'_> {
        let keeps_statements = self.keeps_statements();
        let Open { connection, usage, .. } = self.open();
        Session { connection, usage, keeps_statements, commits }
    }

    /// The schema has changed since this session prepared its statements. Nothing was done.
    pub(super) fn is_outdated(&mut self) -> bool {
        self.open().usage.state == State::Outdated
    }

    /// Starts the idle time: the server has just answered.
    pub fn mark_used(&mut self) {
        self.open().used_at = Instant::now();
    }

    /// Checks the connection if it was idle for longer than `unchecked_max`, or was not checked for a second. Returns the
    /// connection for use until the deadline, unless the check fails.
    pub async fn check_idle(mut self, deadline: Deadline, unchecked_max: Duration) -> Option<Self> {
        self.open().check_again(deadline, unchecked_max).await.then_some(self)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let Some((mut open, slot)) = self.held.take() else { return };
        open.used_at = Instant::now();
        let pool = self.pool.clone();
        if open.usage.state == State::Outdated {
            pool.slots.renew(open.generation);
        }
        if open.usage.state != State::Ready {
            pool.give_up(open, Some(slot));
            return;
        }
        if !open.usage.is_in_transaction {
            pool.slots.keep(open, slot);
            return;
        }
        // sqlx sends the ROLLBACK of a dropped transaction before the next statement. The locks must be free earlier.
        let Ok(runtime) = Handle::try_current() else { return };
        runtime.spawn(async move {
            if let Ok(Ok(())) = timeout(ANSWER_MAX, open.connection.ping()).await {
                open.usage.is_in_transaction = false;
                pool.slots.keep(open, slot);
            } else {
                open.usage.state = State::Waiting;
                pool.give_up(open, Some(slot));
            }
        });
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
        let done = usage.wait_for_commit(inner.commit()).await;
        usage.is_in_transaction = done.is_err();
        done.map_err(|error| Error::InDoubt(Some(error.into())))
    }

    /// Rolls back, and waits until the locks are free.
    pub async fn rollback(self) -> Result<(), Error> {
        let Self { inner, usage, .. } = self;
        usage.wait(inner.rollback()).await?;
        usage.is_in_transaction = false;
        Ok(())
    }

    /// Gives the next statements this long, for work that has no time limit as a whole.
    pub(in crate::store) fn extend(&mut self, time: Duration) {
        self.usage.deadline = Deadline::within(time);
    }

    pub(in crate::store) fn session(&mut self) -> Session<'_> {
        Session {
            connection: &mut self.inner,
            usage: self.usage,
            keeps_statements: self.keeps_statements,
            commits: false,
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
