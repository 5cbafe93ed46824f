//! Conversations: one row for each that is or was marked, grouped or pinned. The caller holds their user's lock.

use std::collections::{BTreeMap, BTreeSet};

use smol_str::SmolStr;

use super::accounts::standing;
use super::users::{all_saved, keys};
use super::{Tx, count, stored};
use crate::domain::{
    Conversation, Counts, CustomMark, Entry, Kept, StandardMark, UserKey, UserState,
};
use crate::error::Error;

/// A row of `conversations`.
pub(super) struct KeptRow {
    pub(super) standard_mark: i64,
    pub(super) custom_mark: Box<str>,
    pub(super) holds_place: bool,
    pub(super) group_ids: Vec<u32>,
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
            custom: CustomMark::parse(self.custom_mark, u32::MAX).map_err(bad)?,
            holds_place: self.holds_place,
            group_ids: self.group_ids,
            position: self.position.map(count),
            pin_position: self.pin_position.map(count),
            changed_at: u64::try_from(self.changed_at)
                .map_err(|_| Error::internal("conversations, changed_at: negative"))?,
        })
    }
}

/// A conversation as the tables hold it.
pub(super) fn stored_conversation(
    kind: i16,
    peer_id: impl AsRef<str> + Into<SmolStr>,
) -> Result<Conversation, Error> {
    Conversation::stored(kind, peer_id)
        .map_err(|problem| Error::Internal(anyhow::anyhow!("conversations, peer_id: {problem}")))
}

impl Tx<'_> {
    /// Loads the standing of locked users, and the conversations that changes touch with the standing of their other ends.
    /// In a statement after the one that took the locks, so that it sees what their last holders have committed.
    pub async fn load_conversations(
        &mut self,
        states: &mut BTreeMap<UserKey, UserState>,
        touched: &BTreeSet<(&UserKey, &Conversation)>,
    ) -> Result<(), Error> {
        let (sdk_app_ids, user_ids) = keys(states.keys());
        // A touched user may have no state: there is no such user then.
        let numbers: BTreeMap<UserKey, i64> = states.keys().cloned().zip(1..).collect();
        let touched = touched.iter().filter_map(|(key, c)| Some((*numbers.get(*key)?, *c)));
        let (user_nrs, conversations): (Vec<_>, Vec<_>) = touched.unzip();
        let kinds: Vec<_> = conversations.iter().map(|c| c.kind()).collect();
        let peer_ids: Vec<_> = conversations.iter().map(|c| c.peer_id()).collect();
        let rows = sqlx::query_file!(
            "src/store/sql/load.sql",
            &sdk_app_ids,
            &user_ids as &[&str],
            &user_nrs,
            &kinds,
            &peer_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        let mut states: Vec<_> = states.values_mut().collect();
        for row in rows {
            let lost = || Error::internal("conversations: a row that was not asked for");
            let state = index(row.user_nr).and_then(|index| states.get_mut(index));
            let state = state.ok_or_else(lost)?;
            state.owner = standing(row.owner_is_gone);
            let Some(nr) = row.nr else { continue };
            let conversation = index(nr).and_then(|index| conversations.get(index));
            let conversation = conversation.ok_or_else(lost)?;
            let kept = row.changed_at.map(|changed_at| KeptRow {
                standard_mark: row.standard_mark.unwrap_or_default(),
                custom_mark: row.custom_mark.unwrap_or_default().into(),
                holds_place: row.holds_place.unwrap_or_default(),
                group_ids: row.group_ids.unwrap_or_default().into_iter().map(count).collect(),
                position: row.position,
                pin_position: row.pin_position,
                changed_at,
            });
            let kept = kept.map(KeptRow::into_kept).transpose()?;
            let entry = Entry::loaded(kept, standing(row.peer_is_gone));
            state.load_entry((*conversation).clone(), entry);
        }
        Ok(())
    }

    /// Loads all conversations of a user that are in any contact group, besides those that are loaded already.
    pub async fn load_members(
        &mut self,
        key: &UserKey,
        state: &mut UserState,
    ) -> Result<(), Error> {
        let rows = sqlx::query!(
            r#"
            SELECT
                kind, peer_id, standard_mark, custom_mark, holds_place, group_ids, position, pin_position, changed_at,
                (
                    SELECT TRUE FROM gone g
                    WHERE g.sdk_app_id = c.sdk_app_id AND g.kind = c.kind AND g.id = c.peer_id AND g.is_gone
                ) AS peer_is_gone
            FROM conversations c
            WHERE c.sdk_app_id = $1 AND c.user_id = $2 AND group_ids <> '{}'
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
        )
        .fetch_all(self.session())
        .await?;
        for row in rows {
            let conversation = stored_conversation(row.kind, row.peer_id)?;
            let kept = KeptRow {
                standard_mark: row.standard_mark,
                custom_mark: row.custom_mark.into(),
                holds_place: row.holds_place,
                group_ids: row.group_ids.into_iter().map(count).collect(),
                position: row.position,
                pin_position: row.pin_position,
                changed_at: row.changed_at,
            };
            if !state.entries.contains_key(&conversation) {
                let entry = Entry::loaded(Some(kept.into_kept()?), standing(row.peer_is_gone));
                state.load_entry(conversation, entry);
            }
        }
        Ok(())
    }

    /// Counts what takes room among a user's conversations that are not loaded: what shows, and has its other end.
    pub async fn count_others(
        &mut self,
        key: &UserKey,
        state: &UserState,
    ) -> Result<Counts, Error> {
        let loaded = || state.entries.keys();
        let kinds: Vec<_> = loaded().map(Conversation::kind).collect();
        let peer_ids: Vec<_> = loaded().map(Conversation::peer_id).collect();
        let others = sqlx::query!(
            r#"
            SELECT
                count(*) FILTER (WHERE standard_mark <> 0 OR custom_mark <> '') AS "marked!",
                count(*) FILTER (WHERE group_ids <> '{}') AS "grouped!",
                count(*) FILTER (WHERE pin_position IS NOT NULL) AS "pinned!"
            FROM live_conversations
            WHERE sdk_app_id = $1 AND user_id = $2
                AND (kind, peer_id) NOT IN (SELECT * FROM unnest($3::smallint[], $4::text[]))
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
            &kinds,
            &peer_ids as &[&str],
        )
        .fetch_one(self.session())
        .await?;
        let count = |number| u32::try_from(number).unwrap_or(u32::MAX);
        Ok(Counts {
            rows: 0,
            marked: count(others.marked),
            grouped: count(others.grouped),
            pinned: count(others.pinned),
        })
    }

    /// Saves the changed conversations of users, whose rows are saved with the same revision.
    pub async fn save_conversations(
        &mut self,
        states: &[(&UserKey, &UserState)],
    ) -> Result<(), Error> {
        let mut rows = Columns::default();
        for (key, state) in states {
            for (conversation, entry) in state.entries.iter().filter(|(_, e)| e.is_changed()) {
                let Some(after) = &entry.after else { continue };
                rows.push(key, state.numbers.revision + 1, conversation, after);
            }
        }
        if rows.peer_ids.is_empty() {
            return Ok(());
        }
        let saved = sqlx::query!(
            r#"
            INSERT INTO conversations (
                sdk_app_id, user_id, kind, peer_id, standard_mark, custom_mark,
                holds_place, position, pin_position, changed_at, changed_revision, group_ids
            )
            SELECT
                t.sdk_app_id, t.user_id, t.kind, t.peer_id, t.standard_mark, t.custom_mark,
                t.holds_place, t.position, t.pin_position, t.changed_at, t.changed_revision, COALESCE(m.group_ids, '{}')
            FROM unnest(
                $1::bigint[], $2::text[], $3::smallint[], $4::text[], $5::bigint[], $6::text[],
                $7::boolean[], $8::int[], $9::int[], $10::bigint[], $11::bigint[]
            ) WITH ORDINALITY AS t (
                sdk_app_id, user_id, kind, peer_id, standard_mark, custom_mark,
                holds_place, position, pin_position, changed_at, changed_revision, nr
            )
            LEFT JOIN (
                SELECT nr, array_agg(group_id ORDER BY group_id) AS group_ids
                FROM unnest($12::bigint[], $13::int[]) AS member (nr, group_id) GROUP BY nr
            ) m ON m.nr = t.nr
            ON CONFLICT (sdk_app_id, user_id, kind, peer_id) DO UPDATE SET
                standard_mark = excluded.standard_mark, custom_mark = excluded.custom_mark,
                holds_place = excluded.holds_place, group_ids = excluded.group_ids,
                position = excluded.position, pin_position = excluded.pin_position,
                changed_at = excluded.changed_at, changed_revision = excluded.changed_revision
            "#,
            &rows.sdk_app_ids,
            &rows.user_ids as &[&str],
            &rows.kinds,
            &rows.peer_ids as &[&str],
            &rows.standard_marks,
            &rows.custom_marks as &[&str],
            &rows.holds_place,
            &rows.positions as &[Option<i32>],
            &rows.pin_positions as &[Option<i32>],
            &rows.changed_at,
            &rows.changed_revisions,
            &rows.member_nrs,
            &rows.member_group_ids,
        )
        .execute(self.session())
        .await?;
        all_saved("conversations", saved.rows_affected(), rows.peer_ids.len())
    }
}

