//! `group_open_http_svc`: chat groups.

pub mod create_group;
pub mod destroy_group;
pub mod get_group_info;
pub mod import_group;
mod new_group;
