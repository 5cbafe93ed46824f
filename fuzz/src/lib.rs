//! What is fuzzed: each target takes any bytes, and panics when the service is wrong about them.
//!
//! The wire layer is private to the library, and stays so: its files are compiled into this one instead.

#![expect(
    dead_code,
    unused_imports,
    clippy::unwrap_used,
    reason = "a target uses parts, and is to panic when something is wrong"
)]

#[path = "../../src/http/account_check.rs"]
mod account_check;
#[path = "../../src/http/account_delete.rs"]
mod account_delete;
#[path = "../../src/http/account_import.rs"]
mod account_import;
#[path = "../../src/http/caller.rs"]
mod caller;
#[path = "../../src/http/contact_group.rs"]
mod contact_group;
#[path = "../../src/http/contact_item.rs"]
mod contact_item;
#[path = "../../src/http/create_contact_group.rs"]
mod create_contact_group;
#[path = "../../src/http/create_group.rs"]
mod create_group;
#[path = "../../src/http/del_contact_group.rs"]
mod del_contact_group;
#[path = "../../src/http/delete.rs"]
mod delete;
#[path = "../../src/http/destroy_group.rs"]
mod destroy_group;
#[path = "../../src/http/door.rs"]
mod door;
#[path = "../../src/http/envelope.rs"]
mod envelope;
#[path = "../../src/http/get_contact_group.rs"]
mod get_contact_group;
#[path = "../../src/http/get_group_info.rs"]
mod get_group_info;
#[path = "../../src/http/get_list.rs"]
mod get_list;
#[path = "../../src/http/json.rs"]
mod json;
#[path = "../../src/http/mark_contact.rs"]
mod mark_contact;
#[path = "../../tests/model/mod.rs"]
mod model;
#[path = "../../src/http/multiaccount_import.rs"]
mod multiaccount_import;
#[path = "../../src/http/rate_limit.rs"]
mod rate_limit;
#[path = "../../src/http/request_id.rs"]
mod request_id;
#[path = "../../src/http/search_contact_group.rs"]
mod search_contact_group;
#[path = "../../src/http/top.rs"]
mod top;
#[path = "../../src/http/update_contact_group.rs"]
mod update_contact_group;
#[path = "../../src/http/watch.rs"]
mod watch;

pub mod body;
mod grammar;
pub mod query;
pub mod rules;
mod stored;
pub mod user_sig;

use earmark::domain::{App, Directory, Edition, SdkAppId, SecretKey};
use earmark::limits::Limits;
use earmark::{deadline, domain, error, limits, metrics, service};

/// The key that the recorded UserSigs were made with.
const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// An app whose limits are `limits`, in which only owners have to be imported.
fn app(limits: Limits) -> App {
    App {
        sdk_app_id: SdkAppId::new(1_400_000_000).unwrap(),
        edition: Edition::Premium,
        directory: Directory::Owners,
        disabled: false,
        secret_key: SecretKey::parse(KEY).unwrap(),
        previous_secret_key: None,
        admins: Vec::new(),
        limits,
    }
}
