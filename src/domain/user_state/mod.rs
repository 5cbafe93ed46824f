//! A user's own state about conversations, and the rules for changing it.
//!
//! The state is loaded piece by piece: only the conversations that a change touches. A change is applied in memory, and
//! what differs afterwards is saved. Counts are of stored rows; what is dead among them (see [`Standing`]) is known
//! whenever it could matter, and never eats a quota.

mod groups;
mod kept;
mod marks;
mod pins;

use std::collections::BTreeMap;

pub use kept::{Counts, Entry, Kept, RowVersion};

use super::{App, Applied, ContactGroup, Conversation, Directory};
use crate::error::Error;
use crate::limits::Limits;

/// What the directory says of a user or a chat group.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Standing {
    /// Never heard of.
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

/// The loaded piece of one user's state.
#[derive(Debug, Clone, Default)]
pub struct UserState {
    /// How often the user's row had changed when it was loaded; 0 when there was none.
    pub revision: u64,
    /// What the directory says of the user.
    pub owner: Standing,
    /// What the user has, dead references included.
    pub counts: Counts,
    /// How much of that is dead. Zero unless a count is near its limit: it is looked up only then.
    pub dead: Counts,
    /// The position that the next conversation to be marked, grouped or pinned gets.
    pub next_position: u32,
    /// The number that the next conversation group gets.
    pub next_group_id: u32,
    /// The user's conversation groups; empty unless a change is about groups.
    pub groups: Vec<ContactGroup>,
    /// The conversations that a change touches.
    pub entries: BTreeMap<Conversation, Entry>,
    /// Everything that was stored is to be deleted, and the account with it.
    pub deleted: bool,
    /// The user's row is loaded. Where it is not, counts and numbers begin at zero.
    is_counted: bool,
    /// It is not, and what was applied depends on it.
    lacks_counts: bool,
    stored_counts: (Counts, u32, u32),
    groups_stored: Vec<ContactGroup>,
}

impl UserState {
    /// The state of a user of whom the directory says this; the rest is added as it is loaded.
    #[must_use]
    pub fn of(owner: Standing) -> Self {
        Self { owner, ..Self::default() }
    }

    /// Takes over what the user's row says. Nothing may have been applied yet.
    pub fn load_counts(&mut self, counts: Counts, next_position: u32, next_group_id: u32) {
        self.is_counted = true;
        (self.counts, self.next_position, self.next_group_id) =
            (counts, next_position, next_group_id);
        self.stored_counts = (counts, next_position, next_group_id);
    }

    /// The counts, the next position and the next number of a group, before anything was applied.
    #[must_use]
    pub fn stored_counts(&self) -> (Counts, u32, u32) {
        self.stored_counts
    }

    /// The user's row has to be saved.
    #[must_use]
    pub fn changes_row(&self) -> bool {
        self.deleted || self.stored_counts != (self.counts, self.next_position, self.next_group_id)
    }

    /// What was applied depends on counts that were not loaded: it is worth nothing.
    #[must_use]
    pub fn lacks_counts(&self) -> bool {
        self.lacks_counts
    }

