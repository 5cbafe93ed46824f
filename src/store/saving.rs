//! Saving what users have become, if nobody else has changed them since they were loaded.

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
    /// Saves changed users with their conversations, durably, in a transaction of its own. Gives back whom somebody else
    /// has changed since they were loaded: nothing of theirs is saved.
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
        let saved = self.session().save_users(changed).await.map_err(|error| {
            if is_refusal(&error) {
                Unsaved::Refused(error.into())
            } else {
                Unsaved::InDoubt(Error::Timeout(Some(error.into())))
            }
        })?;
        saved.others(changed).map_err(Unsaved::InDoubt)
    }
}

impl Tx<'_> {
    /// Saves changed users, who have been locked, with their conversations.
    pub async fn save_users(&mut self, changed: &[Changed<'_>]) -> Result<(), Error> {
        let saved = self.session().save_users(changed).await?;
        if saved.others(changed)?.is_empty() {
            Ok(())
        } else {
            Err(Error::internal("users: a locked row was not as it had been loaded"))
        }
    }
}

/// Who was saved, by number, and how many conversations.
struct Saved {
    users: Vec<i64>,
    conversations: i64,
}

impl Saved {
    /// Those who were not saved. Of the others every conversation was, as it had been loaded.
    fn others<'a>(&self, changed: &[Changed<'a>]) -> Result<Vec<&'a UserKey>, Error> {
        let is_saved = |nr: usize| i64::try_from(nr + 1).is_ok_and(|nr| self.users.contains(&nr));
        let all = self.users.len() == changed.len();
        let (mut others, mut conversations) = (Vec::new(), 0);
        for (nr, (key, state, _)) in changed.iter().enumerate() {
            if all || is_saved(nr) {
                conversations += state.entries.values().filter(|entry| entry.is_changed()).count();
            } else {
                others.push(*key);
            }
        }
        if i64::try_from(conversations) == Ok(self.conversations) {
            Ok(others)
        } else {
            Err(Error::internal("conversations: a row was not as it had been loaded"))
        }
    }
}

