//! Standard and custom marks, and changes to them.

use super::problem::check_text;
use super::{Conversation, Problem};
use crate::limits::MARK_BITS;

/// The number of a bit in a standard mark, from 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MarkBit(u8);

impl MarkBit {
    /// Accepts 0 to 63. Tencent reserves bits 4 to 31. We accept them, because published samples set them.
    ///
    /// ```
    /// # use earmark::domain::MarkBit;
    /// assert!(MarkBit::parse(63).is_ok());
    /// assert_eq!(MarkBit::parse(64).unwrap_err().to_string(), "64 is not a bit (0..63)");
    /// ```
    pub fn parse(number: i128) -> Result<Self, Problem> {
        match u8::try_from(number) {
            Ok(bit) if u64::from(bit) < MARK_BITS => Ok(Self(bit)),
            _ => Err(Problem::new(format!("{number} is not a bit (0..{})", MARK_BITS - 1))),
        }
    }

    #[must_use]
    pub fn number(self) -> u8 {
        self.0
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct StandardMark(u64);

impl StandardMark {
    /// Every number is a valid mark.
    #[must_use]
    pub fn new(bits: u64) -> Self {
        Self(bits)
    }

    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    #[must_use]
    pub fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// The bits that are set, lowest first.
    pub fn iter(self) -> impl Iterator<Item = MarkBit> {
        (0..64).filter(move |bit| self.0 & 1 << bit != 0).map(MarkBit)
    }

    /// `(mask | set) & !clear`, so a bit in both lists ends cleared.
    #[must_use]
    pub fn changed(self, change: BitChange) -> Self {
        Self((self.0 | change.set.0) & !change.clear.0)
    }
}

impl FromIterator<MarkBit> for StandardMark {
    fn from_iter<I: IntoIterator<Item = MarkBit>>(bits: I) -> Self {
        Self(bits.into_iter().fold(0, |mask, MarkBit(bit)| mask | 1 << bit))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BitChange {
    /// `SetMark`.
    pub set: StandardMark,
    /// `ClearMark`; wins over `set`.
    pub clear: StandardMark,
}

/// A text that the client attaches to a conversation. Empty means no custom mark.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CustomMark(Box<str>);

impl CustomMark {
    /// Accepts up to `bytes_max` bytes of UTF-8 without NUL. An empty text clears the mark.
    pub fn parse(text: impl Into<Box<str>>, bytes_max: u32) -> Result<Self, Problem> {
        let text = text.into();
        check_text(&text, 0..=bytes_max).map(|()| Self(text))
    }

    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<CustomMark> for Box<str> {
    fn from(mark: CustomMark) -> Self {
        mark.0
    }
}

/// A `MarkItem`. A mark that is `None` stays unchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MarkChange {
    pub conversation: Conversation,
    /// `OptType` 1 and 3.
    pub standard: Option<BitChange>,
    /// `OptType` 2 and 3.
    pub custom: Option<CustomMark>,
}

/// Several changes to one conversation's marks, combined in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CombinedMark<'c> {
    /// No bit is both set and cleared.
    pub bits: BitChange,
    /// The new custom mark; `None` leaves it unchanged.
    pub custom: Option<&'c CustomMark>,
    /// A later change reverses a part of an earlier one. Then at least one of the two changes the stored marks, so
    /// the time of the last change must be updated even if the final marks equal the stored ones.
    pub changes_anyway: bool,
}

impl<'c> CombinedMark<'c> {
    /// Appends a change. Returns false if the change adds nothing to the combined mark.
    pub fn add(&mut self, change: &'c MarkChange) -> bool {
        let before = *self;
        let BitChange { set, clear } = change.standard.unwrap_or_default();
        let (set, clear) = (set.0 & !clear.0, clear.0);
        let (was_set, was_clear) = (self.bits.set.0, self.bits.clear.0);
        self.changes_anyway |= set & was_clear != 0 || clear & was_set != 0;
        self.bits.set = StandardMark((was_set | set) & !clear);
        self.bits.clear = StandardMark((was_clear & !set) | clear);
        if let Some(custom) = &change.custom {
            self.changes_anyway |= self.custom.is_some_and(|earlier| earlier != custom);
            self.custom = Some(custom);
        }
        *self != before
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::domain::UserId;

    fn change(set: u64, clear: u64) -> BitChange {
        BitChange { set: StandardMark(set), clear: StandardMark(clear) }
    }

    #[track_caller]
    fn check(number: i128, good: bool) {
        assert_eq!(MarkBit::parse(number).is_ok(), good, "bit {number}");
    }

    #[test]
    fn bits_are_numbered_from_0_to_63() {
        check(-1, false);
        check(0, true);
        check(62, true);
        check(63, true);
        check(64, false);
        check(i128::MAX, false);
    }

    #[test]
    fn bit_63_is_the_highest_bit() {
        let mark: StandardMark = MarkBit::parse(63).into_iter().collect();
        assert_eq!(mark.bits(), 1 << 63);
    }

    #[test]
    fn a_custom_mark_is_measured_in_bytes() {
        assert!(CustomMark::parse("é".repeat(128), 256).is_ok());
        assert!(CustomMark::parse("é".repeat(128) + "x", 256).is_err());
        assert!(CustomMark::parse("a\0b", 256).is_err());
        assert!(CustomMark::parse("", 256).unwrap().is_empty());
    }

    proptest! {
        #[test]
        fn a_change_is_idempotent(mark: u64, set: u64, clear: u64) {
            let once = StandardMark(mark).changed(change(set, clear));
            prop_assert_eq!(once.changed(change(set, clear)), once);
        }

        /// A combined change gives the same marks as its changes one by one, and the same answer to "did anything
        /// change?".
        #[test]
        fn a_combined_change_equals_its_changes_applied_one_by_one(
            start: u8,
            custom in "[ab]?",
            changes in prop::collection::vec((any::<Option<(u8, u8)>>(), prop::option::of("[ab]?")), 1..5),
        ) {
            let conversation = Conversation::OneToOne(UserId::parse("peer", 32).unwrap());
            let changes: Vec<_> = changes.into_iter().map(|(bits, custom)| MarkChange {
                conversation: conversation.clone(),
                standard: bits.map(|(set, clear)| change(set.into(), clear.into())),
                custom: custom.map(|text| CustomMark::parse(text, 256).unwrap()),
            }).collect();
            let before = (StandardMark(start.into()), CustomMark::parse(custom, 256).unwrap());
            let (mut marks, mut has_changed) = (before.clone(), false);
            let mut combined = CombinedMark::default();
            for change in &changes {
                let bits = change.standard.unwrap_or_default();
                let next = (marks.0.changed(bits), change.custom.clone().unwrap_or(marks.1.clone()));
                has_changed |= next != marks;
                marks = next;
                combined.add(change);
            }
            let after = (before.0.changed(combined.bits), combined.custom.unwrap_or(&before.1).clone());
            prop_assert_eq!(&after, &marks);
            prop_assert_eq!(combined.bits.set.bits() & combined.bits.clear.bits(), 0);
            prop_assert_eq!(combined.changes_anyway || after != before, has_changed);
        }

        #[test]
        fn a_bit_in_both_lists_ends_cleared(mark: u64, set: u64, clear: u64) {
            let bits = StandardMark(mark).changed(change(set, clear)).bits();
            prop_assert_eq!(bits & set & clear, 0);
        }
    }
}
