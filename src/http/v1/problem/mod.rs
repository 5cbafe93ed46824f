//! How the native API answers a failure: an HTTP status, and a problem document (RFC 9457). All statuses and words are here.

mod fault;

use std::borrow::Cow;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{
    CACHE_CONTROL, RETRY_AFTER, WWW_AUTHENTICATE, X_CONTENT_TYPE_OPTIONS,
};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::Refusal;
use crate::error::Error;
use crate::http::failure::Failure;
use crate::http::openapi::schema::named;
use crate::http::tencent::codes::{Code, Family};
use crate::http::tencent::envelope::log_failure;
use crate::http::user_sig::Flaw;
use crate::limits::BODY_BYTES_MAX;

/// After a second, a rate or a queue has room again.
const RETRY_AFTER_S: &str = "1";

#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "Problem")]
pub(super) struct ProblemDocument<'a> {
    /// What kind of problem it is: `urn:earmark:problem:` and a word for programs.
    #[serde(rename = "type")]
    #[schemars(extend("enum" = KINDS.map(urn)))]
    kind: String,
    /// The kind in words.
    title: &'a str,
    /// The HTTP status.
    #[schemars(range(min = 400, max = 599))]
    status: u16,
    /// What is wrong. The text may change.
    detail: &'a str,
    /// What is wrong in the request: a JSON pointer into the body, or the name of a part of the path, of a parameter or of a
    /// header.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    field: Option<&'a str>,
    /// The `ErrorCode` with which the original's API answers this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    code: Option<u32>,
    /// Only in answers with status 410: read the state anew, and go on from its cursor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "bool")]
    resync: Option<bool>,
    /// Only in a `conflict`: the user's revision.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u64")]
    revision: Option<u64>,
    /// Only in a `conflict`: the conversation at that revision, or the user if the call is not about a conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "current_state")]
    current: Option<&'a serde_json::Value>,
}

fn current_state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "oneOf": [named("Conversation"), named("User")] })
}

/// What became of an item of a call that has many.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "ItemResult")]
pub(super) struct ItemResult {
    /// 200, or the HTTP status with which the item would be refused alone. A refused item changes nothing.
    #[schemars(range(min = 200, max = 599))]
    status: u16,
    /// Of a refused item: the `ErrorCode` with which the original's API answers this.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "u32")]
    code: Option<u32>,
    /// Of a refused item: what kind of problem it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "&str")]
    title: Option<&'static str>,
}

impl ItemResult {
    pub(super) fn is_ok(&self) -> bool {
        self.title.is_none()
    }

    /// The code and the title of a refused item.
    pub(super) fn refusal(&self) -> Option<(u32, &'static str)> {
        self.code.zip(self.title)
    }
}

impl From<&Result<(), Refusal>> for ItemResult {
    fn from(outcome: &Result<(), Refusal>) -> Self {
        let Err(refusal) = outcome else {
            return Self { status: StatusCode::OK.as_u16(), code: None, title: None };
        };
        let (_, status, title) = kind_of(*refusal);
        let code = code(&(*refusal).into()).map(Code::number);
        Self { status: status.as_u16(), code, title: Some(title) }
    }
}

/// The kind of a problem: its word, its status and its title.
type Kind = (&'static str, StatusCode, &'static str);

const BAD_REQUEST: Kind = ("bad-request", StatusCode::BAD_REQUEST, "The request is not valid");
const UNAUTHORIZED: Kind =
    ("unauthorized", StatusCode::UNAUTHORIZED, "The UserSig is missing or not valid");
