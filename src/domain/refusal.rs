//! Which rule a request breaks.

use super::KeyRefusal;

/// Why the rules refuse a request, or one item of it.
///
/// It has no text, no code and no path: those belong to the protocol (`http/tencent/codes.rs`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    UnknownApp,
    /// No call changes the keys of an app; operators do.
    Key(KeyRefusal),
    /// The app's edition has neither standard marks nor contact groups.
    EditionTooLow,
    /// The user who owns the state was never imported, or is deleted.
    UnknownOwner,
    /// The other user of a conversation was never imported, or is deleted.
    UnknownPeer,
    /// The chat group of a conversation was never created, or is destroyed.
    UnknownPeerGroup,
    TooManyMarked {
        max: u32,
    },
    /// Too many conversations in contact groups.
    TooManyGrouped {
        max: u32,
    },
    TooManyPinned {
        max: u32,
    },
    TooManyContactGroups {
        max: u32,
    },
    /// The user has another contact group of that name.
    ContactGroupNameTaken,
    UnknownContactGroup,
    /// Another bit of the app has this name.
    MarkNameTaken,
    /// The account to delete was never imported, or is deleted already.
    UnknownAccount,
    ChatGroupIdTaken,
    /// The chat group to destroy was never created, or is destroyed already.
    UnknownChatGroup,
    /// The user's state has another revision than the caller expects.
    RevisionChanged,
    /// The app's feed is off, or was turned on a moment ago.
    FeedOff,
    /// A user's positions or contact group ids have reached 2^31.
    NumbersUsedUp,
    /// A change touched a conversation that was not loaded. This is a bug.
    NotLoaded,
}
