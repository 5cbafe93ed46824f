//! Reading back: one statement per page or search, so that an answer is one moment's truth.

use smol_str::SmolStr;

use super::accounts::standing;
use super::columns::Column;
use super::contact_groups::stored_group;
use super::conversations::{KeptRow, numbers_of, stored_conversation};
use super::{Reader, stored};
use crate::domain::{ContactGroup, Conversation, Kept, Standing, UserKey};
use crate::error::Error;

/// What was read of a user: standing, conversation groups by number, and conversations in the order asked for.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// What the directory says of the user.
    pub owner: Standing,
    /// The user's conversation groups.
    pub groups: Vec<ContactGroup>,
    /// The conversations that were found: those that show.
    pub conversations: Vec<(Conversation, Kept)>,
}

/// A place in the list that [`Reader::read_list`] reads: after pins, after changes. Zero is before the first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListCursor {
    /// Pin position of the last pinned conversation that was read.
    pub pin_position: u32,
    /// Unix seconds of the last conversation that was read and is not pinned.
    pub changed_at: u64,
    /// Its position.
    pub position: u32,
}

/// What every reading statement answers, in one row: the user's own data, and an array for each column of the
/// conversations. A row for each of a page's conversations would cost both sides more than what is in it.
struct Row {
    gone: Option<bool>,
    all_group_ids: Vec<i32>,
    all_group_names: Vec<String>,
    kinds: Vec<i16>,
    peer_ids: Vec<SmolStr>,
    standard_marks: Vec<i64>,
    custom_marks: Vec<Box<str>>,
    group_ids: Vec<String>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<i64>,
}

impl Row {
    fn into_reading(self) -> Result<Reading, Error> {
        let groups = self.all_group_ids.into_iter().zip(self.all_group_names);
        let mut columns = (
            self.standard_marks.into_iter(),
            self.custom_marks.into_iter(),
            self.group_ids.into_iter(),
            self.positions.into_iter(),
            self.pin_positions.into_iter(),
            self.changed_at.into_iter(),
        );
        let mut next_kept = || {
            Some(KeptRow {
                standard_mark: columns.0.next()?,
                custom_mark: columns.1.next()?,
                // Only writers ask.
                holds_place: false,
                group_ids: numbers_of(&columns.2.next()?),
                position: columns.3.next()?,
                pin_position: columns.4.next()?,
                changed_at: columns.5.next()?,
            })
        };
        let mut conversations = Vec::with_capacity(self.kinds.len());
        for (kind, peer_id) in self.kinds.into_iter().zip(self.peer_ids) {
            let kept = next_kept()
                .ok_or_else(|| Error::internal("conversations: columns of unequal length"))?;
            conversations.push((stored_conversation(kind, peer_id)?, kept.into_kept()?));
        }
        Ok(Reading {
            owner: standing(self.gone),
            groups: groups.map(|(id, name)| stored_group(id, &name)).collect::<Result<_, _>>()?,
            conversations,
        })
    }
}

