//! A user's state (marks, contact groups and pins), and the rules for changing it.
//!
//! Only the conversations that a change touches are loaded. The change is applied in memory. Then the store saves the
//! differences.
//!
//! # Rows, places and limits
//!
//! A conversation without marks, contact groups and pin is empty, but its row stays stored for a while. Once a
//! conversation has been marked, its row holds a place until the row is removed, even if the marks are cleared. So
//! a user never has more marked conversations than places. While the places are within the limit, marks need no
//! counting.
//!
//! Near the limit, the store removes the oldest empty rows. Then it counts the remaining rows that hold a place but do
//! not count against the limit: rows without a mark, and rows with a deleted user or a destroyed chat group. With that
//! number, [`UserState::exempt`], the limit is exact.

mod conversation_state;
mod erasing;
mod groups;
mod marks;
mod numbers;
mod patches;
mod pins;
mod stored;

use std::collections::{BTreeMap, BTreeSet};

pub use conversation_state::{ConversationState, Counts, Entry};
pub use numbers::{Growth, Numbers};
pub use stored::{AccountValues, StoredConversation, StoredGroup, StoredUser};

use super::{App, ContactGroup, Conversation, Directory, Refusal};
use crate::limits::Limits;

/// Whether the directory has a user or a chat group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Presence {
    /// Never imported or created.
    #[default]
    Unknown,
    /// Imported or created.
    Present,
    /// Deleted or destroyed.
    Gone,
}

#[derive(Debug, Clone, Default)]
pub struct UserState {
    pub owner: Presence,
    /// The user's row. `revision` is the stored one: the store increments it when it saves the state.
    pub numbers: Numbers,
    /// The part of the counts that does not count against the limits. Covers only the loaded conversations until
    /// [`UserState::load_taken`], which the caller needs near a limit.
    pub exempt: Counts,
    /// The user's contact groups; empty unless a change needs them.
    pub groups: Vec<ContactGroup>,
    pub entries: BTreeMap<Conversation, Entry>,
    /// The store must delete the account and all stored state.
    pub deleted: bool,
    stored_numbers: Numbers,
    stored_groups: Vec<ContactGroup>,
    edits: u64,
    edits_groups: bool,
    /// Ids of contact groups that got another name. A later change may have given the old name back.
    renamed: BTreeSet<u32>,
}

impl UserState {
    /// A state with only the user's row. The store adds the rest with the `load_` functions.
    #[must_use]
    pub fn of(numbers: Numbers) -> Self {
        Self { numbers, stored_numbers: numbers, ..Self::default() }
    }

    /// Adds a stored conversation. Call this before applying a change.
    pub fn load_entry(&mut self, conversation: Conversation, entry: Entry) {
        let row = entry.before.as_ref();
        let exempt = Counts::of(row).minus(entry.taken(row));
        if self.entries.insert(conversation, entry).is_none() {
            self.exempt = self.exempt.plus(exempt);
        }
    }

    pub fn load_groups(&mut self, groups: Vec<ContactGroup>) {
        self.stored_groups.clone_from(&groups);
        self.groups = groups;
    }

