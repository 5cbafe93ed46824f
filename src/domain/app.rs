//! An app, the tenant of this service: edition, directory mode, secret keys, admins and limits.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::problem::check_text;
use super::{AppKey, MarkNames, Presence, Problem, Refusal, SdkAppId};
use crate::limits::{
    APP_NAME_CHARS_MAX, IDENTIFIER_BYTES_MAX, Limits, SECRET_KEY_BYTES_MAX, SECRET_KEY_BYTES_MIN,
};

/// The admin of a new app unless the operator names others.
const DEFAULT_ADMIN: &str = "administrator";

/// The plan of an app. `Trial` and `Standard` have no standard marks and no contact groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    Trial,
    Standard,
    Pro,
    ProPlus,
    Enterprise,
    /// A newer name of the highest plan.
    Ultimate,
    /// An older name of the highest plan.
    Premium,
}

impl Edition {
    /// Lowest first, then the other names of the highest.
    pub const ALL: [Self; 7] = [
        Self::Trial,
        Self::Standard,
        Self::Pro,
        Self::ProPlus,
        Self::Enterprise,
        Self::Ultimate,
        Self::Premium,
    ];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Standard => "standard",
            Self::Pro => "pro",
            Self::ProPlus => "pro_plus",
            Self::Enterprise => "enterprise",
            Self::Ultimate => "ultimate",
            Self::Premium => "premium",
        }
    }

    /// Also decides about contact groups.
    #[must_use]
    pub fn has_standard_marks(self) -> bool {
        !matches!(self, Self::Trial | Self::Standard)
    }
}

/// Which ids the app must import before a user's conversations can be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    /// None.
    Open,
    /// The user who owns the conversations.
    Owners,
    /// That user, and the other user or the chat group of each conversation.
    Strict,
}

impl Directory {
    /// Most lenient first.
    pub const ALL: [Self; 3] = [Self::Open, Self::Owners, Self::Strict];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Owners => "owners",
            Self::Strict => "strict",
        }
    }

    /// Whether a user who was never imported may have state.
    #[must_use]
    pub fn takes_anyone(self) -> bool {
        matches!(self, Self::Open)
    }
}

/// What users may do with their own state through the native API, with a UserSig of their own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum UserAccess {
    None,
    Read,
    Write,
}

impl UserAccess {
    /// Least first.
    pub const ALL: [Self; 3] = [Self::None, Self::Read, Self::Write];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Read => "read",
            Self::Write => "write",
        }
    }
}

/// A web site as browsers name it in the header `Origin`: scheme, host, and the port unless it is the scheme's own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Origin(String);

impl Origin {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_host = |host: &str| {
            (1..=255).contains(&host.len())
                && host.bytes().all(|byte| {
                    byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"-.:[]".contains(&byte)
                })
        };
        if host.is_some_and(is_host) {
            return Ok(Self(text.to_owned()));
        }
        Err(Problem::new(
            "must be an origin, such as https://chat.example.com or http://localhost:3000",
        ))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// What operators call an app. Empty if it has no name. Two apps may have the same.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AppName(String);

impl AppName {
    /// Accepts a text that fits into a line, without white space at the start or the end.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.trim() != text || text.chars().any(char::is_control) {
            return Err(Problem::new(
                "must have no white space around it and no control characters in it",
            ));
        }
        let got = text.chars().count();
        if got > APP_NAME_CHARS_MAX {
            return Err(Problem::new(format!(
                "must be at most {APP_NAME_CHARS_MAX} characters, got {got}"
            )));
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for AppName {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::parse(text)
    }
}

impl FromStr for UserAccess {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Problem::unless_named(&Self::ALL, Self::name, text)
    }
}

impl FromStr for Origin {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::parse(text)
    }
}

impl FromStr for Edition {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Problem::unless_named(&Self::ALL, Self::name, text)
    }
}

impl FromStr for Directory {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Problem::unless_named(&Self::ALL, Self::name, text)
    }
}

