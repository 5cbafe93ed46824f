//! Runs the migrations, with refinery.
//!
//! Each migration runs in a transaction of its own under one advisory lock, which works behind PgBouncer as well. Replicas
//! that start together wait for each other.
//!
//! A lock that waits makes all later locks on the same table queue behind it, those of requests included. So a migration
//! waits for a lock only briefly, gives up, lets the requests pass, and tries again.

mod driver;
mod partitions;
mod statements;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use driver::Driver;
pub use partitions::{check_all, migrate as migrate_all, plan as plan_all};
use refinery_core::{Migration, Runner, Target};
use sqlx::error::DatabaseError;

use super::convert::corrupt;
use super::locks::{self, Holder, LockMode, TableLock};
use super::{Connection, Store, Tx};
use crate::deadline::Deadline;
use crate::error::Error;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The key of the advisory lock ("earmark" in ASCII).
const SCHEMA_LOCK: i64 = 0x0065_6172_6d61_726b;
const HISTORY: &str = "refinery_schema_history";

pub(super) const FIND_HISTORY: &str = "SELECT to_regclass('refinery_schema_history')::text";
pub(super) const LOAD_VERSION: &str =
    "SELECT COALESCE(max(version), 0)::bigint FROM refinery_schema_history";

/// How long a migration waits for one lock. Requests that queue behind it wait as long, and the `lock_timeout` of a request
/// is 250 ms.
const LOCK_TRY: Duration = Duration::from_millis(100);
/// The time between two tries, in which requests do not wait.
const LOCK_PAUSE: Duration = Duration::from_secs(1);
/// How long to keep trying by default.
pub const LOCK_WAIT: Duration = Duration::from_mins(10);
/// The line of a migration that lists the locks that it takes on tables which exist before it. A test compares the line
/// with `pg_locks`.
const LOCKS_LINE: &str = "-- locks: ";

/// How the version of the schema compares with the newest migration of this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    Current,
    /// Migrations have to run. `found` is 0 if there is no schema yet.
    Older {
        found: i64,
        expected: i64,
    },
    Newer {
        found: i64,
        expected: i64,
    },
}

impl SchemaState {
    /// The version of the schema, and the version that this binary needs.
    #[must_use]
    pub fn versions(self) -> (i64, i64) {
        match self {
            Self::Current => (expected_version(), expected_version()),
            Self::Older { found, expected } | Self::Newer { found, expected } => (found, expected),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMigration {
    pub version: i64,
    /// The words in the name of the file.
    pub name: String,
    /// `None`: that of the shared tables.
    pub schema: Option<String>,
    /// As refinery computes it from the text.
    pub checksum: u64,
    pub state: MigrationState,
    /// The locks that a pending migration takes, each with the sessions that hold it up now.
    pub locks: Vec<(TableLock, Vec<Holder>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    Applied,
    /// Applied with a text that differs from that in this binary.
    Changed,
    Pending,
    /// Applied, but this binary does not contain it.
    Unknown,
}

impl fmt::Display for PlannedMigration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "V{}__{}", self.version, self.name)?;
        match &self.schema {
            Some(schema) => write!(out, " in {schema}"),
            None => Ok(()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("no lock for {step} within {} s; {}", waited.as_secs(), blame(holders))]
    Locked { step: String, waited: Duration, holders: Vec<Holder> },
    #[error(
        "the database has {count} partitions, not {wanted}: the number is chosen before the first app is created; \
         docs/scale-out.md says how to move to another number"
    )]
    Divided { count: u16, wanted: u16 },
    #[error("the schema {0} is a partition of another database")]
    OtherPartition(String),
    #[error(transparent)]
    Failed(#[from] Error),
}

fn blame(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "the sessions that held it have ended meanwhile: run it again".to_owned();
    }
    let holders: Vec<_> = holders.iter().map(ToString::to_string).collect();
    format!(
        "it is held by {}: wait until they end, or end them with pg_terminate_backend(pid)",
        holders.join("; and by ")
    )
}

/// Returns each migration with its state. Changes nothing.
pub async fn plan(store: &Store, deadline: Deadline) -> Result<Vec<PlannedMigration>, Error> {
    Migrations::embedded().plan(store, deadline).await
}

/// Compares the schema with this binary. Changes nothing.
pub async fn check(store: &Store, deadline: Deadline) -> Result<SchemaState, Error> {
    let mut connection = store.connection(deadline).await?;
    let mut tx = connection.begin().await?;
    let found = load_version(&mut tx).await?;
    tx.commit().await?;
    let expected = expected_version();
    Ok(match found {
        _ if found == expected => SchemaState::Current,
        _ if found < expected => SchemaState::Older { found, expected },
        _ => SchemaState::Newer { found, expected },
    })
}

/// The version of the server, such as `15.18`.
pub async fn server_version(store: &Store, deadline: Deadline) -> Result<String, Error> {
    let mut connection = store.connection(deadline).await?;
    let mut tx = connection.begin().await?;
    let version = sqlx::query_scalar("SHOW server_version").fetch_one(tx.session()).await?;
    tx.commit().await?;
    Ok(version)
}

/// Runs all pending migrations, and returns their names.
pub async fn migrate(store: &Store) -> Result<Vec<String>, MigrateError> {
    Migrations::embedded().run(store, LOCK_WAIT).await
}

/// The version of the schema that this binary needs.
#[must_use]
pub fn expected_version() -> i64 {
    static VERSION: LazyLock<i64> = LazyLock::new(|| {
        let versions = Migrations::embedded().0.into_iter().map(|one| i64::from(one.version()));
        versions.max().unwrap_or(0)
    });
    *VERSION
}

/// A list of migrations.
#[derive(Debug, Clone)]
pub struct Migrations(Vec<Migration>);

impl Migrations {
    /// Those of this binary.
    #[must_use]
    pub fn embedded() -> Self {
        Self(embedded::migrations::runner().get_migrations().clone())
    }

