//! Removing empty conversations: rows that carry nothing any more, and have told readers of changes so for long enough.

use std::collections::BTreeMap;

use super::conversations::stored_conversation;
use super::users::{all_saved, keys, stored_key, stored_revision};
use super::{Store, Tx, stored};
use crate::deadline::Deadline;
use crate::domain::{Conversation, UserKey, UserState};
use crate::error::Error;

/// Users whose rows are locked at once while everything old is removed.
const USERS_AT_ONCE: i64 = 100;

/// To look for old rows may take long, and a user may be locked for a moment.
const UNHURRIED: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s'";

/// An empty row that was removed.
struct Removed {
    conversation: Conversation,
    held_place: bool,
    changed_revision: u64,
}

/// What [`Store::prune`] has done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Users who lost a row.
    pub users: u64,
    /// Empty conversations that were removed.
    pub conversations: u64,
}

impl Tx<'_> {
    /// Removes empty conversations of locked users, the oldest first: as many as `wanted` says of each, and all that have
    /// not changed since `changed_before` (Unix seconds). Takes note of it in the states, which are to be saved.
    pub async fn forget_empty(
        &mut self,
        states: &mut BTreeMap<UserKey, UserState>,
        wanted: &BTreeMap<UserKey, u32>,
        changed_before: u64,
    ) -> Result<(), Error> {
        for (key, removed) in self.remove_empty(wanted, changed_before).await? {
            let Some(state) = states.get_mut(&key) else { continue };
            for Removed { conversation, held_place, changed_revision } in removed {
                state.note_removed(&conversation, held_place, changed_revision);
            }
        }
        Ok(())
    }

    /// Of a user's empty rows, those go whose last change was at a certain revision or before it. So the revision alone
    /// tells what is still there.
    async fn remove_empty(
        &mut self,
        wanted: &BTreeMap<UserKey, u32>,
        changed_before: u64,
    ) -> Result<BTreeMap<UserKey, Vec<Removed>>, Error> {
        let (sdk_app_ids, user_ids) = keys(wanted.keys());
        let counts: Vec<_> = wanted.values().copied().map(stored).collect();
        let rows = sqlx::query!(
            r#"
            WITH empty AS (
                SELECT
                    t.sdk_app_id, t.user_id, t.wanted, c.changed_revision, c.changed_at,
                    row_number() OVER (PARTITION BY t.sdk_app_id, t.user_id ORDER BY c.changed_revision) AS nr
                FROM unnest($1::bigint[], $2::text[], $3::int[]) AS t (sdk_app_id, user_id, wanted)
                JOIN conversations c ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                WHERE c.standard_mark = 0 AND c.custom_mark = '' AND c.group_ids = '{}' AND c.pin_position IS NULL
            ),
            last AS (
                SELECT
                    sdk_app_id, user_id,
                    GREATEST(
                        max(changed_revision) FILTER (WHERE nr <= wanted),
                        COALESCE(min(changed_revision) FILTER (WHERE changed_at >= $4) - 1, max(changed_revision))
                    ) AS revision
                FROM empty GROUP BY sdk_app_id, user_id
            )
            DELETE FROM conversations c USING last
            WHERE c.sdk_app_id = last.sdk_app_id AND c.user_id = last.user_id AND c.changed_revision <= last.revision
                AND c.standard_mark = 0 AND c.custom_mark = '' AND c.group_ids = '{}' AND c.pin_position IS NULL
            RETURNING c.sdk_app_id, c.user_id, c.kind, c.peer_id, c.holds_place, c.changed_revision
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &counts,
            changed_before.cast_signed(),
        )
        .fetch_all(self.session())
        .await?;
        let mut all: BTreeMap<UserKey, Vec<Removed>> = BTreeMap::new();
        for row in rows {
            let removed = Removed {
                conversation: stored_conversation(row.kind, row.peer_id)?,
                held_place: row.holds_place,
                changed_revision: stored_revision(row.changed_revision)?,
            };
            all.entry(stored_key(row.sdk_app_id, &row.user_id)?).or_default().push(removed);
        }
        Ok(all)
    }

    /// Notes removed rows in the users' own rows. Nothing that shows has changed, so no revision grows.
    async fn note_removed(&mut self, all: &BTreeMap<UserKey, Vec<Removed>>) -> Result<(), Error> {
        let (sdk_app_ids, user_ids) = keys(all.keys());
        let count = |of: fn(&&Removed) -> bool| -> Vec<i32> {
            let count = |removed: &Vec<Removed>| removed.iter().filter(of).count();
            all.values().map(|removed| count(removed).try_into().unwrap_or(i32::MAX)).collect()
        };
        let last = |removed: &Vec<Removed>| removed.iter().map(|one| one.changed_revision).max();
        let revisions = all.values().map(|removed| last(removed).unwrap_or(0).cast_signed());
        let saved = sqlx::query!(
            r#"
            UPDATE users u SET
                row_count = u.row_count - t.row_count, marked = u.marked - t.marked,
                forgotten_revision = GREATEST(u.forgotten_revision, t.revision)
            FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::bigint[])
                AS t (sdk_app_id, user_id, row_count, marked, revision)
            WHERE u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &count(|_| true),
            &count(|removed| removed.held_place),
            &revisions.collect::<Vec<_>>(),
        )
        .execute(self.session())
        .await?;
        all_saved("users", saved.rows_affected(), all.len())
    }
}

