//! Conversation groups: the folders that a user sorts conversations into.

use smol_str::SmolStr;

use super::Problem;
use super::problem::check_text;

/// The name of a conversation group (`GroupName`). Compared byte for byte.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ContactGroupName(SmolStr);

impl ContactGroupName {
    /// Accepts any text without NUL. Its length is a matter of its own, see [`ContactGroupName::fits`].
    pub fn parse(text: &str) -> Result<Self, Problem> {
        check_text(text, 0..=u32::MAX).map(|()| Self(text.into()))
    }

    /// The name may be given to a group: it has 1 to `bytes_max` bytes of UTF-8. A group of any other name is not there.
    #[must_use]
    pub fn fits(&self, bytes_max: u32) -> bool {
        check_text(&self.0, 1..=bytes_max).is_ok()
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A user's conversation group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContactGroup {
    /// Its number among all that the user ever had, from 1 (`GroupId`).
    pub id: u32,
    /// Its name among those that the user has.
    pub name: ContactGroupName,
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
