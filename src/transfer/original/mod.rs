//! Moving users through the original's own API, as any customer can.

mod client;
mod pull;
mod push;
mod read;
mod sync;

pub use client::{Access, Original};
pub use pull::{Pulled, pull, read_users};
pub use push::{Pushed, push};

use serde::Serialize;

/// Users who cannot be moved in a row, after which a run ends: the service is gone, or answers nothing of use.
const FAILURES_MAX: usize = 10;
/// Users who are moved at the same time.
const USERS_AT_ONCE: usize = 16;
/// Users, or parts of them, that a report names. All of them are in the log.
const NAMED_MAX: usize = 1000;

/// Something of a user that was not moved.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Missing {
    pub user: String,
    pub reason: String,
}

/// Why a user is not moved.
#[derive(Debug, Clone, PartialEq, Eq)]
enum UserError {
    /// No other user can be moved either.
    Fatal(String),
    /// The others may be.
    OnlyThis(String),
}

impl From<client::CallError> for UserError {
    fn from(error: client::CallError) -> Self {
        use client::CallError::{Failed, Refused, Rejected, UnknownUser};
        match error {
            Refused(_) => Self::Fatal(error.to_string()),
            UnknownUser | Rejected { .. } | Failed(_) => Self::OnlyThis(error.to_string()),
        }
    }
}