    /// These files, each with its name and its text.
    pub fn of_files(files: &[(&str, &str)]) -> Result<Self, Error> {
        let files = files.iter().map(|(name, sql)| Migration::unapplied(name, sql));
        let migrations = files.collect::<Result<_, _>>().map_err(|e| Error::Internal(e.into()))?;
        Ok(Self(migrations))
    }

    /// The first migration that a schema of this version lacks.
    fn after(&self, version: i64) -> Option<&Migration> {
        let missing = self.0.iter().filter(|migration| i64::from(migration.version()) > version);
        missing.min_by_key(|migration| migration.version())
    }

    /// Returns each migration with its state. Changes nothing.
    pub async fn plan(
        &self,
        store: &Store,
        deadline: Deadline,
    ) -> Result<Vec<PlannedMigration>, Error> {
        let mut connection = store.connection(deadline).await?;
        let mut tx = connection.begin().await?;
        let mut applied = load_applied(&mut tx).await?;
        let mut plan = Vec::new();
        for known in &self.0 {
            let (version, checksum) = (i64::from(known.version()), known.checksum());
            let state = match applied.remove(&version) {
                None => MigrationState::Pending,
                Some((_, stored)) if stored == checksum.to_string() => MigrationState::Applied,
                Some(_) => MigrationState::Changed,
            };
            let mut locks = Vec::new();
            if state == MigrationState::Pending {
                for lock in locks_of(known)? {
                    let holders = locks::holders(tx.session(), &lock).await?;
                    locks.push((lock, holders));
                }
            }
            let name = known.name().to_owned();
            let schema = None;
            plan.push(PlannedMigration { version, name, schema, checksum, state, locks });
        }
        tx.rollback().await?;
        for (version, (name, checksum)) in applied {
            let checksum = checksum
                .parse()
                .map_err(|error| corrupt("refinery_schema_history.checksum", error))?;
            let (state, locks) = (MigrationState::Unknown, Vec::new());
            let schema = None;
            plan.push(PlannedMigration { version, name, schema, checksum, state, locks });
        }
        plan.sort_unstable_by_key(|migration| migration.version);
        Ok(plan)
    }