    /// Anything has to be saved.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.changes_row()
            || self.groups != self.groups_stored
            || self.entries.values().any(Entry::is_changed)
    }

    /// What has to be saved is about conversation groups, or about the account itself.
    #[must_use]
    pub fn changes_groups(&self) -> bool {
        self.deleted
            || self.groups != self.groups_stored
            || self.entries.values().any(|entry| {
                entry.after.is_something() && entry.after.group_ids != entry.before.group_ids
            })
    }

    /// Takes over how many of the conversations that are not loaded live, which says how many are dead. Nothing may have been
    /// applied yet. Whether a loaded one is dead was found when it was loaded: whoever dies or comes back meanwhile is not
    /// counted as both.
    pub fn load_dead(&mut self, living_others: Counts) {
        let loaded = self.entries.values().filter(|entry| entry.peer != Standing::Dead);
        let living = loaded.fold(living_others, |living, entry| {
            living.each(Counts::of(&entry.before), u32::saturating_add)
        });
        self.dead = self.counts.each(living, u32::saturating_sub);
    }

    /// Takes over the user's conversation groups as they are stored.
    pub fn load_groups(&mut self, groups: Vec<ContactGroup>) {
        self.groups_stored.clone_from(&groups);
        self.groups = groups;
    }

    /// The groups whose rows are to be deleted: gone, or renamed.
    pub fn groups_to_delete(&self) -> impl Iterator<Item = &ContactGroup> {
        self.groups_stored.iter().filter(|group| !self.groups.contains(group))
    }

    /// The groups whose rows are to be inserted: new, or renamed.
    pub fn groups_to_insert(&self) -> impl Iterator<Item = &ContactGroup> {
        self.groups.iter().filter(|group| !self.groups_stored.contains(group))
    }

    /// What is loaded could meet a limit, if it came to carry what it does not carry yet: the dead have to be counted.
    #[must_use]
    pub fn is_near_a_limit(&self, limits: &Limits, grows: Growth) -> bool {
        let new = |has: fn(&Kept) -> bool| {
            let new = self.entries.values().filter(|entry| !has(&entry.before)).count();
            u32::try_from(new).unwrap_or(u32::MAX)
        };
        let full = |grows: bool, count: u32, limit: u32, has: fn(&Kept) -> bool| {
            grows && count.saturating_add(new(has)) > limit
        };
        full(grows.marked, self.counts.marked, limits.marked, Kept::is_marked)
            || full(grows.grouped, self.counts.grouped, limits.grouped, Kept::is_grouped)
            || full(grows.pinned, self.counts.pinned, limits.pinned, Kept::is_pinned)
    }

    /// The room there is for each count, never below what is there: a limit may have been lowered since.
    #[must_use]
    pub fn room(&self, limits: &Limits) -> Counts {
        Counts::room(limits, self.dead).each(self.counts, u32::max)
    }

    /// Ends the account and everything with it. Numbers go on counting, so that none is ever used again.
    pub(super) fn delete_account(&mut self) -> Result<Applied, Error> {
        if self.owner != Standing::Alive {
            return Err(Error::AccountMissing);
        }
        self.owner = Standing::Dead;
        self.deleted = true;
        self.counts = Counts::default();
        self.groups.clear();
        self.groups_stored.clear();
        for entry in self.entries.values_mut() {
            *entry = Entry::loaded(Kept::default(), entry.peer);
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
        let room = Counts::room(limits, self.dead);
        let entry = self.entries.get_mut(conversation).ok_or_else(|| {
            Error::internal("a conversation was changed that had not been loaded")
        })?;
        let (mut after, mut next_position) = (entry.after.clone(), self.next_position);
        edit(&mut after, &mut next_position)?;
        if after == entry.after {
            return Ok(());
        }

        let (had, has) = (Counts::of(&entry.after), Counts::of(&after));
        let counts = self.counts.each(has, u32::wrapping_add).each(had, u32::wrapping_sub);
        self.lacks_counts |= !self.is_counted && has != had;
        if has.marked > had.marked && counts.marked > room.marked {
            return Err(Error::TooManyMarked { max: limits.marked });
        }
        if has.grouped > had.grouped && counts.grouped > room.grouped {
            return Err(Error::TooManyGrouped { max: limits.grouped });
        }
        if has.pinned > had.pinned && counts.pinned > room.pinned {
            return Err(Error::TooManyPinned { max: limits.pinned });
        }

        if entry.peer == Standing::Dead {
            // There was room for it while it was dead, and it goes with it.
            let gone = had.each(has, u32::saturating_sub);
            self.dead = self.dead.each(gone, u32::saturating_sub);
        }
        if !after.is_marked() && !after.is_grouped() {
            after.position = None;
        } else if after.position.is_none() {
            after.position = Some(take(&mut next_position)?);
        }
        if !after.is_something() {
            after = Kept::default();
        } else if !after.has_marks_and_groups_of(&entry.after) || !entry.after.is_something() {
            after.changed_at = now;
        }
        self.counts = counts;
        self.next_position = next_position;
        entry.after = after;
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

    /// A user with `marked` marks of which `dead` are dead, and ten conversations loaded that are not marked.
    pub(super) fn state(marked: u32, dead: u32, peer_standing: Standing) -> UserState {
        let mut state = UserState {
            dead: Counts { marked: dead, ..Counts::default() },
            entries: (0..10)
                .map(|nr| (peer(nr), Entry::loaded(Kept::default(), peer_standing)))
                .collect(),
            ..UserState::default()
        };
        state.load_counts(Counts { marked, ..Counts::default() }, 1, 1);
        state
    }

    #[test]
    fn the_dead_are_all_but_those_that_live() {
        let mut state = state(5, 0, Standing::Alive);
        for (nr, standing) in
            [Standing::Dead, Standing::Alive, Standing::Unknown].into_iter().enumerate()
        {
            let entry = state.entries.get_mut(&peer(nr)).unwrap();
            entry.before.custom = CustomMark::parse("x", 256).unwrap();
            entry.peer = standing;
        }
        // Of the five, three are loaded, of which two live, and so does one of the others.
        state.load_dead(Counts { marked: 1, ..Counts::default() });
        assert_eq!(state.dead, Counts { marked: 2, ..Counts::default() });
    }
}
