//! Locking users, and loading what their changes touch.

use std::collections::BTreeMap;

use super::accounts::standing;
use super::conversations::{KeptRow, numbers_of};
use super::users::stored_key;
use super::{Tx, count};
use crate::domain::{Conversation, Counts, Entry, UserKey, UserState};
use crate::error::Error;

impl Tx<'_> {
    /// Locks users until the transaction ends, and loads what is kept about the touched conversations, with the standing
    /// of everybody concerned. Locks are taken in the order of the keys, so that two writers never wait for each other
    /// in a circle. Revisions grow here already, since the lock writes the row anyway: if nothing changes, the
    /// transaction is rolled back.
    ///
    /// Whoever has no row yet gets one, if `anyone` may have state or the directory knows the user; the others are
    /// missing from the answer.
    pub async fn lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        match self.try_lock_users(users, touched, 1).await? {
            Some(states) => Ok(states),
            // Now that the locks are ours, nobody comes in between, and the revisions have grown.
            None => (self.try_lock_users(users, touched, 0).await?)
                .ok_or_else(|| Error::internal("users: a locked row has changed")),
        }
    }

    /// One statement for both, which reads everything as it was when it began, before it had the locks. Revisions grow by
    /// `step`; one that has grown by more since then tells that somebody else was faster: then what was read is old, and
    /// `None` is the answer.
    #[expect(clippy::too_many_lines, reason = "one statement, with its arrays, in one piece")]
    async fn try_lock_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
        step: i64,
    ) -> Result<Option<BTreeMap<UserKey, UserState>>, Error> {
        let sdk_app_ids: Vec<_> = users.keys().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.keys().map(|key| key.user_id.as_str()).collect();
        let anyone: Vec<_> = users.values().copied().collect();
        let of_apps: Vec<_> = touched.iter().map(|(key, _)| key.sdk_app_id.number()).collect();
        let of_users: Vec<_> = touched.iter().map(|(key, _)| key.user_id.as_str()).collect();
        let kinds: Vec<_> = touched.iter().map(|(_, conversation)| conversation.kind()).collect();
        let peer_ids: Vec<_> =
            touched.iter().map(|(_, conversation)| conversation.peer_id()).collect();
        let row = sqlx::query_as!(
            Row,
            r#"
            WITH locked AS (
                INSERT INTO users AS u (sdk_app_id, user_id, revision)
                SELECT sdk_app_id, user_id, 1
                FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS t (sdk_app_id, user_id, anyone)
                WHERE anyone OR EXISTS (
                    SELECT FROM accounts a WHERE a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
                )
                ORDER BY sdk_app_id, user_id COLLATE "C"
                ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET revision = u.revision + $8
                RETURNING
                    sdk_app_id, user_id, revision, next_position, next_group_id, marked, grouped, pinned
            )
            SELECT u.*, c.*
            FROM (
                SELECT
                    COALESCE(array_agg(sdk_app_id), '{}') AS "sdk_app_ids!",
                    COALESCE(array_agg(user_id), '{}') AS "user_ids!",
                    COALESCE(bool_and(revision = $8 + COALESCE((
                        SELECT s.revision FROM users s
                        WHERE s.sdk_app_id = l.sdk_app_id AND s.user_id = l.user_id
                    ), 0)), TRUE) AS "is_as_read!",
                    COALESCE(array_agg(next_position), '{}') AS "next_positions!",
                    COALESCE(array_agg(next_group_id), '{}') AS "next_group_ids!",
                    COALESCE(array_agg(marked), '{}') AS "marked!",
                    COALESCE(array_agg(grouped), '{}') AS "grouped!",
                    COALESCE(array_agg(pinned), '{}') AS "pinned!",
                    COALESCE(array_agg((
                        SELECT a.deleted FROM accounts a
                        WHERE a.sdk_app_id = l.sdk_app_id AND a.user_id = l.user_id
                    )), '{}') AS "users_gone!: Vec<Option<bool>>"
                FROM locked l
            ) u
            CROSS JOIN (
                SELECT
                    COALESCE(array_agg(gone), '{}') AS "peers_gone!: Vec<Option<bool>>",
                    COALESCE(array_agg(standard_mark), '{}') AS "standard_marks!: Vec<Option<i64>>",
                    COALESCE(array_agg(custom_mark), '{}') AS "custom_marks!: Vec<Option<String>>",
                    COALESCE(array_agg(array_to_string(group_ids, ',')), '{}') AS "group_ids!: Vec<Option<String>>",
                    COALESCE(array_agg(position), '{}') AS "positions!: Vec<Option<i32>>",
                    COALESCE(array_agg(pin_position), '{}') AS "pin_positions!: Vec<Option<i32>>",
                    COALESCE(array_agg(changed_at), '{}') AS "changed_at!: Vec<Option<i64>>"
                FROM (
                    SELECT COALESCE(a.deleted, g.destroyed) AS gone, c.*
                    FROM unnest($4::bigint[], $5::text[], $6::smallint[], $7::text[])
                        WITH ORDINALITY AS t (sdk_app_id, user_id, kind, peer_id, nr)
                    LEFT JOIN conversations c
                        ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                        AND c.kind = t.kind AND c.peer_id = t.peer_id
                    LEFT JOIN accounts a
                        ON a.sdk_app_id = t.sdk_app_id AND a.user_id = CASE t.kind WHEN 1 THEN t.peer_id END
                    LEFT JOIN chat_groups g
                        ON g.sdk_app_id = t.sdk_app_id AND g.group_id = CASE t.kind WHEN 2 THEN t.peer_id END
                    ORDER BY nr
                ) c
            ) c
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &anyone,
            &of_apps,
            &of_users as &[&str],
            &kinds,
            &peer_ids as &[&str],
            step,
        )
        .fetch_one(self.session())
        .await?;
        row.into_states(touched)
    }
}

