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
///
/// What the server says of itself gets into the `UPDATE` through settings of the transaction, and the `UPDATE` computes without
/// CASE: Citus would run a subquery first and write in a two-phase commit, and refuses `current_setting` within CASE.
macro_rules! note {
    ($stays:expr) => {
        concat!(
            "SET LOCAL synchronous_commit = local; \
             SELECT set_config('earmark.system_identifier', system_identifier::text, TRUE), \
                 set_config('earmark.timeline', \
                     ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::bigint::text, TRUE), \
                 set_config('earmark.seconds', extract(epoch FROM clock_timestamp())::bigint::text, TRUE)::bigint AS seconds \
             FROM pg_control_system(); \
             UPDATE database_epoch e SET \
                 system_identifier = ", system_identifier!(), ", timeline = ", setting!("timeline"), ", \
                 epoch = GREATEST(e.epoch + ", is_raised!($stays), ", ", setting!("seconds"), " * ", is_raised!($stays), ") \
             WHERE e.is_only_row AND (e.system_identifier, e.timeline) \
                 IS DISTINCT FROM (", system_identifier!(), ", ", setting!("timeline"), ") \
             RETURNING e.epoch"
        )
    };
}

macro_rules! setting {
    ($name:literal) => {
        concat!("current_setting('earmark.", $name, "')::bigint")
    };
}

macro_rules! system_identifier {
    () => {
        setting!("system_identifier")
    };
}

/// 1 or 0.
macro_rules! is_raised {
    ($stays:expr) => {
        concat!("(e.system_identifier IS NOT NULL AND NOT (", $stays, "))::int")
    };
}

/// When another history raises the epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Raises {
    Always,
    /// Every standby that may be promoted is synchronous, so a promotion loses nothing.
    UnlessPromoted,
    /// Citus moves the row from one system to another, and loses nothing.
    UnlessMoved,
    UnlessPromotedOrMoved,
}

impl Raises {
    pub(super) fn new(after_failover: bool, can_move: bool) -> Self {
        match (after_failover, can_move) {
            (true, false) => Self::Always,
            (false, false) => Self::UnlessPromoted,
            (true, true) => Self::UnlessMoved,
            (false, true) => Self::UnlessPromotedOrMoved,
        }
    }

    fn statement(self) -> &'static str {
        match self {
            Self::Always => note!("FALSE"),
            Self::UnlessPromoted => note!(concat!("e.system_identifier = ", system_identifier!())),
            Self::UnlessMoved => note!(concat!("e.system_identifier <> ", system_identifier!())),
            Self::UnlessPromotedOrMoved => note!("TRUE"),
        }
    }
}

/// Notes the history of the session's server. Asks the server for it in the same message, since a pooler may lead each message
/// to another one.
pub(super) async fn note_history(
    connection: &mut PgConnection,
    usage: &mut Usage,
    raises: Raises,
) -> Result<(), sqlx::Error> {
    let noted = usage.wait(sqlx::raw_sql(raises.statement()).fetch_all(connection)).await;
    let rows = match noted {
        Ok(rows) => rows,
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some(UNDEFINED_TABLE) => {
            return Ok(());
        }
        Err(error) => return Err(error),
    };
    let [now, noted] = rows.as_slice() else { return Ok(()) };
    let epoch: i64 = noted.try_get("epoch")?;
    if epoch >= now.try_get("seconds")? {
        tracing::warn!(
            epoch,
            "PostgreSQL was restored, or a standby was promoted: clients with a cursor from before read their state anew"
        );
    }
    Ok(())
}
