//! Reading back: one statement per page or search, so that an answer is one moment's truth.

use super::accounts::standing;
use super::contact_groups::stored_group;
use super::conversations::{KeptRow, stored_conversation};
use super::{Reader, stored};
use crate::domain::{ContactGroup, Conversation, Kept, Standing, UserKey};
use crate::error::Error;

/// What was read of a user: standing, conversation groups by number, and conversations in the order asked for.
#[derive(Debug, Default)]
pub struct Reading {
    /// What the directory says of the user.
    pub owner: Standing,
    /// The user's conversation groups.
    pub groups: Vec<ContactGroup>,
    /// The conversations that were found, none of them dead.
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

/// What every reading statement answers: a row per conversation, or one row without a conversation; the user's own data
/// stands in the first row only.
struct Row {
    gone: Option<bool>,
    all_group_ids: Option<Vec<i32>>,
    all_group_names: Option<Vec<String>>,
    kind: Option<i16>,
    peer_id: Option<String>,
    standard_mark: Option<i64>,
    custom_mark: Option<String>,
    group_ids: Option<Vec<i32>>,
    position: Option<i32>,
    pin_position: Option<i32>,
    changed_at: Option<i64>,
}

impl Reading {
    fn of(rows: Vec<Row>) -> Result<Self, Error> {
        let mut reading = Self::default();
        for row in rows {
            if let (Some(ids), Some(names)) = (row.all_group_ids, row.all_group_names) {
                reading.owner = standing(row.gone);
                reading.groups = ids
                    .into_iter()
                    .zip(names)
                    .map(|(id, name)| stored_group(id, &name))
                    .collect::<Result<_, _>>()?;
            }
            let (Some(kind), Some(peer_id)) = (row.kind, row.peer_id) else { continue };
            let kept = KeptRow {
                standard_mark: row.standard_mark.unwrap_or_default(),
                custom_mark: row.custom_mark.unwrap_or_default(),
                group_ids: row.group_ids.unwrap_or_default(),
                position: row.position,
                pin_position: row.pin_position,
                changed_at: row.changed_at.unwrap_or_default(),
            };
            reading.conversations.push((stored_conversation(kind, &peer_id)?, kept.into_kept()?));
        }
        Ok(reading)
    }
}

impl Reader {
    /// Reads up to `limit` conversations that are marked or grouped, in the order in which they first were, after a
    /// position.
    pub async fn read_page(
        &mut self,
        key: &UserKey,
        after: u32,
        limit: u32,
    ) -> Result<Reading, Error> {
        let rows = sqlx::query_as!(
            Row,
            r#"
            SELECT
                CASE WHEN row_number() OVER w = 1 THEN o.gone END AS gone,
                CASE WHEN row_number() OVER w = 1 THEN o.ids END AS all_group_ids,
                CASE WHEN row_number() OVER w = 1 THEN o.names END AS all_group_names,
                c.kind AS "kind?", c.peer_id AS "peer_id?", c.standard_mark AS "standard_mark?",
                c.custom_mark AS "custom_mark?", c.group_ids AS "group_ids?", c.position AS "position?",
                c.pin_position AS "pin_position?", c.changed_at AS "changed_at?"
            FROM (
                SELECT
                    (SELECT deleted FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) AS gone,
                    ARRAY(
                        SELECT group_id FROM contact_groups
                        WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
                    ) AS ids,
                    ARRAY(
                        SELECT name FROM contact_groups
                        WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
                    ) AS names
            ) o
            LEFT JOIN LATERAL (
                SELECT * FROM live_conversations
                WHERE sdk_app_id = $1 AND user_id = $2 AND position > $3
                ORDER BY position LIMIT $4
            ) c ON TRUE
            WINDOW w AS (ORDER BY c.position)
            ORDER BY c.position
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
            stored(after),
            i64::from(limit),
        )
        .fetch_all(self.session())
        .await?;
        Reading::of(rows)
    }

