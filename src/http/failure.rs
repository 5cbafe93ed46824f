//! Why a call fails. `codes.rs` gives each failure its code and its text.

use super::user_sig::Flaw;
use crate::domain::{Problem, Refusal, UserAccess};
use crate::error::Error;
use crate::http::tencent::codes::Code;

#[derive(Debug)]
pub enum Failure {
    UnknownPath,
    /// Not a POST, nor a GET with a body.
    Method(String),
    BodyTooLarge,
    /// The connection broke off, or its framing is wrong, or the body took too long.
    BodyUnreadable,
    /// The `Content-Encoding` is none that we know.
    UnknownCoding(String),
    /// The body is not what its `Content-Encoding` says.
    NotInflatable,
    Upgrade,
    /// The request before said `Connection: close`.
    AfterClose,
    SdkAppIdMissing,
    SdkAppIdInvalid,
    /// The query lacks this parameter.
    CallerMissing(&'static str),
    UserSigEmpty,
    AppDisabled,
    UserSig(Flaw),
    NotAdmin,
    /// A user's own call of the native API needs more than the app lets its users do.
    UserAccess {
        needed: UserAccess,
        allowed: UserAccess,
    },
    /// A cursor of the native API is too old, of another epoch, from the future, or not ours.
    CursorUnknown,
    /// A write of the native API expected another revision.
    Conflict {
        revision: u64,
        /// The state at this revision, as answers show it.
        current: serde_json::Value,
    },
    /// More calls of this command than the app's limit per second.
    TooManyCalls {
        max: u32,
    },
    /// The message of `serde_json`.
    NotJson(String),
    /// An account is not a string. Tencent has a separate code for this.
    AccountType {
        path: String,
        got: &'static str,
    },
    /// A field is missing or wrong.
    Parameter {
        path: String,
        problem: Problem,
    },
    /// Too few or too many conversations in one call.
    ItemCount {
        path: String,
        min: u32,
        max: u32,
        got: usize,
    },
    /// Too few or too many accounts in one call.
    AccountCount {
        path: String,
        got: usize,
    },
    ContactGroupNameLength {
        path: String,
        max: u32,
        got: usize,
    },
    /// The user has a contact group of that name. A client whose answer was lost can tell by this whether it is its own.
    ContactGroupNameTaken {
        path: &'static str,
        id: u32,
        conversations: u32,
    },
    NotImportable,
    /// A fault on demand, see `faults.rs`.
    Fault(Code),
    /// The service failed, or the rules refuse the call.
    Service(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Service(error)
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Service(refusal.into())
    }
}
