//! Conversations as one array per column, which is how statements that read many of them return them.

use smol_str::SmolStr;

use super::conversations::{ConversationRow, conversation};
use crate::domain::{Conversation, ConversationState};
use crate::error::Error;
use crate::store::convert::corrupt;

pub(super) struct ConversationColumns {
    pub(super) kinds: Vec<i16>,
    pub(super) peer_ids: Vec<SmolStr>,
    pub(super) standard_marks: Vec<i64>,
    pub(super) custom_marks: Vec<Box<str>>,
    /// Joined with commas.
    pub(super) group_ids: Vec<String>,
    pub(super) positions: Vec<Option<i32>>,
    pub(super) pin_positions: Vec<Option<i32>>,
    pub(super) changed_at: Vec<i64>,
}

impl ConversationColumns {
    pub(super) fn rows(self) -> Result<Vec<(Conversation, ConversationState)>, Error> {
        let mut conversations = Vec::with_capacity(self.kinds.len());
        let mut peer_ids = self.peer_ids.into_iter();
        let mut standard_marks = self.standard_marks.into_iter();
        let mut custom_marks = self.custom_marks.into_iter();
        let mut all_group_ids = self.group_ids.into_iter();
        let mut positions = self.positions.into_iter();
        let mut pin_positions = self.pin_positions.into_iter();
        let mut changed_at = self.changed_at.into_iter();
        for kind in self.kinds {
            let kept = ConversationRow {
                standard_mark: next(&mut standard_marks)?,
                custom_mark: next(&mut custom_marks)?,
                // Only writers need it.
                holds_place: false,
                group_ids: group_ids(&next(&mut all_group_ids)?)?,
                position: next(&mut positions)?,
                pin_position: next(&mut pin_positions)?,
                changed_at: next(&mut changed_at)?,
            };
            conversations.push((conversation(kind, next(&mut peer_ids)?)?, kept.try_into()?));
        }
        Ok(conversations)
    }
}

/// Takes the next value of a column.
pub(super) fn next<T>(column: &mut impl Iterator<Item = T>) -> Result<T, Error> {
    column.next().ok_or_else(|| Error::internal("conversations: columns of unequal length"))
}

/// Converts an array that PostgreSQL has joined with commas.
fn group_ids(text: &str) -> Result<Vec<i32>, Error> {
    if text.is_empty() {
        // Most conversations are in no contact group.
        return Ok(Vec::new());
    }
    let id = |id: &str| id.parse().map_err(|_| corrupt("conversations.group_ids", text));
    text.split(',').map(id).collect()
}
