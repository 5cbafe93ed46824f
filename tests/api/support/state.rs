//! What the database holds, and locks on it.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Postgres, Row, Transaction};

use super::{ACCOUNT_DELETE, APP, Code, TestApp, raw_text};

/// A marked conversation, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: i16,
    pub(crate) peer: String,
    pub(crate) standard: u64,
    pub(crate) custom: String,
}

/// The conversation with a user, with these marks.
pub(crate) fn marked(peer: &str, standard: u64, custom: &str) -> Mark {
    Mark { kind: 1, peer: peer.to_owned(), standard, custom: custom.to_owned() }
}

impl TestApp {
    /// The marked conversations of a user, in the order in which they were first marked.
    pub(crate) async fn marks(&self, owner: &str) -> Vec<Mark> {
        sqlx::query(
            "SELECT kind, peer_id, standard_mark, custom_mark FROM conversations
            WHERE sdk_app_id = $1 AND user_id = $2 AND (standard_mark <> 0 OR custom_mark <> '')
            ORDER BY position",
        )
        .bind(APP)
        .bind(owner)
        .fetch_all(&self.db)
        .await
        .unwrap()
        .iter()
        .map(|row| Mark {
            kind: row.get("kind"),
            peer: row.get("peer_id"),
            standard: row.get::<i64, _>("standard_mark").cast_unsigned(),
            custom: row.get("custom_mark"),
        })
        .collect()
    }

    /// The standard mark of the conversation with a user, 0 without one.
    pub(crate) async fn standard_mark(&self, owner: &str, peer: &str) -> u64 {
        let marks = self.marks(owner).await;
        marks.iter().find(|mark| mark.peer == peer).map_or(0, |mark| mark.standard)
    }

    /// A user's revision, and how many of the user's conversations are marked. Checks the counts in the user's row.
    pub(crate) async fn revision_and_count(&self, owner: &str) -> (i64, usize) {
        let row = sqlx::query(
            "SELECT
                u.revision,
                count(*) FILTER (WHERE standard_mark <> 0 OR custom_mark <> ''),
                ARRAY[u.row_count, u.marked, u.grouped, u.pinned],
                ARRAY[
                    count(c.*), count(*) FILTER (WHERE holds_place),
                    count(*) FILTER (WHERE group_ids <> '{}'), count(pin_position)
                ]::int[],
                COALESCE(max(changed_revision), 0) <= u.revision
            FROM users u LEFT JOIN conversations c USING (sdk_app_id, user_id)
            WHERE sdk_app_id = $1 AND user_id = $2
            GROUP BY u.sdk_app_id, u.user_id, u.revision, u.row_count, u.marked, u.grouped, u.pinned",
        )
        .bind(APP)
        .bind(owner)
        .fetch_optional(&self.db)
        .await
        .unwrap();
        let Some(row) = row else { return (0, 0) };
        let (counted, rows): (Vec<i32>, Vec<i32>) = (row.get(2), row.get(3));
        assert_eq!(counted, rows, "the counts of {owner} are not those of the rows");
        assert!(row.get::<bool, _>(4), "a row of {owner} is newer than the user");
        (row.get(0), usize::try_from(row.get::<i64, _>(1)).unwrap())
    }

    /// How many conversations of a user are marked.
    pub(crate) async fn marked_count(&self, owner: &str) -> usize {
        self.revision_and_count(owner).await.1
    }

    /// How many rows the state of all users has.
    pub(crate) async fn state_rows(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM conversations)",
        )
        .fetch_one(&self.db)
        .await
        .unwrap()
    }

    /// Ends all sessions of the service, and waits until they have ended. PostgreSQL has counted their scans then.
    pub(crate) async fn end_sessions(&self) {
        let end = "SELECT count(pg_terminate_backend(pid, 10000)) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()";
        sqlx::query(end).execute(&self.db).await.unwrap();
    }

    /// Deletes an account.
    pub(crate) async fn delete_account(&self, user: &str) {
        let body = json!({ "DeleteItem": [{ "UserID": user }] });
        self.call(ACCOUNT_DELETE, body).await.assert_items([Code::Ok]);
    }

    /// Locks a user's row, like a writer that has not committed yet. `NO KEY`, because a stronger lock would also block
    /// foreign keys, and hide that a writer takes no lock.
    pub(crate) async fn lock_user(&self, user: &str) -> Transaction<'static, Postgres> {
        let mut lock = self.db.begin().await.unwrap();
        sqlx::query("SELECT FROM users WHERE sdk_app_id = $1 AND user_id = $2 FOR NO KEY UPDATE")
            .bind(APP)
            .bind(user)
            .fetch_one(&mut *lock)
            .await
            .unwrap();
        lock
    }

    /// The answer of `/metrics`, with its head.
    pub(crate) async fn metrics(&self) -> String {
        let ask = "GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        raw_text(self.addresses.admin.unwrap(), ask.as_bytes()).await
    }

    /// Returns when exactly `count` of the service's connections wait for a lock.
    pub(crate) async fn wait_for_blocked(&self, count: i64) {
        until(async || {
            let blocked: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.db)
            .await
            .unwrap();
            blocked == count
        })
        .await;
    }
}

/// The pause before a test asks again. Without it, a test that waits would take a processor from those that work.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns when the condition holds. Panics if it does not hold within 30 s.
pub(crate) async fn until(mut condition: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !condition().await {
        assert!(Instant::now() < deadline, "the condition does not hold after 30 s");
        tokio::time::sleep(PAUSE).await;
    }
}
