//! The tokens of operators: each has a name and scopes.

use std::str::FromStr;

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use super::{Problem, SecretKey};

const NAME_CHARS_MAX: usize = 64;
/// Tools that search for leaked secrets find a token by it.
const TOKEN_PREFIX: &str = "earmark_";
/// Of 256 random bits.
const TOKEN_DIGITS: usize = 64;

/// What a token lets an operator do in the admin API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Scope {
    /// Look at apps, webhooks, users, refused requests and the audit trail.
    Read,
    /// Create, change, reset and delete apps and webhooks.
    Apps,
    /// Export and erase users.
    Users,
}

impl Scope {
    pub const ALL: [Self; 3] = [Self::Read, Self::Apps, Self::Users];

    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Apps => "apps",
            Self::Users => "users",
        }
    }
}

impl FromStr for Scope {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Problem::unless_named(&Self::ALL, Self::name, text)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenName(String);

impl TokenName {
    /// The name of the token in the setting `--operator-token`. No other token can have it.
    pub const OF_SETTING: &str = "operator-token";

    pub fn parse(text: &str) -> Result<Self, Problem> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.@".contains(&byte);
        if text.is_empty() || text.len() > NAME_CHARS_MAX || !text.bytes().all(is_plain) {
            return Err(Problem::new(format!(
                "must be 1 to {NAME_CHARS_MAX} letters, digits, `-`, `_`, `.` or `@`"
            )));
        }
        if text == Self::OF_SETTING {
            return Err(Problem::new("is the name of the token in the setting --operator-token"));
        }
        Ok(Self(text.to_owned()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The SHA-256 of a token. A token has 256 random bits, so no attacker can find it by trying, and a slow hash would protect nothing
/// more.
pub type TokenDigest = [u8; 32];

/// A token as its operator sends it. `Debug` does not print it.
#[derive(Debug)]
pub struct TokenSecret(SecretString);

impl TokenSecret {
    #[must_use]
    pub fn of_random_bytes(bytes: [u8; 32]) -> Self {
        let digits = SecretKey::of_random_bytes(bytes);
        Self(format!("{TOKEN_PREFIX}{}", digits.reveal()).into())
    }

    /// To show a new token to the operator.
    #[must_use]
    pub fn reveal(&self) -> &str {
        self.0.expose_secret()
    }

    #[must_use]
    pub fn digest(&self) -> TokenDigest {
        Sha256::digest(self.reveal()).into()
    }

    /// The digest of what a client sent. `None` if it has not the form of a token, and need not be looked up.
    #[must_use]
    pub fn digest_of_sent(sent: &[u8]) -> Option<TokenDigest> {
        let digits = sent.strip_prefix(TOKEN_PREFIX.as_bytes())?;
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let is_fit = digits.len() == TOKEN_DIGITS && digits.iter().all(is_digit);
        is_fit.then(|| Sha256::digest(sent).into())
    }
}

/// A token of an operator, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedToken {
    pub name: String,
    /// In the order of [`Scope::ALL`].
    pub scopes: Vec<Scope>,
    /// Unix seconds.
    pub created_at: u64,
    /// Unix seconds, up to a minute old. `None` if it was never used.
    pub last_used_at: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_found_by_what_its_operator_sends() {
        let token = TokenSecret::of_random_bytes([0xa7; 32]);
        let text = format!("earmark_{}", "a7".repeat(32));
        assert_eq!(token.reveal(), text);
        assert_eq!(TokenSecret::digest_of_sent(text.as_bytes()), Some(token.digest()));
        assert!(!format!("{token:?}").contains("a7a7"));
        for other in
            [&text[1..], &text[..71], &format!("{text}0"), &text.to_uppercase(), "", "earmark_"]
        {
            assert_eq!(TokenSecret::digest_of_sent(other.as_bytes()), None, "{other}");
        }
    }

    #[test]
    fn a_name_is_short_plain_and_not_that_of_the_setting() {
        for good in ["a", "deploy@ci", "a.b-c_D9", &"x".repeat(64)] {
            assert_eq!(TokenName::parse(good).unwrap().as_str(), good);
        }
        for bad in ["", "a b", "ä", "a\n", &"x".repeat(65), TokenName::OF_SETTING] {
            assert!(TokenName::parse(bad).is_err(), "{bad:?}");
        }
    }
}
