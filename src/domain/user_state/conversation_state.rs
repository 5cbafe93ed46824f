//! The stored row of a conversation, and the counts over a user's rows.

use crate::domain::{CustomMark, Presence, StandardMark};
use crate::limits::Limits;

/// A conversation's row. The default stands for a conversation without a row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConversationState {
    pub standard: StandardMark,
    pub custom: CustomMark,
    /// Set when the conversation is first marked, and never cleared. [`Counts::marked`] counts these rows.
    pub holds_place: bool,
    /// Numbers of the contact groups that hold the conversation, ascending.
    pub group_ids: Vec<u32>,
    /// Sequence number of the first mark or contact group, from `next_position`. `None` if there was none.
    pub position: Option<u32>,
    /// Sequence number of the pin, from the same sequence. `None` if the conversation is not pinned.
    pub pin_position: Option<u32>,
    /// Unix seconds of the last change to marks or contact groups. Pins count only if the row was empty before or is
    /// empty after.
    pub changed_at: u64,
}

impl ConversationState {
    #[must_use]
    pub fn is_marked(&self) -> bool {
        !self.standard.is_empty() || !self.custom.is_empty()
    }

    #[must_use]
    pub fn is_grouped(&self) -> bool {
        !self.group_ids.is_empty()
    }

    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pin_position.is_some()
    }

    /// No mark, no contact group and no pin. The store keeps an empty row for a while, so that readers of changes see
    /// it.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_marked() && !self.is_grouped() && !self.is_pinned()
    }

    pub(super) fn has_marks_and_groups_of(&self, other: &Self) -> bool {
        (self.standard, &self.custom, &self.group_ids)
            == (other.standard, &other.custom, &other.group_ids)
    }
}

#[derive(Debug, Clone, Default)]
pub struct Entry {
    pub before: Option<ConversationState>,
    pub after: Option<ConversationState>,
    /// The presence of the other user or the chat group.
    pub peer: Presence,
    /// A change was applied. A later one may have undone it, but its client has been told that it was made.
    pub(super) is_edited: bool,
}

impl Entry {
    #[must_use]
    pub fn loaded(row: Option<ConversationState>, peer: Presence) -> Self {
        Self { after: row.clone(), before: row, peer, is_edited: false }
    }

    /// Whether the store must save the row.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.is_edited || self.before != self.after
    }

    /// What a row counts against the limits: only what clients can see.
    /// A row with a deleted user or a destroyed chat group counts nothing. `rows` is 0, because it has no limit of its
    /// own.
    pub(super) fn taken(&self, row: Option<&ConversationState>) -> Counts {
        row.filter(|_| self.peer != Presence::Gone)
            .map(|kept| Counts {
                rows: 0,
                marked: kept.is_marked().into(),
                grouped: kept.is_grouped().into(),
                pinned: kept.is_pinned().into(),
            })
            .unwrap_or_default()
    }
}

/// Numbers of a user's rows in `conversations`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All rows, including empty ones.
    pub rows: u32,
    /// Rows with [`ConversationState::holds_place`], even if the mark was cleared since.
    pub marked: u32,
    pub grouped: u32,
    pub pinned: u32,
}

impl Counts {
    pub(super) fn of(row: Option<&ConversationState>) -> Self {
        row.map(|kept| Self {
            rows: 1,
            marked: kept.holds_place.into(),
            grouped: kept.is_grouped().into(),
            pinned: kept.is_pinned().into(),
        })
        .unwrap_or_default()
    }

    /// The app's limits. `rows` is their sum: above it, empty rows are removed.
    pub(super) fn max(limits: &Limits) -> Self {
        let Limits { marked, grouped, pinned, .. } = *limits;
        let rows = marked.saturating_add(grouped).saturating_add(pinned);
        Self { rows, marked, grouped, pinned }
    }

    pub(super) fn each(self, other: Self, combine: fn(u32, u32) -> u32) -> Self {
        Self {
            rows: combine(self.rows, other.rows),
            marked: combine(self.marked, other.marked),
            grouped: combine(self.grouped, other.grouped),
            pinned: combine(self.pinned, other.pinned),
        }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        self.each(other, u32::saturating_add)
    }

    pub(super) fn minus(self, other: Self) -> Self {
        self.each(other, u32::saturating_sub)
    }
}
