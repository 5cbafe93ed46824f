//! Saving what users and conversations have become, if nobody else has changed them since they were loaded.

use super::connection::{Connection, Tx};
use super::session::Session;
use super::stored;
use crate::domain::{Conversation, Entry, UserKey, UserState};
use crate::error::Error;
use crate::limits::Limits;

/// A changed user, with the limits that held for the change.
pub type Changed<'a> = (&'a UserKey, &'a UserState, &'a Limits);

/// Why it is not known who is saved.
#[derive(Debug)]
pub enum Unsaved {
    /// Nobody: the database has refused all of it.
    Refused(Error),
    /// Everybody or nobody.
    InDoubt(Error),
}

impl Connection {
    /// Saves changed users with their conversations, durably, in a transaction of its own. Gives back of whom somebody else
    /// has changed something since it was loaded: nothing of theirs is saved.
    ///
    /// Conversation groups and deleted accounts are no part of this: their rows are saved in a [`Tx`].
    pub async fn save_as_loaded<'a>(
        &mut self,
        changed: &[Changed<'a>],
    ) -> Result<Vec<&'a UserKey>, Unsaved> {
        #[cfg(feature = "planted-bugs")]
        if super::planted::is_not_committed() {
            return Ok(Vec::new());
        }
        // The answer is there when the server is ready for the next statement, and that is after the commit.
        match self.session().save_users(changed).await {
            Ok(others) => Ok(others),
            Err(error) if is_overtaken(&error) => {
                Ok(changed.iter().map(|(key, ..)| *key).collect())
            }
            Err(error) if is_refusal(&error) => Err(Unsaved::Refused(error.into())),
            Err(error) => Err(Unsaved::InDoubt(Error::Timeout(Some(error.into())))),
        }
    }
}

impl Tx<'_> {
    /// Saves changed users, who have been locked, with their conversations.
    pub async fn save_users(&mut self, changed: &[Changed<'_>]) -> Result<(), Error> {
        if self.session().save_users(changed).await?.is_empty() {
            Ok(())
        } else {
            Err(Error::internal("a locked row was not as it had been loaded"))
        }
    }
}

