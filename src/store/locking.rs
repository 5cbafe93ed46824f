//! Locking users.

use std::collections::BTreeMap;

use super::connection::Tx;
use crate::domain::{Conversation, UserKey, UserState};
use crate::error::Error;

impl Tx<'_> {
    /// Locks users until the transaction ends, and loads what is kept about the touched conversations, with the standing
    /// of everybody concerned. Locks are taken in the order of the keys, so that two writers never wait for each other
    /// in a circle.
    ///
    /// Whoever has no row yet gets one, if `anyone` may have state or the directory knows the user; the others are
    /// missing from the answer. If nothing changes, the transaction is to be rolled back.
    pub async fn lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        let sdk_app_ids: Vec<_> = users.keys().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.keys().map(|key| key.user_id.as_str()).collect();
        let anyone: Vec<_> = users.values().copied().collect();
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
            &sdk_app_ids,
            &user_ids as &[&str],
            &anyone,
        )
        .execute(self.session())
        .await?;
        // What is read now is what those wrote who had the locks before.
        self.load_users(users, touched).await
    }
}
