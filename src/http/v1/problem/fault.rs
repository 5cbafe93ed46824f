//! Faults on demand, as the native API answers them.

use super::{
    BAD_REQUEST, FORBIDDEN, INTERNAL, Kind, LIMIT, NOT_FOUND, RATE, TAKEN, UNAUTHORIZED,
    UNAVAILABLE,
};
use crate::http::tencent::codes::Code;

/// The kind of what the original's API answers with this code.
pub(super) fn kind(code: Code) -> Kind {
    match code {
        Code::UnknownChatGroup
        | Code::UnknownUser
        | Code::ChatGroupGone
        | Code::UnknownContactGroup
        | Code::SdkAppIdInvalid
        | Code::SdkAppIdMissing
        | Code::UnknownCommand
        | Code::UnknownApp
        | Code::AccountMissing => NOT_FOUND,
        Code::ChatGroupIdTaken => TAKEN,
        Code::ConversationsFull | Code::ContactGroupsFull | Code::PinsFull => LIMIT,
        Code::NotAdmin | Code::NotAdminOfDirectory | Code::AppDisabled | Code::EditionTooLow => {
            FORBIDDEN
        }
        Code::CallerMissing
        | Code::UserSigExpired
        | Code::UserSigEmpty
        | Code::UserSigUnreadable
        | Code::UserSigForged
        | Code::UserSigOfOtherUser
        | Code::UserSigOfOtherApp => UNAUTHORIZED,
        Code::TooManyCalls => RATE,
        Code::DatabaseTimeout => UNAVAILABLE,
        Code::Ok | Code::InternalError => INTERNAL,
        Code::BadChatGroupParameter
        | Code::NotImportable
        | Code::BadParameter
        | Code::ItemCount
        | Code::ContactGroupNameLength
        | Code::BadRequest
        | Code::BodyNotJson
        | Code::AccountNotString
        | Code::EntryCount
        | Code::BadAccountParameter => BAD_REQUEST,
    }
}