impl Session<'_> {
    /// Saves those whose revision is still the one that was loaded. Users are locked in the order of their keys, so that two
    /// writers never wait for each other in a circle.
    async fn save_users(self, changed: &[Changed<'_>]) -> Result<Saved, sqlx::Error> {
        let (mut kept, mut new, mut gone) = <(Columns<'_>, Columns<'_>, Columns<'_>)>::default();
        for (key, state, _) in changed {
            for (conversation, entry) in
                state.entries.iter().filter(|(_, entry)| entry.is_changed())
            {
                let columns = match (entry.before.is_something(), entry.after.is_something()) {
                    (false, _) => &mut new,
                    (true, true) => &mut kept,
                    (true, false) => &mut gone,
                };
                columns.push(key, conversation, entry);
            }
        }
        let is_more =
            |(_, state, _): &Changed<'_>| state.has_changed_counts() || state.changes_groups();
        // Counts can stay as they are although one conversation comes and another one goes.
        if new.kinds.is_empty() && gone.kinds.is_empty() && !changed.iter().any(is_more) {
            self.save_marks(changed, &kept).await
        } else {
            self.save_everything(changed, &kept, &new, &gone).await
        }
    }

    /// What most changes are: conversations that were something already, and are something else now.
    async fn save_marks(
        self,
        changed: &[Changed<'_>],
        kept: &Columns<'_>,
    ) -> Result<Saved, sqlx::Error> {
        let sdk_app_ids: Vec<_> = changed.iter().map(|(key, ..)| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = changed.iter().map(|(key, ..)| key.user_id.as_str()).collect();
        let revisions: Vec<_> =
            changed.iter().map(|(_, state, _)| state.revision.cast_signed()).collect();
        // The users come in the order of their keys, and with an index to look them up there is no other plan than to
        // take them one by one. If there were, writers that wait in a circle would be told so, and try again.
        sqlx::query_as!(
            Saved,
            r#"
            WITH saved AS (
                UPDATE users u SET revision = t.revision + 1
                FROM unnest($1::bigint[], $2::text[], $3::bigint[])
                    WITH ORDINALITY AS t (sdk_app_id, user_id, revision, nr)
                WHERE u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id AND u.revision = t.revision
                RETURNING t.sdk_app_id, t.user_id, t.nr
            ),
            kept AS (
                UPDATE conversations c SET
                    standard_mark = (c.standard_mark | t.set_bits) & ~t.clear_bits,
                    custom_mark = t.custom_mark,
                    position = t.position, pin_position = t.pin_position, changed_at = t.changed_at
                FROM saved s
                JOIN unnest(
                    $4::bigint[], $5::text[], $6::smallint[], $7::text[], $8::bigint[], $9::bigint[],
                    $10::text[], $11::int[], $12::int[], $13::bigint[]
                ) AS t (
                    sdk_app_id, user_id, kind, peer_id, set_bits, clear_bits,
                    custom_mark, position, pin_position, changed_at
                ) ON t.sdk_app_id = s.sdk_app_id AND t.user_id = s.user_id
                WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                    AND c.kind = t.kind AND c.peer_id = t.peer_id
                RETURNING 1
            )
            SELECT
                ARRAY(SELECT nr FROM saved) AS "users!",
                (SELECT count(*) FROM kept) AS "conversations!"
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &revisions,
            &kept.sdk_app_ids,
            &kept.user_ids as &[&str],
            &kept.kinds,
            &kept.peer_ids as &[&str],
            &kept.set_bits,
            &kept.clear_bits,
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
        changed: &[Changed<'_>],
        kept: &Columns<'_>,
        new: &Columns<'_>,
        gone: &Columns<'_>,
    ) -> Result<Saved, sqlx::Error> {
        let sdk_app_ids: Vec<_> = changed.iter().map(|(key, ..)| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = changed.iter().map(|(key, ..)| key.user_id.as_str()).collect();
        let revisions: Vec<_> =
            changed.iter().map(|(_, state, _)| state.revision.cast_signed() + 1).collect();
        let numbers = |number: fn(&UserState, &Limits) -> u32| -> Vec<i32> {
            changed.iter().map(|(_, state, limits)| stored(number(state, limits))).collect()
        };
        sqlx::query_as!(
            Saved,
            r#"
            WITH saved AS (
                INSERT INTO users AS u (
                    sdk_app_id, user_id, revision, next_position, next_group_id,
                    marked, marked_max, grouped, grouped_max, pinned, pinned_max
                )
                SELECT * FROM unnest(
                    $1::bigint[], $2::text[], $3::bigint[], $4::int[], $5::int[],
                    $6::int[], $7::int[], $8::int[], $9::int[], $10::int[], $11::int[]
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
            kept AS (
                UPDATE conversations c SET
                    standard_mark = (c.standard_mark | t.set_bits) & ~t.clear_bits,
                    custom_mark = t.custom_mark, group_ids = t.group_ids::int[],
                    position = t.position, pin_position = t.pin_position, changed_at = t.changed_at
                FROM saved s
                JOIN unnest(
                    $12::bigint[], $13::text[], $14::smallint[], $15::text[], $16::bigint[], $17::bigint[],
                    $18::text[], $19::text[], $20::int[], $21::int[], $22::bigint[]
                ) AS t (
                    sdk_app_id, user_id, kind, peer_id, set_bits, clear_bits,
                    custom_mark, group_ids, position, pin_position, changed_at
                ) ON t.sdk_app_id = s.sdk_app_id AND t.user_id = s.user_id
                WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                    AND c.kind = t.kind AND c.peer_id = t.peer_id
                RETURNING 1
            ),
            new AS (
                INSERT INTO conversations (
                    sdk_app_id, user_id, kind, peer_id, standard_mark,
                    custom_mark, group_ids, position, pin_position, changed_at
                )
                SELECT
                    t.sdk_app_id, t.user_id, kind, peer_id, set_bits & ~clear_bits,
                    custom_mark, group_ids::int[], position, pin_position, changed_at
                FROM saved s
                JOIN unnest(
                    $23::bigint[], $24::text[], $25::smallint[], $26::text[], $27::bigint[], $28::bigint[],
                    $29::text[], $30::text[], $31::int[], $32::int[], $33::bigint[]
                ) AS t (
                    sdk_app_id, user_id, kind, peer_id, set_bits, clear_bits,
                    custom_mark, group_ids, position, pin_position, changed_at
                ) ON t.sdk_app_id = s.sdk_app_id AND t.user_id = s.user_id
                RETURNING 1
            ),
            gone AS (
                DELETE FROM conversations c
                USING saved s
                JOIN unnest($34::bigint[], $35::text[], $36::smallint[], $37::text[])
                    AS t (sdk_app_id, user_id, kind, peer_id)
                    ON t.sdk_app_id = s.sdk_app_id AND t.user_id = s.user_id
                WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                    AND c.kind = t.kind AND c.peer_id = t.peer_id
                RETURNING 1
            )
            SELECT
                ARRAY(
                    SELECT nr
                    FROM saved s
                    JOIN unnest($1::bigint[], $2::text[]) WITH ORDINALITY AS t (sdk_app_id, user_id, nr)
                        ON t.sdk_app_id = s.sdk_app_id AND t.user_id = s.user_id
                ) AS "users!",
                (SELECT count(*) FROM kept) + (SELECT count(*) FROM new) + (SELECT count(*) FROM gone)
                    AS "conversations!"
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &revisions,
            &numbers(|state, _| state.next_position),
            &numbers(|state, _| state.next_group_id),
            &numbers(|state, _| state.counts.marked),
            &numbers(|state, limits| state.room(limits).marked),
            &numbers(|state, _| state.counts.grouped),
            &numbers(|state, limits| state.room(limits).grouped),
            &numbers(|state, _| state.counts.pinned),
            &numbers(|state, limits| state.room(limits).pinned),
            &kept.sdk_app_ids,
            &kept.user_ids as &[&str],
            &kept.kinds,
            &kept.peer_ids as &[&str],
            &kept.set_bits,
            &kept.clear_bits,
            &kept.custom_marks as &[&str],
            &kept.group_ids,
            &kept.positions as &[Option<i32>],
            &kept.pin_positions as &[Option<i32>],
            &kept.changed_at,
            &new.sdk_app_ids,
            &new.user_ids as &[&str],
            &new.kinds,
            &new.peer_ids as &[&str],
            &new.set_bits,
            &new.clear_bits,
            &new.custom_marks as &[&str],
            &new.group_ids,
            &new.positions as &[Option<i32>],
            &new.pin_positions as &[Option<i32>],
            &new.changed_at,
            &gone.sdk_app_ids,
            &gone.user_ids as &[&str],
            &gone.kinds,
            &gone.peer_ids as &[&str],
        )
        .fetch_one(self)
        .await
    }
}

/// The server has answered that nothing happened. One that shuts down may say so after it happened.
fn is_refusal(error: &sqlx::Error) -> bool {
    error
        .as_database_error()
        .and_then(sqlx::error::DatabaseError::code)
        .is_some_and(|state| !state.starts_with("57P") && !state.starts_with("08"))
}

/// Changed conversations as PostgreSQL takes them: one array per column.
#[derive(Default)]
struct Columns<'a> {
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<&'a str>,
    kinds: Vec<i16>,
    peer_ids: Vec<&'a str>,
    set_bits: Vec<i64>,
    clear_bits: Vec<i64>,
    custom_marks: Vec<&'a str>,
    group_ids: Vec<String>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn push(&mut self, key: &'a UserKey, conversation: &'a Conversation, entry: &'a Entry) {
        let Entry { after, bits, .. } = entry;
        self.sdk_app_ids.push(key.sdk_app_id.number());
        self.user_ids.push(key.user_id.as_str());
        self.kinds.push(conversation.kind());
        self.peer_ids.push(conversation.peer_id());
        self.set_bits.push(bits.set.bits().cast_signed());
        self.clear_bits.push(bits.clear.bits().cast_signed());
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
