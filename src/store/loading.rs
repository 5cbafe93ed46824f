//! Loading users, with what their changes touch.

use std::collections::BTreeMap;

use smol_str::SmolStr;

use super::accounts::standing;
use super::columns::Column;
use super::connection::{Connection, Tx, in_time};
use super::conversations::{KeptRow, numbers_of, version};
use super::session::Session;
use super::users::UserRow;
use crate::domain::{Conversation, Entry, Touched, UserKey, UserState};
use crate::error::Error;

impl Connection {
    /// Loads what is kept about the touched conversations as it is now, without a lock, with the standing of everybody
    /// concerned. `users` says of each whether the app takes anyone: of the others, those whom the directory does not know
    /// are missing from the answer. A user's row is loaded if one of the user's conversations may come to be kept, or
    /// cease to be.
    pub async fn load_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, Touched<'_>)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        in_time(self.session().load_users(users, touched)).await?.into_states(users, touched)
    }
}

impl Tx<'_> {
    /// The same in a transaction.
    pub(super) async fn load_users(
        &mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, Touched<'_>)],
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
        touched: &[(&UserKey, Touched<'_>)],
    ) -> Result<Row, sqlx::Error> {
        let sdk_app_ids: Vec<_> = users.keys().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = users.keys().map(|key| key.user_id.as_str()).collect();
        let anyone: Vec<_> = users.values().copied().collect();
        let of = Keys::of(touched);
        let may_lose: Vec<_> =
            touched.iter().map(|(_, touched)| touched.may_lose.bits().cast_signed()).collect();
        sqlx::query_as!(
            Row,
            r#"
            SELECT u.*, c.*
            FROM (
                SELECT
                    COALESCE(array_agg(anyone OR deleted IS NOT NULL), '{}') AS "known!: Column<bool>",
                    COALESCE(array_agg(deleted), '{}') AS "users_gone!: Column<Option<bool>>"
                FROM (
                    SELECT anyone, deleted
                    FROM unnest($1::bigint[], $2::text[], $3::boolean[])
                        WITH ORDINALITY AS t (sdk_app_id, user_id, anyone, nr)
                    LEFT JOIN accounts a ON a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
                    ORDER BY nr
                ) u
            ) u
            CROSS JOIN (
                SELECT
                    COALESCE(array_agg(gone), '{}') AS "peers_gone!: Column<Option<bool>>",
                    COALESCE(array_agg(standard_mark), '{}') AS "standard_marks!: Column<Option<i64>>",
                    COALESCE(array_agg(custom_mark), '{}') AS "custom_marks!: Column<Option<Box<str>>>",
                    COALESCE(array_agg(array_to_string(group_ids, ',')), '{}') AS "group_ids!: Column<Option<Box<str>>>",
                    COALESCE(array_agg(position), '{}') AS "positions!: Column<Option<i32>>",
                    COALESCE(array_agg(pin_position), '{}') AS "pin_positions!: Column<Option<i32>>",
                    COALESCE(array_agg(changed_at), '{}') AS "changed_at!: Column<Option<i64>>",
                    COALESCE(array_agg(version), '{}') AS "versions!: Column<Option<i64>>",
                    COALESCE(array_agg(place), '{}') AS "places!: Column<Option<SmolStr>>",
                    COALESCE(array_agg(counts), '{}') AS "counts!: Column<bool>",
                    COALESCE(array_agg(COALESCE(revision, 0)) FILTER (WHERE counts), '{}') AS "revisions!: Column<i64>",
                    COALESCE(array_agg(COALESCE(next_position, 1)) FILTER (WHERE counts), '{}') AS "next_positions!: Column<i32>",
                    COALESCE(array_agg(COALESCE(next_group_id, 1)) FILTER (WHERE counts), '{}') AS "next_group_ids!: Column<i32>",
                    COALESCE(array_agg(COALESCE(marked, 0)) FILTER (WHERE counts), '{}') AS "marked!: Column<i32>",
                    COALESCE(array_agg(COALESCE(grouped, 0)) FILTER (WHERE counts), '{}') AS "grouped!: Column<i32>",
                    COALESCE(array_agg(COALESCE(pinned, 0)) FILTER (WHERE counts), '{}') AS "pinned!: Column<i32>"
                FROM (
                    SELECT
                        COALESCE(a.deleted, g.destroyed) AS gone,
                        c.standard_mark, c.custom_mark, c.group_ids, c.position, c.pin_position, c.changed_at,
                        c.xmin::text::bigint AS version, c.ctid::text AS place,
                        COALESCE(c.standard_mark & ~t.may_lose, 0) = 0 AS counts,
                        u.revision, u.next_position, u.next_group_id, u.marked, u.grouped, u.pinned
                    FROM unnest($4::bigint[], $5::text[], $6::smallint[], $7::text[], $8::bigint[])
                        WITH ORDINALITY AS t (sdk_app_id, user_id, kind, peer_id, may_lose, nr)
                    LEFT JOIN conversations c
                        ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                        AND c.kind = t.kind AND c.peer_id = t.peer_id
                    LEFT JOIN users u
                        ON u.sdk_app_id = t.sdk_app_id
                        AND u.user_id = CASE COALESCE(c.standard_mark & ~t.may_lose, 0) WHEN 0 THEN t.user_id END
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
            &of.sdk_app_ids,
            &of.user_ids as &[&str],
            &of.kinds,
            &of.peer_ids as &[&str],
            &may_lose,
        )
        .fetch_one(self)
        .await
    }
}

/// The touched conversations' keys as PostgreSQL takes them: one array per column.
pub(super) struct Keys<'a> {
    pub(super) sdk_app_ids: Vec<i64>,
    pub(super) user_ids: Vec<&'a str>,
    pub(super) kinds: Vec<i16>,
    pub(super) peer_ids: Vec<&'a str>,
}

impl<'a> Keys<'a> {
    pub(super) fn of(touched: &[(&'a UserKey, Touched<'a>)]) -> Self {
        let conversations = || touched.iter().map(|(_, touched)| touched.conversation);
        Self {
            sdk_app_ids: touched.iter().map(|(key, _)| key.sdk_app_id.number()).collect(),
            user_ids: touched.iter().map(|(key, _)| key.user_id.as_str()).collect(),
            kinds: conversations().map(Conversation::kind).collect(),
            peer_ids: conversations().map(Conversation::peer_id).collect(),
        }
    }
}

/// The users and the conversations that were asked for, in that order, an array for each column; then of each conversation
/// whether its user's row was looked up, and those rows.
struct Row {
    known: Vec<bool>,
    users_gone: Vec<Option<bool>>,
    peers_gone: Vec<Option<bool>>,
    standard_marks: Vec<Option<i64>>,
    custom_marks: Vec<Option<Box<str>>>,
    group_ids: Vec<Option<Box<str>>>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<Option<i64>>,
    versions: Vec<Option<i64>>,
    places: Vec<Option<SmolStr>>,
    counts: Vec<bool>,
    revisions: Vec<i64>,
    next_positions: Vec<i32>,
    next_group_ids: Vec<i32>,
    marked: Vec<i32>,
    grouped: Vec<i32>,
    pinned: Vec<i32>,
}

impl Row {
    fn into_states(
        mut self,
        users: &BTreeMap<UserKey, bool>,
        touched: &[(&UserKey, Touched<'_>)],
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        if (self.known.len(), self.peers_gone.len()) != (users.len(), touched.len()) {
            return Err(Error::internal("users: not as many rows as were asked for"));
        }
        let known = users.keys().enumerate().filter(|(nr, _)| self.known[*nr]);
        let state = |nr: usize| UserState::of(standing(self.users_gone[nr]));
        let mut states: BTreeMap<_, _> = known.map(|(nr, key)| (key.clone(), state(nr))).collect();
        let mut rows = 0..;
        for (nr, (key, touched)) in touched.iter().enumerate() {
            let row = self.counts[nr].then(|| rows.next()).flatten();
            // Whoever is not known has no state.
            let Some(state) = states.get_mut(*key) else { continue };
            state.entries.insert(touched.conversation.clone(), self.take_entry(nr)?);
            if let Some(row) = row {
                self.user_row(row).load_into(state);
            }
        }
        Ok(states)
    }

    fn user_row(&self, nr: usize) -> UserRow {
        UserRow {
            revision: self.revisions[nr],
            next_position: self.next_positions[nr],
            next_group_id: self.next_group_ids[nr],
            marked: self.marked[nr],
            grouped: self.grouped[nr],
            pinned: self.pinned[nr],
        }
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
        let place = self.places[nr].take().unwrap_or_default();
        let version = version(self.versions[nr].unwrap_or_default(), place)?;
        Ok(Entry { version, ..Entry::loaded(kept.into_kept()?, standing(self.peers_gone[nr])) })
    }
}
