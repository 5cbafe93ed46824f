//! Every failure, and its number on the wire.

use crate::deadline::Late;
use crate::domain::{Flaw, Problem};
use crate::limits::{ACCOUNT_ITEMS_MAX, BODY_BYTES_MAX};

/// The services of the API. Each has numbers of its own for some failures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `recentcontact`: marks, conversation groups, pins.
    RecentContact,
    /// `im_open_login_svc`: accounts.
    Accounts,
    /// `group_open_http_svc`: chat groups.
    ChatGroups,
}

/// What went wrong. A variant is a meaning, its text is for the caller; the cause of [`Error::Internal`] is for the log.
///
/// The same type serves twice: a failed request shows it as `ErrorCode` and `ErrorInfo`, a failed item as `ResultCode`
/// and `ResultInfo`.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No such service or command.
    #[error("no such service or command: expected POST /v4/<service>/<command>")]
    UnknownPath,
    /// Not a POST, nor a GET with a body.
    #[error("the method must be POST, got {0}")]
    Method(String),
    /// The body is larger than any body may be.
    #[error("the body must be at most {BODY_BYTES_MAX} bytes")]
    BodyTooLarge,
    /// The connection broke off, or framed its body wrongly.
    #[error("the body could not be read to its end")]
    BodyUnreadable,
    /// The connection is to become one of another protocol.
    #[error("Upgrade: the connection stays HTTP, send the request without this header")]
    Upgrade,
    /// The connection was said to end with the request before.
    #[error("Connection: close was said before, no request follows it")]
    AfterClose,
    /// The query has no `sdkappid`.
    #[error("sdkappid: missing from the query")]
    SdkAppIdMissing,
    /// `sdkappid` is no number of an app.
    #[error("sdkappid: must be a positive integer")]
    SdkAppIdInvalid,
    /// The query lacks who calls.
    #[error("{0}: missing from the query")]
    CallerMissing(&'static str),
    /// `usersig` has no characters.
    #[error("usersig: empty")]
    UserSigEmpty,
    /// There is no such app here.
    #[error("sdkappid: no such app")]
    UnknownApp,
    /// The app was disabled by the operator.
    #[error("sdkappid: the app is disabled")]
    AppDisabled,
    /// The UserSig does not prove what it should.
    #[error("usersig: {}", flaw_text(*.0))]
    UserSig(Flaw),
    /// The caller is not an admin of the app.
    #[error("identifier: not an admin of the app")]
    NotAdmin,
    /// Too many calls of this command for this app.
    #[error("more than {max} calls per second of this command")]
    TooManyCalls {
        /// The app's limit.
        max: u32,
    },
    /// More writes wait than may.
    #[error("the service is at its limit, nothing was written, try again")]
    Overloaded,
    /// The body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// An account is not a string.
    #[error("{path}: an account must be a string, got {got}")]
    AccountType {
        /// Where it stood.
        path: String,
        /// What it was.
        got: &'static str,
    },
    /// A field is missing or wrong.
    #[error("{path}: {problem}")]
    Parameter {
        /// Where it stands.
        path: String,
        /// What it should have been.
        problem: Problem,
    },
    /// Too few or too many conversations in one call.
    #[error("{path}: must hold {min} to {max} items, got {got}")]
    ItemCount {
        /// The array.
        path: String,
        /// Fewest.
        min: u32,
        /// Most.
        max: u32,
        /// As sent.
        got: usize,
    },
    /// None or too many accounts in one call.
    #[error("{path}: must hold 1 to {ACCOUNT_ITEMS_MAX} items, got {got}")]
    AccountCount {
        /// The array.
        path: String,
        /// As sent.
        got: usize,
    },
    /// The app's edition has neither standard marks nor conversation groups.
    #[error("the edition of this app has no standard marks and no conversation groups")]
    EditionTooLow,
    /// The user whose state it is does not exist.
    #[error("From_Account: not imported, or deleted")]
    UnknownUser,
    /// The other user of a conversation does not exist.
    #[error("To_Account: not imported, or deleted")]
    UnknownPeer,
    /// The chat group of a conversation does not exist.
    #[error("ToGroupId: no such chat group, or it was destroyed")]
    ChatGroupGone,
    /// No place left for one more marked conversation.
    #[error("ContactItem: at most {max} conversations can be marked")]
    TooManyMarked {
        /// The app's limit.
        max: u32,
    },
    /// No place left for one more conversation in conversation groups.
    #[error("ContactItem: at most {max} conversations can be in conversation groups")]
    TooManyGrouped {
        /// The app's limit.
        max: u32,
    },
    /// No place left for one more pinned conversation.
    #[error("RecentContactItem: at most {max} conversations can be pinned")]
    TooManyPinned {
        /// The app's limit.
        max: u32,
    },
    /// No place left for one more conversation group.
    #[error("{path}: at most {max} conversation groups")]
    TooManyGroups {
        /// Where the name of the one too many stands.
        path: &'static str,
        /// The app's limit.
        max: u32,
    },
    /// A conversation group cannot have this name.
    #[error("{path}: must be 1 to {max} bytes of UTF-8, got {got}")]
    GroupNameLength {
        /// Where it stands.
        path: String,
        /// The app's limit.
        max: u32,
        /// As sent.
        got: usize,
    },
    /// Another conversation group has this name.
    #[error("{path}: the user has a conversation group of that name")]
    GroupNameTaken {
        /// Where the name stands.
        path: &'static str,
    },
    /// There is no such conversation group.
    #[error("{path}: no such conversation group")]
    UnknownGroup {
        /// Where its name stands.
        path: &'static str,
    },
    /// The account to be deleted is not there. The text is the original's.
    #[error("Err_TLS_PT_Open_Login_Account_Not_Exist")]
    AccountMissing,
    /// A chat group has this id.
    #[error("GroupId: taken")]
    ChatGroupIdTaken,
    /// There is no such chat group.
    #[error("GroupId: no such chat group, or it was destroyed")]
    UnknownChatGroup,
    /// A chat group of this kind cannot be imported.
    #[error("Type: AVChatRoom cannot be imported")]
    ChatGroupNotImportable,
    /// The database did not answer in time, or cannot be reached. Whether a write happened is not known.
    #[error("the database did not answer in time, try again")]
    Timeout(#[source] Option<anyhow::Error>),
    /// A fault of ours.
    #[error("internal error, try again")]
    Internal(#[source] anyhow::Error),
}

fn flaw_text(flaw: Flaw) -> String {
    match flaw {
        Flaw::Undecodable(why) => format!("invalid, perhaps cut short: {why}"),
        Flaw::Forged => "was not made with a secret key of this app".to_owned(),
        Flaw::OtherUser => "was made for another identifier".to_owned(),
        Flaw::OtherApp => "was made for another sdkappid".to_owned(),
        Flaw::Expired => "expired".to_owned(),
    }
}

impl From<Late> for Error {
    fn from(late: Late) -> Self {
        Self::Timeout(Some(late.into()))
    }
}

impl Error {
    /// A fault of ours, with words for the log.
    #[must_use]
    pub fn internal(cause: &'static str) -> Self {
        Self::Internal(anyhow::Error::msg(cause))
    }

    /// Says where the name of a conversation group stands that is not there, and one that cannot be given.
    #[must_use]
    pub fn with_group_names_at(self, unknown: &'static str, taken: &'static str) -> Self {
        if matches!(self, Self::UnknownGroup { .. }) {
            Self::UnknownGroup { path: unknown }
        } else if matches!(self, Self::GroupNameTaken { .. }) {
            Self::GroupNameTaken { path: taken }
        } else if let Self::TooManyGroups { max, .. } = self {
            Self::TooManyGroups { path: taken, max }
        } else {
            self
        }
    }

    /// The one place where a failure gets its number.
    #[must_use]
    pub fn code(&self, family: Family) -> u32 {
        use Family::{Accounts, ChatGroups, RecentContact};
        match (self, family) {
            (Self::UnknownPath, _) => 60009,
            (
                Self::Method(_)
                | Self::BodyTooLarge
                | Self::BodyUnreadable
                | Self::Upgrade
                | Self::AfterClose,
                _,
            ) => 60002,
            (Self::SdkAppIdMissing, _) => 60012,
            (Self::SdkAppIdInvalid, _) => 60006,
            (Self::CallerMissing(_), _) => 60004,
            (Self::UserSigEmpty, _) => 70002,
            (Self::UnknownApp, _) => 70020,
            (Self::AppDisabled, _) => 60016,
            (Self::UserSig(Flaw::Undecodable(_)), _) => 70003,
            (Self::UserSig(Flaw::Forged), _) => 70009,
            (Self::UserSig(Flaw::OtherUser), _) => 70013,
            (Self::UserSig(Flaw::OtherApp), _) => 70014,
            (Self::UserSig(Flaw::Expired), _) => 70001,
            (Self::NotAdmin, RecentContact) => 50003,
            (Self::NotAdmin, Accounts | ChatGroups) => 60010,
            (Self::TooManyCalls { .. } | Self::Overloaded, _) => 60007,
            (Self::NotJson(_), _) => 60003,
            (Self::AccountType { .. }, _) => 60015,
            (Self::Parameter { .. } | Self::GroupNameTaken { .. }, RecentContact) => 50002,
            (Self::Parameter { .. } | Self::GroupNameTaken { .. }, Accounts) => 70402,
            (Self::Parameter { .. } | Self::GroupNameTaken { .. }, ChatGroups) => 10004,
            (Self::ItemCount { .. }, _) => 51006,
            (Self::AccountCount { .. }, _) => 70206,
            (Self::EditionTooLow, _) => 51013,
            (Self::UnknownUser | Self::UnknownPeer, _) => 50001,
            (Self::ChatGroupGone, _) => 51007,
            (Self::TooManyMarked { .. } | Self::TooManyGrouped { .. }, _) => 51008,
            (Self::UnknownGroup { .. }, _) => 51009,
            (Self::TooManyGroups { .. }, _) => 51010,
            (Self::GroupNameLength { .. }, _) => 51011,
            (Self::TooManyPinned { .. }, _) => 51012,
            (Self::AccountMissing, _) => 70107,
            (Self::ChatGroupIdTaken, _) => 10021,
            (Self::UnknownChatGroup, _) => 10010,
            (Self::ChatGroupNotImportable, _) => 10007,
            (Self::Timeout(_), _) => 50005,
            (Self::Internal(_), _) => 50004,
        }
    }
}