const FORBIDDEN: Kind = ("forbidden", StatusCode::FORBIDDEN, "The caller may not do this");
const NOT_FOUND: Kind = ("not-found", StatusCode::NOT_FOUND, "There is no such thing");
const METHOD: Kind = ("method", StatusCode::METHOD_NOT_ALLOWED, "The path has no such method");
const TOO_LARGE: Kind = ("too-large", StatusCode::PAYLOAD_TOO_LARGE, "The body is too large");
const LIMIT: Kind = ("limit", StatusCode::CONFLICT, "The user has reached a limit");
const TAKEN: Kind = ("taken", StatusCode::CONFLICT, "The name is taken");
const CONFLICT: Kind = ("conflict", StatusCode::CONFLICT, "The state has another revision");
const FEED_OFF: Kind = ("feed-off", StatusCode::CONFLICT, "The app's feed is off");
const RESYNC: Kind = ("resync", StatusCode::GONE, "The cursor is not known");
const RATE: Kind = ("rate", StatusCode::TOO_MANY_REQUESTS, "Too many calls");
const OVERLOADED: Kind =
    ("overloaded", StatusCode::SERVICE_UNAVAILABLE, "The service is overloaded");
const UNAVAILABLE: Kind =
    ("unavailable", StatusCode::SERVICE_UNAVAILABLE, "The database does not answer");
const IN_DOUBT: Kind =
    ("in-doubt", StatusCode::SERVICE_UNAVAILABLE, "Whether it was written is not known");
const INTERNAL: Kind = ("internal", StatusCode::INTERNAL_SERVER_ERROR, "A fault of the service");

const KINDS: [Kind; 16] = [
    BAD_REQUEST,
    UNAUTHORIZED,
    FORBIDDEN,
    NOT_FOUND,
    METHOD,
    TOO_LARGE,
    LIMIT,
    TAKEN,
    CONFLICT,
    FEED_OFF,
    RESYNC,
    RATE,
    OVERLOADED,
    UNAVAILABLE,
    IN_DOUBT,
    INTERNAL,
];

fn urn((word, ..): Kind) -> String {
    format!("urn:earmark:problem:{word}")
}

/// All kinds, for the OpenAPI document.
pub(super) fn table() -> Value {
    let row = |kind: &Kind| {
        let (_, status, title) = kind;
        json!({ "type": urn(*kind), "status": status.as_u16(), "title": title })
    };
    KINDS.iter().map(row).collect()
}

