//! The rules for marks, contact groups and pins. Pure code: no I/O, no JSON, no SQL, no async.

mod app;
mod app_key;
mod change;
mod chat_group;
mod contact_group;
mod conversation;
mod feed;
mod mark;
mod mark_name;
mod moment;
mod operator;
mod partition;
mod problem;
mod refusal;
mod user;
mod user_state;
mod webhook;

pub use app::{App, AppName, Directory, Edition, Origin, SecretKey, UserAccess};
pub use app_key::{AppKey, KeyRefusal};
pub use change::{Applied, Change, MemberChange, Patch};
pub use chat_group::{ChatGroup, ChatGroupId, ChatGroupType};
pub use contact_group::{ContactGroup, ContactGroupName};
pub use conversation::{Conversation, PeerKind};
pub use feed::{FeedChange, FeedPosition, FeedStart};
pub use mark::{BitChange, CombinedMark, CustomMark, MarkBit, MarkChange, StandardMark};
pub use mark_name::{Color, MarkName, MarkNames, NamedMark};
pub use moment::Moment;
pub use operator::{NamedToken, Scope, TokenDigest, TokenName, TokenSecret};
pub use partition::{PARTITIONS_MAX, partition_of};
pub use problem::Problem;
pub use refusal::Refusal;
pub use user::{SdkAppId, UserId, UserKey};
pub use user_state::{
    AccountValues, ConversationState, Counts, Entry, Growth, Numbers, Presence, StoredConversation,
    StoredGroup, StoredUser, UserState,
};
pub use webhook::{
    ClaimedWebhook, Delivery, FailedDelivery, PageOutcome, WantedChanges, Webhook, WebhookPage,
    WebhookSecret, WebhookUrl,
};
