//! A model of one user: every call changes it, and it predicts every answer. It is simple enough to be obviously right, and
//! shares no code with the service.

mod calls;
mod user;

pub(crate) use calls::{Answer, Call, ConversationView, Mark, read_answer, request};
pub(crate) use user::{Dead, User};

/// Conversations of a user. There is one more than the service stores for a user before it removes empty rows
/// (`MARKED_MAX + GROUPED_MAX + PINNED_MAX`), so that calls can reach that limit, too.
pub(crate) const PEERS: u8 = 9;
/// Random calls of [`Call::any`] and [`Call::write`] are about the first of these conversations only: calls about the same
/// conversation are more likely then, and a search for an order of calls takes less time.
const CALLED_PEERS: u8 = 7;
/// Conversations from this one on are with chat groups, those before it with users.
pub(crate) const FIRST_GROUP: u8 = 4;
/// A chat group and a user that may leave the directory and come back.
pub(crate) const MORTAL: [u8; 2] = [6, 3];

pub(crate) const MARKED_MAX: usize = 3;
pub(crate) const GROUPED_MAX: usize = 3;
pub(crate) const GROUPS_MAX: usize = 2;
pub(crate) const PINNED_MAX: usize = 2;

/// The limits as `earmark app set` takes them. They are low, so that callers compete for the last place.
pub(crate) fn limits() -> [String; 5] {
    [
        "calls-per-second=0".to_owned(),
        format!("marked={MARKED_MAX}"),
        format!("grouped={GROUPED_MAX}"),
        format!("groups={GROUPS_MAX}"),
        format!("pinned={PINNED_MAX}"),
    ]
}

/// The id of the user or chat group that a conversation is with.
pub(crate) fn peer_id(peer: u8) -> String {
    if peer < FIRST_GROUP { format!("peer{peer}") } else { format!("group{peer}") }
}