/// Answers a failure, and logs it.
pub(super) fn response(failure: &Failure) -> HttpResponse {
    let kind = kind(failure);
    let (_, status, _) = kind;
    let mut response = HttpResponse::build(status);
    if kind == UNAUTHORIZED {
        response.insert_header((WWW_AUTHENTICATE, "Bearer"));
    }
    if kind == RATE || kind == OVERLOADED {
        response.insert_header((RETRY_AFTER, RETRY_AFTER_S));
    }
    response
        .insert_header((CACHE_CONTROL, "no-store"))
        .insert_header((X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .content_type("application/problem+json")
        .body(text(failure))
}

/// The problem document of a failure, which it logs.
pub(super) fn text(failure: &Failure) -> String {
    let kind = kind(failure);
    let detail = log_failure(failure, detail(failure));
    let field = field(failure);
    let (_, status, title) = kind;
    let conflict = if let Failure::Conflict { revision, current } = failure {
        Some((*revision, current))
    } else {
        None
    };
    let document = ProblemDocument {
        kind: urn(kind),
        title,
        status: status.as_u16(),
        detail: &detail,
        field: field.as_deref(),
        code: code(failure).map(Code::number),
        resync: (kind == RESYNC).then_some(true),
        revision: conflict.map(|(revision, _)| revision),
        current: conflict.map(|(_, current)| current),
    };
    // Texts and numbers can always be written as JSON.
    serde_json::to_string(&document).unwrap_or_default()
}

/// Logs a failure that no answer can tell.
pub(super) fn log(failure: &Failure) {
    drop(log_failure(failure, detail(failure)));
}

fn kind(failure: &Failure) -> Kind {
    match failure {
        Failure::UnknownPath | Failure::SdkAppIdMissing | Failure::SdkAppIdInvalid => NOT_FOUND,
        Failure::Method(_) => METHOD,
        Failure::BodyTooLarge => TOO_LARGE,
        Failure::CallerMissing(_) | Failure::UserSigEmpty | Failure::UserSig(_) => UNAUTHORIZED,
        Failure::AppDisabled | Failure::NotAdmin | Failure::UserAccess { .. } => FORBIDDEN,
        Failure::TooManyCalls { .. } => RATE,
        Failure::CursorUnknown => RESYNC,
        Failure::Conflict { .. } => CONFLICT,
        Failure::BodyUnreadable
        | Failure::UnknownCoding(_)
        | Failure::NotInflatable
        | Failure::Upgrade
        | Failure::AfterClose
        | Failure::NotJson(_)
        | Failure::AccountType { .. }
        | Failure::Parameter { .. }
        | Failure::ItemCount { .. }
        | Failure::AccountCount { .. }
        | Failure::ContactGroupNameLength { .. }
        | Failure::NotImportable => BAD_REQUEST,
        Failure::ContactGroupNameTaken { .. } => TAKEN,
        Failure::Fault(code) => fault::kind(*code),
        Failure::Service(error) => match error {
            Error::Refused(refusal) => kind_of(*refusal),
            Error::Overloaded(_) => OVERLOADED,
            Error::Unavailable(_) => UNAVAILABLE,
            Error::InDoubt(_) => IN_DOUBT,
            Error::Internal(_) => INTERNAL,
        },
    }
}

fn kind_of(refusal: Refusal) -> Kind {
    match refusal {
        Refusal::UnknownApp
        | Refusal::UnknownOwner
        | Refusal::UnknownPeer
        | Refusal::UnknownPeerGroup
        | Refusal::UnknownContactGroup
        | Refusal::UnknownAccount
        | Refusal::UnknownChatGroup => NOT_FOUND,
        Refusal::EditionTooLow => FORBIDDEN,
        Refusal::TooManyMarked { .. }
        | Refusal::TooManyGrouped { .. }
        | Refusal::TooManyPinned { .. }
        | Refusal::TooManyContactGroups { .. } => LIMIT,
        Refusal::ContactGroupNameTaken | Refusal::MarkNameTaken | Refusal::ChatGroupIdTaken => {
            TAKEN
        }
        Refusal::RevisionChanged => CONFLICT,
        Refusal::FeedOff => FEED_OFF,
        Refusal::Key(_) | Refusal::NumbersUsedUp | Refusal::NotLoaded => INTERNAL,
    }
}

/// The original has no code for what it does not have.
fn code(failure: &Failure) -> Option<Code> {
    let is_new = matches!(
        failure,
        Failure::CursorUnknown
            | Failure::Conflict { .. }
            | Failure::Service(Error::Refused(
                Refusal::RevisionChanged | Refusal::MarkNameTaken | Refusal::FeedOff
            ))
    );
    (!is_new).then(|| failure.code(Family::RecentContact))
}

fn detail(failure: &Failure) -> Cow<'static, str> {
    match failure {
        Failure::UnknownPath => "the native API has no such path".into(),
        Failure::Method(got) => format!("the path has no method {got}, see the header Allow").into(),
        Failure::BodyTooLarge => format!("the body must be at most {BODY_BYTES_MAX} bytes").into(),
        Failure::BodyUnreadable => "the body could not be read to its end".into(),
        Failure::Upgrade => "the connection stays HTTP, send the request without the header Upgrade".into(),
        Failure::UnknownCoding(got) => {
            format!("Content-Encoding must be gzip or deflate, got {got}").into()
        }
        Failure::NotInflatable => "the body is not encoded as Content-Encoding says".into(),
        Failure::AfterClose => "Connection: close was said before, no request follows it".into(),
        Failure::SdkAppIdMissing | Failure::SdkAppIdInvalid => "there is no such app".into(),
        Failure::CallerMissing(_) => "the header Authorization must be `Bearer` and a UserSig".into(),
        Failure::UserSigEmpty => "the UserSig is empty".into(),
        Failure::AppDisabled => "the app is disabled".into(),
        Failure::UserSig(flaw) => match flaw {
            Flaw::Undecodable(why) => format!("the UserSig cannot be read, perhaps it is cut short: {why}").into(),
            Flaw::Forged => "the UserSig was not made with a secret key of this app".into(),
            Flaw::OtherUser => "the UserSig was made for another identifier".into(),
            Flaw::OtherApp => "the UserSig was made for another app".into(),
            Flaw::Expired => "the UserSig has expired".into(),
        },
        Failure::NotAdmin => "the caller is neither an admin of the app nor this user".into(),
        Failure::UserAccess { needed, allowed } => {
            let (needed, allowed) = (needed.name(), allowed.name());
            format!("user_access of the app is {allowed}, and this needs {needed}").into()
        }
        Failure::TooManyCalls { max } => format!("more than {max} calls per second of this kind").into(),
        Failure::CursorUnknown => {
            "the cursor is too old, or of another user or database: read the state anew, and go on from its cursor".into()
        }
        Failure::Conflict { .. } => detail_of(Refusal::RevisionChanged),
        Failure::NotJson(why) => format!("the body is not JSON: {why}").into(),
        Failure::AccountType { got, .. } => format!("must be a string, got {got}").into(),
        Failure::Parameter { problem, .. } => problem.to_string().into(),
        Failure::ItemCount { min, max, got, .. } => {
            format!("must hold {min} to {max} items, got {got}").into()
        }
        Failure::AccountCount { got, .. } => format!("has a wrong number of items: {got}").into(),
        Failure::ContactGroupNameLength { max, got, .. } => {
            format!("must be 1 to {max} bytes of UTF-8, got {got}").into()
        }
        Failure::ContactGroupNameTaken { .. } => detail_of(Refusal::ContactGroupNameTaken),
        Failure::NotImportable => "cannot be imported".into(),
        Failure::Fault(_) => "a fault that POST /admin/v1/faults asked for".into(),
        Failure::Service(Error::Refused(refusal)) => detail_of(*refusal),
        Failure::Service(
            error @ (Error::Overloaded(_)
            | Error::Unavailable(_)
            | Error::InDoubt(_)
            | Error::Internal(_)),
        ) => error.to_string().into(),
    }
}

fn detail_of(refusal: Refusal) -> Cow<'static, str> {
    match refusal {
        Refusal::UnknownApp => "there is no such app".into(),
        Refusal::EditionTooLow => {
            "the edition of this app has no standard marks and no contact groups".into()
        }
        Refusal::UnknownOwner | Refusal::UnknownAccount => "the user is not imported, or deleted".into(),
        Refusal::UnknownPeer => "the other user is not imported, or deleted".into(),
        Refusal::UnknownPeerGroup | Refusal::UnknownChatGroup => {
            "there is no such chat group, or it was destroyed".into()
        }
        Refusal::TooManyMarked { max } => {
            format!("at most {max} conversations of a user can be marked").into()
        }
        Refusal::TooManyGrouped { max } => {
            format!("at most {max} conversations of a user can be in contact groups").into()
        }
        Refusal::TooManyPinned { max } => {
            format!("at most {max} conversations of a user can be pinned").into()
        }
        Refusal::TooManyContactGroups { max } => {
            format!("a user can have at most {max} contact groups").into()
        }
        Refusal::ContactGroupNameTaken => "the user has another contact group of that name".into(),
        Refusal::MarkNameTaken => "another mark of the app has this name".into(),
        Refusal::UnknownContactGroup => "the user has no such contact group".into(),
        Refusal::ChatGroupIdTaken => "the id is taken".into(),
        Refusal::RevisionChanged => {
            "the state has changed since the expected revision: look at it, and send the change again".into()
        }
        Refusal::FeedOff => {
            "the app's feed is off, or was turned on in the last 10 seconds; an operator turns it on".into()
        }
        Refusal::Key(_) | Refusal::NumbersUsedUp | Refusal::NotLoaded => {
            Error::from(refusal).to_string().into()
        }
    }
}

fn field(failure: &Failure) -> Option<String> {
    if let Failure::Parameter { path, .. }
    | Failure::AccountType { path, .. }
    | Failure::ItemCount { path, .. }
    | Failure::AccountCount { path, .. }
    | Failure::ContactGroupNameLength { path, .. } = failure
    {
        return Some(pointer(path));
    }
    None
}

/// A JSON pointer for a path such as `changes[3].set[1]`.
fn pointer(path: &str) -> String {
    match path {
        "body" => String::new(),
        path => format!("/{}", path.replace(['.', '['], "/").replace(']', "")),
    }
}
