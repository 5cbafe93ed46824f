//! Loading users, with what their changes touch.

use std::collections::BTreeMap;

use super::accounts::standing;
use super::connection::{Connection, Tx, in_time};
use super::conversations::{KeptRow, numbers_of};
use super::count;
use super::session::Session;
use crate::domain::{Conversation, Counts, Entry, UserKey, UserState};
use crate::error::Error;

impl Connection {
    /// Loads users as they are now, without a lock, and what is kept about the touched conversations, with the standing
    /// of everybody concerned. `users` says of each whether the app takes anyone: of the others, those whom the directory
    /// does not know are missing from the answer.
    pub async fn load_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        in_time(self.session().load_users(users, touched)).await?.into_states(users, touched)
    }
}

impl Tx<'_> {
    /// The same in a transaction.
    pub(super) async fn load_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        self.session().load_users(users, touched).await?.into_states(users, touched)
    }
}

impl Session<'_> {
    /// One statement, so that all of it is as it was at one moment.
    #[expect(clippy::too_many_lines, reason = "one statement, with its arrays, in one piece")]
    async fn load_users(
        self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<Row, sqlx::Error> {
        let sdk_app_ids: Vec<_> = users.keys().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.keys().map(|key| key.user_id.as_str()).collect();
        let anyone: Vec<_> = users.values().copied().collect();
        let of_apps: Vec<_> = touched.iter().map(|(key, _)| key.sdk_app_id.number()).collect();
        let of_users: Vec<_> = touched.iter().map(|(key, _)| key.user_id.as_str()).collect();
        let kinds: Vec<_> = touched.iter().map(|(_, conversation)| conversation.kind()).collect();
        let peer_ids: Vec<_> =
            touched.iter().map(|(_, conversation)| conversation.peer_id()).collect();
        sqlx::query_as!(
            Row,
            r#"
            SELECT u.*, c.*
            FROM (
                SELECT
                    COALESCE(array_agg(anyone OR deleted IS NOT NULL), '{}') AS "known!",
                    COALESCE(array_agg(deleted), '{}') AS "users_gone!: Vec<Option<bool>>",
                    COALESCE(array_agg(COALESCE(revision, 0)), '{}') AS "revisions!",
                    COALESCE(array_agg(COALESCE(next_position, 1)), '{}') AS "next_positions!",
                    COALESCE(array_agg(COALESCE(next_group_id, 1)), '{}') AS "next_group_ids!",
                    COALESCE(array_agg(COALESCE(marked, 0)), '{}') AS "marked!",
                    COALESCE(array_agg(COALESCE(grouped, 0)), '{}') AS "grouped!",
                    COALESCE(array_agg(COALESCE(pinned, 0)), '{}') AS "pinned!"
                FROM (
                    SELECT t.anyone, a.deleted, u.*
                    FROM unnest($1::bigint[], $2::text[], $3::boolean[])
                        WITH ORDINALITY AS t (sdk_app_id, user_id, anyone, nr)
                    LEFT JOIN users u ON u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
                    LEFT JOIN accounts a ON a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
                    ORDER BY nr
                ) u
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
        )
        .fetch_one(self)
        .await
    }
}

/// The users and the conversations that were asked for, in that order, an array for each column.
struct Row {
    known: Vec<bool>,
    users_gone: Vec<Option<bool>>,
    revisions: Vec<i64>,
    next_positions: Vec<i32>,
    next_group_ids: Vec<i32>,
    marked: Vec<i32>,
    grouped: Vec<i32>,
    pinned: Vec<i32>,
    peers_gone: Vec<Option<bool>>,
    standard_marks: Vec<Option<i64>>,
    custom_marks: Vec<Option<String>>,
    group_ids: Vec<Option<String>>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<Option<i64>>,
}

impl Row {
    fn into_states(
        mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        if (self.known.len(), self.peers_gone.len()) != (users.len(), touched.len()) {
            return Err(Error::internal("users: not as many rows as were asked for"));
        }
        let known = users.keys().enumerate().filter(|(nr, _)| self.known[*nr]);
        let mut states: BTreeMap<_, _> =
            known.map(|(nr, key)| (key.clone(), self.user(nr))).collect();
        for (nr, (key, conversation)) in touched.iter().enumerate() {
            // Whoever is not known has no state.
            let Some(state) = states.get_mut(*key) else { continue };
            state.entries.insert((*conversation).clone(), self.take_entry(nr)?);
        }
        Ok(states)
    }

    fn user(&self, nr: usize) -> UserState {
        let counts = Counts {
            marked: count(self.marked[nr]),
            grouped: count(self.grouped[nr]),
            pinned: count(self.pinned[nr]),
        };
        let (next_position, next_group_id) =
            (count(self.next_positions[nr]), count(self.next_group_ids[nr]));
        let mut state = UserState::stored(counts, next_position, next_group_id);
        state.revision = self.revisions[nr].unsigned_abs();
        state.owner = standing(self.users_gone[nr]);
        state
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