impl Session<'_> {
    /// Saves those of whom every row is still the version that was loaded, and gives back the others. Locks are taken in the
    /// order of the keys, users first, so that two writers do not wait for each other in a circle. Conversations that go
    /// come last: two writers, one of whom lets go of what the other keeps, can meet in a circle, and are tried again when
    /// the wait for a lock is over.
    ///
    /// A user is saved with all rows or with none. If that takes back what others have saved in the same statement, it fails
    /// for everybody, and [is said to be overtaken](is_overtaken).
    async fn save_users<'a>(
        self,
        changed: &[Changed<'a>],
    ) -> Result<Vec<&'a UserKey>, sqlx::Error> {
        let (mut users, mut kept) = <(Users<'_>, Columns<'_>)>::default();
        let (mut new, mut gone) = <(Columns<'_>, Columns<'_>)>::default();
        // How many rows of each user are to be there as they were loaded.
        let mut rows = Vec::with_capacity(changed.len());
        for (nr, (key, state, limits)) in (1..).zip(changed) {
            let entries = state.entries.iter().filter(|(_, entry)| entry.is_changed());
            let mut of_user = 0;
            if state.changes_row() {
                users.push(nr, key, state, limits);
                of_user += 1;
            }
            for (conversation, entry) in entries {
                match (entry.before.is_something(), entry.after.is_something()) {
                    // It has the next position, which is in its user's row, and comes with that.
                    (false, _) => new.push(nr, key, conversation, entry),
                    (true, true) => kept.push(nr, key, conversation, entry),
                    (true, false) => gone.push(nr, key, conversation, entry),
                }
                of_user += i64::from(entry.before.is_something());
            }
            rows.push(of_user);
        }
        let keeps_groups = !changed.iter().any(|(_, state, _)| state.changes_groups());
        // Counts can stay as they are although one conversation goes and another one is marked.
        let saved = if users.nrs.is_empty() && gone.nrs.is_empty() && keeps_groups {
            self.save_marks(&rows, &kept).await?
        } else {
            self.save_everything(&rows, &users, &kept, &new, &gone).await?
        };
        let is_saved = |(nr, rows): (i32, &i64)| *rows == 0 || saved.contains(&nr);
        let others = changed.iter().zip((1..).zip(&rows)).filter(|(_, one)| !is_saved(*one));
        Ok(others.map(|((key, ..), _)| *key).collect())
    }

    /// What most changes are: conversations that were something already, and are something else now.
    async fn save_marks(self, rows: &[i64], kept: &Columns<'_>) -> Result<Vec<i32>, sqlx::Error> {
        // Rows come in the order of their keys, and there is no better plan than to take them one by one, from where they
        // lie. If there were, writers that wait in a circle would be told so, and try again. Keys are compared as well: when
        // a table is written anew (`VACUUM FULL`), another row of the same transaction may come to lie there.
        sqlx::query_scalar!(
            r#"
            WITH kept AS (
                UPDATE conversations c SET
                    standard_mark = t.standard_mark, custom_mark = t.custom_mark,
                    position = t.position, pin_position = t.pin_position, changed_at = t.changed_at
                FROM unnest(
                    $2::int[], $3::bigint[], $4::text[], $5::smallint[], $6::text[], $7::int[], $8::text[],
                    $9::bigint[], $10::text[], $11::int[], $12::int[], $13::bigint[]
                ) AS t (
                    nr, sdk_app_id, user_id, kind, peer_id, version, place,
                    standard_mark, custom_mark, position, pin_position, changed_at
                )
                WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                    AND c.kind = t.kind AND c.peer_id = t.peer_id AND c.ctid = t.place::tid AND c.xmin = t.version
                RETURNING nr
            )
            SELECT ARRAY(
                SELECT CASE count(*) WHEN ($1::bigint[])[nr] THEN nr ELSE overtaken() END FROM kept GROUP BY nr
            ) AS "users!"
            "#,
            rows,
            &kept.nrs,
            &kept.sdk_app_ids,
            &kept.user_ids as &[&str],
            &kept.kinds,
            &kept.peer_ids as &[&str],
            &kept.versions,
            &kept.places as &[&str],
            &kept.standard_marks,
            &kept.custom_marks as &[&str],
            &kept.positions as &[Option<i32>],
            &kept.pin_positions as &[Option<i32>],
            &kept.changed_at,
        )
        .fetch_one(self)
        .await
    }

    #[expect(clippy::too_many_lines, reason = "one statement, with its arrays, in one piece")]
    async fn save_everything(
        self,
        rows: &[i64],
        users: &Users<'_>,
        kept: &Columns<'_>,
        new: &Columns<'_>,
        gone: &Columns<'_>,
    ) -> Result<Vec<i32>, sqlx::Error> {
        sqlx::query_scalar!(
            r#"
            WITH saved AS (
                INSERT INTO users AS u (
                    sdk_app_id, user_id, revision, next_position, next_group_id,
                    marked, marked_max, grouped, grouped_max, pinned, pinned_max
                )
                SELECT * FROM unnest(
                    $3::bigint[], $4::text[], $5::bigint[], $6::int[], $7::int[],
                    $8::int[], $9::int[], $10::int[], $11::int[], $12::int[], $13::int[]
                ) AS t (sdk_app_id, user_id)
                ORDER BY sdk_app_id, user_id COLLATE "C"
                ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET
                    revision = excluded.revision,
                    next_position = excluded.next_position, next_group_id = excluded.next_group_id,
                    marked = excluded.marked, marked_max = excluded.marked_max,
                    grouped = excluded.grouped, grouped_max = excluded.grouped_max,
                    pinned = excluded.pinned, pinned_max = excluded.pinned_max
                WHERE u.revision = excluded.revision - 1
                RETURNING sdk_app_id, user_id
            ),
            users_done AS (
                SELECT nr, (sdk_app_id, user_id) IN (SELECT sdk_app_id, user_id FROM saved) AS is_saved
                FROM unnest($2::int[], $3::bigint[], $4::text[]) AS t (nr, sdk_app_id, user_id)
            ),
            kept AS (
                UPDATE conversations c SET
                    standard_mark = t.standard_mark, custom_mark = t.custom_mark, group_ids = t.group_ids::int[],
                    position = t.position, pin_position = t.pin_position, changed_at = t.changed_at
                FROM unnest(
                    $14::int[], $15::bigint[], $16::text[], $17::smallint[], $18::text[], $19::int[], $20::text[],
                    $21::bigint[], $22::text[], $23::text[], $24::int[], $25::int[], $26::bigint[]
                ) AS t (
                    nr, sdk_app_id, user_id, kind, peer_id, version, place,
                    standard_mark, custom_mark, group_ids, position, pin_position, changed_at
                )
                WHERE nr NOT IN (SELECT nr FROM users_done WHERE NOT is_saved)
                    AND c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                    AND c.kind = t.kind AND c.peer_id = t.peer_id AND c.ctid = t.place::tid AND c.xmin = t.version
                RETURNING nr
            ),
            new AS (
                INSERT INTO conversations (
                    sdk_app_id, user_id, kind, peer_id, standard_mark,
                    custom_mark, group_ids, position, pin_position, changed_at
                )
                SELECT
                    t.sdk_app_id, t.user_id, kind, peer_id, standard_mark,
                    custom_mark, group_ids::int[], position, pin_position, changed_at
                FROM unnest(
                    $27::int[], $28::bigint[], $29::text[], $30::smallint[], $31::text[],
                    $32::bigint[], $33::text[], $34::text[], $35::int[], $36::int[], $37::bigint[]
                ) AS t (
                    nr, sdk_app_id, user_id, kind, peer_id,
                    standard_mark, custom_mark, group_ids, position, pin_position, changed_at
                )
                WHERE nr NOT IN (SELECT nr FROM users_done WHERE NOT is_saved)
            ),
            gone AS (
                DELETE FROM conversations c
                USING unnest(
                    $38::int[], $39::bigint[], $40::text[], $41::smallint[], $42::text[], $43::int[], $44::text[]
                ) AS t (nr, sdk_app_id, user_id, kind, peer_id, version, place)
                WHERE nr NOT IN (SELECT nr FROM users_done WHERE NOT is_saved)
                    AND c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                    AND c.kind = t.kind AND c.peer_id = t.peer_id AND c.ctid = t.place::tid AND c.xmin = t.version
                RETURNING nr
            )
            SELECT ARRAY(
                SELECT CASE count(*) WHEN ($1::bigint[])[nr] THEN nr ELSE overtaken() END
                FROM (
                    SELECT nr FROM users_done WHERE is_saved
                    UNION ALL SELECT nr FROM kept
                    UNION ALL SELECT nr FROM gone
                ) done
                GROUP BY nr
            ) AS "users!"
            "#,
            rows,
            &users.nrs,
            &users.sdk_app_ids,
            &users.user_ids as &[&str],
            &users.revisions,
            &users.next_positions,
            &users.next_group_ids,
            &users.marked,
            &users.marked_max,
            &users.grouped,
            &users.grouped_max,
            &users.pinned,
            &users.pinned_max,
            &kept.nrs,
            &kept.sdk_app_ids,
            &kept.user_ids as &[&str],
            &kept.kinds,
            &kept.peer_ids as &[&str],
            &kept.versions,
            &kept.places as &[&str],
            &kept.standard_marks,
            &kept.custom_marks as &[&str],
            &kept.group_ids,
            &kept.positions as &[Option<i32>],
            &kept.pin_positions as &[Option<i32>],
            &kept.changed_at,
            &new.nrs,
            &new.sdk_app_ids,
            &new.user_ids as &[&str],
            &new.kinds,
            &new.peer_ids as &[&str],
            &new.standard_marks,
            &new.custom_marks as &[&str],
            &new.group_ids,
            &new.positions as &[Option<i32>],
            &new.pin_positions as &[Option<i32>],
            &new.changed_at,
            &gone.nrs,
            &gone.sdk_app_ids,
            &gone.user_ids as &[&str],
            &gone.kinds,
            &gone.peer_ids as &[&str],
            &gone.versions,
            &gone.places as &[&str],
        )
        .fetch_one(self)
        .await
    }
}

