//! Raises the epoch of the database when a session finds another history of PostgreSQL than the one noted.
//!
//! A restored backup and a standby that was promoted too early lack writes that clients have seen. They count on with the
//! same revisions, so a cursor from before would skip changes. Both have another system identifier or another timeline.

use sqlx::Row as _;
use sqlx::postgres::PgConnection;

use super::session::Usage;

/// SQLSTATE: there is no such table, since the schema is older.
const UNDEFINED_TABLE: &str = "42P01";

/// A constant statement for a condition under which the epoch stays.
///
/// It writes nothing, and locks nothing, if the row is as it should be, also when another process was faster. The new epoch is
/// the time if that is greater: a backup that is restored twice, or the loss of this very write, must not give an epoch
/// twice. So the write need not wait for a standby, and sessions can be opened while commits wait for one.
macro_rules! note {
    ($stays:literal) => {
        concat!(
            "SET LOCAL synchronous_commit = local; \
             UPDATE database_epoch e SET system_identifier = now.system_identifier, timeline = now.timeline, \
                 epoch = CASE WHEN e.system_identifier IS NULL OR ",
            $stays,
            " THEN e.epoch ELSE GREATEST(e.epoch + 1, extract(epoch FROM clock_timestamp())::bigint) END \
             FROM ( \
                 SELECT d.epoch AS epoch_before, c.system_identifier, \
                     ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint AS timeline \
                 FROM database_epoch d, pg_control_system() c WHERE d.is_only_row \
             ) now \
             WHERE e.is_only_row AND (e.system_identifier, e.timeline) IS DISTINCT FROM (now.system_identifier, now.timeline) \
             RETURNING e.epoch, e.epoch <> now.epoch_before AS is_raised"
        )
    };
}

const NOTE: &str = note!("FALSE");
const NOTE_FAILOVER: &str = note!("e.system_identifier = now.system_identifier");

/// Notes the history of the session's server. Asks the server for it in the same statement, since a pooler may lead each
/// statement to another one.
pub(super) async fn note_history(
    connection: &mut PgConnection,
    usage: &mut Usage,
    raises_after_failover: bool,
) -> Result<(), sqlx::Error> {
    let note = if raises_after_failover { NOTE } else { NOTE_FAILOVER };
    let noted = usage.wait(sqlx::raw_sql(note).fetch_optional(connection)).await;
    let row = match noted {
        Ok(row) => row,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let Some(row) = row else { return Ok(()) };
    if row.try_get("is_raised")? {
        let epoch: i64 = row.try_get("epoch")?;
        tracing::warn!(
            epoch,
            "PostgreSQL was restored, or a standby was promoted: clients with a cursor from before read their state anew"
        );
    }
    Ok(())
}
