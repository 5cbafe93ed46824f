//! Conversations: one row for each that is marked, grouped or pinned.

use std::collections::BTreeMap;

use super::accounts::standing;
use super::{Tx, count, stored};
use crate::domain::{
    Conversation, Counts, CustomMark, Entry, Kept, StandardMark, Standing, UserKey, UserState,
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
    /// Loads what is kept about the touched conversations into the states of their users, with the standing of the other
    /// ends. Every user's own standing is looked up along with it, as that of a conversation with oneself.
    pub async fn load_entries(
        &mut self,
        users: &mut BTreeMap<UserKey, UserState>,
        touched: &[(&UserKey, &Conversation)],
    ) -> Result<(), Error> {
        let owners: Vec<_> = users
            .keys()
            .map(|key| (key.clone(), Conversation::OneToOne(key.user_id.clone())))
            .collect();
        let all = || {
            let owners = owners.iter().map(|(key, conversation)| (key, conversation));
            owners.chain(touched.iter().copied())
        };
        let sdk_app_ids: Vec<_> = all().map(|(key, _)| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = all().map(|(key, _)| key.user_id.as_str()).collect();
        let kinds: Vec<_> = all().map(|(_, conversation)| conversation.kind()).collect();
        let peer_ids: Vec<_> = all().map(|(_, conversation)| conversation.peer_id()).collect();
        let rows = sqlx::query!(
            r#"
            SELECT
                COALESCE(c.standard_mark, 0) AS "standard_mark!",
                COALESCE(c.custom_mark, '') AS "custom_mark!",
                COALESCE(c.group_ids, '{}') AS "group_ids!",
                c.position AS "position?",
                c.pin_position AS "pin_position?",
                COALESCE(c.changed_at, 0) AS "changed_at!",
                COALESCE(a.deleted, g.destroyed) AS gone
            FROM unnest($1::bigint[], $2::text[], $3::smallint[], $4::text[])
                WITH ORDINALITY AS t (sdk_app_id, user_id, kind, peer_id, nr)
            LEFT JOIN conversations c
                ON c.sdk_app_id = t.sdk_app_id AND c.user_id = t.user_id
                AND c.kind = t.kind AND c.peer_id = t.peer_id
            LEFT JOIN accounts a
                ON t.kind = 1 AND a.sdk_app_id = t.sdk_app_id AND a.user_id = t.peer_id
            LEFT JOIN chat_groups g
                ON t.kind = 2 AND g.sdk_app_id = t.sdk_app_id AND g.group_id = t.peer_id
            ORDER BY nr
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &kinds,
            &peer_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        for (nr, ((key, conversation), row)) in all().zip(rows).enumerate() {
            let Some(state) = users.get_mut(key) else { continue };
            let peer = standing(row.gone);
            if nr < owners.len() {
                state.owner = peer;
                continue;
            }
            let kept = KeptRow {
                standard_mark: row.standard_mark,
                custom_mark: row.custom_mark,
                group_ids: row.group_ids,
                position: row.position,
                pin_position: row.pin_position,
                changed_at: row.changed_at,
            };
            state.entries.insert(conversation.clone(), Entry::loaded(kept.into_kept()?, peer));
        }
        Ok(())
    }

    /// Loads all conversations of a user that are in any conversation group, besides those loaded already.
    pub async fn load_members(
        &mut self,
        key: &UserKey,
        state: &mut UserState,
    ) -> Result<(), Error> {
        let rows = sqlx::query!(
            r#"
            SELECT
                kind, peer_id, standard_mark, custom_mark, group_ids, position, pin_position, changed_at
            FROM conversations
            WHERE sdk_app_id = $1 AND user_id = $2 AND group_ids <> '{}'
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
            let entry = Entry::loaded(kept.into_kept()?, Standing::Unknown);
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

    /// Saves changed conversations, in one statement. A standard mark is changed by the database itself,
    /// `(mask | set) & ~clear`; what carries nothing any more is deleted.
    #[expect(clippy::too_many_lines, reason = "it is one statement")]
    pub async fn save_entries(
        &mut self,
        changed: &[(&UserKey, &Conversation, &Entry)],
    ) -> Result<(), Error> {
        let columns = Columns::of(changed);
        let saved = sqlx::query_scalar!(
            r#"
            WITH
            item AS (
                SELECT * FROM unnest(
                    $1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::boolean[], $6::boolean[],
                    $7::bigint[], $8::bigint[], $9::text[], $10::text[], $11::int[], $12::int[], $13::bigint[]
                ) AS t (
                    sdk_app_id, user_id, kind, peer_id, was, "is",
                    set_bits, clear_bits, custom_mark, group_ids, position, pin_position, changed_at
                )
            ),
            deleted AS (
                DELETE FROM conversations c USING item i
                WHERE c.sdk_app_id = i.sdk_app_id AND c.user_id = i.user_id
                    AND c.kind = i.kind AND c.peer_id = i.peer_id AND i.was AND NOT i."is"
                RETURNING 1
            ),
            updated AS (
                UPDATE conversations c SET
                    standard_mark = (c.standard_mark | i.set_bits) & ~i.clear_bits,
                    custom_mark = i.custom_mark, group_ids = i.group_ids::int[],
                    position = i.position, pin_position = i.pin_position, changed_at = i.changed_at
                FROM item i
                WHERE c.sdk_app_id = i.sdk_app_id AND c.user_id = i.user_id
                    AND c.kind = i.kind AND c.peer_id = i.peer_id AND i.was AND i."is"
                RETURNING 1
            ),
            inserted AS (
                INSERT INTO conversations (
                    sdk_app_id, user_id, kind, peer_id, standard_mark, custom_mark, group_ids,
                    position, pin_position, changed_at
                )
                SELECT
                    sdk_app_id, user_id, kind, peer_id, set_bits & ~clear_bits, custom_mark,
                    group_ids::int[], position, pin_position, changed_at
                FROM item WHERE NOT was
                RETURNING 1
            )
            SELECT (SELECT count(*) FROM deleted) + (SELECT count(*) FROM updated)
                + (SELECT count(*) FROM inserted) AS "saved!"
            "#,
            &columns.sdk_app_ids,
            &columns.user_ids as &[&str],
            &columns.kinds,
            &columns.peer_ids as &[&str],
            &columns.was,
            &columns.is,
            &columns.set_bits,
            &columns.clear_bits,
            &columns.custom_marks as &[&str],
            &columns.group_ids,
            &columns.positions as &[Option<i32>],
            &columns.pin_positions as &[Option<i32>],
            &columns.changed_at,
        )
        .fetch_one(self.session())
        .await?;
        if usize::try_from(saved) == Ok(changed.len()) {
            Ok(())
        } else {
            Err(Error::internal(
                "conversations: a row was not as it had been loaded under the lock",
            ))
        }
    }
}

/// Changed conversations as PostgreSQL takes them: one array per column.
#[derive(Default)]
struct Columns<'a> {
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<&'a str>,
    kinds: Vec<i16>,
    peer_ids: Vec<&'a str>,
    was: Vec<bool>,
    is: Vec<bool>,
    set_bits: Vec<i64>,
    clear_bits: Vec<i64>,
    custom_marks: Vec<&'a str>,
    group_ids: Vec<String>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<i64>,
}

impl<'a> Columns<'a> {
    fn of(changed: &[(&'a UserKey, &'a Conversation, &'a Entry)]) -> Self {
        let mut columns = Self::default();
        for (key, conversation, entry) in changed {
            let Entry { before, after, bits, .. } = entry;
            columns.sdk_app_ids.push(key.sdk_app_id.number());
            columns.user_ids.push(key.user_id.as_str());
            columns.kinds.push(conversation.kind());
            columns.peer_ids.push(conversation.peer_id());
            columns.was.push(before.is_something());
            columns.is.push(after.is_something());
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
}

/// An array as PostgreSQL writes it: arrays of unequal length cannot be passed in one.
fn array_text(numbers: &[u32]) -> String {
    let numbers: Vec<_> = numbers.iter().map(ToString::to_string).collect();
    format!("{{{}}}", numbers.join(","))
}
