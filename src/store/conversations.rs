//! Conversations: one row for each that is marked, grouped or pinned.

use smol_str::SmolStr;

use super::accounts::standing;
use super::{Tx, count};
use crate::domain::{
    Conversation, Counts, CustomMark, Entry, Kept, RowVersion, StandardMark, UserKey, UserState,
};
use crate::error::Error;

/// What a row of `conversations` says.
pub(super) struct KeptRow {
    pub(super) standard_mark: i64,
    pub(super) custom_mark: Box<str>,
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
            group_ids: self.group_ids,
            position: self.position.map(count),
            pin_position: self.pin_position.map(count),
            changed_at: self.changed_at.unsigned_abs(),
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
    /// Locks and loads all conversations of a user that are in any conversation group, besides those loaded already.
    pub async fn load_members(
        &mut self,
        key: &UserKey,
        state: &mut UserState,
    ) -> Result<(), Error> {
        let rows = sqlx::query!(
            r#"
            SELECT
                kind, peer_id, standard_mark, custom_mark, group_ids, position, pin_position, changed_at,
                c.xmin::text::bigint AS "version!", c.ctid::text AS "place!",
                COALESCE(a.deleted, g.destroyed) AS gone
            FROM conversations c
            LEFT JOIN accounts a
                ON a.sdk_app_id = c.sdk_app_id AND a.user_id = CASE kind WHEN 1 THEN peer_id END
            LEFT JOIN chat_groups g
                ON g.sdk_app_id = c.sdk_app_id AND g.group_id = CASE kind WHEN 2 THEN peer_id END
            WHERE c.sdk_app_id = $1 AND c.user_id = $2 AND group_ids <> '{}'
            ORDER BY kind, peer_id
            FOR NO KEY UPDATE OF c
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
                group_ids: row.group_ids.into_iter().map(count).collect(),
                position: row.position,
                pin_position: row.pin_position,
                changed_at: row.changed_at,
            };
            let entry = Entry {
                version: version(row.version, row.place.into())?,
                ..Entry::loaded(kept.into_kept()?, standing(row.gone))
            };
            state.entries.entry(conversation).or_insert(entry);
        }
        Ok(())
    }

    /// Counts what lives among a user's conversations that are not loaded: neither with a deleted account nor in a destroyed
    /// chat group.
    pub async fn count_living_others(
        &mut self,
        key: &UserKey,
        state: &UserState,
    ) -> Result<Counts, Error> {
        let loaded = || state.entries.keys();
        let kinds: Vec<_> = loaded().map(Conversation::kind).collect();
        let peer_ids: Vec<_> = loaded().map(Conversation::peer_id).collect();
        let living = sqlx::query!(
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
        let count = |living| u32::try_from(living).unwrap_or(u32::MAX);
        Ok(Counts {
            marked: count(living.marked),
            grouped: count(living.grouped),
            pinned: count(living.pinned),
        })
    }
}

/// A row's version by its `xmin` and `ctid`.
pub(super) fn version(xmin: i64, place: SmolStr) -> Result<RowVersion, Error> {
    let transaction = u32::try_from(xmin)
        .map_err(|_| Error::internal("conversations, xmin: not a transaction's number"))?;
    Ok(RowVersion { transaction, place })
}

/// The numbers of an array that PostgreSQL has joined with commas.
pub(super) fn numbers_of(text: &str) -> Vec<u32> {
    // Most are in no group.
    if text.is_empty() {
        return Vec::new();
    }
    text.split(',').filter_map(|number| number.parse().ok()).collect()
}
