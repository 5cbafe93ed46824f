//! What the database holds afterwards.

use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Postgres, Row, Transaction};

use super::{APP, TestApp, raw_text};

/// A marked conversation, as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) kind: i16,
    pub(crate) peer: String,
    pub(crate) standard: u64,
    pub(crate) custom: String,
}

/// The conversation with a user, marked so.
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

    /// The standard mark of the conversation with a user, 0 if there is none.
    pub(crate) async fn standard_mark(&self, owner: &str, peer: &str) -> u64 {
        let marks = self.marks(owner).await;
        marks.iter().find(|mark| mark.peer == peer).map_or(0, |mark| mark.standard)
    }

    /// A user's revision, and how many of the user's conversations are marked. What the user's row counts must be there.
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
            GROUP BY u.sdk_app_id, u.user_id",
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
    pub(crate) async fn marked(&self, owner: &str) -> usize {
        self.revision_and_count(owner).await.1
    }

    /// Rows that anybody's state has left anywhere.
    pub(crate) async fn state_rows(&self) -> i64 {
        sqlx::query_scalar(
            "SELECT (SELECT count(*) FROM users) + (SELECT count(*) FROM conversations)",
        )
        .fetch_one(&self.db)
        .await
        .unwrap()
    }

    /// Puts a chat group into the directory.
    pub(crate) async fn put_chat_group(&self, id: &str, destroyed: bool) {
        let body = json!({ "GroupId": id, "Type": "Public", "Name": "a group" });
        self.call("group_open_http_svc/create_group", body).await;
        if destroyed {
            let body = json!({ "GroupId": id });
            let answer = self.call("group_open_http_svc/destroy_group", body).await;
            assert_eq!(answer["ErrorCode"], 0, "{answer}");
        }
    }

    /// Deletes an account of the directory, and nothing else.
    pub(crate) async fn delete_account(&self, user: &str) {
        let body = json!({ "DeleteItem": [{ "UserID": user }] });
        let answer = self.call("im_open_login_svc/account_delete", body).await;
        assert_eq!(answer["ResultItem"][0]["ResultCode"], 0, "{user} was imported");
    }

    /// Holds a user's row, as a writer does who is not done yet. `NO KEY`, or it would hold up foreign keys as well
    /// and hide that a writer takes no lock.
    pub(crate) async fn hold_user(&self, user: &str) -> Transaction<'static, Postgres> {
        let row = "SELECT FROM users WHERE sdk_app_id = $1 AND user_id = $2 FOR NO KEY UPDATE";
        self.hold(row, &[user]).await
    }

    /// Holds the one row that a statement finds by these names.
    async fn hold(&self, row: &'static str, names: &[&str]) -> Transaction<'static, Postgres> {
        let mut turn = self.db.begin().await.unwrap();
        let row = names.iter().fold(sqlx::query(row).bind(APP), |row, name| row.bind(*name));
        row.fetch_one(&mut *turn).await.unwrap();
        turn
    }

    /// What `/metrics` answers, its head included.
    pub(crate) async fn metrics(&self) -> String {
        let ask = "GET /metrics HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n";
        raw_text(self.addresses.admin.unwrap(), ask.as_bytes()).await
    }

    /// Returns when so many of the service's connections wait for a lock.
    pub(crate) async fn wait_for_waiting(&self, count: i64) {
        until(async || {
            let waiting: i64 = sqlx::query_scalar(
                "SELECT count(*) FROM pg_stat_activity
                WHERE datname = current_database() AND wait_event_type = 'Lock'",
            )
            .fetch_one(&self.db)
            .await
            .unwrap();
            waiting == count
        })
        .await;
    }
}

/// Asks again and again until it is so, for half a minute.
pub(crate) async fn until(mut is_so: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !is_so().await {
        assert!(Instant::now() < deadline, "it never came to be");
        tokio::task::yield_now().await;
    }
}
