//! `im_open_login_svc`: accounts.

pub mod account_check;
pub mod account_delete;
pub mod account_import;
pub mod multiaccount_import;
mod shapes;