    /// Runs all pending migrations, and returns their names. Fails if a lock is not free for the time of `lock_wait`.
    pub async fn run(
        &self,
        store: &Store,
        lock_wait: Duration,
    ) -> Result<Vec<String>, MigrateError> {
        // Without the timeouts of a request: waiting for another replica, or building an index, may take longer.
        let mut connection = store.connection(Deadline::NONE).await?;
        let (mut applied, mut blamed) = (Vec::new(), Vec::new());
        let begun = Instant::now();
        loop {
            let mut next = None;
            match self.run_next(&mut connection, begun + lock_wait, &mut next).await {
                Ok(()) => match next {
                    Some(migration) => applied.push(migration.to_string()),
                    None => return Ok(applied),
                },
                Err(error) if is_lock_timeout(&error) => {
                    let holders = holders(&mut connection, next).await?;
                    let step = next.map_or_else(|| HISTORY.to_owned(), ToString::to_string);
                    if begun.elapsed() + LOCK_PAUSE >= lock_wait {
                        return Err(MigrateError::Locked { step, waited: lock_wait, holders });
                    }
                    let pids: Vec<_> = holders.iter().map(|holder| holder.pid).collect();
                    if blamed != pids {
                        tracing::warn!("waiting for the lock of {step}; {}", blame(&holders));
                        blamed = pids;
                    }
                    tokio::time::sleep(LOCK_PAUSE).await;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Runs the next migration in a transaction. `next` becomes that migration as soon as it is known, so that the caller
    /// can name it if it fails. It stays `None` if all have run.
    async fn run_next<'m>(
        &'m self,
        connection: &mut Connection,
        until: Instant,
        next: &mut Option<&'m Migration>,
    ) -> Result<(), Error> {
        in_transaction(connection, async |tx| self.run_next_in(tx, until, next).await).await
    }

    async fn run_next_in<'m>(
        &'m self,
        tx: &mut Tx<'_>,
        until: Instant,
        next: &mut Option<&'m Migration>,
    ) -> Result<(), Error> {
        lock_schemas(tx, until.saturating_duration_since(Instant::now())).await?;
        set_lock_timeout(tx, LOCK_TRY).await?;
        let Some(migration) = self.after(load_version(tx).await?) else { return Ok(()) };
        *next = Some(migration);
        let runner = Runner::new(&self.0).set_target(Target::Version(migration.version()));
        let ran = runner.run_async(&mut Driver(&mut tx.inner)).await;
        ran.map(drop).map_err(|error| Error::Internal(error.into()))
    }
}

/// Runs `work` in a transaction without the timeouts of a request. The connection is of use afterwards, also if it fails.
async fn in_transaction(
    connection: &mut Connection,
    work: impl AsyncFnOnce(&mut Tx<'_>) -> Result<(), Error>,
) -> Result<(), Error> {
    let mut tx = connection.begin_plain().await?;
    match work(&mut tx).await {
        Ok(()) => tx.commit().await,
        Err(error) => {
            tx.rollback().await?;
            Err(error)
        }
    }
}

/// Takes the lock that lets one process at a time change schemas, until the transaction ends. Waiting for another replica keeps no
/// request waiting.
async fn lock_schemas(tx: &mut Tx<'_>, lock_wait: Duration) -> Result<(), Error> {
    // PostgreSQL sends a notice if something that is created if it is missing exists: the table of refinery, a schema. Citus warns of
    // each view in a schema that it has not placed yet.
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL client_min_messages = error")
        .execute(tx.session())
        .await?;
    set_lock_timeout(tx, lock_wait).await?;
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK).execute(tx.session()).await?;
    Ok(())
}

/// The sessions that hold up a migration, or all migrations.
async fn holders(
    connection: &mut Connection,
    migration: Option<&Migration>,
) -> Result<Vec<Holder>, Error> {
    let mut locks = migration.map_or_else(|| Ok(Vec::new()), locks_of)?;
    locks.push(TableLock { mode: LockMode::RowExclusive, table: HISTORY.to_owned() });
    let mut tx = connection.begin().await?;
    let mut holders = locks::advisory_holders(tx.session(), SCHEMA_LOCK).await?;
    for lock in locks {
        holders.extend(locks::holders(tx.session(), &lock).await?);
    }
    tx.rollback().await?;
    holders.sort_unstable_by_key(|holder| holder.pid);
    holders.dedup_by_key(|holder| holder.pid);
    Ok(holders)
}

/// The locks that the text of a migration lists.
fn locks_of(migration: &Migration) -> Result<Vec<TableLock>, Error> {
    let mut lines = migration.sql().unwrap_or_default().lines();
    let listed = lines.find_map(|line| line.strip_prefix(LOCKS_LINE)).unwrap_or_default();
    listed.split(',').filter(|lock| !lock.is_empty()).map(str::parse).collect()
}

/// `lock_timeout` 0 would mean no timeout.
async fn set_lock_timeout(tx: &mut Tx<'_>, timeout: Duration) -> Result<(), Error> {
    sqlx::query("SELECT set_config('lock_timeout', $1, TRUE)")
        .bind(timeout.as_millis().max(1).to_string())
        .execute(tx.session())
        .await?;
    Ok(())
}

/// Whether PostgreSQL gave up waiting for a lock (55P03). refinery wraps the error of the driver.
fn is_lock_timeout(error: &Error) -> bool {
    let (Error::Internal(cause) | Error::Unavailable(Some(cause))) = error else { return false };
    let mut causes = cause.chain().filter_map(|cause| cause.downcast_ref::<sqlx::Error>());
    let state = causes.find_map(sqlx::Error::as_database_error).and_then(DatabaseError::code);
    state.is_some_and(|state| state == "55P03")
}

/// Loads name and checksum of each applied migration, by version.
async fn load_applied(tx: &mut Tx<'_>) -> Result<BTreeMap<i64, (String, String)>, Error> {
    if !has_history(tx).await? {
        return Ok(BTreeMap::new());
    }
    let rows: Vec<(i64, String, String)> =
        sqlx::query_as("SELECT version::bigint, name, checksum FROM refinery_schema_history")
            .fetch_all(tx.session())
            .await?;
    Ok(rows.into_iter().map(|(version, name, checksum)| (version, (name, checksum))).collect())
}

async fn load_version(tx: &mut Tx<'_>) -> Result<i64, Error> {
    if !has_history(tx).await? {
        return Ok(0);
    }
    sqlx::query_scalar(LOAD_VERSION).fetch_one(tx.session()).await.map_err(Error::from)
}

async fn has_history(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let history: Option<String> = sqlx::query_scalar(FIND_HISTORY).fetch_one(tx.session()).await?;
    Ok(history.is_some())
}
