//! What is kept about one conversation, and how much there is of it.

use smol_str::SmolStr;

use crate::domain::{CustomMark, StandardMark, Standing};
use crate::limits::Limits;

/// What is kept about one conversation. The default is nothing at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The 64 bits.
    pub standard: StandardMark,
    /// The customer's own text.
    pub custom: CustomMark,
    /// The conversation groups that it is in, ascending.
    pub group_ids: Vec<u32>,
    /// When it was first marked or grouped, as a number that only grows; `None` when it is neither.
    pub position: Option<u32>,
    /// When it was pinned, on the same scale; `None` when it is not.
    pub pin_position: Option<u32>,
    /// Unix seconds of the last change to marks or groups.
    pub changed_at: u64,
}

impl Kept {
    /// It has a standard or a custom mark.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        !self.standard.is_empty() || !self.custom.is_empty()
    }

    /// It is in a conversation group.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        !self.group_ids.is_empty()
    }

    /// It is pinned.
    #[must_use]
    pub fn is_pinned(&self) -> bool {
        self.pin_position.is_some()
    }

    /// It has the same marks and groups as `other`: nothing that its time is of has changed.
    pub(super) fn has_marks_and_groups_of(&self, other: &Self) -> bool {
        (self.standard, &self.custom, &self.group_ids)
            == (other.standard, &other.custom, &other.group_ids)
    }

    /// There is something to keep.
    #[must_use]
    pub fn is_something(&self) -> bool {
        self.position.is_some() || self.pin_position.is_some()
    }
}

/// A version of a row, as PostgreSQL tells them apart. The default is that of no row.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RowVersion {
    /// The number of the transaction that wrote it, `xmin`.
    pub transaction: u32,
    /// Where it lies, `ctid`: `(page,number)`.
    pub place: SmolStr,
}

/// A conversation that was loaded to be changed.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// As it is stored.
    pub before: Kept,
    /// As it shall be stored.
    pub after: Kept,
    /// What the directory says of the other end.
    pub peer: Standing,
    /// Which version of its row was loaded: it is saved in place of that one only.
    pub version: RowVersion,
}

impl Entry {
    /// An entry that nothing has happened to yet.
    #[must_use]
    pub fn loaded(kept: Kept, peer: Standing) -> Self {
        Self { after: kept.clone(), before: kept, peer, version: RowVersion::default() }
    }

    /// It has to be saved.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// How many of a user's conversations are marked, grouped, pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// With a standard or a custom mark.
    pub marked: u32,
    /// In at least one conversation group.
    pub grouped: u32,
    /// Pinned.
    pub pinned: u32,
}

impl Counts {
    pub(super) fn of(kept: &Kept) -> Self {
        Self {
            marked: kept.is_marked().into(),
            grouped: kept.is_grouped().into(),
            pinned: kept.is_pinned().into(),
        }
    }

    /// The most there may be: the app's limits, and what is dead on top of them.
    pub(super) fn room(limits: &Limits, dead: Self) -> Self {
        Self {
            marked: limits.marked.saturating_add(dead.marked),
            grouped: limits.grouped.saturating_add(dead.grouped),
            pinned: limits.pinned.saturating_add(dead.pinned),
        }
    }

    pub(super) fn each(self, other: Self, combine: fn(u32, u32) -> u32) -> Self {
        Self {
            marked: combine(self.marked, other.marked),
            grouped: combine(self.grouped, other.grouped),
            pinned: combine(self.pinned, other.pinned),
        }
    }
}
