//! Keeps sessions of an old primary from being used.
//!
//! A primary that hung while a standby took over may go on later. It accepts our sessions, and it answers reads, although it
//! misses every write that its successor has acknowledged. PostgreSQL raises the timeline with each promotion, so once one
//! session has seen a higher timeline, those of the lower one are closed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Error, Row as _};

/// The timeline that a primary writes to is in the first eight digits of the name of its WAL file.
const ASK: &str = "SELECT system_identifier, left(pg_walfile_name(pg_current_wal_lsn()), 8) AS timeline \
    FROM pg_control_system()";

/// The history of a primary. Clusters with different identifiers have nothing to do with each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Timeline {
    cluster: i64,
    number: u32,
}

impl Timeline {
    /// Asks a primary. Returns `None` if the server does not say: some providers forbid these functions, or fence an old
    /// primary themselves.
    pub(super) async fn of(connection: &mut PgConnection) -> Result<Option<Self>, Error> {
        let row: PgRow = match sqlx::raw_sql(ASK).fetch_one(connection).await {
            Ok(row) => row,
            Err(Error::Database(_)) => return Ok(None),
            Err(error) => return Err(error),
        };
        let number = u32::from_str_radix(row.try_get("timeline")?, 16);
        Ok(number
            .ok()
            .zip(row.try_get("system_identifier")?)
            .map(|(number, cluster)| Self { cluster, number }))
    }
}

/// The newest timeline that any session has seen. Shared by all workers.
#[derive(Debug, Default)]
pub(super) struct Fence {
    newest: Mutex<Option<Timeline>>,
    /// How many timelines were the newest so far.
    count: AtomicU64,
}

impl Fence {
    /// Returns what [`Self::admits`] wants to know of a new session, or `None` if its server is an old primary.
    pub(super) fn pass(&self, timeline: Option<Timeline>) -> Option<u64> {
        let mut newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(known), Some(now)) = (*newest, timeline) {
            if now.cluster == known.cluster && now.number < known.number {
                return None;
            }
            if now != known {
                self.count.fetch_add(1, Ordering::Release);
            }
        }
        *newest = timeline.or(*newest);
        Some(self.count.load(Ordering::Acquire))
    }

    /// Whether no newer primary was seen since the session passed.
    pub(super) fn admits(&self, pass: u64) -> bool {
        self.count.load(Ordering::Acquire) == pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeline(cluster: i64, number: u32) -> Timeline {
        Timeline { cluster, number }
    }

    #[test]
    fn a_newer_timeline_closes_the_sessions_of_the_older_one() {
        let fence = Fence::default();
        let old = fence.pass(Some(timeline(7, 1))).unwrap();
        assert!(fence.admits(old));
        let new = fence.pass(Some(timeline(7, 2))).unwrap();
        assert!(fence.admits(new) && !fence.admits(old));
        assert_eq!(fence.pass(Some(timeline(7, 1))), None);
    }

    #[test]
    fn another_cluster_may_have_a_lower_timeline() {
        let fence = Fence::default();
        let old = fence.pass(Some(timeline(7, 5))).unwrap();
        let moved = fence.pass(Some(timeline(8, 1))).unwrap();
        assert!(fence.admits(moved) && !fence.admits(old));
    }

    #[test]
    fn a_server_that_does_not_name_its_timeline_is_admitted() {
        let fence = Fence::default();
        let session = fence.pass(Some(timeline(7, 1))).unwrap();
        assert!(fence.pass(None).is_some_and(|pass| fence.admits(pass)));
        assert!(fence.admits(session));
    }
}
