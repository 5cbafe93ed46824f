//! `recentcontact`: marks, contact groups, pins.

mod contact_group;
mod contact_item;
mod create_contact_group;
mod del_contact_group;
mod delete;
mod get_contact_group;
mod get_list;
mod mark_contact;
mod search_contact_group;
mod top;
mod update_contact_group;

pub use contact_group::{ContactResultItem, GroupItem, MarkBits, ResultItem};
pub use contact_item::{ContactItem, SessionId};
pub use create_contact_group::CreateContactGroup;
pub use del_contact_group::DelContactGroup;
pub use delete::Delete;
pub use get_contact_group::GetContactGroup;
pub use get_list::GetList;
pub use mark_contact::MarkContact;
pub use search_contact_group::SearchContactGroup;
pub use top::Top;
pub use update_contact_group::UpdateContactGroup;
