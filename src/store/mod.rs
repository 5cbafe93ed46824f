//! The only SQL. [`Store`] is the way to the database, [`Tx`] one unit of work in it.

mod accounts;
mod apps;
mod chat_groups;
mod contact_groups;
mod conversations;
mod reading;
mod schema;
mod users;

use std::str::FromStr;
use std::time::Duration;

use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions, PgSslMode};
use sqlx::{ConnectOptions, PgPool, Postgres, Transaction};

pub use accounts::Account;
pub use reading::{ListCursor, Reading};
pub use schema::SchemaState;

use crate::error::Error;

/// How long a connection may take to come, and a statement to answer: the API's deadline.
pub const DEADLINE: Duration = Duration::from_secs(3);

/// Opens every transaction in one round trip. The timeout is [`DEADLINE`]: what the caller no longer waits for must not
/// keep its locks. `synchronous_commit` is raised where the server's default would let an acknowledged write be lost.
/// All statements look rows up by key, and a plan that was made while a table was small must not scan it later.
/// A lock that does not come in time fails the transaction early, so that many do not wait for one.
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = 3000; SET LOCAL lock_timeout = 250; \
    SET LOCAL idle_in_transaction_session_timeout = 10000; SET LOCAL enable_seqscan = off";
const BEGIN_DURABLY: &str = "BEGIN; SET LOCAL statement_timeout = 3000; \
    SET LOCAL lock_timeout = 250; SET LOCAL idle_in_transaction_session_timeout = 10000; SET LOCAL enable_seqscan = off; \
    SET LOCAL synchronous_commit = on";

/// Where the database is, and how to talk to it.
#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    connections: u32,
}

impl Database {
    /// Takes a `postgres://` URL as libpq understands it, `sslmode` included. Its text stays out of the error: it may
    /// hold a password.
    pub fn from_url(url: &str) -> Result<Self, String> {
        let options = PgConnectOptions::from_str(url).map_err(|_| {
            "must be a URL of the form postgres://user@host:5432/database".to_owned()
        })?;
        // libpq verifies the server's certificate as soon as it is given an authority to verify it with.
        let has_authority = url.contains("sslrootcert=");
        Ok(Self::from_options(
            if has_authority && matches!(options.get_ssl_mode(), PgSslMode::Require) {
                options.ssl_mode(PgSslMode::VerifyCa)
            } else {
                options
            },
        ))
    }

    /// Takes a server that is already described.
    #[must_use]
    pub fn from_options(options: PgConnectOptions) -> Self {
        // A statement that is slow is the operator's to find with PostgreSQL's own log: sqlx would log its text twice.
        Self { options: options.disable_statement_logging(), connections: 10 }
    }

    /// At most this many connections at once.
    #[must_use]
    pub fn connections(self, connections: u32) -> Self {
        Self { connections, ..self }
    }

    /// Prepared statements are kept on their connection; must be off behind PgBouncer in transaction mode.
    #[must_use]
    pub fn statement_cache(self, on: bool) -> Self {
        let capacity = if on { 100 } else { 0 };
        Self { options: self.options.statement_cache_capacity(capacity), ..self }
    }
}

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    begin: &'static str,
}

impl Store {
    /// Connects, and learns what has to be said at the start of a transaction.
    pub async fn connect(database: &Database) -> Result<Self, sqlx::Error> {
        let pool = PgPoolOptions::new()
            .max_connections(database.connections)
            .acquire_timeout(DEADLINE)
            // `begin` finds out by itself, without a round trip for each transaction.
            .test_before_acquire(false)
            .connect_with(database.options.clone())
            .await?;
        let mut tx = pool.begin().await?;
        let durability = sqlx::query_scalar!("SELECT current_setting('synchronous_commit')")
            .fetch_one(&mut *tx)
            .await?;
        let begin = if durability.as_deref() == Some("off") { BEGIN_DURABLY } else { BEGIN };
        tx.commit().await?;
        Ok(Self { pool, begin })
    }

    /// Begins a unit of work on any connection. One that turns out to be dead is dropped and the next one tried: nothing
    /// has been asked of it yet.
    pub async fn begin(&self) -> Result<Tx<'static>, Error> {
        for _ in 0..self.pool.options().get_max_connections() {
            match self.pool.begin_with(self.begin).await {
                Ok(tx) => return Ok(Tx(tx)),
                Err(sqlx::Error::Io(_) | sqlx::Error::Database(_)) if self.pool.size() > 0 => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Tx(self.pool.begin_with(self.begin).await?))
    }

    /// Takes a connection out of the pool, to begin many units of work on it one after the other.
    pub async fn connection(&self) -> Result<Connection, Error> {
        Ok(Connection { inner: self.pool.acquire().await?, begin: self.begin })
    }

    /// Waits until the connections in use are given back, and closes them all.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// A connection of one's own.
#[derive(Debug)]
pub struct Connection {
    inner: PoolConnection<Postgres>,
    begin: &'static str,
}

impl Connection {
    /// Begins a unit of work. A connection on which anything has failed is to be [discarded](Connection::discard).
    pub async fn begin(&mut self) -> Result<Tx<'_>, Error> {
        Ok(Tx(sqlx::Connection::begin_with(&mut *self.inner, self.begin).await?))
    }

    /// Ends the connection without a word, and with it what was begun on it.
    pub fn discard(self) {
        drop(self.inner.detach());
    }
}

/// A unit of work: everything in it happens at [`Tx::commit`], or nothing does.
#[must_use = "a transaction that is not committed is rolled back"]
pub struct Tx<'c>(Transaction<'c, Postgres>);

impl Tx<'_> {
    /// Makes it durable. Whether a commit that failed has happened is not known, so it is always [`Error::Timeout`].
    pub async fn commit(self) -> Result<(), Error> {
        self.0.commit().await.map_err(|error| Error::Timeout(Some(error.into())))
    }

    /// Forgets it, and waits until its locks are gone.
    pub async fn rollback(self) -> Result<(), Error> {
        Ok(self.0.rollback().await?)
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_no_answer(&error) {
            Self::Timeout(Some(error.into()))
        } else {
            Self::Internal(error.into())
        }
    }
}

/// The database was not there, or gave up waiting: worth another try, unlike an answer that we do not understand.
fn is_no_answer(error: &sqlx::Error) -> bool {
    // SQLSTATE classes: 08 connection, 53 resources, 57 operator intervention (shutdown, statement timeout), 40
    // deadlock and serialization, 25P03 idle in transaction, 55P03 lock timeout.
    let by_state = |state: &str| {
        matches!(state.get(..2), Some("08" | "40" | "53" | "57"))
            || matches!(state, "25P03" | "55P03")
    };
    let state = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    state.is_some_and(|state| by_state(&state))
        || matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        )
}

/// What a stored number is when it is a count: the schema keeps counts from 0 to 2^31 - 1.
fn count(stored: i32) -> u32 {
    stored.unsigned_abs()
}

/// A count as it is stored.
fn stored(count: u32) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
