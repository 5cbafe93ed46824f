//! Tencent's error codes, and the error texts. The code has both only here.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::domain::Refusal;
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::user_sig::Flaw;
use crate::limits::{ACCOUNT_ITEMS_MAX, BODY_BYTES_MAX};

/// The services of the API. Some failures have a different code in each service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Family {
    /// `recentcontact`: marks, contact groups, pins.
    RecentContact,
    /// `im_open_login_svc`: accounts.
    Accounts,
    /// `group_open_http_svc`: chat groups.
    ChatGroups,
}

impl Family {
    #[must_use]
    pub const fn service(self) -> &'static str {
        match self {
            Self::RecentContact => "recentcontact",
            Self::Accounts => "im_open_login_svc",
            Self::ChatGroups => "group_open_http_svc",
        }
    }
}

/// `ErrorCode`, and `ResultCode` of an item. Serde reads and writes the name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[repr(u32)]
pub enum Code {
    Ok = 0,
    BadChatGroupParameter = 10004,
    NotImportable = 10007,
    UnknownChatGroup = 10010,
    ChatGroupIdTaken = 10021,
    UnknownUser = 50001,
    BadParameter = 50002,
    NotAdmin = 50003,
    InternalError = 50004,
    DatabaseTimeout = 50005,
    ItemCount = 51006,
    ChatGroupGone = 51007,
    ConversationsFull = 51008,
    UnknownContactGroup = 51009,
    ContactGroupsFull = 51010,
    ContactGroupNameLength = 51011,
    PinsFull = 51012,
    EditionTooLow = 51013,
    BadRequest = 60002,
    BodyNotJson = 60003,
    CallerMissing = 60004,
    SdkAppIdInvalid = 60006,
    TooManyCalls = 60007,
    UnknownCommand = 60009,
    NotAdminOfDirectory = 60010,
    SdkAppIdMissing = 60012,
    AccountNotString = 60015,
    AppDisabled = 60016,
    UserSigExpired = 70001,
    UserSigEmpty = 70002,
    UserSigUnreadable = 70003,
    UserSigForged = 70009,
    UserSigOfOtherUser = 70013,
    UserSigOfOtherApp = 70014,
    UnknownApp = 70020,
    AccountMissing = 70107,
    EntryCount = 70206,
    BadAccountParameter = 70402,
}

impl Code {
    #[must_use]
    pub const fn number(self) -> u32 {
        self as u32
    }
}

/// Paths of the fields that name a contact group, for the error texts of a call.
#[derive(Debug, Clone, Copy)]
pub struct ContactGroupPaths {
    /// The field with the name of an existing contact group.
    pub existing: &'static str,
    /// The field with the new name.
    pub new: &'static str,
}

impl ContactGroupPaths {
    /// For calls and items that name none.
    pub const DEFAULT: Self = Self { existing: "GroupName", new: "GroupName" };
}

impl Failure {
    #[must_use]
    pub fn code(&self, family: Family) -> Code {
        match self {
            Self::UnknownPath => Code::UnknownCommand,
            Self::Method(_)
            | Self::BodyTooLarge
            | Self::BodyUnreadable
            | Self::UnknownCoding(_)
            | Self::NotInflatable
            | Self::Upgrade
            | Self::AfterClose => Code::BadRequest,
            Self::SdkAppIdMissing => Code::SdkAppIdMissing,
            Self::SdkAppIdInvalid => Code::SdkAppIdInvalid,
            Self::CallerMissing(_) => Code::CallerMissing,
            Self::UserSigEmpty => Code::UserSigEmpty,
            Self::AppDisabled => Code::AppDisabled,
            Self::UserSig(flaw) => match flaw {
                Flaw::Undecodable(_) => Code::UserSigUnreadable,
                Flaw::Forged => Code::UserSigForged,
                Flaw::OtherUser => Code::UserSigOfOtherUser,
                Flaw::OtherApp => Code::UserSigOfOtherApp,
                Flaw::Expired => Code::UserSigExpired,
            },
            Self::NotAdmin | Self::UserAccess { .. } => match family {
                Family::RecentContact => Code::NotAdmin,
                Family::Accounts | Family::ChatGroups => Code::NotAdminOfDirectory,
            },
            Self::TooManyCalls { .. } => Code::TooManyCalls,
            Self::NotJson(_) => Code::BodyNotJson,
            Self::AccountType { .. } => Code::AccountNotString,
            Self::Parameter { .. }
            | Self::CursorUnknown
            | Self::Conflict { .. }
            | Self::ContactGroupNameTaken { .. } => bad_parameter(family),
            Self::ItemCount { .. } => Code::ItemCount,
            Self::AccountCount { .. } => Code::EntryCount,
            Self::ContactGroupNameLength { .. } => Code::ContactGroupNameLength,
            Self::NotImportable => Code::NotImportable,
            Self::Fault(code) => *code,
            Self::Service(error) => match error {
                Error::Refused(refusal) => code_of(*refusal, family),
                Error::Overloaded(_) => Code::TooManyCalls,
                Error::Unavailable(_) | Error::InDoubt(_) => Code::DatabaseTimeout,
                Error::Internal(_) => Code::InternalError,
            },
        }
    }

