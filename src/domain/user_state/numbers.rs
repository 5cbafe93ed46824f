//! The numbers of a user, and which of them a change can increase.

use super::Counts;

/// The counts that a change can increase.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Growth {
    pub marked: bool,
    pub grouped: bool,
    pub pinned: bool,
}

impl Growth {
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            marked: self.marked || other.marked,
            grouped: self.grouped || other.grouped,
            pinned: self.pinned || other.pinned,
        }
    }
}

/// Columns of a row of `users`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Incremented by each committed change of the user's state.
    pub revision: u64,
    /// The highest revision of all rows that were removed, each taken at the row's last change.
    pub forgotten_revision: u64,
    /// The next value of the sequence that orders first marks, first contact groups and pins.
    pub next_position: u32,
    pub next_group_id: u32,
    pub counts: Counts,
}

impl Default for Numbers {
    fn default() -> Self {
        let counts = Counts::default();
        Self { revision: 0, forgotten_revision: 0, next_position: 1, next_group_id: 1, counts }
    }
}