impl Store {
    /// Removes all empty conversations that have not changed since `changed_before` (Unix seconds). Users are locked a few
    /// at a time and for the time of a few statements, so the service can go on meanwhile.
    pub async fn prune(&self, changed_before: u64) -> Result<Pruned, Error> {
        let mut pruned = Pruned::default();
        let mut after = (0, String::new());
        loop {
            let mut connection = self.connection(Deadline::NONE).await?;
            let mut tx = connection.begin_plain().await?;
            sqlx::raw_sql(UNHURRIED).execute(tx.session()).await?;
            let users = tx.users_with_old_rows(&after, changed_before).await?;
            let Some(last) = users.keys().next_back() else {
                tx.rollback().await?;
                return Ok(pruned);
            };
            after = (last.sdk_app_id.number(), last.user_id.as_str().to_owned());
            tx.lock_users(&users.keys().map(|key| (key.clone(), false)).collect()).await?;
            let removed = tx.remove_empty(&users, changed_before).await?;
            tx.note_removed(&removed).await?;
            tx.commit().await?;
            pruned.users += u64::try_from(removed.len()).unwrap_or(u64::MAX);
            pruned.conversations += removed.values().map(|rows| rows.len() as u64).sum::<u64>();
        }
    }
}

impl Tx<'_> {
    /// The next users in the order of their keys who have something to remove, each with the number of rows that must be
    /// removed whatever their age: none.
    async fn users_with_old_rows(
        &mut self,
        after: &(i64, String),
        changed_before: u64,
    ) -> Result<BTreeMap<UserKey, u32>, Error> {
        let rows = sqlx::query!(
            r#"
            SELECT u.sdk_app_id, u.user_id FROM users u
            WHERE (u.sdk_app_id, u.user_id) > ($1, $2) AND EXISTS (
                SELECT FROM conversations c
                WHERE c.sdk_app_id = u.sdk_app_id AND c.user_id = u.user_id AND c.changed_at < $3
                    AND c.standard_mark = 0 AND c.custom_mark = '' AND c.group_ids = '{}' AND c.pin_position IS NULL
            )
            ORDER BY u.sdk_app_id, u.user_id
            LIMIT $4
            "#,
            after.0,
            &after.1,
            changed_before.cast_signed(),
            USERS_AT_ONCE,
        )
        .fetch_all(self.session())
        .await?;
        rows.into_iter().map(|row| Ok((stored_key(row.sdk_app_id, &row.user_id)?, 0))).collect()
    }
}
