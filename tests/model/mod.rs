//! What a user can be asked to do, and what every answer must be then: a model that is too simple to be wrong. It shares
//! no code with the service.

mod calls;
mod user;

pub(crate) use calls::{Answer, Call, Mark, Shown, read_answer, request};
pub(crate) use user::{Dead, User};

/// Conversations that a user can have.
pub(crate) const PEERS: u8 = 7;
/// The first of those with a chat group; the others are with users.
pub(crate) const FIRST_GROUP: u8 = 4;
/// A chat group and a user whom the directory may call dead.
pub(crate) const MORTAL: [u8; 2] = [6, 3];

pub(crate) const MARKED_MAX: usize = 3;
pub(crate) const GROUPED_MAX: usize = 3;
pub(crate) const GROUPS_MAX: usize = 2;
pub(crate) const PINNED_MAX: usize = 2;

/// The limits as operators write them. Few places, so that callers race for them.
pub(crate) fn limits() -> [String; 5] {
    [
        "calls-per-second=0".to_owned(),
        format!("marked={MARKED_MAX}"),
        format!("grouped={GROUPED_MAX}"),
        format!("groups={GROUPS_MAX}"),
        format!("pinned={PINNED_MAX}"),
    ]
}

/// The name of the other end of a conversation.
pub(crate) fn peer_id(peer: u8) -> String {
    if peer < FIRST_GROUP { format!("peer{peer}") } else { format!("group{peer}") }
}
