//! `im_open_login_svc`: accounts.

mod account_check;
mod account_delete;
mod account_import;
mod multiaccount_import;

pub use account_check::AccountCheck;
pub use account_delete::AccountDelete;
pub use account_import::AccountImport;
pub use multiaccount_import::MultiaccountImport;
