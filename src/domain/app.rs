//! An app: its edition, its directory, its keys, its admins, its limits.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::problem::check_text;
use super::{Problem, SdkAppId, Standing};
use crate::error::Error;
use crate::limits::{IDENTIFIER_BYTES_MAX, Limits, SECRET_KEY_BYTES_MIN};

/// The admin that an app has when none is named.
const DEFAULT_ADMIN: &str = "administrator";

/// What an app has paid for; decides who may write standard marks and conversation groups.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Edition {
    /// Custom marks only.
    Trial,
    /// Custom marks only.
    Standard,
    /// Everything.
    Pro,
    /// Everything.
    ProPlus,
    /// Everything.
    Enterprise,
    /// Everything; the older name.
    Premium,
}

impl Edition {
    /// All editions, lowest first.
    pub const ALL: [Self; 6] =
        [Self::Trial, Self::Standard, Self::Pro, Self::ProPlus, Self::Enterprise, Self::Premium];

    /// The name that operators and the database use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Trial => "trial",
            Self::Standard => "standard",
            Self::Pro => "pro",
            Self::ProPlus => "pro_plus",
            Self::Enterprise => "enterprise",
            Self::Premium => "premium",
        }
    }

    /// Standard marks and conversation groups may be written.
    #[must_use]
    pub fn has_standard_marks(self) -> bool {
        !matches!(self, Self::Trial | Self::Standard)
    }
}

/// Who has to be imported before their conversations can be marked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Directory {
    /// Nobody.
    Open,
    /// The user whose conversations they are.
    Owners,
    /// That user, the other user, and the chat group.
    Strict,
}

impl Directory {
    /// All modes, most lenient first.
    pub const ALL: [Self; 3] = [Self::Open, Self::Owners, Self::Strict];

    /// The name that operators and the database use.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Owners => "owners",
            Self::Strict => "strict",
        }
    }

    /// A user may have state without having been imported.
    #[must_use]
    pub fn takes_anyone(self) -> bool {
        matches!(self, Self::Open)
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

/// The text that an app's UserSigs are signed with. `Debug` does not show it.
#[derive(Debug, Clone)]
pub struct SecretKey(SecretString);

impl SecretKey {
    /// Accepts a text of at least 16 bytes, without white space around it or NUL in it.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        if text.trim() != text || text.contains('\0') {
            return Err(Problem::new("must have no white space around it and no NUL in it"));
        }
        if text.len() < SECRET_KEY_BYTES_MIN {
            return Err(Problem::new(format!("must be at least {SECRET_KEY_BYTES_MIN} bytes")));
        }
        Ok(Self(text.into()))
    }

    /// The key of 32 random bytes, in the original's form: 64 hex digits.
    #[must_use]
    pub fn of_random_bytes(bytes: [u8; 32]) -> Self {
        let digit = |nibble: u8| char::from_digit(nibble.into(), 16).unwrap_or_default();
        let digits = bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]);
        Self(digits.collect::<String>().into())
    }

    /// The text: for signing, for the database, and for showing to the operator who made it.
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

/// An app as callers meet it.
#[derive(Debug, Clone)]
pub struct App {
    /// Its number.
    pub sdk_app_id: SdkAppId,
    /// What it may write.
    pub edition: Edition,
    /// Who has to exist.
    pub directory: Directory,
    /// Nobody may call.
    pub disabled: bool,
    /// The key that new UserSigs are signed with.
    pub secret_key: SecretKey,
    /// The key before the last rotation, good until it is retired.
    pub previous_secret_key: Option<SecretKey>,
    /// Who may call, sorted.
    pub admins: Vec<String>,
    /// What its users may keep.
    pub limits: Limits,
}

impl App {
    /// An app as it is when nobody says otherwise.
    #[must_use]
    pub fn new(sdk_app_id: SdkAppId, secret_key: SecretKey) -> Self {
        Self {
            sdk_app_id,
            edition: Edition::Premium,
            directory: Directory::Owners,
            disabled: false,
            secret_key,
            previous_secret_key: None,
            admins: vec![DEFAULT_ADMIN.to_owned()],
            limits: Limits::default(),
        }
    }

    /// Accepts 1 to 255 bytes of UTF-8 without NUL as the name of an admin.
    pub fn check_admin(name: &str) -> Result<String, Problem> {
        check_text(name, 1..=IDENTIFIER_BYTES_MAX).map(|()| name.to_owned())
    }

    /// The keys that a UserSig may be signed with, newest first.
    pub fn secret_keys(&self) -> impl Iterator<Item = &SecretKey> {
        std::iter::once(&self.secret_key).chain(&self.previous_secret_key)
    }

    /// A user of this standing may have state: imported where the directory demands it, and never deleted.
    pub fn check_owner(&self, standing: Standing) -> Result<(), Error> {
        let exists = match self.directory {
            Directory::Open => standing != Standing::Dead,
            Directory::Owners | Directory::Strict => standing == Standing::Alive,
        };
        if exists { Ok(()) } else { Err(Error::UnknownUser) }
    }

    /// `identifier` may call.
    #[must_use]
    pub fn has_admin(&self, identifier: &str) -> bool {
        self.admins.iter().any(|admin| admin == identifier)
    }
}
