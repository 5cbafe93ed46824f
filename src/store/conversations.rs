//! Conversations: one row for each that is marked, grouped or pinned.

use super::accounts::standing;
use super::{Tx, count, stored};
use crate::domain::{
    Conversation, Counts, CustomMark, Entry, Kept, StandardMark, UserKey, UserState,
};
use crate::error::Error;

/// What a row of `conversations` says.
pub(super) struct KeptRow {
    pub(super) standard_mark: i64,
    pub(super) custom_mark: String,
    pub(super) group_ids: Vec<i32>,
    pub(super) position: Option<i32>,
    pub(super) pin_position: Option<i32>,
    pub(super) changed_at: i64,
}

impl KeptRow {
    pub(super) fn into_kept(self) -> Result<Kept, Error> {
        let bad =
            |problem| Error::Internal(anyhow::anyhow!("conversations, custom_mark: {problem}"));
        Ok(Kept {
            standard: StandardMark::new(self.standard_mark.cast_unsigned()),
            custom: CustomMark::parse(&self.custom_mark, u32::MAX).map_err(bad)?,
            group_ids: self.group_ids.into_iter().map(count).collect(),
            position: self.position.map(count),
            pin_position: self.pin_position.map(count),
            changed_at: self.changed_at.unsigned_abs(),
        })
    }
}

/// A conversation as the tables hold it.
pub(super) fn stored_conversation(kind: i16, peer_id: &str) -> Result<Conversation, Error> {
    Conversation::stored(kind, peer_id)
        .map_err(|problem| Error::Internal(anyhow::anyhow!("conversations, peer_id: {problem}")))
}

