//! Contact groups: the folders into which a user sorts conversations.

use smol_str::SmolStr;

use super::Problem;
use super::problem::check_text;

/// The name of a contact group (`GroupName`). Compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContactGroupName(SmolStr);

impl ContactGroupName {
    /// Accepts any text without NUL. [`ContactGroupName::fits`] checks the length.
    pub fn parse(text: &str) -> Result<Self, Problem> {
        check_text(text, 0..=u32::MAX).map(|()| Self(text.into()))
    }

    /// Whether a contact group may be given this name: 1 to `bytes_max` bytes of UTF-8.
    /// Look-ups accept any length, because a name that is too long finds no contact group.
    #[must_use]
    pub fn fits(&self, bytes_max: u32) -> bool {
        check_text(&self.0, 1..=bytes_max).is_ok()
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactGroup {
    /// `GroupId`: counts the contact groups that the user ever created, from 1. A number is never reused.
    pub id: u32,
    /// Unique among the user's contact groups.
    pub name: ContactGroupName,
    /// The user's own order, from 1. `None` until the user orders the contact groups; then it comes last, by id.
    pub rank: Option<u32>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(name: &str, fits: bool) {
        assert_eq!(ContactGroupName::parse(name).unwrap().fits(32), fits, "{name:?}");
    }

    #[test]
    fn a_name_is_measured_in_bytes() {
        check("", false);
        check("x", true);
        check(&"x".repeat(32), true);
        check(&"x".repeat(33), false);
        check("中中中中中中中中中中", true);
        check("中中中中中中中中中中中", false);
        assert!(ContactGroupName::parse("a\0").is_err());
    }
}
