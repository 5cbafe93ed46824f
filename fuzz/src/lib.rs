//! What is fuzzed: each target takes any bytes, and panics when the service is wrong about them.

#![expect(clippy::unwrap_used, reason = "a target panics when something is wrong")]

#[path = "../../tests/model/mod.rs"]
mod model;

pub mod body;
mod grammar;
pub mod query;
pub mod rules;
mod stored;
pub mod user_sig;

use earmark::domain::{App, Directory, Edition, SdkAppId, SecretKey};
use earmark::limits::Limits;

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
