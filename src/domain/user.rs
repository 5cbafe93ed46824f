//! The ids of apps and users.

use std::fmt;

use smol_str::SmolStr;

use super::Problem;
use super::problem::check_text;

/// `sdkappid`: the number of an app, at least 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SdkAppId(i64);

impl SdkAppId {
    pub fn new(number: i64) -> Result<Self, Problem> {
        if number > 0 { Ok(Self(number)) } else { Err(Problem::new("must be a positive integer")) }
    }

    #[must_use]
    pub fn number(self) -> i64 {
        self.0
    }
}

impl std::str::FromStr for SdkAppId {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        Self::new(text.parse().unwrap_or(0))
    }
}

impl fmt::Display for SdkAppId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(out)
    }
}

/// A user's name within an app (`UserID`, `From_Account`, `To_Account`). Compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserId(SmolStr);

impl UserId {
    /// Accepts 1 to `bytes_max` bytes of UTF-8 without NUL.
    pub fn parse(text: impl AsRef<str> + Into<SmolStr>, bytes_max: u32) -> Result<Self, Problem> {
        check_text(text.as_ref(), 1..=bytes_max).map(|()| Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user among the users of all apps. Each `UserKey` has one state and one lock.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct UserKey {
    pub sdk_app_id: SdkAppId,
    pub user_id: UserId,
}
