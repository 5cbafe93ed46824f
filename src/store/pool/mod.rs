//! The connection pool.
//!
//! It is our own, because a session that was given up must keep its slot until the server has ended it, and because each new
//! session reads its credentials anew, may go to another host, and is checked.

mod abandoned;
mod connection;
mod database;
mod epoch;
mod failure;
mod fence;
mod notice;
mod open;
mod partition;
mod session;
mod slots;
mod texts;
mod url;

use std::sync::Arc;
use std::time::{Duration, Instant};

pub use connection::{Connection, Reader, Tx};
pub use database::{Database, Route};
pub use open::ConnectError;
pub use partition::Node;
pub(in crate::store) use partition::{Identity, Partition, Place, schema_name};
pub(in crate::store) use session::Session;
pub(in crate::store) use texts::create_schema;

use crate::deadline::Deadline;
use crate::error::Error;
use crate::metrics::Metrics;
use abandoned::Abandoned;
use open::{NotOpened, Open};
use session::State;
use slots::{Purpose, Slot, Slots};

/// Connections of a store that [`Store::share`] has not divided: commands, health checks, callers within the process.
const UNDIVIDED_CONNECTIONS_MAX: u32 = 4;

/// A connection that was idle for longer is pinged before it is used. A read that fails has changed nothing.
const UNCHECKED_IDLE_MAX: Duration = Duration::from_secs(1);

/// The database. A clone shares the connections.
#[derive(Debug, Clone)]
pub struct Store {
    pool: Pool,
    metrics: Arc<Metrics>,
}

/// What a connection needs of its store.
#[derive(Debug, Clone)]
struct Pool {
    database: Arc<Database>,
    slots: Arc<Slots>,
    abandoned: Abandoned,
}

/// Numbers of connections.
#[derive(Debug, Clone, Copy)]
pub struct Connections {
    /// All, including those in use, and those that were given up and still run on the server.
    pub open: u32,
    pub in_use: u32,
    pub max: u32,
}

impl Store {
    /// Connects, and checks that the database can serve us.
    pub async fn connect(database: &Database) -> Result<Self, ConnectError> {
        let database = Arc::new(database.clone());
        let first = database.open(Deadline::of_a_request()).await.map_err(|not| not.error)?;
        if database.keeps_statements() && database.shares_session(&first).await {
            return Err(ConnectError::SharedSession);
        }
        if database.allows_unsafe() {
            tracing::warn!(
                "--allow-unsafe-database is set: if fsync or full_page_writes is off, a crash of the database loses \
                 acknowledged writes"
            );
        }
        let metrics = Metrics::new().map_err(|error| sqlx::Error::Configuration(error.into()))?;
        let metrics = Arc::new(metrics);
        let slots = Slots::new(database.connections_max().min(UNDIVIDED_CONNECTIONS_MAX));
        let abandoned = Abandoned::new(database.clone(), metrics.clone());
        let pool = Pool { database, slots: slots.into(), abandoned };
        if let Some(slot) = pool.slots.take(Purpose::Any).await {
            pool.slots.keep(first, slot);
        }
        Ok(Self { pool, metrics })
    }

    #[must_use]
    pub fn metrics(&self) -> &Arc<Metrics> {
        &self.metrics
    }

    #[must_use]
    pub fn connections(&self) -> Connections {
        let slots = &self.pool.slots;
        let idle = u32::try_from(slots.idle_count()).unwrap_or(slots.max());
        let in_use = slots.in_use();
        Connections { open: in_use + idle, in_use, max: slots.max() }
    }

    /// A store for the sessions of a partition. It opens them when they are needed.
    pub(in crate::store) fn of_partition(&self, partition: Partition, count: u16) -> Self {
        let database = Arc::new(self.pool.database.of_partition(partition, count));
        let slots = Slots::new(UNDIVIDED_CONNECTIONS_MAX).into();
        let abandoned = Abandoned::new(database.clone(), self.metrics.clone());
        Self { pool: Pool { database, slots, abandoned }, metrics: self.metrics.clone() }
    }

    pub(in crate::store) fn has_partition_map(&self) -> bool {
        self.pool.database.has_partition_map()
    }

    /// Where Citus has the partition; `None` without Citus.
    pub(in crate::store) fn place(&self) -> Option<&Place> {
        self.pool.database.place()
    }

    /// Whether both lead to the same partition, or both to the shared tables.
    #[must_use]
    pub fn is_same_schema(&self, other: &Self) -> bool {
        let number = |store: &Self| store.pool.database.partition().map(|own| own.number);
        number(self) == number(other)
    }

    /// The same database, with one of `shares` equal parts of the connections that the settings allow. They belong to the
    /// runtime of the caller, so that a request is answered without messages between threads.
    #[must_use]
    pub fn share(&self, shares: usize) -> Self {
        let part = self.pool.database.connections_of_share(shares);
        let pool = Pool { slots: Slots::new(part).into(), ..self.pool.clone() };
        Self { pool, metrics: self.metrics.clone() }
    }

