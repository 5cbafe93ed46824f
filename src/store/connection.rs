//! A connection of the pool, and units of work on it. One that does not answer is closed and its place is free again: a
//! connection can fall silent without being closed, as when a firewall forgets it, and sqlx would wait on it for ever.

use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sqlx::pool::PoolConnection;
use sqlx::{Connection as _, Postgres, Transaction};
use tokio::time::timeout;

use super::at_hand::Turn;
use super::session::Session;
use crate::error::Error;

/// How long a connection may take to answer what costs the server nothing.
const ANSWER_MAX: Duration = Duration::from_secs(1);
/// After how long without use a connection is asked whether it is still there before it is used again.
pub(super) const IDLE_TRUSTED: Duration = Duration::from_secs(1);

/// The answer to what costs the server nothing, or an error if it does not come.
pub(super) async fn in_time<T>(
    answer: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = |_| Err(sqlx::Error::Io(ErrorKind::TimedOut.into()));
    timeout(ANSWER_MAX, answer).await.unwrap_or_else(late)
}

/// A connection of one's own. It goes back when it is dropped, if it still answers then.
#[derive(Debug)]
pub struct Connection {
    inner: PoolConnection<Postgres>,
    begin: &'static str,
    keeps_statements: bool,
    begun: Instant,
    used: Instant,
    turn: Turn,
}

impl Connection {
    pub(super) fn new(
        inner: PoolConnection<Postgres>,
        turn: Turn,
        begin: &'static str,
        keeps_statements: bool,
    ) -> Self {
        let now = Instant::now();
        Self { inner, begin, keeps_statements, begun: now, used: now, turn }
    }

    /// Begins a unit of work. A connection that could not do that is to be [discarded](Self::discard).
    pub async fn begin(&mut self) -> Result<Tx<'_>, Error> {
        let inner = in_time(self.inner.begin_with(self.begin)).await?;
        Ok(Tx { inner, keeps_statements: self.keeps_statements })
    }

    /// Begins a unit of work without the settings of a request: it may take as long as it takes.
    pub(super) async fn begin_plain(&mut self) -> Result<Tx<'_>, Error> {
        let inner = self.inner.begin().await?;
        Ok(Tx { inner, keeps_statements: self.keeps_statements })
    }

    /// Begins to read. One statement needs no transaction, except on a connection that others share.
    pub async fn read(&mut self) -> Result<Reader<'_>, Error> {
        Ok(if self.keeps_statements {
            Reader::Plain(self)
        } else {
            Reader::InTransaction(self.begin().await?)
        })
    }

    pub(super) fn session(&mut self) -> Session<'_> {
        Session { connection: &mut self.inner, keeps_statements: self.keeps_statements }
    }

    /// Since when it is not in the pool.
    pub(super) fn age(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Takes note that nothing is asked on it any more, and gives up its turn.
    pub(super) fn rest(&mut self) -> Turn {
        self.used = Instant::now();
        self.turn.take()
    }

    /// It is used again.
    pub(super) fn used_in(mut self, turn: Turn) -> Self {
        self.turn = turn;
        self
    }

    /// The server is there, or was a moment ago.
    pub(super) async fn is_there(&mut self) -> bool {
        self.used.elapsed() <= IDLE_TRUSTED || in_time(self.inner.ping()).await.is_ok()
    }

    /// Ends the connection without a word, and with it what was begun on it.
    pub fn discard(mut self) {
        // What gives it back ends it instead when it is dropped.
        drop(self.inner.return_to_pool());
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // What is to be rolled back is, then the server is asked whether it is there. By itself, sqlx waits for that
        // without a deadline, and the connection's place in the pool with it.
        drop(tokio::spawn(timeout(ANSWER_MAX, self.inner.return_to_pool())));
    }
}

/// A unit of work: everything in it happens at [`Tx::commit`], or nothing does.
#[must_use = "a transaction that is not committed is rolled back"]
pub struct Tx<'c> {
    pub(super) inner: Transaction<'c, Postgres>,
    keeps_statements: bool,
}

impl Tx<'_> {
    /// Makes it durable. Whether a commit that failed has happened is not known, so it is always [`Error::Timeout`].
    pub async fn commit(self) -> Result<(), Error> {
        self.inner.commit().await.map_err(|error| Error::Timeout(Some(error.into())))
    }

    /// Forgets it, and waits until its locks are gone.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.inner.rollback().await?)
    }

    pub(super) fn session(&mut self) -> Session<'_> {
        Session { connection: &mut self.inner, keeps_statements: self.keeps_statements }
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
            Self::Plain(connection) => {
                Session { connection: &mut connection.inner, keeps_statements: true }
            }
            Self::InTransaction(tx) => tx.session(),
        }
    }
}
