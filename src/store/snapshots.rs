//! How long transactions keep PostgreSQL from removing old row versions.

use std::time::Duration;

use super::Store;
use crate::deadline::Deadline;
use crate::error::Error;

/// The age of the oldest transaction in this database that holds a snapshot or a transaction id, prepared ones included.
/// Vacuum removes no row version that is younger.
///
/// PostgreSQL shows a role the transactions of other roles only if it is a member of `pg_read_all_stats`.
pub async fn oldest(store: &Store, deadline: Deadline) -> Result<Duration, Error> {
    let read = store.clone().read(deadline, async |reader| {
        let seconds = sqlx::query_scalar!(
            r#"
            SELECT COALESCE(max(extract(epoch FROM clock_timestamp() - began)), 0)::float8 AS "seconds!"
            FROM (
                SELECT xact_start FROM pg_stat_activity
                WHERE datname = current_database() AND pid <> pg_backend_pid()
                    AND (backend_xmin IS NOT NULL OR backend_xid IS NOT NULL)
                    AND backend_type <> 'autovacuum worker'
                UNION ALL
                SELECT prepared FROM pg_prepared_xacts WHERE database = current_database()
            ) AS transaction (began)
            "#
        );
        Ok(seconds.fetch_one(reader.session()).await?)
    });
    Ok(Duration::try_from_secs_f64(read.await?).unwrap_or_default())
}
