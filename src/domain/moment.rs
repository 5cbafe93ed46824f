//! When a user's state was read.

/// Two reads of a user at the same moment show the same state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The epoch of the database. Revisions of different epochs cannot be compared.
    pub epoch: u64,
    /// The app's: it grows when a user or a chat group is deleted or comes back.
    pub directory_revision: u64,
    /// The user's: it grows with each change of the user's state.
    pub revision: u64,
}