/// The key that signs an app's UserSigs. `Debug` does not print it.
#[derive(Debug, Clone)]
pub struct SecretKey(SecretString);

impl SecretKey {
    /// Accepts 16 to 1,024 bytes without NUL, and without white space at the start or the end.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.trim() != text || text.contains('\0') {
            return Err(Problem::new("must have no white space around it and no NUL in it"));
        }
        if text.len() < SECRET_KEY_BYTES_MIN {
            return Err(Problem::new(format!("must be at least {SECRET_KEY_BYTES_MIN} bytes")));
        }
        if text.len() > SECRET_KEY_BYTES_MAX {
            return Err(Problem::new(format!("must be at most {SECRET_KEY_BYTES_MAX} bytes")));
        }
        Ok(Self(text.into()))
    }

    /// Formats random bytes as 64 hex digits, the format of Tencent's keys.
    #[must_use]
    pub fn of_random_bytes(bytes: [u8; 32]) -> Self {
        let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
        let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        Self(digits.collect::<String>().into())
    }

    /// The key in plain text: to sign, to store, and to show a new key to the operator.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }
}

/// The time of a comparison depends on the lengths of the keys, and on nothing else.
impl PartialEq for SecretKey {
    fn eq(&self, other: &Self) -> bool {
        self.reveal().as_bytes().ct_eq(other.reveal().as_bytes()).into()
    }
}

impl Eq for SecretKey {}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct App {
    pub sdk_app_id: SdkAppId,
    pub name: AppName,
    pub edition: Edition,
    pub directory: Directory,
    pub disabled: bool,
    /// The newest key, which signs.
    pub key: AppKey,
    /// The key before the last rotation. UserSigs signed with it stay valid until an operator retires the key.
    pub previous_key: Option<AppKey>,
    /// The identifiers that may call, sorted.
    pub admins: Vec<String>,
    pub limits: Limits,
    pub user_access: UserAccess,
    /// Web sites whose pages may call the native API, sorted.
    pub allowed_origins: Vec<Origin>,
    pub marks: MarkNames,
    /// Whether changes are appended to the app's feed.
    pub feed: bool,
}

impl App {
    #[must_use]
    pub fn new(sdk_app_id: SdkAppId, secret_key: SecretKey) -> Self {
        Self {
            sdk_app_id,
            name: AppName::default(),
            edition: Edition::Premium,
            directory: Directory::Open,
            disabled: false,
            key: secret_key.into(),
            previous_key: None,
            admins: vec![DEFAULT_ADMIN.to_owned()],
            limits: Limits::default(),
            user_access: UserAccess::None,
            allowed_origins: Vec::new(),
            marks: MarkNames::default(),
            feed: false,
        }
    }

    /// Accepts 1 to 255 bytes of UTF-8 without NUL as the name of an admin.
    pub fn check_admin(name: &str) -> Result<String, Problem> {
        check_text(name, 1..=IDENTIFIER_BYTES_MAX).map(|()| name.to_owned())
    }

    /// Refuses a deleted user, and in the modes `owners` and `strict` also a user who was never imported.
    pub fn check_owner(&self, presence: Presence) -> Result<(), Refusal> {
        let exists = match self.directory {
            Directory::Open => presence != Presence::Gone,
            Directory::Owners | Directory::Strict => presence == Presence::Present,
        };
        if exists { Ok(()) } else { Err(Refusal::UnknownOwner) }
    }

    #[must_use]
    pub fn has_admin(&self, identifier: &str) -> bool {
        self.admins.iter().any(|admin| admin == identifier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_fits_into_a_line() {
        for good in ["", "Chat of Müller & Söhne", "x", &"ü".repeat(APP_NAME_CHARS_MAX)] {
            assert_eq!(AppName::parse(good).unwrap().as_str(), good);
        }
        for bad in [" x", "x ", "a\nb", "a\0b", &"ü".repeat(APP_NAME_CHARS_MAX + 1)] {
            assert!(AppName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