impl Reader<'_> {
    /// Reads up to `limit` conversations that are marked or grouped, in the order in which they first were, after a
    /// position.
    pub async fn read_page(
        &mut self,
        key: &UserKey,
        after: u32,
        limit: u32,
    ) -> Result<Reading, Error> {
        let row = sqlx::query_file_as!(
            Row,
            "src/store/sql/page.sql",
            key.sdk_app_id.number(),
            key.user_id.as_str(),
            stored(after),
            i64::from(limit),
        )
        .fetch_one(self.session())
        .await?;
        row.into_reading()
    }

    /// Reads what is kept about these conversations: those that are found, in their order.
    pub async fn read_conversations(
        &mut self,
        key: &UserKey,
        wanted: &[Conversation],
    ) -> Result<Reading, Error> {
        let kinds: Vec<_> = wanted.iter().map(Conversation::kind).collect();
        let peer_ids: Vec<_> = wanted.iter().map(Conversation::peer_id).collect();
        let row = sqlx::query_as!(
            Row,
            r#"
            SELECT
                CASE
                    WHEN (
                        SELECT TRUE FROM gone WHERE sdk_app_id = $1 AND kind = 1 AND id = $2 AND is_gone
                    ) THEN TRUE
                    WHEN (SELECT TRUE FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) THEN FALSE
                END AS gone,
                ARRAY(
                    SELECT group_id FROM contact_groups
                    WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
                ) AS "all_group_ids!: Column<i32>",
                ARRAY(
                    SELECT name FROM contact_groups
                    WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
                ) AS "all_group_names!: Column<String>",
                COALESCE(array_agg(kind), '{}') AS "kinds!: Column<i16>",
                COALESCE(array_agg(peer_id), '{}') AS "peer_ids!: Column<SmolStr>",
                COALESCE(array_agg(standard_mark), '{}') AS "standard_marks!: Column<i64>",
                COALESCE(array_agg(custom_mark), '{}') AS "custom_marks!: Column<Box<str>>",
                COALESCE(array_agg(array_to_string(group_ids, ',')), '{}') AS "group_ids!: Column<String>",
                COALESCE(array_agg(position), '{}') AS "positions!: Column<Option<i32>>",
                COALESCE(array_agg(pin_position), '{}') AS "pin_positions!: Column<Option<i32>>",
                COALESCE(array_agg(changed_at), '{}') AS "changed_at!: Column<i64>"
            FROM (
                SELECT c.*
                FROM unnest($3::smallint[], $4::text[]) WITH ORDINALITY AS t (kind, peer_id, nr)
                CROSS JOIN LATERAL (
                    SELECT * FROM live_conversations l
                    WHERE l.sdk_app_id = $1 AND l.user_id = $2 AND l.kind = t.kind AND l.peer_id = t.peer_id
                    -- One at most; saying so has it looked up by key.
                    LIMIT 1
                ) c
                ORDER BY t.nr
            ) c
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
            &kinds,
            &peer_ids as &[&str],
        )
        .fetch_one(self.session())
        .await?;
        row.into_reading()
    }

    /// Reads up to `limit` conversations with anything kept: pinned ones first, newest pin first; then the others, newest
    /// change first.
    pub async fn read_list(
        &mut self,
        key: &UserKey,
        after: ListCursor,
        limit: u32,
    ) -> Result<Reading, Error> {
        let row = sqlx::query_as!(
            Row,
            r#"
            SELECT
                CASE
                    WHEN (
                        SELECT TRUE FROM gone WHERE sdk_app_id = $1 AND kind = 1 AND id = $2 AND is_gone
                    ) THEN TRUE
                    WHEN (SELECT TRUE FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) THEN FALSE
                END AS gone,
                '{}'::int[] AS "all_group_ids!: Column<i32>",
                '{}'::text[] AS "all_group_names!: Column<String>",
                COALESCE(array_agg(kind), '{}') AS "kinds!: Column<i16>",
                COALESCE(array_agg(peer_id), '{}') AS "peer_ids!: Column<SmolStr>",
                COALESCE(array_agg(standard_mark), '{}') AS "standard_marks!: Column<i64>",
                COALESCE(array_agg(custom_mark), '{}') AS "custom_marks!: Column<Box<str>>",
                COALESCE(array_agg(array_to_string(group_ids, ',')), '{}') AS "group_ids!: Column<String>",
                COALESCE(array_agg(position), '{}') AS "positions!: Column<Option<i32>>",
                COALESCE(array_agg(pin_position), '{}') AS "pin_positions!: Column<Option<i32>>",
                COALESCE(array_agg(changed_at), '{}') AS "changed_at!: Column<i64>"
            FROM (
                SELECT * FROM live_conversations
                WHERE sdk_app_id = $1 AND user_id = $2 AND CASE
                    WHEN pin_position IS NOT NULL THEN $4::bigint = 0 AND $5::int = 0 AND ($3::int = 0 OR pin_position < $3)
                    ELSE ($4 = 0 AND $5 = 0) OR (changed_at, position) < ($4, $5)
                END
                ORDER BY pin_position DESC NULLS LAST, changed_at DESC, position DESC LIMIT $6
            ) c
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
            stored(after.pin_position),
            after.changed_at.cast_signed(),
            stored(after.position),
            i64::from(limit),
        )
        .fetch_one(self.session())
        .await?;
        row.into_reading()
    }
}
