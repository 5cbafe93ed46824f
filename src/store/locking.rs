//! Locking users.

use std::collections::BTreeMap;

use super::connection::Tx;
use crate::domain::{Conversation, UserKey, UserState};
use crate::error::Error;

impl Tx<'_> {
    /// Locks users until the transaction ends, and loads what is kept about the touched conversations, with the standing
    /// of everybody concerned. Locks are taken in the order of the keys, so that two writers do not wait for each other
    /// in a circle.
    ///
    /// Whoever has no row yet gets one, if `anyone` may have state or the directory knows the user; the others are
    /// missing from the answer. That comes after the locks of those who have one: should two writers wait in a circle
    /// for it, the database ends the wait, and each is tried again. If nothing changes, the transaction is to be rolled
    /// back.
    pub async fn lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        let sdk_app_ids: Vec<_> = users.keys().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.keys().map(|key| key.user_id.as_str()).collect();
        let anyone: Vec<_> = users.values().copied().collect();
        // A row that is only locked, and not written, is saved later without a look at its app: PostgreSQL would lock the
        // app's row for that, in which all writers of the app meet.
        let locked = sqlx::query!(
            r#"
            SELECT FROM users u
            JOIN unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
                ON u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
            ORDER BY u.sdk_app_id, u.user_id COLLATE "C"
            FOR NO KEY UPDATE OF u
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
        )
        .execute(self.session())
        .await?
        .rows_affected();
        if locked < users.len() as u64 {
            self.add_users(&sdk_app_ids, &user_ids, &anyone).await?;
        }
        // What is read now is what those wrote who had the locks before.
        self.load_users(users, touched).await
    }

    /// Gives those a row who have none and may have one. Rows that somebody else has added meanwhile are locked as well.
    async fn add_users(
        &mut self,
        sdk_app_ids: &[i64],
        user_ids: &[&str],
        anyone: &[bool],
    ) -> Result<(), Error> {
        sqlx::query!(
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
            sdk_app_ids,
            user_ids as &[&str],
            anyone,
        )
        .execute(self.session())
        .await?;
        Ok(())
    }
}
