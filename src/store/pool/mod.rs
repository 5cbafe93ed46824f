//! The connection pool.

mod cancel;
mod connection;
mod database;
mod idle;
mod session;

use std::sync::Arc;
use std::time::Instant;

use sqlx::postgres::PgPoolOptions;
use sqlx::{ConnectOptions, Connection as _, PgPool, Row};

pub use connection::{Connection, Reader, Tx};
pub use database::Database;
pub(in crate::store) use session::Session;

use crate::deadline::Deadline;
use crate::error::Error;
use crate::metrics::Metrics;
use cancel::Canceller;
use idle::IdleConnections;

/// Connections of a store that [`Store::share`] has not divided: commands, health checks, callers within the process.
const UNDIVIDED_CONNECTIONS_MAX: u32 = 4;

/// The database. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    idle: Arc<IdleConnections>,
    connections_max: u32,
    begin: &'static str,
    keeps_statements: bool,
    canceller: Canceller,
    metrics: Arc<Metrics>,
}

/// Numbers of connections.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// All, including those in use.
    pub open: u32,
    pub in_use: u32,
    pub max: u32,
}

impl Store {
    /// Connects, and asks the server whether its default setting makes commits durable.
    pub async fn connect(database: &Database) -> Result<Self, sqlx::Error> {
        let ask = async {
            // Not through the pool: it retries until its timeout and does not return the cause.
            let mut connection = database.plain().connect().await?;
            let row = sqlx::raw_sql("SHOW synchronous_commit").fetch_one(&mut connection).await?;
            connection.close().await?;
            Ok(row.try_get::<&str, _>(0)? != "off")
        };
        let is_durable = Deadline::of_a_request()
            .limit(ask)
            .await
            .unwrap_or_else(|_| Err(session::timeout()))?;
        let (options, begin) = database.session(is_durable);
        let pool = PgPoolOptions::new()
            .max_connections(database.connections_max().min(UNDIVIDED_CONNECTIONS_MAX))
            .acquire_timeout(Deadline::OF_A_REQUEST)
            .test_before_acquire(false)
            .connect_with(options)
            .await?;
        let metrics = Metrics::new().map_err(|error| sqlx::Error::Configuration(error.into()))?;
        let metrics = Arc::new(metrics);
        Ok(Self {
            idle: IdleConnections::new(pool.options().get_max_connections()).into(),
            pool,
            connections_max: database.connections_max(),
            begin,
            keeps_statements: database.keeps_statements(),
            canceller: Canceller::new(database.plain(), metrics.clone()),
            metrics,
        })
    }

    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    #[must_use]
    pub fn connections(&self) -> Connections {
        let open = self.pool.size();
        let idle = self.pool.num_idle() + self.idle.count();
        let idle = u32::try_from(idle).unwrap_or(open);
        let max = self.pool.options().get_max_connections();
        Connections { open, in_use: open.saturating_sub(idle), max }
    }

    /// The same database, with one of `shares` equal parts of the connections that the settings allow. They belong to the
    /// runtime of the caller, so that a request is answered without messages between threads.
    #[must_use]
    pub fn share(&self, shares: usize) -> Self {
        let shares = u32::try_from(shares).unwrap_or(u32::MAX).max(1);
        let part = (self.connections_max / shares).max(2);
        let options = self.pool.options().clone().max_connections(part);
        let pool = options.connect_lazy_with(self.pool.connect_options().as_ref().clone());
        Self { pool, idle: IdleConnections::new(part).into(), ..self.clone() }
    }

    /// Waits for a free connection.
    pub async fn connection(&self, deadline: Deadline) -> Result<Connection, Error> {
        let begun = Instant::now();
        let connection = deadline.limit(self.next_connection(deadline)).await;
        self.metrics.acquire_seconds.observe(begun.elapsed().as_secs_f64());
        Ok(connection.unwrap_or(Err(sqlx::Error::PoolTimedOut))?)
    }

    async fn next_connection(&self, deadline: Deadline) -> Result<Connection, sqlx::Error> {
        let permit = self.idle.permit().await;
        if let Some(connection) = self.idle.take(deadline).await {
            return Ok(connection.reuse(permit, deadline));
        }
        // Boxed: most requests do not need this future, but would carry its size.
        let connection = Box::pin(self.pooled_connection(deadline)).await?;
        Ok(connection.reuse(permit, deadline))
    }

    /// Takes connections from the pool until one answers.
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

    /// Reads, and keeps the connection for the next reader.
    ///
    /// Takes the store by value, because the read may outlive its caller.
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

    /// Waits for the connections in use, and closes all.
    pub async fn close(&self) {
        self.idle.close();
        self.pool.close().await;
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_unavailable(&error) {
            Self::Unavailable(Some(error.into()))
        } else {
            Self::Internal(error.into())
        }
    }
}

/// The database could not be reached or gave up waiting, so a retry may work.
fn is_unavailable(error: &sqlx::Error) -> bool {
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