/// The users who were locked and the conversations that were asked for, an array for each column.
struct Row {
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<String>,
    is_as_read: bool,
    next_positions: Vec<i32>,
    next_group_ids: Vec<i32>,
    marked: Vec<i32>,
    grouped: Vec<i32>,
    pinned: Vec<i32>,
    users_gone: Vec<Option<bool>>,
    peers_gone: Vec<Option<bool>>,
    standard_marks: Vec<Option<i64>>,
    custom_marks: Vec<Option<String>>,
    group_ids: Vec<Option<String>>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<Option<i64>>,
}

impl Row {
    /// The states of the users, unless what was read is old.
    fn into_states(
        mut self,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<Option<BTreeMap<UserKey, UserState>>, Error> {
        if !self.is_as_read {
            return Ok(None);
        }
        if self.peers_gone.len() != touched.len() {
            return Err(Error::internal("conversations: not as many as were asked for"));
        }
        let mut states = (0..self.sdk_app_ids.len())
            .map(|nr| self.user(nr))
            .collect::<Result<BTreeMap<_, _>, _>>()?;
        for (nr, (key, conversation)) in touched.iter().enumerate() {
            // Whoever was not locked has no state.
            let Some(state) = states.get_mut(*key) else { continue };
            state.entries.insert((*conversation).clone(), self.take_entry(nr)?);
        }
        Ok(Some(states))
    }

    fn user(&self, nr: usize) -> Result<(UserKey, UserState), Error> {
        let counts = Counts {
            marked: count(self.marked[nr]),
            grouped: count(self.grouped[nr]),
            pinned: count(self.pinned[nr]),
        };
        let (next_position, next_group_id) =
            (count(self.next_positions[nr]), count(self.next_group_ids[nr]));
        let mut state = UserState::stored(counts, next_position, next_group_id);
        state.owner = standing(self.users_gone[nr]);
        Ok((stored_key(self.sdk_app_ids[nr], &self.user_ids[nr])?, state))
    }

    fn take_entry(&mut self, nr: usize) -> Result<Entry, Error> {
        let kept = KeptRow {
            standard_mark: self.standard_marks[nr].unwrap_or_default(),
            custom_mark: self.custom_marks[nr].take().unwrap_or_default(),
            group_ids: self.group_ids[nr].as_deref().map(numbers_of).unwrap_or_default(),
            position: self.positions[nr],
            pin_position: self.pin_positions[nr],
            changed_at: self.changed_at[nr].unwrap_or_default(),
        };
        Ok(Entry::loaded(kept.into_kept()?, standing(self.peers_gone[nr])))
    }
}
