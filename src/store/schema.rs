//! Brings the schema up to date, by refinery.
//!
//! refinery has no driver for sqlx, so here is one: migrations then run over the same kind of connection as everything
//! else, TLS included. All of it is one transaction under one lock, which holds behind PgBouncer as well, and replicas
//! that start together wait for each other.

use std::collections::BTreeMap;
use std::fmt;

use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use refinery_core::{Migration, Runner};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::{Store, Tx};
use crate::deadline::Deadline;
use crate::error::Error;

mod embedded {
    refinery::embed_migrations!("migrations");
}

/// The number that all processes agree on to lock the schema by ("earmark" in ASCII).
const SCHEMA_LOCK: i64 = 0x0065_6172_6d61_726b;

/// How the schema of the database compares with this binary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SchemaState {
    /// As it should be.
    Current,
    /// Migrations have to run; 0 = there is no schema yet.
    Older {
        /// In the database.
        found: i64,
        /// In this binary.
        expected: i64,
    },
    /// A newer binary has been here.
    Newer {
        /// In the database.
        found: i64,
        /// In this binary.
        expected: i64,
    },
}

/// A migration, and whether it has run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlannedMigration {
    /// Its number.
    pub version: i64,
    /// What it does, as in the name of its file.
    pub name: String,
    /// Of its text, as refinery computes it.
    pub checksum: u64,
    /// Whether it has run.
    pub state: MigrationState,
}

/// Whether a migration has run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MigrationState {
    /// It has.
    Applied,
    /// It has, but this binary has another text of it.
    Changed,
    /// It has not.
    Pending,
    /// It has, but this binary does not know it.
    Unknown,
}

impl fmt::Display for PlannedMigration {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "V{}__{}", self.version, self.name)
    }
}

impl Store {
    /// Says of each migration whether it has run, without changing anything.
    pub async fn migration_plan(&self, deadline: Deadline) -> Result<Vec<PlannedMigration>, Error> {
        let mut connection = self.connection(deadline).await?;
        let mut tx = connection.begin().await?;
        let mut applied = tx.applied_migrations().await?;
        tx.rollback().await?;
        let mut plan: Vec<_> = runner()
            .get_migrations()
            .iter()
            .map(|known| {
                let (version, checksum) = (i64::from(known.version()), known.checksum());
                let state = match applied.remove(&version) {
                    None => MigrationState::Pending,
                    Some((_, was)) if was == checksum.to_string() => MigrationState::Applied,
                    Some(_) => MigrationState::Changed,
                };
                PlannedMigration { version, name: known.name().to_owned(), checksum, state }
            })
            .collect();
        plan.extend(applied.into_iter().map(|(version, (name, checksum))| PlannedMigration {
            version,
            name,
            checksum: checksum.parse().unwrap_or_default(),
            state: MigrationState::Unknown,
        }));
        plan.sort_unstable_by_key(|one| one.version);
        Ok(plan)
    }

    /// Compares the schema with this binary, without changing anything.
    pub async fn schema_state(&self, deadline: Deadline) -> Result<SchemaState, Error> {
        let mut connection = self.connection(deadline).await?;
        let mut tx = connection.begin().await?;
        let found = tx.schema_version().await?;
        tx.commit().await?;
        let expected = expected_version();
        Ok(match found {
            _ if found == expected => SchemaState::Current,
            _ if found < expected => SchemaState::Older { found, expected },
            _ => SchemaState::Newer { found, expected },
        })
    }

    /// Runs the migrations that are missing and names them. All of them happen, or none.
    pub async fn migrate(&self) -> Result<Vec<String>, Error> {
        // Not `begin`: waiting for another replica, or building an index, may take longer than a request may.
        let mut connection = self.connection(Deadline::NONE).await?;
        let mut tx = connection.begin_plain().await?;
        sqlx::raw_sql("SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = 0")
            .execute(tx.session())
            .await?;
        sqlx::query!("SELECT pg_advisory_xact_lock($1)", SCHEMA_LOCK).execute(tx.session()).await?;
        let mut applied = Vec::new();
        if tx.schema_version().await? < expected_version() {
            let mut driver = Driver(&mut tx.inner);
            let report =
                runner().run_async(&mut driver).await.map_err(|e| Error::Internal(e.into()))?;
            applied = report.applied_migrations().iter().map(ToString::to_string).collect();
        }
        tx.commit().await?;
        Ok(applied)
    }
}

impl Tx<'_> {
    /// Name and checksum of each migration that has run, by number.
    async fn applied_migrations(&mut self) -> Result<BTreeMap<i64, (String, String)>, Error> {
        if !self.has_history().await? {
            return Ok(BTreeMap::new());
        }
        let rows: Vec<(i64, String, String)> =
            sqlx::query_as("SELECT version::bigint, name, checksum FROM refinery_schema_history")
                .fetch_all(self.session())
                .await?;
        Ok(rows.into_iter().map(|(version, name, checksum)| (version, (name, checksum))).collect())
    }

    async fn has_history(&mut self) -> Result<bool, Error> {
        let history = sqlx::query_scalar!("SELECT to_regclass('refinery_schema_history')::text")
            .fetch_one(self.session())
            .await?;
        Ok(history.is_some())
    }

    async fn schema_version(&mut self) -> Result<i64, Error> {
        if !self.has_history().await? {
            return Ok(0);
        }
        let last: Option<i64> =
            sqlx::query_scalar("SELECT max(version)::bigint FROM refinery_schema_history")
                .fetch_one(self.session())
                .await?;
        Ok(last.unwrap_or(0))
    }
}

fn runner() -> Runner {
    embedded::migrations::runner()
}

fn expected_version() -> i64 {
    runner()
        .get_migrations()
        .iter()
        .map(|migration| i64::from(migration.version()))
        .max()
        .unwrap_or(0)
}

/// Runs refinery's statements on a connection whose transaction is already open.
struct Driver<'tx>(&'tx mut PgConnection);

impl AsyncTransaction for Driver<'_> {
    type Error = sqlx::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, sqlx::Error> {
        let mut count = 0;
        for query in queries {
            // These are the files in `migrations/` and refinery's own statements: nothing comes from a caller.
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
