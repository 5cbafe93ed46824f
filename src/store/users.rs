//! Users: one row each, which is the user's lock and holds the user's counts.

use super::{Tx, stored};
use crate::domain::{Counts, SdkAppId, UserId, UserKey, UserState};
use crate::error::Error;
use crate::limits::Limits;

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

    /// Saves the counts of users, where they have changed. Counts are moved, not overwritten: a writer without the lock
    /// would be caught by the checks of the table.
    pub async fn save_counts<'a>(
        &mut self,
        users: impl Iterator<Item = (&'a UserKey, &'a UserState, &'a Limits)> + Clone,
    ) -> Result<(), Error> {
        let sdk_app_ids: Vec<_> = users.clone().map(|(key, ..)| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.clone().map(|(key, ..)| key.user_id.as_str()).collect();
        let numbers = |number: fn(&UserState, &Limits) -> i32| -> Vec<i32> {
            users.clone().map(|(_, state, limits)| number(state, limits)).collect()
        };
        let moved = |number: fn(&Counts) -> u32| -> Vec<i32> {
            users
                .clone()
                .map(|(_, state, _)| {
                    stored(number(&state.counts)) - stored(number(&state.stored_counts().0))
                })
                .collect()
        };
        let done = sqlx::query!(
            r#"
            UPDATE users u SET
                next_position = t.next_position,
                next_group_id = t.next_group_id,
                marked = u.marked + t.marked, marked_max = t.marked_max,
                grouped = u.grouped + t.grouped, grouped_max = t.grouped_max,
                pinned = u.pinned + t.pinned, pinned_max = t.pinned_max
            FROM unnest(
                $1::bigint[], $2::text[], $3::int[], $4::int[],
                $5::int[], $6::int[], $7::int[], $8::int[], $9::int[], $10::int[]
            ) AS t (
                sdk_app_id, user_id, next_position, next_group_id,
                marked, marked_max, grouped, grouped_max, pinned, pinned_max
            )
            WHERE u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &numbers(|state, _| stored(state.next_position)),
            &numbers(|state, _| stored(state.next_group_id)),
            &moved(|counts| counts.marked),
            &numbers(|state, limits| stored(state.room(limits).marked)),
            &moved(|counts| counts.grouped),
            &numbers(|state, limits| stored(state.room(limits).grouped)),
            &moved(|counts| counts.pinned),
            &numbers(|state, limits| stored(state.room(limits).pinned)),
        )
        .execute(self.session())
        .await?;
        if done.rows_affected() == user_ids.len() as u64 {
            Ok(())
        } else {
            Err(Error::internal("users: a locked row could not be saved"))
        }
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
