//! `recentcontact`: marks, contact groups, pins.

pub mod contact_group;
pub mod contact_item;
pub mod create_contact_group;
pub mod del_contact_group;
pub mod delete;
pub mod get_contact_group;
pub mod get_list;
pub mod mark_contact;
pub mod search_contact_group;
mod shapes;
pub mod top;
pub mod update_contact_group;
