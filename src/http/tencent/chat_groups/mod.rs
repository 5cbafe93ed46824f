//! `group_open_http_svc`: chat groups.

mod create_group;
mod destroy_group;
mod get_group_info;

pub use create_group::{CreateGroup, ImportGroup};
pub use destroy_group::DestroyGroup;
pub use get_group_info::GetGroupInfo;
