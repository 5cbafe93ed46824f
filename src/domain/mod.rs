//! What a mark is and how it may change: pure rules, no I/O, no JSON, no SQL, no async.

mod app;
mod change;
mod chat_group;
mod contact_group;
mod conversation;
mod mark;
mod problem;
mod user;
mod user_sig;
mod user_state;

pub use app::{App, Directory, Edition, SecretKey};
pub use change::{Applied, Change, MemberChange};
pub use chat_group::{ChatGroup, ChatGroupId, ChatGroupType};
pub use contact_group::{ContactGroup, ContactGroupName};
pub use conversation::Conversation;
pub use mark::{BitChange, CombinedMark, CustomMark, MarkBit, MarkChange, StandardMark};
pub use problem::Problem;
pub use user::{SdkAppId, UserId, UserKey};
pub use user_sig::{Flaw, UserSig};
pub use user_state::{Counts, Entry, Growth, Kept, Numbers, Standing, UserState};
