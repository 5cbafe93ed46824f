//! Users: one row each, which is the user's lock and counts what the user has.

use std::collections::BTreeMap;

use super::connection::Tx;
use super::{count, stored};
use crate::domain::{Counts, Numbers, SdkAppId, UserId, UserKey, UserState};
use crate::error::Error;
use crate::limits::Limits;

/// A changed user, with the limits that held for the change.
pub type Changed<'a> = (&'a UserKey, &'a UserState, &'a Limits);

impl Tx<'_> {
    /// Locks users in the order of their keys until the transaction ends, and says what their rows hold. A user without a
    /// row gets one if `users` says that the app takes anyone, or if the user has an account. The others are missing
    /// from the answer. If nothing changes then, the transaction is to be rolled back.
    ///
    /// New rows are added after the locks of the others are taken. Two writers that wait for each other so are ended by
    /// PostgreSQL, and each is tried again.
    pub async fn lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        let mut locked = self.lock_rows(users.keys()).await?;
        if locked.len() < users.len() {
            let new = users.iter().filter(|(key, _)| !locked.contains_key(*key));
            if self.add_users(new).await? {
                locked = self.lock_rows(users.keys()).await?;
            }
        }
        Ok(locked)
    }

    async fn lock_rows(
        &mut self,
        users: impl Iterator<Item = &UserKey> + Clone,
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        let (sdk_app_ids, user_ids) = keys(users);
        let rows = sqlx::query!(
            r#"
            SELECT
                u.sdk_app_id, u.user_id, revision, forgotten_revision, next_position, next_group_id,
                row_count, marked, grouped, pinned
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
            let numbers = Numbers {
                revision: stored_revision(row.revision)?,
                forgotten_revision: stored_revision(row.forgotten_revision)?,
                next_position: count(row.next_position),
                next_group_id: count(row.next_group_id),
                counts: Counts {
                    rows: count(row.row_count),
                    marked: count(row.marked),
                    grouped: count(row.grouped),
                    pinned: count(row.pinned),
                },
            };
            Ok((key, UserState::of(numbers)))
        });
        locked.collect()
    }

    /// Adds a row for each user who may have one, or locks the row that another writer has added meanwhile. Says whether
    /// there was anyone to add.
    async fn add_users(
        &mut self,
        users: impl Iterator<Item = (&UserKey, &bool)> + Clone,
    ) -> Result<bool, Error> {
        let (sdk_app_ids, user_ids) = keys(users.clone().map(|(key, _)| key));
        let anyone: Vec<_> = users.map(|(_, anyone)| *anyone).collect();
        let added = sqlx::query!(
            r#"
            INSERT INTO users AS u (sdk_app_id, user_id)
            SELECT sdk_app_id, user_id
            FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS t (sdk_app_id, user_id, anyone)
            WHERE anyone OR (
                SELECT TRUE FROM accounts a WHERE a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
            ) IS NOT NULL
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

    /// Saves the rows of changed users, each with its next revision.
    pub async fn save_users(&mut self, changed: &[Changed<'_>]) -> Result<(), Error> {
        let (sdk_app_ids, user_ids) = keys(changed.iter().map(|(key, ..)| *key));
        let numbers = |of: fn(&Numbers) -> u32| -> Vec<i32> {
            changed.iter().map(|(_, state, _)| stored(of(&state.numbers))).collect()
        };
        let room = |of: fn(&Counts) -> u32| -> Vec<i32> {
            changed.iter().map(|(_, state, limits)| stored(of(&state.room(limits)))).collect()
        };
        let forgotten = changed.iter().map(|(_, s, _)| s.numbers.forgotten_revision.cast_signed());
        let saved = sqlx::query!(
            r#"
            UPDATE users u SET
                revision = u.revision + 1, forgotten_revision = t.forgotten_revision,
                next_position = t.next_position, next_group_id = t.next_group_id, row_count = t.row_count,
                marked = t.marked, marked_max = t.marked_max, grouped = t.grouped, grouped_max = t.grouped_max,
                pinned = t.pinned, pinned_max = t.pinned_max
            FROM unnest(
                $1::bigint[], $2::text[], $3::bigint[], $4::int[], $5::int[], $6::int[],
                $7::int[], $8::int[], $9::int[], $10::int[], $11::int[], $12::int[]
            ) AS t (
                sdk_app_id, user_id, forgotten_revision, next_position, next_group_id, row_count,
                marked, marked_max, grouped, grouped_max, pinned, pinned_max
            )
            WHERE u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &forgotten.collect::<Vec<_>>(),
            &numbers(|numbers| numbers.next_position),
            &numbers(|numbers| numbers.next_group_id),
            &numbers(|numbers| numbers.counts.rows),
            &numbers(|numbers| numbers.counts.marked),
            &room(|room| room.marked),
            &numbers(|numbers| numbers.counts.grouped),
            &room(|room| room.grouped),
            &numbers(|numbers| numbers.counts.pinned),
            &room(|room| room.pinned),
        )
        .execute(self.session())
        .await?;
        all_saved("users", saved.rows_affected(), changed.len())
    }
}

/// Every row that was to be saved was found: it was loaded under its user's lock.
pub(super) fn all_saved(table: &'static str, saved: u64, wanted: usize) -> Result<(), Error> {
    if u64::try_from(wanted).is_ok_and(|wanted| wanted == saved) {
        Ok(())
    } else {
        Err(Error::Internal(anyhow::anyhow!("{table}: saved {saved} rows instead of {wanted}")))
    }
}

/// The keys of users, one array per column.
pub(super) fn keys<'a>(users: impl Iterator<Item = &'a UserKey>) -> (Vec<i64>, Vec<&'a str>) {
    users.map(|key| (key.sdk_app_id.number(), key.user_id.as_str())).unzip()
}

/// A user's key as the tables hold it.
pub(super) fn stored_key(sdk_app_id: i64, user_id: &str) -> Result<UserKey, Error> {
    let bad = |problem| Error::Internal(anyhow::anyhow!("a stored user's key {problem}"));
    Ok(UserKey {
        sdk_app_id: SdkAppId::new(sdk_app_id).map_err(bad)?,
        user_id: UserId::parse(user_id, u32::MAX).map_err(bad)?,
    })
}

/// A revision as the tables hold it.
pub(super) fn stored_revision(revision: i64) -> Result<u64, Error> {
    u64::try_from(revision).map_err(|_| Error::internal("users, revision: negative"))
}
