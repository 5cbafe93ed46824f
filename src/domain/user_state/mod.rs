//! A user's own state about conversations, and the rules for changing it.
//!
//! The state is loaded piece by piece: only the conversations that a change touches. A change is applied in memory, and
//! what differs afterwards is saved.
//!
//! # Rows, places and room
//!
//! A conversation whose marks, contact groups and pin are all gone is empty, but its row stays for a while. Once it was
//! marked, its row holds a place among the marked, whatever becomes of it. While the places do not exceed the limit, neither
//! do the marks, so marks can be set and cleared without counting. Near a limit, the store first removes the oldest empty
//! rows; what is left and takes no room (an unmarked row that holds a place, a row whose other end is gone) is then known
//! as [`UserState::exempt`], and the limit is exact.

mod groups;
mod kept;
mod marks;
mod pins;

use std::collections::BTreeMap;

pub use kept::{Counts, Entry, Kept};

use super::{App, Applied, ContactGroup, Conversation, Directory};
use crate::error::Error;
use crate::limits::Limits;

/// What the directory says of a user or a chat group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Never imported or created.
    #[default]
    Unknown,
    /// Imported or created.
    Alive,
    /// Deleted or destroyed.
    Dead,
}

/// Which counts a change can make grow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Growth {
    /// Of marked conversations.
    pub marked: bool,
    /// Of grouped ones.
    pub grouped: bool,
    /// Of pinned ones.
    pub pinned: bool,
}

impl Growth {
    /// What either can make grow.
    #[must_use]
    pub fn or(self, other: Self) -> Self {
        Self {
            marked: self.marked || other.marked,
            grouped: self.grouped || other.grouped,
            pinned: self.pinned || other.pinned,
        }
    }
}

/// What a row of `users` holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numbers {
    /// Grows by one with each committed change of the user's state.
    pub revision: u64,
    /// The highest revision at which a removed row had last changed.
    pub forgotten_revision: u64,
    /// The position that the next conversation to be marked, grouped or pinned gets.
    pub next_position: u32,
    /// The number that the next contact group gets.
    pub next_group_id: u32,
    /// Of the stored conversations.
    pub counts: Counts,
}

impl Default for Numbers {
    fn default() -> Self {
        let counts = Counts::default();
        Self { revision: 0, forgotten_revision: 0, next_position: 1, next_group_id: 1, counts }
    }
}

/// The loaded piece of one user's state.
#[derive(Debug, Clone, Default)]
pub struct UserState {
    /// What the directory says of the user.
    pub owner: Standing,
    /// The user's own row. Its revision is the stored one; a state that is saved gets the next.
    pub numbers: Numbers,
    /// The part of the counts that is known to take no room. Near a limit that is all there is.
    pub exempt: Counts,
    /// The user's contact groups; empty unless a change is about them.
    pub groups: Vec<ContactGroup>,
    /// The conversations that a change touches.
    pub entries: BTreeMap<Conversation, Entry>,
    /// Everything that was stored is to be deleted, and the account with it.
    pub deleted: bool,
    stored_numbers: Numbers,
    stored_groups: Vec<ContactGroup>,
}

impl UserState {
    /// The state of a user with this row; the rest is added as it is loaded.
    #[must_use]
    pub fn of(numbers: Numbers) -> Self {
        Self { numbers, stored_numbers: numbers, ..Self::default() }
    }

    /// Adds a conversation as it is stored, before anything is applied.
    pub fn load_entry(&mut self, conversation: Conversation, entry: Entry) {
        let row = entry.before.as_ref();
        let exempt = Counts::of(row).minus(entry.taken(row));
        if self.entries.insert(conversation, entry).is_none() {
            self.exempt = self.exempt.plus(exempt);
        }
    }

    /// Adds the user's contact groups as they are stored.
    pub fn load_groups(&mut self, groups: Vec<ContactGroup>) {
        self.stored_groups.clone_from(&groups);
        self.groups = groups;
    }