    /// Whether the store must save the state. It then also saves the user's row, because the revision grows.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.edits > 0 || self.numbers != self.stored_numbers
    }

    /// How many edits the changes have made. It grows with each change that is not without effect, also if a later one undoes it.
    #[must_use]
    pub fn edits(&self) -> u64 {
        self.edits
    }

    /// Whether the contact groups have changed, or which conversations are in them.
    #[must_use]
    pub fn changes_groups(&self) -> bool {
        self.edits_groups
    }

    /// Whether changes that increase these counts could reach a limit. If so, call [`UserState::load_taken`] first.
    #[must_use]
    pub fn is_near_a_limit(&self, limits: &Limits, grows: Growth) -> bool {
        let taken = self.numbers.counts.minus(self.exempt);
        let most = self.entries.values().fold(taken, |most, entry| {
            let own = entry.taken(entry.before.as_ref());
            let possible = Counts { rows: 0, marked: 1, grouped: 1, pinned: 1 };
            most.plus(possible.minus(own))
        });
        let max = Counts::max(limits);
        grows.marked && most.marked > max.marked
            || grows.grouped && most.grouped > max.grouped
            || grows.pinned && most.pinned > max.pinned
    }

    /// How many empty rows to remove before changes that increase these counts, to keep places and rows within their
    /// limits.
    ///
    /// Places and rows may exceed them until the next change, if a removed row held no place or the change creates it
    /// again. The limits that clients see stay exact.
    #[must_use]
    pub fn rows_to_forget(&self, limits: &Limits, grows: Growth) -> u32 {
        let new = |has: fn(&ConversationState) -> bool| {
            let rows = self.entries.values().map(|entry| entry.before.as_ref());
            u32::try_from(rows.filter(|row| !row.is_some_and(has)).count()).unwrap_or(u32::MAX)
        };
        let (counts, max) = (self.numbers.counts, Counts::max(limits));
        let places = counts.marked.saturating_add(new(|kept| kept.holds_place));
        let places = if grows.marked { places.saturating_sub(max.marked) } else { 0 };
        let rows = counts.rows.saturating_add(new(|_| true));
        let rows = if grows == Growth::default() { 0 } else { rows.saturating_sub(max.rows) };
        places.max(rows)
    }

    /// Whether to remove old empty rows, too: once per 64 new conversations of the user.
    #[must_use]
    pub fn is_due_to_forget(&self) -> bool {
        const NEW_ROWS: u32 = 64;
        let new = self.entries.values().filter(|entry| entry.before.is_none()).count();
        let (next, new) = (self.numbers.next_position, u32::try_from(new).unwrap_or(u32::MAX));
        next / NEW_ROWS != next.saturating_add(new) / NEW_ROWS
    }

    /// Updates the state after the store removed an empty row. Call this before applying a change.
    pub fn note_removed(
        &mut self,
        conversation: &Conversation,
        held_place: bool,
        changed_revision: u64,
    ) {
        if let Some(entry) = self.entries.get_mut(conversation) {
            self.exempt = self.exempt.minus(Counts::of(entry.before.as_ref()));
            *entry = Entry::loaded(None, entry.peer);
        }
        let numbers = &mut self.numbers;
        let removed = Counts { rows: 1, marked: held_place.into(), ..Counts::default() };
        numbers.counts = numbers.counts.minus(removed);
        numbers.forgotten_revision = numbers.forgotten_revision.max(changed_revision);
    }

    /// Makes [`UserState::exempt`] exact. `others` is what the conversations that are not loaded count against the
    /// limits. Loaded conversations keep the presence with which they were loaded. Call this before applying a change.
    pub fn load_taken(&mut self, others: Counts) {
        let taken = self
            .entries
            .values()
            .fold(others, |taken, entry| taken.plus(entry.taken(entry.before.as_ref())));
        self.exempt = self.numbers.counts.minus(taken);
    }

    /// The highest value that each count may have. It is never below the stored count, because an operator may have
    /// lowered the limit.
    #[must_use]
    pub fn room(&self, limits: &Limits) -> Counts {
        Counts::max(limits).plus(self.exempt).each(self.stored_numbers.counts, u32::max)
    }

    /// Refuses a deleted user or a destroyed chat group. The mode `strict` also refuses one that was never imported or
    /// created.
    fn check_peer(&self, app: &App, conversation: &Conversation) -> Result<(), Refusal> {
        let peer = self.entries.get(conversation).map(|entry| entry.peer).unwrap_or_default();
        let exists = match app.directory {
            Directory::Open | Directory::Owners => peer != Presence::Gone,
            Directory::Strict => peer == Presence::Present,
        };
        match conversation {
            _ if exists => Ok(()),
            Conversation::OneToOne(_) => Err(Refusal::UnknownPeer),
            Conversation::Group(_) => Err(Refusal::UnknownPeerGroup),
        }
    }

    /// Every change of a conversation goes through here, which maintains counts, limits, places and times. `edit` gets
    /// the row and the next free position.
    fn change(
        &mut self,
        limits: &Limits,
        conversation: &Conversation,
        now: u64,
        edit: impl FnOnce(&mut ConversationState, &mut u32) -> Result<(), Refusal>,
    ) -> Result<(), Refusal> {
        let entry = self.entries.get_mut(conversation).ok_or(Refusal::NotLoaded)?;
        let before = entry.after.clone().unwrap_or_default();
        let (mut after, mut next_position) = (before.clone(), self.numbers.next_position);
        edit(&mut after, &mut next_position)?;
        if after == before {
            return Ok(());
        }
        after.holds_place |= after.is_marked();
        if after.position.is_none() && (after.is_marked() || after.is_grouped()) {
            after.position = Some(take(&mut next_position)?);
        }
        if !after.has_marks_and_groups_of(&before) || before.is_empty() || after.is_empty() {
            after.changed_at = now;
        }

        let (old, new) = (entry.after.as_ref(), Some(&after));
        let moves = after.group_ids != before.group_ids;
        let (had, has) = (entry.taken(old), entry.taken(new));
        let counts = self.numbers.counts.plus(Counts::of(new)).minus(Counts::of(old));
        let exempt = self.exempt.plus(Counts::of(new).minus(has));
        let exempt = exempt.minus(Counts::of(old).minus(had));
        let taken = counts.minus(exempt);
        if has.marked > had.marked && taken.marked > limits.marked {
            return Err(Refusal::TooManyMarked { max: limits.marked });
        }
        if has.grouped > had.grouped && taken.grouped > limits.grouped {
            return Err(Refusal::TooManyGrouped { max: limits.grouped });
        }
        if has.pinned > had.pinned && taken.pinned > limits.pinned {
            return Err(Refusal::TooManyPinned { max: limits.pinned });
        }
        self.exempt = exempt;
        self.numbers.counts = counts;
        self.numbers.next_position = next_position;
        self.edits += 1;
        self.edits_groups |= moves;
        entry.is_edited = true;
        entry.after = Some(after);
        Ok(())
    }

    fn note_groups_edit(&mut self) {
        self.edits += 1;
        self.edits_groups = true;
    }
}

