//! A model of one user's state. A test applies each call to the model, which predicts the answer. The model is simple enough
//! to review, and shares no code with the service.

mod calls;
mod known;
mod native;
mod user;

pub use calls::{Answer, Call, ConversationView, Mark, Patch, read_answer, request};
pub use known::Known;
pub use native::{native_request, read_native_answer};
pub use user::{Deleted, User};

/// The number of a user's conversations. The service stores one row less before it removes empty rows
/// (`MARKED_MAX + GROUPED_MAX + PINNED_MAX`), so calls can reach that limit, too.
pub const PEERS: u8 = 9;
/// Random calls of [`Call::any`] and [`Call::write`] only use the first of these conversations. So calls about the same
/// conversation are more likely, and a search for an order of calls takes less time.
const CALLED_PEERS: u8 = 7;
/// The first conversation with a chat group. Those before it are with users.
pub const FIRST_CHAT_GROUP: u8 = 4;
/// A chat group and a user that a test deletes from the directory and creates again.
pub const DELETABLE: [u8; 2] = [6, 3];

pub const MARKED_MAX: usize = 3;
pub const GROUPED_MAX: usize = 3;
pub const GROUPS_MAX: usize = 2;
pub const PINNED_MAX: usize = 2;

/// The limits as arguments of `earmark app set`. They are low, so that clients compete for the last place.
pub fn limits() -> [String; 5] {
    [
        "calls-per-second=0".to_owned(),
        format!("marked={MARKED_MAX}"),
        format!("grouped={GROUPED_MAX}"),
        format!("groups={GROUPS_MAX}"),
        format!("pinned={PINNED_MAX}"),
    ]
}

/// The id of the user or chat group at the other end of a conversation.
pub fn peer_id(peer: u8) -> String {
    if peer < FIRST_CHAT_GROUP { format!("peer{peer}") } else { format!("group{peer}") }
}