/// Some of somebody's rows were as they had been loaded, and some were not: `overtaken()` of the schema says so.
fn is_overtaken(error: &sqlx::Error) -> bool {
    let state = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    state.is_some_and(|state| state == "40001")
}

/// The server has answered that nothing happened. One that shuts down may say so after it happened.
fn is_refusal(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|state| !state.starts_with("57P") && !state.starts_with("08"))
}

/// Changed rows of users as PostgreSQL takes them: one array per column, the first of which says whose of a statement's users
/// it is.
#[derive(Default)]
struct Users<'a> {
    nrs: Vec<i32>,
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<&'a str>,
    revisions: Vec<i64>,
    next_positions: Vec<i32>,
    next_group_ids: Vec<i32>,
    marked: Vec<i32>,
    marked_max: Vec<i32>,
    grouped: Vec<i32>,
    grouped_max: Vec<i32>,
    pinned: Vec<i32>,
    pinned_max: Vec<i32>,
}

impl<'a> Users<'a> {
    fn push(&mut self, nr: i32, key: &'a UserKey, state: &UserState, limits: &Limits) {
        let room = state.room(limits);
        self.nrs.push(nr);
        self.sdk_app_ids.push(key.sdk_app_id.number());
        self.user_ids.push(key.user_id.as_str());
        self.revisions.push(state.revision.cast_signed() + 1);
        self.next_positions.push(stored(state.next_position));
        self.next_group_ids.push(stored(state.next_group_id));
        self.marked.push(stored(state.counts.marked));
        self.marked_max.push(stored(room.marked));
        self.grouped.push(stored(state.counts.grouped));
        self.grouped_max.push(stored(room.grouped));
        self.pinned.push(stored(state.counts.pinned));
        self.pinned_max.push(stored(room.pinned));
    }
}