    /// Waits for a free connection.
    pub async fn connection(&self, deadline: Deadline) -> Result<Connection, Error> {
        self.connection_for(Purpose::Any, deadline).await
    }

    async fn connection_for(
        &self,
        purpose: Purpose,
        deadline: Deadline,
    ) -> Result<Connection, Error> {
        let begun = Instant::now();
        let connection = deadline.limit(self.next_connection(purpose, deadline)).await;
        self.metrics.acquire_seconds.observe(begun.elapsed().as_secs_f64());
        connection.unwrap_or(Err(Error::Unavailable(None)))
    }

    async fn next_connection(
        &self,
        purpose: Purpose,
        deadline: Deadline,
    ) -> Result<Connection, Error> {
        let pool = &self.pool;
        loop {
            let slot = pool.slots.take(purpose).await.ok_or(Error::Unavailable(None))?;
            // Boxed: most requests do not need these futures, but would carry their size.
            let Some(mut open) = pool.slots.take_idle() else {
                let (open, slot) = Box::pin(pool.open(slot, deadline)).await?;
                return Ok(Connection::new(open, slot, pool.clone()));
            };
            if Box::pin(open.check_again(deadline, UNCHECKED_IDLE_MAX)).await {
                return Ok(Connection::new(open, slot, pool.clone()));
            }
            if open.usage.state == State::Waiting {
                // The server is silent. The others that were idle are probably lost too, and each would cost a second.
                for mut other in pool.slots.take_older(UNCHECKED_IDLE_MAX) {
                    other.usage.state = State::Waiting;
                    pool.give_up(other, None);
                }
            }
            pool.give_up(open, Some(slot));
        }
    }

    /// Reads. If the schema has changed since the connection prepared its statements, asks once more on a new one.
    ///
    /// Takes the store by value, because the read may outlive its caller.
    pub async fn read<T>(
        self,
        deadline: Deadline,
        read: impl Clone + AsyncFnOnce(&mut Reader<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = self.connection_for(Purpose::Read, deadline).await?;
        let done = read.clone()(&mut connection.read().await?).await;
        if done.is_ok() || !connection.is_outdated() {
            return done;
        }
        drop(connection);
        let mut connection = self.connection_for(Purpose::Read, deadline).await?;
        read(&mut connection.read().await?).await
    }

    /// Changes something in a transaction, which is rolled back if `change` fails.
    ///
    /// Takes the store by value, as [`Self::read`] does.
    pub async fn write<T>(
        self,
        deadline: Deadline,
        change: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let mut connection = self.connection(deadline).await?;
        let mut tx = connection.begin().await?;
        match change(&mut tx).await {
            Ok(done) => {
                tx.commit().await?;
                Ok(done)
            }
            Err(refused @ Error::Refused(_)) => {
                tx.rollback().await?;
                Err(refused)
            }
            // Dropping the transaction rolls back, too, and does not wait for it.
            Err(failed) => Err(failed),
        }
    }

    /// Opens a session and closes it again. If the database's address has moved to a promoted standby, the fence learns of it,
    /// although the sessions with the old primary still work.
    pub async fn follow_address(&self, deadline: Deadline) -> Result<(), Error> {
        let slot = deadline.limit(self.pool.slots.take(Purpose::Any)).await.ok().flatten();
        let slot = slot.ok_or(Error::Unavailable(None))?;
        let (open, _slot) = self.pool.open(slot, deadline).await?;
        let close = sqlx::Connection::close(open.connection);
        Ok(deadline.limit(close).await.map_err(Error::late_read)??)
    }

    /// Waits for the connections in use, and closes all.
    pub async fn close(&self) {
        self.pool.abandoned.close();
        self.pool.slots.close().await;
    }
}

impl Pool {
    async fn open(&self, slot: Slot, deadline: Deadline) -> Result<(Open, Slot), ConnectError> {
        let generation = self.slots.generation();
        match self.database.open(deadline).await {
            Ok(mut open) => {
                open.generation = generation;
                open.usage.deadline = deadline;
                Ok((open, slot))
            }
            Err(NotOpened { error, half_open }) => {
                if let Some(open) = half_open {
                    self.give_up(*open, Some(slot));
                }
                Err(error)
            }
        }
    }

    /// Closes a connection. If the server may still execute its statement, the slot stays taken until that has ended.
    fn give_up(&self, open: Open, slot: Option<Slot>) {
        let Open { connection, process, usage, .. } = open;
        drop(connection);
        if let Some(process) = process.filter(|_| usage.state == State::Waiting) {
            self.abandoned.add(process, usage.commits, slot);
        }
    }
}