    /// Reads what is kept about these conversations: those that are found, in their order.
    pub async fn read_conversations(
        &mut self,
        key: &UserKey,
        wanted: &[Conversation],
    ) -> Result<Reading, Error> {
        let kinds: Vec<_> = wanted.iter().map(Conversation::kind).collect();
        let peer_ids: Vec<_> = wanted.iter().map(Conversation::peer_id).collect();
        let rows = sqlx::query_as!(
            Row,
            r#"
            SELECT
                CASE WHEN row_number() OVER w = 1 THEN o.gone END AS gone,
                CASE WHEN row_number() OVER w = 1 THEN o.ids END AS all_group_ids,
                CASE WHEN row_number() OVER w = 1 THEN o.names END AS all_group_names,
                c.kind AS "kind?", c.peer_id AS "peer_id?", c.standard_mark AS "standard_mark?",
                c.custom_mark AS "custom_mark?", c.group_ids AS "group_ids?", c.position AS "position?",
                c.pin_position AS "pin_position?", c.changed_at AS "changed_at?"
            FROM (
                SELECT
                    (SELECT deleted FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) AS gone,
                    ARRAY(
                        SELECT group_id FROM contact_groups
                        WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
                    ) AS ids,
                    ARRAY(
                        SELECT name FROM contact_groups
                        WHERE sdk_app_id = $1 AND user_id = $2 ORDER BY group_id
                    ) AS names
            ) o
            CROSS JOIN unnest($3::smallint[], $4::text[]) WITH ORDINALITY AS t (kind, peer_id, nr)
            LEFT JOIN LATERAL (
                SELECT * FROM live_conversations l
                WHERE l.sdk_app_id = $1 AND l.user_id = $2 AND l.kind = t.kind AND l.peer_id = t.peer_id
                -- One at most; saying so has it looked up by key.
                LIMIT 1
            ) c ON TRUE
            WINDOW w AS (ORDER BY t.nr)
            ORDER BY t.nr
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
            &kinds,
            &peer_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        Reading::of(rows)
    }

    /// Reads up to `limit` conversations with anything kept: pinned ones first, newest pin first; then the others, newest
    /// change first.
    pub async fn read_list(
        &mut self,
        key: &UserKey,
        after: ListCursor,
        limit: u32,
    ) -> Result<Reading, Error> {
        let rows = sqlx::query_as!(
            Row,
            r#"
            SELECT
                (SELECT deleted FROM accounts WHERE sdk_app_id = $1 AND user_id = $2) AS gone,
                '{}'::int[] AS all_group_ids,
                '{}'::text[] AS all_group_names,
                c.kind AS "kind?", c.peer_id AS "peer_id?", c.standard_mark AS "standard_mark?",
                c.custom_mark AS "custom_mark?", c.group_ids AS "group_ids?", c.position AS "position?",
                c.pin_position AS "pin_position?", c.changed_at AS "changed_at?"
            FROM (SELECT) o
            LEFT JOIN LATERAL (
                SELECT * FROM live_conversations
                WHERE sdk_app_id = $1 AND user_id = $2 AND CASE
                    WHEN pin_position IS NOT NULL THEN $4::bigint = 0 AND $5::int = 0 AND ($3::int = 0 OR pin_position < $3)
                    ELSE ($4 = 0 AND $5 = 0) OR (changed_at, position) < ($4, $5)
                END
                ORDER BY pin_position DESC NULLS LAST, changed_at DESC, position DESC LIMIT $6
            ) c ON TRUE
            ORDER BY c.pin_position DESC NULLS LAST, c.changed_at DESC, c.position DESC
            "#,
            key.sdk_app_id.number(),
            key.user_id.as_str(),
            stored(after.pin_position),
            after.changed_at.cast_signed(),
            stored(after.position),
            i64::from(limit),
        )
        .fetch_all(self.session())
        .await?;
        Reading::of(rows)
    }
}
