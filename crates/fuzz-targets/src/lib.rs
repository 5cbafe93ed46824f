//! The fuzz targets. Each one takes any bytes, and panics if the service handles them wrongly.
//!
//! The programs in `fuzz/` call them with libFuzzer. `tests/corpora.rs` calls them with every input that libFuzzer found.

#![expect(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a target panics if the service is wrong"
)]

pub mod body;
mod grammar;
pub mod native_body;
mod native_grammar;
mod parsed;
pub mod query;
pub mod rules;
mod stored;
pub mod user_sig;

use earmark::domain::{App, Directory, SdkAppId, SecretKey};
use earmark::limits::Limits;

/// The key of the recorded UserSigs.
const KEY: &str = "5bd2850fff3ecb11d7c805251c51ee463a25727bddc2385f3fa8bfee1bb93b5e";

/// An app with these limits, in which only owners need an account.
fn app(limits: Limits) -> App {
    let key = SecretKey::parse(KEY).unwrap();
    let app = App::new(SdkAppId::new(1_400_000_000).unwrap(), key);
    App { directory: Directory::Owners, admins: Vec::new(), limits, ..app }
}