impl Tx<'_> {
    /// Loads all conversations of a user that are in any conversation group, besides those loaded already.
    pub async fn load_members(
        &mut self,
        key: &UserKey,
        state: &mut UserState,
    ) -> Result<(), Error> {
        let rows = sqlx::query!(
            r#"
            SELECT
                kind, peer_id, standard_mark, custom_mark, group_ids, position, pin_position, changed_at,
                COALESCE(a.deleted, g.destroyed) AS gone
            FROM conversations c
            LEFT JOIN accounts a
                ON a.sdk_app_id = c.sdk_app_id AND a.user_id = CASE kind WHEN 1 THEN peer_id END
            LEFT JOIN chat_groups g
                ON g.sdk_app_id = c.sdk_app_id AND g.group_id = CASE kind WHEN 2 THEN peer_id END
            WHERE c.sdk_app_id = $1 AND c.user_id = $2 AND group_ids <> '{}'
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
        )
        .fetch_all(self.session())
        .await?;
        for row in rows {
            let conversation = stored_conversation(row.kind, &row.peer_id)?;
            let kept = KeptRow {
                standard_mark: row.standard_mark,
                custom_mark: row.custom_mark,
                group_ids: row.group_ids,
                position: row.position,
                pin_position: row.pin_position,
                changed_at: row.changed_at,
            };
            let entry = Entry::loaded(kept.into_kept()?, standing(row.gone));
            state.entries.entry(conversation).or_insert(entry);
        }
        Ok(())
    }

    /// Counts what is dead among a user's conversations: with a deleted account, or in a destroyed chat group.
    pub async fn count_dead(&mut self, key: &UserKey, stored: Counts) -> Result<Counts, Error> {
        let live = sqlx::query!(
            r#"
            SELECT
                count(*) FILTER (WHERE standard_mark <> 0 OR custom_mark <> '') AS "marked!",
                count(*) FILTER (WHERE group_ids <> '{}') AS "grouped!",
                count(*) FILTER (WHERE pin_position IS NOT NULL) AS "pinned!"
            FROM live_conversations
            WHERE sdk_app_id = $1 AND user_id = $2
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
        )
        .fetch_one(self.session())
        .await?;
        let dead =
            |stored: u32, live| stored.saturating_sub(u32::try_from(live).unwrap_or(u32::MAX));
        Ok(Counts {
            marked: dead(stored.marked, live.marked),
            grouped: dead(stored.grouped, live.grouped),
            pinned: dead(stored.pinned, live.pinned),
        })
    }

    /// Saves changed conversations: one statement for those that are new, one for those that are kept, one for those that
    /// carry nothing any more.
    pub async fn save_entries(
        &mut self,
        changed: &[(&UserKey, &Conversation, &Entry)],
    ) -> Result<(), Error> {
        let of = |was: bool, is: bool| {
            let entries = changed.iter().copied();
            Columns::of(entries.filter(|(.., entry)| {
                (entry.before.is_something(), entry.after.is_something()) == (was, is)
            }))
        };
        self.delete_entries(&of(true, false)).await?;
        self.update_entries(&of(true, true)).await?;
        self.insert_entries(&of(false, true)).await
    }

    async fn insert_entries(&mut self, new: &Columns<'_>) -> Result<(), Error> {
        if new.kinds.is_empty() {
            return Ok(());
        }
        let done = sqlx::query!(
            r#"
            INSERT INTO conversations (
                sdk_app_id, user_id, kind, peer_id, standard_mark, custom_mark, group_ids,
                position, pin_position, changed_at
            )
            SELECT
                sdk_app_id, user_id, kind, peer_id, set_bits & ~clear_bits, custom_mark,
                group_ids::int[], position, pin_position, changed_at
            FROM unnest(
                $1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[],
                $7::text[], $8::text[], $9::int[], $10::int[], $11::bigint[]
            ) AS t (
                sdk_app_id, user_id, kind, peer_id, set_bits, clear_bits,
                custom_mark, group_ids, position, pin_position, changed_at
            )
            "#,
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
        )
        .execute(self.session())
        .await?;
        new.check_all_saved(done.rows_affected())
    }

    /// A standard mark is changed by the database itself, `(mask | set) & ~clear`.
    async fn update_entries(&mut self, kept: &Columns<'_>) -> Result<(), Error> {
        if kept.kinds.is_empty() {
            return Ok(());
        }
        let done = sqlx::query!(
            r#"
            UPDATE conversations c SET
                standard_mark = (c.standard_mark | t.set_bits) & ~t.clear_bits,
                custom_mark = t.custom_mark, group_ids = t.group_ids::int[],
                position = t.position, pin_position = t.pin_position, changed_at = t.changed_at
            FROM unnest(
                $1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::bigint[],
                $7::text[], $8::text[], $9::int[], $10::int[], $11::bigint[]
            ) AS t (
                sdk_app_id, user_id, kind, peer_id, set_bits, clear_bits,
                custom_mark, group_ids, position, pin_position, changed_at
            )
            WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                AND c.kind = t.kind AND c.peer_id = t.peer_id
            "#,
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
        )
        .execute(self.session())
        .await?;
        kept.check_all_saved(done.rows_affected())
    }

    async fn delete_entries(&mut self, gone: &Columns<'_>) -> Result<(), Error> {
        if gone.kinds.is_empty() {
            return Ok(());
        }
        let done = sqlx::query!(
            r#"
            DELETE FROM conversations c
            USING unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[])
                AS t (sdk_app_id, user_id, kind, peer_id)
            WHERE c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                AND c.kind = t.kind AND c.peer_id = t.peer_id
            "#,
            &gone.sdk_app_ids,
            &gone.user_ids as &[&str],
            &gone.kinds,
            &gone.peer_ids as &[&str],
        )
        .execute(self.session())
        .await?;
        gone.check_all_saved(done.rows_affected())
    }
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
    fn of(changed: impl Iterator<Item = (&'a UserKey, &'a Conversation, &'a Entry)>) -> Self {
        let mut columns = Self::default();
        for (key, conversation, entry) in changed {
            let Entry { after, bits, .. } = entry;
            columns.sdk_app_ids.push(key.sdk_app_id.number());
            columns.user_ids.push(key.user_id.as_str());
            columns.kinds.push(conversation.kind());
            columns.peer_ids.push(conversation.peer_id());
            columns.set_bits.push(bits.set.bits().cast_signed());
            columns.clear_bits.push(bits.clear.bits().cast_signed());
            columns.custom_marks.push(after.custom.as_str());
            columns.group_ids.push(array_text(&after.group_ids));
            columns.positions.push(after.position.map(stored));
            columns.pin_positions.push(after.pin_position.map(stored));
            columns.changed_at.push(after.changed_at.cast_signed());
        }
        columns
    }

    /// Every row was there to be saved, as it had been loaded under the lock.
    fn check_all_saved(&self, saved: u64) -> Result<(), Error> {
        if usize::try_from(saved) == Ok(self.kinds.len()) {
            Ok(())
        } else {
            Err(Error::internal("conversations: a row was not as it had been loaded"))
        }
    }
}

/// An array as PostgreSQL writes it: arrays of unequal length cannot be passed in one.
fn array_text(numbers: &[u32]) -> String {
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}

/// The numbers of an array that PostgreSQL has joined with commas.
pub(super) fn numbers_of(text: &str) -> Vec<i32> {
    text.split(',').filter_map(|number| number.parse().ok()).collect()
}
