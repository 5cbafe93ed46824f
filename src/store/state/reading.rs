//! Reads conversations back. Each page or search is one statement, so that an answer shows a single moment.

use smol_str::SmolStr;

use super::columns::Column;
use super::contact_groups::contact_group;
use super::conversation_columns::{ConversationColumns, next};
use crate::domain::{ContactGroup, Conversation, ConversationState, Presence, UserKey};
use crate::error::Error;
use crate::limits::LIMIT_MAX;
use crate::store::Reader;
use crate::store::convert::number;
use crate::store::directory::gone::presence;
use crate::store::unnest::unnest;

/// A user's conversations that are not empty and whose other end is not gone.
#[derive(Debug, Clone, Default)]
pub struct Reading {
    /// The presence of the user.
    pub owner: Presence,
    /// All contact groups of the user, by id. [`read_list`] leaves them out.
    pub groups: Vec<ContactGroup>,
    pub conversations: Vec<(Conversation, ConversationState)>,
}

/// Where a page of [`read_list`] starts. Zeros stand for the beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ListCursor {
    /// Pin position of the last pinned conversation that was read.
    pub pin_position: u32,
    /// Unix seconds of the last conversation that was read and is not pinned.
    pub changed_at: u64,
    /// Position of that conversation.
    pub position: u32,
}

/// The single row of every reading statement: data of the user, and one array per column of the conversations. A row per
/// conversation would cost both sides more than its content.
struct PageRow {
    owner_is_gone: Option<bool>,
    contact_group_ids: Vec<i32>,
    contact_group_names: Vec<String>,
    kinds: Vec<i16>,
    peer_ids: Vec<SmolStr>,
    standard_marks: Vec<i64>,
    custom_marks: Vec<Box<str>>,
    group_ids: Vec<String>,
    positions: Vec<Option<i32>>,
    pin_positions: Vec<Option<i32>>,
    changed_at: Vec<i64>,
}

impl TryFrom<PageRow> for Reading {
    type Error = Error;

    fn try_from(row: PageRow) -> Result<Self, Error> {
        let mut names = row.contact_group_names.into_iter();
        let ids = row.contact_group_ids.into_iter();
        let groups =
            ids.map(|id| contact_group(id, &next(&mut names)?, None)).collect::<Result<_, _>>()?;

        let conversations = ConversationColumns {
            kinds: row.kinds,
            peer_ids: row.peer_ids,
            standard_marks: row.standard_marks,
            custom_marks: row.custom_marks,
            group_ids: row.group_ids,
            positions: row.positions,
            pin_positions: row.pin_positions,
            changed_at: row.changed_at,
        };
        let conversations = conversations.rows()?;
        Ok(Self { owner: presence(row.owner_is_gone), groups, conversations })
    }
}

/// Reads up to `limit` conversations that are marked or grouped, in the order in which they first were, after a position.
pub async fn read_page(
    reader: &mut Reader<'_>,
    key: &UserKey,
    after: u32,
    limit: u32,
) -> Result<Reading, Error> {
    sqlx::query_file_as!(
        PageRow,
        "src/store/sql/page.sql",
        key.sdk_app_id.number(),
        key.user_id.as_str(),
        position(after)?,
        i64::from(limit),
    )
    .fetch_one(reader.session())
    .await?
    .try_into()
}

/// Reads those of these conversations that are found, in their order.
pub async fn read_conversations(
    reader: &mut Reader<'_>,
    key: &UserKey,
    wanted: &[Conversation],
) -> Result<Reading, Error> {
    unnest!(
        query_file_as!(PageRow, "src/store/sql/search.sql"),
        for conversation in wanted => {
            kind: i16 = conversation.kind(),
            peer_id: &str = conversation.peer_id(),
        };
        key.sdk_app_id.number(),
        key.user_id.as_str()
    )
    .fetch_one(reader.session())
    .await?
    .try_into()
}

/// Reads up to `limit` conversations: pinned ones first, newest pin first; then the others, newest change first.
pub async fn read_list(
    reader: &mut Reader<'_>,
    key: &UserKey,
    after: ListCursor,
    limit: u32,
) -> Result<Reading, Error> {
    sqlx::query_file_as!(
        PageRow,
        "src/store/sql/list.sql",
        key.sdk_app_id.number(),
        key.user_id.as_str(),
        position(after.pin_position)?,
        number::<_, i64>("conversations.changed_at", after.changed_at)?,
        position(after.position)?,
        i64::from(limit),
    )
    .fetch_one(reader.session())
    .await?
    .try_into()
}

/// Converts a position that a client sent. No stored position is greater than the maximum.
fn position(value: u32) -> Result<i32, Error> {
    number("conversations.position", value.min(LIMIT_MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(spoil: impl FnOnce(&mut PageRow), expected: &str) {
        let mut row = PageRow {
            owner_is_gone: Some(false),
            contact_group_ids: vec![1],
            contact_group_names: vec!["work".to_owned()],
            kinds: vec![1],
            peer_ids: vec!["peer".into()],
            standard_marks: vec![2],
            custom_marks: vec!["x".into()],
            group_ids: vec!["1,3".to_owned()],
            positions: vec![Some(4)],
            pin_positions: vec![Some(5)],
            changed_at: vec![6],
        };
        spoil(&mut row);
        let text = match Reading::try_from(row) {
            Ok(reading) => format!("{:?}", reading.conversations[0].1.group_ids),
            Err(Error::Internal(cause)) => cause.to_string(),
            Err(other) => panic!("{other:?}"),
        };
        assert_eq!(text, expected);
    }

    #[test]
    fn a_corrupt_column_is_an_error() {
        let unequal = "conversations: columns of unequal length";
        check(|_| (), "[1, 3]");
        check(|row| row.group_ids[0] = "1,x".to_owned(), "conversations.group_ids: 1,x");
        check(
            |row| row.group_ids[0] = "-1".to_owned(),
            "conversations.group_ids: -1 is out of range",
        );
        check(|row| row.contact_group_ids[0] = -1, "contact_groups.group_id: -1 is out of range");
        check(|row| row.kinds[0] = 3, "conversations.peer_id: 3 is not a kind of conversation");
        check(|row| row.peer_ids.clear(), unequal);
        check(|row| row.positions.clear(), unequal);
        check(|row| row.contact_group_names.clear(), unequal);
    }
}
