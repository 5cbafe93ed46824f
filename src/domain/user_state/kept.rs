//! What is kept about one conversation, and how much there is of it.

use crate::domain::{CustomMark, StandardMark, Standing};
use crate::limits::Limits;

/// What is kept about one conversation. The default is nothing at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The 64 bits.
    pub standard: StandardMark,
    /// The customer's own text.
    pub custom: CustomMark,
    /// It was marked at some time, and counts in [`Counts::marked`] since then.
    pub holds_place: bool,
    /// The contact groups that it is in, ascending.
    pub group_ids: Vec<u32>,
    /// When it was first marked or grouped, as a number that only grows; `None` when never.
    pub position: Option<u32>,
    /// When it was pinned, on the same scale; `None` when it is not.
    pub pin_position: Option<u32>,
    /// Unix seconds of the last change to marks or contact groups.
    pub changed_at: u64,
}

impl Kept {
    /// It has a standard or a custom mark.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        !self.standard.is_empty() || !self.custom.is_empty()
    }

    /// It is in a contact group.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        !self.group_ids.is_empty()
    }

    /// It is pinned.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pin_position.is_some()
    }

    /// Nothing of it shows. Its row stays for a while.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        !self.is_marked() && !self.is_grouped() && !self.is_pinned()
    }

    /// It has the same marks and contact groups as `other`.
    pub(super) fn has_marks_and_groups_of(&self, other: &Self) -> bool {
        (self.standard, &self.custom, &self.group_ids)
            == (other.standard, &other.custom, &other.group_ids)
    }
}

/// A conversation that was loaded to be changed.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// The stored row; `None` when there is none.
    pub before: Option<Kept>,
    /// The row that shall be stored.
    pub after: Option<Kept>,
    /// What the directory says of the other end.
    pub peer: Standing,
}

impl Entry {
    /// An entry that nothing has happened to yet.
    #[must_use]
    pub fn loaded(row: Option<Kept>, peer: Standing) -> Self {
        Self { after: row.clone(), before: row, peer }
    }

    /// It has to be saved.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.before != self.after
    }

    /// The part of a row's counts that takes room under the limits: what shows, unless the other end is gone. Rows
    /// themselves take none.
    pub(super) fn taken(&self, row: Option<&Kept>) -> Counts {
        row.filter(|_| self.peer != Standing::Dead)
            .map(|kept| Counts {
                rows: 0,
                marked: kept.is_marked().into(),
                grouped: kept.is_grouped().into(),
                pinned: kept.is_pinned().into(),
            })
            .unwrap_or_default()
    }
}

/// Numbers of a user's stored conversations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// All, the empty ones included.
    pub rows: u32,
    /// That hold a place among the marked.
    pub marked: u32,
    /// In at least one contact group.
    pub grouped: u32,
    /// Pinned.
    pub pinned: u32,
}

impl Counts {
    /// What a stored row counts for.
    pub(super) fn of(row: Option<&Kept>) -> Self {
        row.map(|kept| Self {
            rows: 1,
            marked: kept.holds_place.into(),
            grouped: kept.is_grouped().into(),
            pinned: kept.is_pinned().into(),
        })
        .unwrap_or_default()
    }

    /// The limits on what shows, and the most rows that are stored for that and for what has become empty.
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
