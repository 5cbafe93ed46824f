//! Users: one row each, which is the user's lock and holds the user's counts. How they are saved is in `saving`.

use super::{Tx, count};
use crate::domain::{Counts, SdkAppId, UserId, UserKey, UserState};
use crate::error::Error;

/// What a row of `users` says.
pub(super) struct UserRow {
    pub(super) revision: i64,
    pub(super) next_position: i32,
    pub(super) next_group_id: i32,
    pub(super) marked: i32,
    pub(super) grouped: i32,
    pub(super) pinned: i32,
}

impl UserRow {
    pub(super) fn load_into(&self, state: &mut UserState) {
        let counts = Counts {
            marked: count(self.marked),
            grouped: count(self.grouped),
            pinned: count(self.pinned),
        };
        state.revision = self.revision.unsigned_abs();
        state.load_counts(counts, count(self.next_position), count(self.next_group_id));
    }
}

impl Tx<'_> {
    /// Ends the accounts of users, and deletes everything that is kept for them but their own rows.
    pub async fn delete_accounts(&mut self, users: &[&UserKey]) -> Result<(), Error> {
        let sdk_app_ids: Vec<_> = users.iter().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.iter().map(|key| key.user_id.as_str()).collect();
        sqlx::query!(
            r#"
            WITH gone AS (SELECT * FROM unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)),
            conversation AS (
                DELETE FROM conversations c USING gone
                WHERE c.sdk_app_id = gone.sdk_app_id AND c.user_id = gone.user_id
            ),
            contact_group AS (
                DELETE FROM contact_groups g USING gone
                WHERE g.sdk_app_id = gone.sdk_app_id AND g.user_id = gone.user_id
            )
            UPDATE accounts a SET deleted = TRUE, nick = '', face_url = '' FROM gone
            WHERE a.sdk_app_id = gone.sdk_app_id AND a.user_id = gone.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        Ok(())
    }
}

/// A user's key as the tables hold it.
pub(super) fn stored_key(sdk_app_id: i64, user_id: &str) -> Result<UserKey, Error> {
    let bad = |problem| Error::Internal(anyhow::anyhow!("a stored user's key {problem}"));
    Ok(UserKey {
        sdk_app_id: SdkAppId::new(sdk_app_id).map_err(bad)?,
        user_id: UserId::parse(user_id, u32::MAX).map_err(bad)?,
    })
}
