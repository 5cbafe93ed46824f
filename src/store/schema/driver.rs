//! refinery has no driver for sqlx, so this is one. Migrations then use the same kind of connection as everything else, with the
//! same TLS settings.

use refinery_core::Migration;
use refinery_core::traits::r#async::{AsyncMigrate, AsyncQuery, AsyncTransaction};
use sqlx::{AssertSqlSafe, PgConnection, Row};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::statements::statements;

/// Runs refinery's statements on a connection with an open transaction.
pub(super) struct Driver<'tx>(pub(super) &'tx mut PgConnection);

impl AsyncTransaction for Driver<'_> {
    type Error = sqlx::Error;

    async fn execute<'a, T: Iterator<Item = &'a str> + Send + 'a>(
        &'a mut self,
        queries: T,
    ) -> Result<usize, sqlx::Error> {
        let mut count = 0;
        for query in queries {
            // One statement in a message: Citus refuses several (docs/scale-out.md).
            for statement in statements(query) {
                // The text is a file of `migrations/` or a statement of refinery. No part of it comes from a client.
                sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut *self.0).await?;
                count += 1;
            }
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
