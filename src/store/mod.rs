//! The only SQL. [`Store`] is the way to the database, [`Tx`] one unit of work in it.

mod accounts;
mod apps;
mod cancel;
mod chat_groups;
mod columns;
mod connection;
mod contact_groups;
mod conversations;
mod database;
mod forgetting;
mod gone;
mod idle;
mod marks;
mod reading;
mod schema;
mod session;
mod users;
mod verify;

use std::sync::Arc;
use std::time::Instant;

use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, Connection as _, PgPool, Row};

pub use accounts::Account;
pub use connection::{Connection, Reader, Tx};
pub use database::Database;
pub use forgetting::Pruned;
pub use marks::{MarkRow, MarkUser};
pub use reading::{ListCursor, Reading};
pub use schema::{MigrationState, PlannedMigration, SchemaState};
pub use users::Changed;
pub use verify::{Broken, Verdict};

use crate::deadline::Deadline;
use crate::error::Error;
use crate::metrics::Metrics;
use cancel::Canceller;
use idle::Idle;

/// Connections of those who have no share of their own: commands, health checks, and callers from within the process.
const CONNECTIONS_BESIDE: u32 = 4;

/// The database.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    idle: Arc<Idle>,
    connections_max: u32,
    begin: &'static str,
    keeps_statements: bool,
    canceller: Canceller,
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
    /// Connects, and asks the server whether its commits are durable by themselves.
    pub async fn connect(database: &Database) -> Result<Self, sqlx::Error> {
        let learn = async {
            // Not through the pool, which tries again and again and then only says that its time is up.
            let mut connection = database.plain().connect().await?;
            let row = sqlx::raw_sql("SHOW synchronous_commit").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(row.try_get::<&str, _>(0)? != "off")
        };
        let is_durable =
            Deadline::of_a_request().limit(learn).await.unwrap_or_else(|_| Err(session::late()))?;
        let (options, begin) = database.session(is_durable);
        let pool = PgPoolOptions::new()
            .max_connections(database.connections_max().min(CONNECTIONS_BESIDE))
            .acquire_timeout(Deadline::OF_A_REQUEST)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        let metrics = Metrics::new().map_err(|wrong| sqlx::Error::Configuration(wrong.into()))?;
        let keeps_statements = database.keeps_statements();
        let connections_max = database.connections_max();
        let idle = Idle::of(pool.options().get_max_connections()).into();
        let metrics = Arc::new(metrics);
        let canceller = Canceller::new(database.plain(), metrics.clone());
        Ok(Self { pool, idle, connections_max, begin, keeps_statements, canceller, metrics })
    }

    /// What is counted here and above.
    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    /// How many connections there are now.
    #[must_use]
    pub fn connections(&self) -> Connections {
        let open = self.pool.size();
        let idle = self.pool.num_idle() + self.idle.count();
        let idle = u32::try_from(idle).unwrap_or(open);
        let max = self.pool.options().get_max_connections();
        Connections { open, in_use: open.saturating_sub(idle), max }
    }

    /// The same database, with one of `shares` equal parts of the connections that the settings allow. They belong to the
    /// runtime that this is called on: requests are answered without messages between threads.
    #[must_use]
    pub fn share(&self, shares: usize) -> Self {
        let shares = u32::try_from(shares).unwrap_or(u32::MAX).max(1);
        let part = (self.connections_max / shares).max(2);
        let options = self.pool.options().clone().max_connections(part);
        let pool = options.connect_lazy_with(self.pool.connect_options().as_ref().clone());
        Self { pool, idle: Idle::of(part).into(), ..self.clone() }
    }

    /// A connection for the caller alone, as soon as one is free.
    pub async fn connection(&self, deadline: Deadline) -> Result<Connection, Error> {
        let begun = Instant::now();
        let connection = deadline.limit(self.next_connection(deadline)).await;
        self.metrics.acquire_seconds.observe(begun.elapsed().as_secs_f64());
        Ok(connection.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
    }

    async fn next_connection(&self, deadline: Deadline) -> Result<Connection, sqlx::Error> {
        let permit = self.idle.permit().await;
        if let Some(connection) = self.idle.take(deadline).await {
            return Ok(connection.used_with(permit, deadline));
        }
        // Boxed, as most requests hold the way there without taking it.
        let connection = Box::pin(self.pooled_connection(deadline)).await?;
        Ok(connection.used_with(permit, deadline))
    }

    /// A connection from the pool that answers. Those that ended since they were last used are left out.
    async fn pooled_connection(&self, deadline: Deadline) -> Result<Connection, sqlx::Error> {
        let mut attempts_left = self.pool.size();
        loop {
            let (pooled, canceller) = (self.pool.acquire().await?, self.canceller.clone());
            let mut connection =
                Connection::new(pooled, self.begin, self.keeps_statements, canceller, deadline);
            match connection.check().await {
                Ok(()) => return Ok(connection),
                Err(error) if attempts_left == 0 => return Err(error),
                Err(_) => attempts_left -= 1,
            }
        }
    }

    /// Reads on a connection that is kept for the next reader afterwards.
    ///
    /// Takes a store of its own: what reads may outlive its caller.
    pub async fn read<T>(
        self,
        deadline: Deadline,
        read: impl AsyncFnOnce(&mut Reader<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = self.connection(deadline).await?;
        let done = read(&mut connection.read().await?).await?;
        if self.keeps_statements {
            self.idle.keep(connection);
        }
        Ok(done)
    }

    /// Waits until the connections in use are given back, and closes them all.
    pub async fn close(&self) {
        self.idle.close();
        self.pool.close().await;
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_no_answer(&error) {
            Self::Unavailable(Some(error.into()))
        } else {
            Self::Internal(error.into())
        }
    }
}

/// The database could not be reached or gave up waiting, so another try may work.
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