    /// What is wrong and where, for the client.
    #[must_use]
    pub fn text(&self, contact_group: ContactGroupPaths) -> String {
        match self {
            Self::UnknownPath => {
                "no such service or command: expected POST /v4/<service>/<command>".to_owned()
            }
            Self::Method(got) => format!("the method must be POST, got {got}"),
            Self::BodyTooLarge => format!("the body must be at most {BODY_BYTES_MAX} bytes"),
            Self::BodyUnreadable => "the body could not be read to its end".to_owned(),
            Self::UnknownCoding(got) => {
                format!("Content-Encoding: must be gzip or deflate, got {got}")
            }
            Self::NotInflatable => "Content-Encoding: the body is not encoded so".to_owned(),
            Self::Upgrade => {
                "Upgrade: the connection stays HTTP, send the request without this header"
                    .to_owned()
            }
            Self::AfterClose => {
                "Connection: close was said before, no request follows it".to_owned()
            }
            Self::SdkAppIdMissing => "sdkappid: missing from the query".to_owned(),
            Self::SdkAppIdInvalid => "sdkappid: must be a positive integer".to_owned(),
            Self::CallerMissing(name) => format!("{name}: missing from the query"),
            Self::UserSigEmpty => "usersig: empty".to_owned(),
            Self::AppDisabled => "sdkappid: the app is disabled".to_owned(),
            Self::UserSig(flaw) => format!("usersig: {}", text_of_flaw(*flaw)),
            Self::NotAdmin | Self::UserAccess { .. } => {
                "identifier: not an admin of the app".to_owned()
            }
            Self::CursorUnknown => "the cursor is not known".to_owned(),
            Self::Conflict { .. } => "the state has another revision".to_owned(),
            Self::TooManyCalls { max } => {
                format!("rate: more than {max} calls per second of this command")
            }
            Self::NotJson(why) => format!("the body is not JSON: {why}"),
            Self::AccountType { path, got } => {
                format!("{path}: an account must be a string, got {got}")
            }
            Self::Parameter { path, problem } => format!("{path}: {problem}"),
            Self::ItemCount { path, min, max, got } => {
                format!("{path}: must hold {min} to {max} items, got {got}")
            }
            Self::AccountCount { path, got } => {
                format!("{path}: must hold 1 to {ACCOUNT_ITEMS_MAX} items, got {got}")
            }
            Self::ContactGroupNameLength { path, max, got } => {
                format!("{path}: must be 1 to {max} bytes of UTF-8, got {got}")
            }
            Self::ContactGroupNameTaken { path, id, conversations } => format!(
                "{path}: the user has a conversation group of that name: GroupId {id}, which holds {conversations} conversations"
            ),
            Self::NotImportable => "Type: AVChatRoom cannot be imported".to_owned(),
            Self::Fault(_) => "fault: asked for by POST /admin/v1/faults".to_owned(),
            Self::Service(Error::Refused(refusal)) => text_of(*refusal, contact_group),
            Self::Service(
                error @ (Error::Overloaded(_)
                | Error::Unavailable(_)
                | Error::InDoubt(_)
                | Error::Internal(_)),
            ) => error.to_string(),
        }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.text(ContactGroupPaths::DEFAULT))
    }
}

