//! Names of marks, for the native API.

use std::collections::BTreeMap;

use super::problem::check_text;
use super::{MarkBit, Problem, StandardMark};
use crate::limits::MARK_NAME_BYTES_MAX;

/// Tencent's names of the first bits.
const STANDARD: [&str; 4] = ["favorite", "unread", "collapsed", "hidden"];
/// The first bit that a customer may name. Tencent has the bits before it.
const FIRST_FREE: u8 = 32;

/// A name of a mark: 1 to 32 bytes of UTF-8, and none of Tencent's names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkName(Box<str>);

impl MarkName {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        check_text(text, 1..=MARK_NAME_BYTES_MAX)?;
        if STANDARD.contains(&text) {
            return Err(Problem::new(format!("{text} is the name of a standard mark")));
        }
        Ok(Self(text.into()))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A colour as in CSS: `#rgb` or `#rrggbb`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Color(Box<str>);

impl Color {
    pub fn parse(text: &str) -> Result<Self, Problem> {
        let is_color = text.strip_prefix('#').is_some_and(|digits| {
            [3, 6].contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_hexdigit())
        });
        if is_color { Ok(Self(text.into())) } else { Err(Problem::new("must be #rgb or #rrggbb")) }
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedMark {
    pub name: MarkName,
    pub color: Option<Color>,
}

/// The names that an app has given to bits of its own.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MarkNames(BTreeMap<MarkBit, NamedMark>);

impl MarkNames {
    /// Accepts bits 32 to 63.
    pub fn check_bit(bit: MarkBit) -> Result<MarkBit, Problem> {
        if bit.number() < FIRST_FREE {
            return Err(Problem::new(format!("must be a bit of the app's own ({FIRST_FREE}..63)")));
        }
        Ok(bit)
    }

    /// Names a bit. Returns false if another bit has the name.
    #[must_use]
    pub fn insert(&mut self, bit: MarkBit, mark: NamedMark) -> bool {
        let is_taken = self.0.iter().any(|(other, taken)| *other != bit && taken.name == mark.name);
        if !is_taken {
            self.0.insert(bit, mark);
        }
        !is_taken
    }

    pub fn remove(&mut self, bit: MarkBit) {
        self.0.remove(&bit);
    }

    /// Tencent's bits that have a name.
    pub fn standard() -> impl Iterator<Item = (MarkBit, &'static str)> {
        StandardMark::new(u64::MAX).iter().zip(STANDARD)
    }

    /// In the order of the bits.
    pub fn iter(&self) -> impl Iterator<Item = (MarkBit, &NamedMark)> {
        self.0.iter().map(|(bit, mark)| (*bit, mark))
    }

    #[must_use]
    pub fn name(&self, bit: MarkBit) -> Option<&str> {
        let standard = STANDARD.get(usize::from(bit.number())).copied();
        standard.or_else(|| self.0.get(&bit).map(|mark| mark.name.as_str()))
    }

    #[must_use]
    pub fn bit(&self, name: &str) -> Option<MarkBit> {
        let standard = Self::standard().find(|(_, other)| *other == name);
        let own = || self.iter().find(|(_, mark)| mark.name.as_str() == name);
        standard.map(|(bit, _)| bit).or_else(|| own().map(|(bit, _)| bit))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bit(number: i128) -> MarkBit {
        MarkBit::parse(number).unwrap()
    }

    fn named(name: &str) -> NamedMark {
        NamedMark { name: MarkName::parse(name).unwrap(), color: None }
    }

    #[test]
    fn a_name_leads_to_its_bit_and_back() {
        let mut names = MarkNames::default();
        assert!(names.insert(bit(40), named("vip")));
        for (number, name) in
            [(0, "favorite"), (1, "unread"), (2, "collapsed"), (3, "hidden"), (40, "vip")]
        {
            assert_eq!(names.name(bit(number)), Some(name));
            assert_eq!(names.bit(name), Some(bit(number)));
        }
        assert_eq!(names.name(bit(4)), None);
        assert_eq!(names.bit("none"), None);
    }

    #[test]
    fn a_name_belongs_to_one_bit() {
        let mut names = MarkNames::default();
        assert!(names.insert(bit(40), named("vip")));
        assert!(!names.insert(bit(41), named("vip")));
        assert!(names.insert(bit(40), named("vip")), "its own");
        names.remove(bit(40));
        assert!(names.insert(bit(41), named("vip")));
    }

    #[test]
    fn a_name_a_color_and_a_bit_are_checked() {
        for (name, is_good) in [("", false), ("favorite", false), ("ü", true), ("a\0", false)] {
            assert_eq!(MarkName::parse(name).is_ok(), is_good, "{name}");
        }
        assert!(
            MarkName::parse(&"x".repeat(32)).is_ok() && MarkName::parse(&"x".repeat(33)).is_err()
        );
        for (color, is_good) in
            [("#c00", true), ("#CC0000", true), ("#cc00", false), ("c00", false), ("#ggg", false)]
        {
            assert_eq!(Color::parse(color).is_ok(), is_good, "{color}");
        }
        assert!(MarkNames::check_bit(bit(32)).is_ok() && MarkNames::check_bit(bit(31)).is_err());
    }
}
