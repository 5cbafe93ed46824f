//! The feed of an app: what has changed, in the order of the commits. A database with several partitions has a feed in each, and
//! one of the shared tables, each with an order of its own.

use super::{Conversation, UserId};

/// A change in an app's feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FeedChange {
    /// The state of a user has reached a revision.
    User { user_id: UserId, revision: u64 },
    /// An account or a chat group, named like the conversation with it, has left the directory or come back. This changes
    /// the state of each user who has that conversation.
    Directory { member: Conversation, is_gone: bool, directory_revision: u64 },
}

/// Where a reader is in an app's feed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FeedPosition {
    /// The epoch of the database. Numbers of different epochs cannot be compared.
    pub epoch: u64,
    /// The last number that the reader has seen.
    pub number: u64,
}

/// Where to begin to read: in one feed, or, with a list of positions, in the feeds of all schemas.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FeedStart<P = FeedPosition> {
    /// Behind the newest change.
    Now,
    /// At the oldest change that is kept.
    Oldest,
    After(P),
}
