//! Locking users and conversations.

use std::collections::BTreeMap;

use super::connection::Tx;
use super::loading::Keys;
use super::users::{UserRow, stored_key};
use crate::domain::{Touched, UserKey, UserState};
use crate::error::Error;

impl Tx<'_> {
    /// Locks users and the touched conversations until the transaction ends, and loads them, with the standing of
    /// everybody concerned. Locks are taken in the order of the keys, users first, so that two writers do not wait for each
    /// other in a circle. A conversation has a lock besides its user's, as most marks are saved without the latter.
    ///
    /// Whoever has no row yet gets one, if `anyone` may have state or the directory knows the user; the others are
    /// missing from the answer. That comes after the locks of those who have one: should two writers wait in a circle
    /// for it, the database ends the wait, and each is tried again. If nothing changes, the transaction is to be rolled
    /// back.
    pub async fn lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, Touched<'_>)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        let mut rows = self.lock_rows(users.keys()).await?;
        if rows.len() < users.len() {
            let new = users.iter().filter(|(key, _)| !rows.contains_key(*key));
            if self.add_users(new).await? {
                rows = self.lock_rows(users.keys()).await?;
            }
        }
        // In a statement of its own: it sees what those have added who had the locks before.
        self.lock_conversations(touched).await?;
        let mut states = self.load_users(users, touched).await?;
        // Whoever has come to be known since then has no lock.
        states.retain(|key, state| rows.get(key).inspect(|row| row.load_into(state)).is_some());
        Ok(states)
    }

    /// Locks the users who have a row, and gives them back.
    async fn lock_rows(
        &mut self,
        users: impl Iterator<Item = &UserKey> + Clone,
    ) -> Result<BTreeMap<UserKey, UserRow>, Error> {
        let sdk_app_ids: Vec<_> = users.clone().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.map(|key| key.user_id.as_str()).collect();
        // A row that is only locked, and not written, is saved later without a look at its app: PostgreSQL would lock the
        // app's row for that, in which all writers of the app meet.
        let rows = sqlx::query!(
            r#"
            SELECT u.sdk_app_id, u.user_id, revision, next_position, next_group_id, marked, grouped, pinned
            FROM users u
            JOIN unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
                ON u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
            ORDER BY u.sdk_app_id, u.user_id
            FOR NO KEY UPDATE OF u
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        let locked = rows.into_iter().map(|row| {
            let key = stored_key(row.sdk_app_id, &row.user_id)?;
            let row = UserRow {
                revision: row.revision,
                next_position: row.next_position,
                next_group_id: row.next_group_id,
                marked: row.marked,
                grouped: row.grouped,
                pinned: row.pinned,
            };
            Ok((key, row))
        });
        locked.collect()
    }

    async fn lock_conversations(
        &mut self,
        touched: &[(&UserKey, Touched<'_>)],
    ) -> Result<(), Error> {
        let of = Keys::of(touched);
        sqlx::query!(
            r#"
            SELECT FROM conversations c
            JOIN unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[])
                AS t (sdk_app_id, user_id, kind, peer_id)
                ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                AND c.kind = t.kind AND c.peer_id = t.peer_id
            ORDER BY c.sdk_app_id, c.user_id, c.kind, c.peer_id
            FOR NO KEY UPDATE OF c
            "#,
            &of.sdk_app_ids,
            &of.user_ids as &[&str],
            &of.kinds,
            &of.peer_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        Ok(())
    }

    /// Gives those a row who have none and may have one, if there is anybody. Rows that somebody else has added meanwhile are
    /// locked.
    async fn add_users(
        &mut self,
        users: impl Iterator<Item = (&UserKey, &bool)> + Clone,
    ) -> Result<bool, Error> {
        let sdk_app_ids: Vec<_> = users.clone().map(|(key, _)| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.clone().map(|(key, _)| key.user_id.as_str()).collect();
        let anyone: Vec<_> = users.map(|(_, anyone)| *anyone).collect();
        let added = sqlx::query!(
            r#"
            INSERT INTO users AS u (sdk_app_id, user_id, revision)
            SELECT sdk_app_id, user_id, 0
            FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS t (sdk_app_id, user_id, anyone)
            WHERE anyone OR EXISTS (
                SELECT FROM accounts a WHERE a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
            )
            ORDER BY sdk_app_id, user_id COLLATE "C"
            ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET revision = u.revision
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &anyone,
        )
        .execute(self.session())
        .await?;
        Ok(added.rows_affected() > 0)
    }
}