/// Takes the next number of a sequence. Clients store the numbers in a signed 32-bit integer.
fn take(next: &mut u32) -> Result<u32, Refusal> {
    let number = *next;
    if number >= i32::MAX as u32 {
        return Err(Refusal::NumbersUsedUp);
    }
    *next = number + 1;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CustomMark, MarkChange, SdkAppId, SecretKey, UserId};

    pub(super) fn app(directory: Directory, marked: u32) -> App {
        let key = SecretKey::parse("0123456789abcdef").unwrap();
        let limits = Limits { marked, ..Limits::default() };
        App { directory, limits, ..App::new(SdkAppId::new(1).unwrap(), key) }
    }

    pub(super) fn peer(nr: usize) -> Conversation {
        Conversation::OneToOne(UserId::parse(format!("peer{nr}"), 32).unwrap())
    }

    pub(super) fn custom(conversation: Conversation, text: &str) -> MarkChange {
        let custom = Some(CustomMark::parse(text, 256).unwrap());
        MarkChange { conversation, standard: None, custom }
    }

    /// A user with `marked` places, of which `exempt` do not count against the limit. Ten conversations without a row
    /// are loaded.
    pub(super) fn state(marked: u32, exempt: u32, peer_presence: Presence) -> UserState {
        let counts = Counts { rows: marked, marked, ..Counts::default() };
        let mut state = UserState::of(Numbers { counts, ..Numbers::default() });
        for nr in 0..10 {
            state.load_entry(peer(nr), Entry::loaded(None, peer_presence));
        }
        state.exempt.marked = exempt;
        state
    }

    fn marked_row() -> ConversationState {
        let custom = CustomMark::parse("x", 256).unwrap();
        ConversationState {
            custom,
            holds_place: true,
            position: Some(1),
            ..ConversationState::default()
        }
    }

    fn empty_row() -> ConversationState {
        ConversationState { custom: CustomMark::default(), ..marked_row() }
    }

    #[test]
    fn empty_rows_and_rows_with_deleted_users_are_exempt() {
        let mut state = state(5, 0, Presence::Present);
        for (nr, row, presence) in [
            (0, marked_row(), Presence::Gone),
            (1, marked_row(), Presence::Present),
            (2, marked_row(), Presence::Unknown),
            (3, empty_row(), Presence::Present),
        ] {
            state.entries.remove(&peer(nr));
            state.load_entry(peer(nr), Entry::loaded(Some(row), presence));
        }
        assert_eq!(state.exempt.marked, 2, "the loaded rows are known without counting");
        // Four of the five rows are loaded. Two of them count against the limit, and so does the fifth.
        state.load_taken(Counts { rows: 1, marked: 1, ..Counts::default() });
        assert_eq!(state.exempt.marked, 2);
        state.load_taken(Counts::default());
        assert_eq!(state.exempt.marked, 3, "the fifth row does not count either");
    }

    #[track_caller]
    fn check_rows_to_forget(
        marked: u32,
        rows: u32,
        loaded: Option<ConversationState>,
        expected: u32,
    ) {
        let limits = Limits { marked: 10, grouped: 3, pinned: 2, ..Limits::default() };
        let counts = Counts { rows, marked, ..Counts::default() };
        let mut state = UserState::of(Numbers { counts, ..Numbers::default() });
        state.load_entry(peer(0), Entry::loaded(loaded, Presence::Unknown));
        let grows = Growth { marked: true, ..Growth::default() };
        assert_eq!(state.rows_to_forget(&limits, grows), expected, "{marked} of {rows}");
        let pins = Growth { pinned: true, ..Growth::default() };
        let of_rows = (rows + 1).saturating_sub(15);
        assert_eq!(state.rows_to_forget(&limits, pins), of_rows, "a pin takes no place");
        assert_eq!(state.rows_to_forget(&limits, Growth::default()), 0, "no count grows");
    }

    #[test]
    fn empty_rows_are_removed_when_places_or_rows_run_out() {
        check_rows_to_forget(9, 9, None, 0);
        check_rows_to_forget(10, 10, None, 1);
        check_rows_to_forget(10, 10, Some(empty_row()), 0);
        check_rows_to_forget(12, 12, Some(empty_row()), 2);
        check_rows_to_forget(0, 14, None, 0);
        check_rows_to_forget(0, 15, None, 1);
    }

    #[test]
    fn a_removed_row_lowers_the_counts_and_raises_forgotten_revision() {
        let mut state = state(5, 0, Presence::Present);
        state.entries.remove(&peer(0));
        state.load_entry(peer(0), Entry::loaded(Some(empty_row()), Presence::Present));
        state.note_removed(&peer(0), true, 7);
        state.note_removed(&peer(77), false, 5);
        assert_eq!(state.entries[&peer(0)].before, None);
        assert_eq!((state.numbers.counts.rows, state.numbers.counts.marked), (3, 4));
        assert_eq!((state.numbers.forgotten_revision, state.exempt.marked), (7, 0));
    }
}