    /// Anything has to be saved. The user's row is then saved as well, as its revision grows.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.deleted
            || self.numbers != self.stored_numbers
            || self.groups != self.stored_groups
            || self.entries.values().any(Entry::is_changed)
    }

    /// The groups whose rows are to be deleted: gone, or renamed.
    pub fn groups_to_delete(&self) -> impl Iterator<Item = &ContactGroup> {
        self.stored_groups.iter().filter(|group| !self.groups.contains(group))
    }

    /// The groups whose rows are to be inserted: new, or renamed.
    pub fn groups_to_insert(&self) -> impl Iterator<Item = &ContactGroup> {
        self.groups.iter().filter(|group| !self.stored_groups.contains(group))
    }

    /// Changes that make these counts grow could meet a limit: everything that takes room has to be counted first.
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

    /// How many empty rows should be removed before changes that make these counts grow, so that places and rows stay
    /// within their limits. If a removed row held no place or is made again at once, there are a few more until the next
    /// change. The limits on what shows are exact all the same.
    #[must_use]
    pub fn rows_to_forget(&self, limits: &Limits, grows: Growth) -> u32 {
        let new = |has: fn(&Kept) -> bool| {
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

    /// Once in so many new conversations, a user's old empty rows are removed in passing.
    #[must_use]
    pub fn is_due_to_forget(&self) -> bool {
        const NEW_ROWS: u32 = 64;
        let new = self.entries.values().filter(|entry| entry.before.is_none()).count();
        let (next, new) = (self.numbers.next_position, u32::try_from(new).unwrap_or(u32::MAX));
        next / NEW_ROWS != next.saturating_add(new) / NEW_ROWS
    }

    /// Takes note of an empty row that was removed, before anything is applied.
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

    /// Takes over what the conversations that are not loaded take of the room, before anything is applied. Whether the other
    /// end of a loaded one is gone was asked when it was loaded, and is not asked again.
    pub fn load_taken(&mut self, others: Counts) {
        let taken = self
            .entries
            .values()
            .fold(others, |taken, entry| taken.plus(entry.taken(entry.before.as_ref())));
        self.exempt = self.numbers.counts.minus(taken);
    }

    /// The most that each count may be, never below what it was: a limit may have been lowered since.
    #[must_use]
    pub fn room(&self, limits: &Limits) -> Counts {
        Counts::max(limits).plus(self.exempt).each(self.stored_numbers.counts, u32::max)
    }

    /// Ends the account and everything with it. Numbers go on counting, so that none is ever used again.
    pub(super) fn delete_account(&mut self) -> Result<Applied, Error> {
        if self.owner != Standing::Alive {
            return Err(Error::AccountMissing);
        }
        self.owner = Standing::Dead;
        self.deleted = true;
        self.numbers.counts = Counts::default();
        // All rows go, whichever the revision of their last change.
        self.numbers.forgotten_revision = self.numbers.revision + 1;
        self.exempt = Counts::default();
        self.groups.clear();
        self.stored_groups.clear();
        for entry in self.entries.values_mut() {
            *entry = Entry::loaded(None, entry.peer);
        }
        Ok(Applied { items: vec![Ok(())], group: None })
    }

    /// The other end can be written to: it exists where the directory demands it, and is not gone.
    fn check_peer(&self, app: &App, conversation: &Conversation) -> Result<(), Error> {
        let peer = self.entries.get(conversation).map(|entry| entry.peer).unwrap_or_default();
        let exists = match app.directory {
            Directory::Open | Directory::Owners => peer != Standing::Dead,
            Directory::Strict => peer == Standing::Alive,
        };
        match conversation {
            _ if exists => Ok(()),
            Conversation::OneToOne(_) => Err(Error::UnknownPeer),
            Conversation::Group(_) => Err(Error::ChatGroupGone),
        }
    }

    /// The one way in which a conversation changes: counts, limits, places and times are kept here. `edit` is given what
    /// is kept and the next free position.
    fn change(
        &mut self,
        limits: &Limits,
        conversation: &Conversation,
        now: u64,
        edit: impl FnOnce(&mut Kept, &mut u32) -> Result<(), Error>,
    ) -> Result<(), Error> {
        let entry = self.entries.get_mut(conversation).ok_or_else(|| {
            Error::internal("a conversation was changed that had not been loaded")
        })?;
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
        let (had, has) = (entry.taken(old), entry.taken(new));
        let counts = self.numbers.counts.plus(Counts::of(new)).minus(Counts::of(old));
        let exempt = self.exempt.plus(Counts::of(new).minus(has));
        let exempt = exempt.minus(Counts::of(old).minus(had));
        let taken = counts.minus(exempt);
        if has.marked > had.marked && taken.marked > limits.marked {
            return Err(Error::TooManyMarked { max: limits.marked });
        }
        if has.grouped > had.grouped && taken.grouped > limits.grouped {
            return Err(Error::TooManyGrouped { max: limits.grouped });
        }
        if has.pinned > had.pinned && taken.pinned > limits.pinned {
            return Err(Error::TooManyPinned { max: limits.pinned });
        }
        self.exempt = exempt;
        self.numbers.counts = counts;
        self.numbers.next_position = next_position;
        entry.after = Some(after);
        Ok(())
    }
}

/// The next number of a sequence that fits 31 bits: clients keep it in a signed integer.
fn take(next: &mut u32) -> Result<u32, Error> {
    let number = *next;
    if number >= i32::MAX as u32 {
        return Err(Error::internal("a user has used up 2^31 numbers"));
    }
    *next = number + 1;
    Ok(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CustomMark, Edition, MarkChange, SdkAppId, SecretKey, UserId};

    pub(super) fn app(directory: Directory, marked: u32) -> App {
        App {
            sdk_app_id: SdkAppId::new(1).unwrap(),
            edition: Edition::Premium,
            directory,
            disabled: false,
            secret_key: SecretKey::parse("0123456789abcdef").unwrap(),
            previous_secret_key: None,
            admins: Vec::new(),
            limits: Limits { marked, ..Limits::default() },
        }
    }

    pub(super) fn peer(nr: usize) -> Conversation {
        Conversation::OneToOne(UserId::parse(format!("peer{nr}"), 32).unwrap())
    }

    pub(super) fn custom(conversation: Conversation, text: &str) -> MarkChange {
        let custom = Some(CustomMark::parse(text, 256).unwrap());
        MarkChange { conversation, standard: None, custom }
    }

    /// A user whose row counts `marked` places of which `exempt` take no room, and ten conversations loaded that have no row.
    pub(super) fn state(marked: u32, exempt: u32, peer_standing: Standing) -> UserState {
        let counts = Counts { rows: marked, marked, ..Counts::default() };
        let mut state = UserState::of(Numbers { counts, ..Numbers::default() });
        for nr in 0..10 {
            state.load_entry(peer(nr), Entry::loaded(None, peer_standing));
        }
        state.exempt.marked = exempt;
        state
    }

    fn marked_row() -> Kept {
        let custom = CustomMark::parse("x", 256).unwrap();
        Kept { custom, holds_place: true, position: Some(1), ..Kept::default() }
    }

    fn empty_row() -> Kept {
        Kept { custom: CustomMark::default(), ..marked_row() }
    }

    #[test]
    fn what_is_empty_or_has_lost_its_other_end_takes_no_room() {
        let mut state = state(5, 0, Standing::Alive);
        for (nr, row, standing) in [
            (0, marked_row(), Standing::Dead),
            (1, marked_row(), Standing::Alive),
            (2, marked_row(), Standing::Unknown),
            (3, empty_row(), Standing::Alive),
        ] {
            state.entries.remove(&peer(nr));
            state.load_entry(peer(nr), Entry::loaded(Some(row), standing));
        }
        assert_eq!(state.exempt.marked, 2, "so much is known without counting");
        // Of the five, four are loaded, of which two take room, and so does the other one.
        state.load_taken(Counts { rows: 1, marked: 1, ..Counts::default() });
        assert_eq!(state.exempt.marked, 2);
        state.load_taken(Counts::default());
        assert_eq!(state.exempt.marked, 3, "the other one is gone, too");
    }

    #[track_caller]
    fn check_rows_to_forget(marked: u32, rows: u32, loaded: Option<Kept>, expected: u32) {
        let limits = Limits { marked: 10, grouped: 3, pinned: 2, ..Limits::default() };
        let counts = Counts { rows, marked, ..Counts::default() };
        let mut state = UserState::of(Numbers { counts, ..Numbers::default() });
        state.load_entry(peer(0), Entry::loaded(loaded, Standing::Unknown));
        let grows = Growth { marked: true, ..Growth::default() };
        assert_eq!(state.rows_to_forget(&limits, grows), expected, "{marked} of {rows}");
        let pins = Growth { pinned: true, ..Growth::default() };
        let of_rows = (rows + 1).saturating_sub(15);
        assert_eq!(state.rows_to_forget(&limits, pins), of_rows, "a pin takes no place");
        assert_eq!(state.rows_to_forget(&limits, Growth::default()), 0, "nothing comes");
    }

    #[test]
    fn rows_are_forgotten_when_places_or_rows_run_out() {
        check_rows_to_forget(9, 9, None, 0);
        check_rows_to_forget(10, 10, None, 1);
        check_rows_to_forget(10, 10, Some(empty_row()), 0);
        check_rows_to_forget(12, 12, Some(empty_row()), 2);
        check_rows_to_forget(0, 14, None, 0);
        check_rows_to_forget(0, 15, None, 1);
    }

    #[test]
    fn a_forgotten_row_leaves_the_counts_and_is_remembered_by_its_revision() {
        let mut state = state(5, 0, Standing::Alive);
        state.entries.remove(&peer(0));
        state.load_entry(peer(0), Entry::loaded(Some(empty_row()), Standing::Alive));
        state.note_removed(&peer(0), true, 7);
        state.note_removed(&peer(77), false, 5);
        assert_eq!(state.entries[&peer(0)].before, None);
        assert_eq!((state.numbers.counts.rows, state.numbers.counts.marked), (3, 4));
        assert_eq!((state.numbers.forgotten_revision, state.exempt.marked), (7, 0));
    }
}
