//! The codes of the API, by name. Each number stands here once. The tests do not take it from the service, so that a test
//! fails if the service changes a number.

use serde::{Serialize, Serializer};
use serde_json::Value;

macro_rules! codes {
    ($($name:ident = $number:literal,)*) => {
        /// An `ErrorCode` or a `ResultCode`.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[repr(u64)]
        pub(crate) enum Code { $($name = $number,)* }

        impl Code {
            pub(crate) const ALL: &[Self] = &[$(Self::$name,)*];
        }
    };
}

codes! {
    Ok = 0,
    // Every call.
    InternalError = 50004,
    DatabaseTimeout = 50005,
    BadRequest = 60002,
    BodyNotJson = 60003,
    CallerMissing = 60004,
    SdkAppIdInvalid = 60006,
    TooManyCalls = 60007,
    UnknownCommand = 60009,
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
    // `recentcontact`.
    UnknownUser = 50001,
    BadParameter = 50002,
    NotAdmin = 50003,
    ItemCount = 51006,
    ChatGroupGone = 51007,
    ConversationsFull = 51008,
    UnknownContactGroup = 51009,
    ContactGroupsFull = 51010,
    ContactGroupNameLength = 51011,
    PinsFull = 51012,
    EditionTooLow = 51013,
    // `im_open_login_svc` and `group_open_http_svc`.
    NotAdminOfDirectory = 60010,
    // `im_open_login_svc`.
    AccountMissing = 70107,
    EntryCount = 70206,
    BadAccountParameter = 70402,
    // `group_open_http_svc`.
    BadChatGroupParameter = 10004,
    NotImportable = 10007,
    UnknownChatGroup = 10010,
    ChatGroupIdTaken = 10021,
}

impl Code {
    pub(crate) fn number(self) -> u64 {
        self as u64
    }

    /// Reads a code in an answer, or panics if the tests do not know it.
    #[track_caller]
    pub(crate) fn read(value: &Value) -> Self {
        let code = Self::ALL.iter().copied().find(|code| value == code);
        code.unwrap_or_else(|| panic!("{value} is not one of the codes in support/code.rs"))
    }
}

impl PartialEq<Code> for Value {
    fn eq(&self, code: &Code) -> bool {
        *self == code.number()
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.number())
    }
}