/// The code of a wrong or missing field.
pub(in crate::http) fn bad_parameter(family: Family) -> Code {
    match family {
        Family::RecentContact => Code::BadParameter,
        Family::Accounts => Code::BadAccountParameter,
        Family::ChatGroups => Code::BadChatGroupParameter,
    }
}

fn code_of(refusal: Refusal, family: Family) -> Code {
    match refusal {
        Refusal::UnknownApp => Code::UnknownApp,
        Refusal::EditionTooLow => Code::EditionTooLow,
        Refusal::UnknownOwner | Refusal::UnknownPeer => Code::UnknownUser,
        Refusal::UnknownPeerGroup => Code::ChatGroupGone,
        Refusal::TooManyMarked { .. } | Refusal::TooManyGrouped { .. } => Code::ConversationsFull,
        Refusal::TooManyPinned { .. } => Code::PinsFull,
        Refusal::TooManyContactGroups { .. } => Code::ContactGroupsFull,
        // The original's API never answers the other two.
        Refusal::ContactGroupNameTaken | Refusal::MarkNameTaken | Refusal::RevisionChanged => {
            bad_parameter(family)
        }
        Refusal::UnknownContactGroup => Code::UnknownContactGroup,
        Refusal::UnknownAccount => Code::AccountMissing,
        Refusal::ChatGroupIdTaken => Code::ChatGroupIdTaken,
        Refusal::UnknownChatGroup => Code::UnknownChatGroup,
        Refusal::Key(_) | Refusal::FeedOff | Refusal::NumbersUsedUp | Refusal::NotLoaded => {
            Code::InternalError
        }
    }
}

fn text_of_flaw(flaw: Flaw) -> Cow<'static, str> {
    match flaw {
        Flaw::Undecodable(why) => format!("invalid, perhaps cut short: {why}").into(),
        Flaw::Forged => "was not made with a secret key of this app".into(),
        Flaw::OtherUser => "was made for another identifier".into(),
        Flaw::OtherApp => "was made for another sdkappid".into(),
        Flaw::Expired => "expired".into(),
    }
}

fn text_of(refusal: Refusal, contact_group: ContactGroupPaths) -> String {
    let ContactGroupPaths { existing, new } = contact_group;
    match refusal {
        Refusal::UnknownApp => "sdkappid: no such app".to_owned(),
        Refusal::EditionTooLow => {
            "the edition of this app has no standard marks and no conversation groups".to_owned()
        }
        Refusal::UnknownOwner => "From_Account: not imported, or deleted".to_owned(),
        Refusal::UnknownPeer => "To_Account: not imported, or deleted".to_owned(),
        Refusal::UnknownPeerGroup => {
            "ToGroupId: no such chat group, or it was destroyed".to_owned()
        }
        Refusal::TooManyMarked { max } => {
            format!("ContactItem: at most {max} conversations can be marked")
        }
        Refusal::TooManyGrouped { max } => {
            format!("ContactItem: at most {max} conversations can be in conversation groups")
        }
        Refusal::TooManyPinned { max } => {
            format!("RecentContactItem: at most {max} conversations can be pinned")
        }
        Refusal::TooManyContactGroups { max } => {
            format!("{new}: at most {max} conversation groups")
        }
        Refusal::ContactGroupNameTaken => {
            format!("{new}: the user has a conversation group of that name")
        }
        Refusal::UnknownContactGroup => format!("{existing}: no such conversation group"),
        // Tencent's text.
        Refusal::UnknownAccount => "Err_TLS_PT_Open_Login_Account_Not_Exist".to_owned(),
        Refusal::ChatGroupIdTaken => "GroupId: taken".to_owned(),
        Refusal::UnknownChatGroup => "GroupId: no such chat group, or it was destroyed".to_owned(),
        Refusal::Key(_)
        | Refusal::MarkNameTaken
        | Refusal::RevisionChanged
        | Refusal::FeedOff
        | Refusal::NumbersUsedUp
        | Refusal::NotLoaded => Error::from(refusal).to_string(),
    }
}
