//! Runs the migrations, with refinery.
//!
//! refinery has no driver for sqlx, so `Driver` is one. Migrations then use the same kind of connection as everything
//! else, with the same TLS settings. All migrations run in one transaction under one advisory lock, which works behind
//! PgBouncer as well. Replicas that start together wait for each other.

use std::collections::BTreeMap;
use std::fmt;

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Runner};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::convert::corrupt;
use super::{Store, Tx};
use crate::deadline::Deadline;
use crate::error::Error;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The key of the advisory lock ("earmark" in ASCII).
const SCHEMA_LOCK: i64 = 0x0065_6172_6d61_726b;

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
    /// As refinery computes it from the text.
    pub checksum: u64,
    pub state: MigrationState,
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
        write!(out, "V{}__{}", self.version, self.name)
    }
}

/// Returns each migration with its state. Changes nothing.
pub async fn plan(store: &Store, deadline: Deadline) -> Result<Vec<PlannedMigration>, Error> {
    let mut connection = store.connection(deadline).await?;
    let mut tx = connection.begin().await?;
    let mut applied = load_applied(&mut tx).await?;
    tx.rollback().await?;
    let mut plan: Vec<_> = runner()
        .get_migrations()
        .iter()
        .map(|known| {
            let (version, checksum) = (i64::from(known.version()), known.checksum());
            let state = match applied.remove(&version) {
                None => MigrationState::Pending,
                Some((_, stored)) if stored == checksum.to_string() => MigrationState::Applied,
                Some(_) => MigrationState::Changed,
            };
            PlannedMigration { version, name: known.name().to_owned(), checksum, state }
        })
        .collect();
    for (version, (name, checksum)) in applied {
        let checksum =
            checksum.parse().map_err(|error| corrupt("refinery_schema_history.checksum", error))?;
        plan.push(PlannedMigration { version, name, checksum, state: MigrationState::Unknown });
    }
    plan.sort_unstable_by_key(|migration| migration.version);
    Ok(plan)
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

/// Runs all pending migrations in one transaction, and returns their names.
pub async fn migrate(store: &Store) -> Result<Vec<String>, Error> {
    // Without the timeouts of a request: waiting for another replica, or building an index, may take longer.
    let mut connection = store.connection(Deadline::NONE).await?;
    let mut tx = connection.begin_plain().await?;
    sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
        .execute(tx.session())
        .await?;
    sqlx::query!("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK).execute(tx.session()).await?;
    let mut applied = Vec::new();
    if load_version(&mut tx).await? < expected_version() {
        let mut driver = Driver(&mut tx.inner);
        let report =
            runner().run_async(&mut driver).await.map_err(|e| Error::Internal(e.into()))?;
        applied = report.applied_migrations().iter().map(ToString::to_string).collect();
    }
    tx.commit().await?;
    Ok(applied)
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
    sqlx::query_scalar("SELECT COALESCE(max(version), 0)::bigint FROM refinery_schema_history")
        .fetch_one(tx.session())
        .await
        .map_err(Error::from)
}

async fn has_history(tx: &mut Tx<'_>) -> Result<bool, Error> {
    let history = sqlx::query_scalar!("SELECT to_regclass('refinery_schema_history')::text")
        .fetch_one(tx.session())
        .await?;
    Ok(history.is_some())
}

fn runner() -> Runner {
    embedded::migrations::runner()
}

/// The version of the schema that this binary needs.
#[must_use]
pub fn expected_version() -> i64 {
    runner()
        .get_migrations()
        .iter()
        .map(|migration| i64::from(migration.version()))
        .max()
        .unwrap_or(0)
}

/// Runs refinery's statements on a connection with an open transaction.
struct Driver<'tx>(&'tx mut PgConnection);

impl AsyncTransaction for Driver<'_> {
    type Error = sqlx::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, sqlx::Error> {
        let mut count = 0;
        for query in queries {
            // The text is a file of `migrations/` or a statement of refinery. No part of it comes from a client.
            sqlx::raw_sql(AssertSqlSafe(query)).execute(&mut *self.0).await?;
            count += 1;
        }
        Ok(count)
    }
}

impl AsyncQuery<Vec<Migration>> for Driver<'_> {
    async fn query<'a>(&'a mut self, query: &'a str) -> Result<Vec<Migration>, sqlx::Error> {
        let rows = sqlx::raw_sql(AssertSqlSafe(query)).fetch_all(&mut *self.0).await?;
        rows.iter()
            .map(|row| {
                let applied_on: String = row.try_get("applied_on")?;
                let checksum: String = row.try_get("checksum")?;
                let decode =
                    |error: Box<dyn std::error::Error + Send + Sync>| sqlx::Error::Decode(error);
                Ok(Migration::applied(
                    row.try_get("version")?,
                    row.try_get("name")?,
                    OffsetDateTime::parse(&applied_on, &Rfc3339).map_err(|e| decode(e.into()))?,
                    checksum.parse().map_err(|e: std::num::ParseIntError| decode(e.into()))?,
                ))
            })
            .collect()
    }
}

impl AsyncMigrate for Driver<'_> {}
