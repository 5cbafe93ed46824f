//! The only SQL. [`Store`] is the way to the database, [`Tx`] one unit of work in it.

mod accounts;
mod apps;
mod at_hand;
mod chat_groups;
mod columns;
mod connection;
mod contact_groups;
mod conversations;
mod database;
mod loading;
mod locking;
#[cfg(feature = "planted-bugs")]
pub mod planted;
mod reading;
mod saving;
mod schema;
mod session;
mod users;
mod verify;

use std::io::ErrorKind;
use std::sync::Arc;
use std::time::{Duration, Instant};

use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, Connection as _, PgPool, Row};
use tokio::time::timeout;

pub use accounts::Account;
pub use connection::{Connection, Reader, Tx};
pub use database::Database;
pub use reading::{ListCursor, Reading};
pub use saving::{Changed, Unsaved};
pub use schema::{MigrationState, PlannedMigration, SchemaState};
pub use verify::{Broken, Verdict};

use crate::error::Error;
use crate::metrics::Metrics;
use at_hand::AtHand;
use connection::{IDLE_TRUSTED, in_time};

/// How long a connection may take to come, and a statement to answer: the API's deadline.
pub const DEADLINE: Duration = Duration::from_secs(3);
/// How long after its beginning a request may still begin a transaction: what is left until [`DEADLINE`] is time for the
/// database to give up first, so that nothing happens after the caller was told that it did not.
pub const LAST_TRY: Duration = Duration::from_millis(2500);
/// Connections of those who share none: commands, health, and whoever calls the service from within.
const CONNECTIONS_BESIDE: u32 = 4;

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    at_hand: Arc<AtHand>,
    connections_max: u32,
    begin: &'static str,
    keeps_statements: bool,
    metrics: Arc<Metrics>,
}

/// How many connections there are.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// All, those in use included.
    pub open: u32,
    /// Those in use.
    pub in_use: u32,
    /// As many as there may be.
    pub max: u32,
}

impl Store {
    /// Connects, and learns what has to be said to the server so that a commit is durable.
    pub async fn connect(database: &Database) -> Result<Self, sqlx::Error> {
        let learn = async {
            // Not through the pool, which tries again and again and then only says that its time is up.
            let mut connection = database.plain().connect().await?;
            let row = sqlx::raw_sql("SHOW synchronous_commit").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(row.try_get::<&str, _>(0)? != "off")
        };
        let durably = timeout(DEADLINE, learn)
            .await
            .unwrap_or_else(|_| Err(sqlx::Error::Io(ErrorKind::TimedOut.into())))?;
        #[cfg(feature = "planted-bugs")]
        let durably = planted::durably(durably);
        let (options, begin) = database.session(durably);
        let pool = PgPoolOptions::new()
            .max_connections(database.connections_max().min(CONNECTIONS_BESIDE))
            .acquire_timeout(DEADLINE)
            .test_before_acquire(false)
            .before_acquire(|connection, about| {
                Box::pin(async move {
                    if about.idle_for > IDLE_TRUSTED {
                        in_time(connection.ping()).await?;
                    }
                    Ok(true)
                })
            })
            .connect_with(options)
            .await?;
        let metrics = Metrics::new().map_err(|wrong| sqlx::Error::Configuration(wrong.into()))?;
        let keeps_statements = database.keeps_statements();
        let connections_max = database.connections_max();
        let at_hand = AtHand::of(pool.options().get_max_connections()).into();
        let metrics = Arc::new(metrics);
        Ok(Self { pool, at_hand, connections_max, begin, keeps_statements, metrics })
    }

    /// What is counted here and above.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// What is set for a connection, and prepared on it, holds for as long as it lives.
    #[must_use]
    pub fn keeps_sessions(&self) -> bool {
        self.keeps_statements
    }

    /// How many connections there are now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let open = self.pool.size();
        let idle = self.pool.num_idle() + self.at_hand.count();
        let idle = u32::try_from(idle).unwrap_or(open);
        let max = self.pool.options().get_max_connections();
        Connections { open, in_use: open.saturating_sub(idle), max }
    }

    /// The same database, with one of `shares` equal parts of the connections that the settings allow. They belong to the
    /// runtime that this is called on: what is asked on them is answered without a word between threads.
    #[must_use]
    pub fn share(&self, shares: usize) -> Self {
        let shares = u32::try_from(shares).unwrap_or(u32::MAX).max(1);
        let part = (self.connections_max / shares).max(2);
        let options = self.pool.options().clone().max_connections(part);
        let pool = options.connect_lazy_with(self.pool.connect_options().as_ref().clone());
        Self { pool, at_hand: AtHand::of(part).into(), ..self.clone() }
    }

    /// A connection of one's own, as soon as there is one.
    pub async fn connection(&self) -> Result<Connection, Error> {
        let begun = Instant::now();
        let connection = timeout(DEADLINE, self.next_connection()).await;
        self.metrics.acquire_seconds.observe(begun.elapsed().as_secs_f64());
        Ok(connection.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
    }

    async fn next_connection(&self) -> Result<Connection, sqlx::Error> {
        let turn = self.at_hand.turn().await;
        if let Some(connection) = self.at_hand.take().await {
            return Ok(connection.used_in(turn));
        }
        let connection = self.pool.acquire().await?;
        Ok(Connection::new(connection, turn, self.begin, self.keeps_statements))
    }

    /// Reads on a connection that is at hand for the next afterwards.
    ///
    /// Takes a store of its own: what reads may outlive whoever asked.
    pub async fn read<T>(
        self,
        read: impl AsyncFnOnce(&mut Reader<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = self.connection().await?;
        let done = read(&mut connection.read().await?).await?;
        if self.keeps_statements {
            self.at_hand.keep(connection);
        }
        Ok(done)
    }

    /// Waits until the connections in use are given back, and closes them all.
    pub async fn close(&self) {
        self.at_hand.close();
        self.pool.close().await;
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
