//! Table locks: which ones a migration takes, and which sessions hold it up.

use std::fmt;
use std::str::FromStr;

use super::pool::Session;
use crate::error::Error;

/// PostgreSQL's table locks, weakest first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LockMode {
    AccessShare,
    RowShare,
    RowExclusive,
    ShareUpdateExclusive,
    Share,
    ShareRowExclusive,
    Exclusive,
    AccessExclusive,
}

impl LockMode {
    pub const ALL: [Self; 8] = [
        Self::AccessShare,
        Self::RowShare,
        Self::RowExclusive,
        Self::ShareUpdateExclusive,
        Self::Share,
        Self::ShareRowExclusive,
        Self::Exclusive,
        Self::AccessExclusive,
    ];

    /// The name in SQL.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::AccessShare => "ACCESS SHARE",
            Self::RowShare => "ROW SHARE",
            Self::RowExclusive => "ROW EXCLUSIVE",
            Self::ShareUpdateExclusive => "SHARE UPDATE EXCLUSIVE",
            Self::Share => "SHARE",
            Self::ShareRowExclusive => "SHARE ROW EXCLUSIVE",
            Self::Exclusive => "EXCLUSIVE",
            Self::AccessExclusive => "ACCESS EXCLUSIVE",
        }
    }

    /// The name in `pg_locks.mode`.
    #[must_use]
    pub fn catalog_name(self) -> String {
        format!("{self:?}Lock")
    }

    /// The table "Conflicting Lock Modes" of PostgreSQL's manual. Its lower half mirrors the upper one.
    fn conflicts_with(self, other: Self) -> bool {
        let (weak, strong) = (self.min(other), self.max(other));
        match weak {
            Self::AccessShare => strong == Self::AccessExclusive,
            Self::RowShare => strong >= Self::Exclusive,
            Self::RowExclusive => strong >= Self::Share,
            Self::Share => strong > Self::Share,
            Self::ShareUpdateExclusive
            | Self::ShareRowExclusive
            | Self::Exclusive
            | Self::AccessExclusive => true,
        }
    }
}

/// A lock on a table, written as `ACCESS EXCLUSIVE on users`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableLock {
    pub mode: LockMode,
    pub table: String,
}

impl fmt::Display for TableLock {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} on {}", self.mode.name(), self.table)
    }
}

impl FromStr for TableLock {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let parsed = text.trim().split_once(" on ").and_then(|(name, table)| {
            let mode = LockMode::ALL.into_iter().find(|mode| mode.name() == name)?;
            Some(Self { mode, table: table.to_owned() })
        });
        parsed.ok_or_else(|| Error::Internal(anyhow::anyhow!("{text:?} is not <mode> on <table>")))
    }
}

/// A session that holds a lock, or waits for one ahead of us.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Holder {
    /// `None` for a prepared transaction, which belongs to no session.
    pub pid: Option<i32>,
    pub role: Option<String>,
    /// PostgreSQL shows these three to the session's own role, to members of `pg_monitor` and to superusers.
    pub application_name: Option<String>,
    pub state: Option<String>,
    /// How long ago the transaction began, in seconds.
    pub age_s: Option<i64>,
}

impl fmt::Display for Holder {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(pid) = self.pid else {
            return write!(out, "a prepared transaction (see pg_prepared_xacts)");
        };
        write!(out, "pid {pid}")?;
        if let Some(name) = self.application_name.as_deref().filter(|name| !name.is_empty()) {
            write!(out, ", {name}")?;
        }
        if let Some(role) = &self.role {
            write!(out, ", role {role}")?;
        }
        if let Some(state) = &self.state {
            write!(out, ", {state}")?;
        }
        if let Some(age_s) = self.age_s {
            write!(out, ", transaction open for {age_s} s")?;
        }
        Ok(())
    }
}

/// The other sessions with a lock of this database that `$condition` describes.
macro_rules! holders {
    ($condition:literal) => {
        concat!(
            "SELECT DISTINCT ON (pid) pid, usename::text AS role, application_name, state, \
                floor(extract(epoch FROM clock_timestamp() - xact_start))::bigint AS age_s \
            FROM pg_locks LEFT JOIN pg_stat_activity USING (pid) \
            WHERE database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
                AND pid IS DISTINCT FROM pg_backend_pid() AND ",
            $condition,
            " ORDER BY pid"
        )
    };
}

/// `$1` is the table, `$2` the conflicting modes.
const HOLDERS: &str =
    holders!("locktype = 'relation' AND relation = to_regclass($1) AND mode = ANY ($2)");

/// The sessions that hold up this lock now.
pub(super) async fn holders(session: Session<'_>, lock: &TableLock) -> Result<Vec<Holder>, Error> {
    let modes = LockMode::ALL.into_iter().filter(|mode| mode.conflicts_with(lock.mode));
    let modes: Vec<_> = modes.map(LockMode::catalog_name).collect();
    let holders = sqlx::query_as(HOLDERS).bind(&lock.table).bind(modes).fetch_all(session).await?;
    Ok(holders)
}

/// `$1` is the key of the advisory lock.
const ADVISORY_HOLDERS: &str = holders!(
    "locktype = 'advisory' AND objsubid = 1 AND granted \
        AND (classid::bigint << 32) | objid::bigint = $1"
);

/// The session that holds the advisory lock `key`.
pub(super) async fn advisory_holders(session: Session<'_>, key: i64) -> Result<Vec<Holder>, Error> {
    Ok(sqlx::query_as(ADVISORY_HOLDERS).bind(key).fetch_all(session).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn conflicts(mode: LockMode) -> Vec<&'static str> {
        let conflicts = LockMode::ALL.into_iter().filter(|other| mode.conflicts_with(*other));
        conflicts.map(LockMode::name).collect()
    }

    #[test]
    fn modes_conflict_as_in_the_manual() {
        assert_eq!(conflicts(LockMode::AccessShare), ["ACCESS EXCLUSIVE"]);
        assert_eq!(conflicts(LockMode::RowShare), ["EXCLUSIVE", "ACCESS EXCLUSIVE"]);
        let row_exclusive = ["SHARE", "SHARE ROW EXCLUSIVE", "EXCLUSIVE", "ACCESS EXCLUSIVE"];
        assert_eq!(conflicts(LockMode::RowExclusive), row_exclusive);
        let share_update_exclusive = [&["SHARE UPDATE EXCLUSIVE"][..], &row_exclusive].concat();
        assert_eq!(conflicts(LockMode::ShareUpdateExclusive), share_update_exclusive);
        let share = ["ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"];
        let share = [&share[..], &row_exclusive[1..]].concat();
        assert_eq!(conflicts(LockMode::Share), share);
        let share_row_exclusive = ["ROW EXCLUSIVE", "SHARE UPDATE EXCLUSIVE"];
        let share_row_exclusive = [&share_row_exclusive[..], &row_exclusive].concat();
        assert_eq!(conflicts(LockMode::ShareRowExclusive), share_row_exclusive);
        assert_eq!(conflicts(LockMode::Exclusive).len(), 7);
        assert_eq!(conflicts(LockMode::AccessExclusive).len(), 8);
    }

    #[test]
    fn a_lock_reads_as_it_is_written() {
        for text in ["ACCESS EXCLUSIVE on users", "SHARE on conversations"] {
            assert_eq!(text.parse::<TableLock>().unwrap().to_string(), text);
        }
        for text in ["", "users", "access exclusive on users", "EXCLUSIVE users"] {
            assert!(text.parse::<TableLock>().is_err(), "{text}");
        }
    }
}