/// Changed conversations, the same way.
#[derive(Default)]
struct Columns<'a> {
    nrs: Vec<i32>,
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<&'a str>,
    kinds: Vec<i16>,
    peer_ids: Vec<&'a str>,
    versions: Vec<i32>,
    places: Vec<&'a str>,
    standard_marks: Vec<i64>,
    custom_marks: Vec<&'a str>,
    group_ids: Vec<String>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(
        &mut self,
        nr: i32,
        key: &'a UserKey,
        conversation: &'a Conversation,
        entry: &'a Entry,
    ) {
        let after = &entry.after;
        self.nrs.push(nr);
        self.sdk_app_ids.push(key.sdk_app_id.number());
        self.user_ids.push(key.user_id.as_str());
        self.kinds.push(conversation.kind());
        self.peer_ids.push(conversation.peer_id());
        // PostgreSQL compares a transaction's number with 32 bits, whatever their sign.
        self.versions.push(entry.version.transaction.cast_signed());
        self.places.push(&entry.version.place);
        self.standard_marks.push(after.standard.bits().cast_signed());
        self.custom_marks.push(after.custom.as_str());
        self.group_ids.push(array_text(&after.group_ids));
        self.positions.push(after.position.map(stored));
        self.pin_positions.push(after.pin_position.map(stored));
        self.changed_at.push(after.changed_at.cast_signed());
    }
}

/// An array as PostgreSQL writes it: arrays of unequal length cannot be passed in one.
fn array_text(numbers: &[u32]) -> String {
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