/// The index of a row by its number in PostgreSQL, which counts from 1.
fn index(nr: i64) -> Option<usize> {
    usize::try_from(nr - 1).ok()
}

/// Conversations to save, one array per column. Groups are a list of members, as PostgreSQL has no array of arrays of unequal
/// length: `member_nrs[i]` is the number of the conversation, from 1, that is in the group `member_group_ids[i]`.
#[derive(Default)]
struct Columns<'a> {
    sdk_app_ids: Vec<i64>,
    user_ids: Vec<&'a str>,
    kinds: Vec<i16>,
    peer_ids: Vec<&'a str>,
    standard_marks: Vec<i64>,
    custom_marks: Vec<&'a str>,
    holds_place: Vec<bool>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<i64>,
    changed_revisions: Vec<i64>,
    member_nrs: Vec<i64>,
    member_group_ids: Vec<i32>,
}

impl<'a> Columns<'a> {
    fn push(
        &mut self,
        key: &'a UserKey,
        revision: u64,
        conversation: &'a Conversation,
        kept: &'a Kept,
    ) {
        self.sdk_app_ids.push(key.sdk_app_id.number());
        self.user_ids.push(key.user_id.as_str());
        self.kinds.push(conversation.kind());
        self.peer_ids.push(conversation.peer_id());
        self.standard_marks.push(kept.standard.bits().cast_signed());
        self.custom_marks.push(kept.custom.as_str());
        self.holds_place.push(kept.holds_place);
        self.positions.push(kept.position.map(stored));
        self.pin_positions.push(kept.pin_position.map(stored));
        self.changed_at.push(kept.changed_at.cast_signed());
        self.changed_revisions.push(revision.cast_signed());
        for group_id in &kept.group_ids {
            self.member_nrs.push(self.peer_ids.len().try_into().unwrap_or(i64::MAX));
            self.member_group_ids.push(stored(*group_id));
        }
    }
}

/// The numbers of an array that PostgreSQL has joined with commas.
pub(super) fn numbers_of(text: &str) -> Vec<u32> {
    // Most are in no group.
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').filter_map(|number| number.parse().ok()).collect()
}
