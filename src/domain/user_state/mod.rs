//! A user's own state about conversations, and the rules for changing it.
//!
//! The state is loaded piece by piece: only the conversations that a change touches. A change is applied in memory, and
//! what differs afterwards is saved. Counts are of stored rows; what is dead among them (see [`Standing`]) is known
//! whenever it could matter, and never eats a quota.

use std::collections::HashMap;

use super::{
    App, Applied, BitChange, Conversation, CustomMark, Directory, MarkChange, StandardMark,
};
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

/// What is kept about one conversation. The default is nothing at all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Kept {
    /// The 64 bits.
    pub standard: StandardMark,
    /// The customer's own text.
    pub custom: CustomMark,
    /// The conversation groups that it is in, ascending.
    pub group_ids: Vec<u32>,
    /// When it was first marked or grouped, as a number that only grows; `None` when it is neither.
    pub position: Option<u32>,
    /// When it was pinned, on the same scale; `None` when it is not.
    pub pin_position: Option<u32>,
    /// Unix seconds of the last change to marks or groups.
    pub changed_at: u64,
}

impl Kept {
    /// It has a standard or a custom mark.
    #[must_use]
    pub fn is_marked(&self) -> bool {
        !self.standard.is_empty() || !self.custom.is_empty()
    }

    /// It is in a conversation group.
    #[must_use]
    pub fn is_grouped(&self) -> bool {
        !self.group_ids.is_empty()
    }

    /// There is something to keep.
    #[must_use]
    pub fn is_something(&self) -> bool {
        self.position.is_some() || self.pin_position.is_some()
    }
}

/// A conversation that was loaded to be changed.
#[derive(Debug, Clone, Default)]
pub struct Entry {
    /// As it is stored.
    pub before: Kept,
    /// As it shall be stored.
    pub after: Kept,
    /// All that happened to the standard mark in between.
    pub bits: BitChange,
    /// What the directory says of the other end.
    pub peer: Standing,
}

impl Entry {
    /// An entry that nothing has happened to yet.
    #[must_use]
    pub fn loaded(kept: Kept, peer: Standing) -> Self {
        Self { after: kept.clone(), before: kept, bits: BitChange::default(), peer }
    }

    /// It has to be saved.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.before != self.after
    }
}

/// How many of a user's conversations are marked, grouped, pinned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// With a standard or a custom mark.
    pub marked: u32,
    /// In at least one conversation group.
    pub grouped: u32,
    /// Pinned.
    pub pinned: u32,
}

impl Counts {
    fn of(kept: &Kept) -> Self {
        Self {
            marked: kept.is_marked().into(),
            grouped: kept.is_grouped().into(),
            pinned: kept.pin_position.is_some().into(),
        }
    }

    /// The most there may be: the app's limits, and what is dead on top of them.
    fn room(limits: &Limits, dead: Self) -> Self {
        Self {
            marked: limits.marked.saturating_add(dead.marked),
            grouped: limits.grouped.saturating_add(dead.grouped),
            pinned: limits.pinned.saturating_add(dead.pinned),
        }
    }

    fn each(self, other: Self, combine: fn(u32, u32) -> u32) -> Self {
        Self {
            marked: combine(self.marked, other.marked),
            grouped: combine(self.grouped, other.grouped),
            pinned: combine(self.pinned, other.pinned),
        }
    }
}

/// The loaded piece of one user's state.
#[derive(Debug, Clone, Default)]
pub struct UserState {
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
    /// The conversations that a change touches.
    pub entries: HashMap<Conversation, Entry>,
    counts_stored: Counts,
}

impl UserState {
    /// The state of a user whose row says this much; conversations are added as they are loaded.
    #[must_use]
    pub fn stored(counts: Counts, next_position: u32, next_group_id: u32) -> Self {
        Self { counts, counts_stored: counts, next_position, next_group_id, ..Self::default() }
    }

    /// What the user had before anything was applied.
    #[must_use]
    pub fn counts_stored(&self) -> Counts {
        self.counts_stored
    }

    /// Anything has to be saved.
    #[must_use]
    pub fn is_changed(&self) -> bool {
        self.entries.values().any(Entry::is_changed)
    }

    /// What is loaded could meet a limit, so the dead have to be counted.
    #[must_use]
    pub fn is_near_a_limit(&self, limits: &Limits) -> bool {
        let touched = u32::try_from(self.entries.len()).unwrap_or(u32::MAX);
        let reach = |count: u32, limit: u32| count.saturating_add(touched) > limit;
        reach(self.counts.marked, limits.marked)
            || reach(self.counts.grouped, limits.grouped)
            || reach(self.counts.pinned, limits.pinned)
    }

    /// The room there is for each count, never below what is there: a limit may have been lowered since.
    #[must_use]
    pub fn room(&self, limits: &Limits) -> Counts {
        Counts::room(limits, self.dead).each(self.counts, u32::max)
    }

    /// The user may have state at all: imported where the directory demands it, and never deleted.
    pub fn check_owner(&self, app: &App) -> Result<(), Error> {
        let exists = match app.directory {
            Directory::Open => self.owner != Standing::Dead,
            Directory::Owners | Directory::Strict => self.owner == Standing::Alive,
        };
        if exists { Ok(()) } else { Err(Error::UnknownUser) }
    }

    /// Applies marks in order. A refused item leaves the others applied.
    pub fn mark(&mut self, app: &App, changes: &[MarkChange], now: u64) -> Result<Applied, Error> {
        self.check_owner(app)?;
        let items = changes.iter().map(|change| self.mark_one(app, change, now)).collect();
        Ok(Applied { items })
    }

    fn mark_one(&mut self, app: &App, change: &MarkChange, now: u64) -> Result<(), Error> {
        self.check_peer(app, &change.conversation)?;
        let bits = change.standard.unwrap_or_default();
        let entry = self.change(&app.limits, &change.conversation, now, |kept| {
            kept.standard = kept.standard.changed(bits);
            if let Some(custom) = &change.custom {
                kept.custom = custom.clone();
            }
        })?;
        entry.bits = entry.bits.then(bits);
        Ok(())
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

    /// The one way in which a conversation changes: counts, places and times are kept here.
    fn change(
        &mut self,
        limits: &Limits,
        conversation: &Conversation,
        now: u64,
        edit: impl FnOnce(&mut Kept),
    ) -> Result<&mut Entry, Error> {
        let room = Counts::room(limits, self.dead);
        let entry = self.entries.get_mut(conversation).ok_or_else(|| {
            Error::internal("a conversation was changed that had not been loaded")
        })?;
        let mut after = entry.after.clone();
        edit(&mut after);
        if after == entry.after {
            return Ok(entry);
        }

        let (had, has) = (Counts::of(&entry.after), Counts::of(&after));
        let counts = self.counts.each(has, u32::wrapping_add).each(had, u32::wrapping_sub);
        if has.marked > had.marked && counts.marked > room.marked {
            return Err(Error::TooManyMarked { max: limits.marked });
        }

        if !after.is_marked() && !after.is_grouped() {
            after.position = None;
        } else if after.position.is_none() {
            after.position = Some(take(&mut self.next_position)?);
        }
        after.changed_at = now;
        if !after.is_something() {
            after = Kept::default();
        }
        self.counts = counts;
        entry.after = after;
        Ok(entry)
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
    use proptest::prelude::*;

    use super::*;
    use crate::domain::{Edition, SdkAppId, SecretKey, UserId};

    fn app(directory: Directory, marked: u32) -> App {
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

    fn peer(nr: usize) -> Conversation {
        Conversation::OneToOne(UserId::parse(&format!("peer{nr}"), 32).unwrap())
    }

    fn custom(conversation: Conversation, text: &str) -> MarkChange {
        let custom = Some(CustomMark::parse(text, 256).unwrap());
        MarkChange { conversation, standard: None, custom }
    }

    /// A user with `marked` marks of which `dead` are dead, and ten conversations loaded that are not marked.
    fn state(marked: u32, dead: u32, peer_standing: Standing) -> UserState {
        UserState {
            counts: Counts { marked, ..Counts::default() },
            dead: Counts { marked: dead, ..Counts::default() },
            next_position: 1,
            entries: (0..10)
                .map(|nr| (peer(nr), Entry::loaded(Kept::default(), peer_standing)))
                .collect(),
            ..UserState::default()
        }
    }

    #[track_caller]
    fn check_place(marked: u32, dead: u32, expected: Option<u32>) {
        let mut state = state(marked, dead, Standing::Unknown);
        let outcome =
            state.mark(&app(Directory::Open, 1000), &[custom(peer(0), "x")], 7).unwrap().items;
        match expected {
            Some(count) => assert_eq!((outcome[0].is_ok(), state.counts.marked), (true, count)),
            None => {
                assert_eq!(
                    outcome[0].as_ref().unwrap_err().to_string(),
                    "at most 1000 conversations can be marked"
                );
                assert!(!state.is_changed(), "a refused item changes nothing");
            }
        }
    }

    #[test]
    fn the_last_free_place_can_be_taken_and_there_is_none_after_it() {
        check_place(998, 0, Some(999));
        check_place(999, 0, Some(1000));
        check_place(1000, 0, None);
    }

    #[test]
    fn what_is_dead_does_not_take_a_place() {
        check_place(1000, 1, Some(1001));
        check_place(1001, 1, None);
    }

    #[test]
    fn a_cleared_conversation_frees_its_place_within_one_call() {
        let mut state = state(1, 0, Standing::Unknown);
        let app = app(Directory::Open, 2);
        let changes = [
            custom(peer(0), "a"),
            custom(peer(1), "refused"),
            custom(peer(0), ""),
            custom(peer(1), "b"),
        ];
        let outcome = state.mark(&app, &changes, 7).unwrap().items;
        assert_eq!(
            outcome.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, true, true]
        );
        assert_eq!(state.entries[&peer(0)].after.position, None);
        assert_eq!(state.entries[&peer(1)].after.position, Some(2));
    }

    #[test]
    fn a_mark_that_changes_nothing_leaves_the_time_alone() {
        let mut state = state(0, 0, Standing::Unknown);
        let app = app(Directory::Open, 2);
        state.mark(&app, &[custom(peer(0), "a")], 7).unwrap();
        state.mark(&app, &[custom(peer(0), "a")], 8).unwrap();
        assert_eq!(state.entries[&peer(0)].after.changed_at, 7);
    }

    #[track_caller]
    fn check_directory(directory: Directory, owner: Standing, peer_is: Standing, expected: &str) {
        let mut state = UserState { owner, ..state(0, 0, peer_is) };
        let outcome = match state.mark(&app(directory, 10), &[custom(peer(0), "x")], 7) {
            Err(Error::UnknownUser) => "no owner",
            Err(_) => "unexpected",
            Ok(applied) => applied.items[0].as_ref().map_or("no peer", |()| "ok"),
        };
        assert_eq!(outcome, expected, "{directory:?}, owner {owner:?}, peer {peer_is:?}");
    }

    #[test]
    fn the_directory_decides_who_has_to_exist() {
        use Directory::{Open, Owners, Strict};
        use Standing::{Alive, Dead, Unknown};
        check_directory(Open, Unknown, Unknown, "ok");
        check_directory(Open, Dead, Alive, "no owner");
        check_directory(Open, Alive, Dead, "no peer");
        check_directory(Owners, Unknown, Alive, "no owner");
        check_directory(Owners, Dead, Alive, "no owner");
        check_directory(Owners, Alive, Unknown, "ok");
        check_directory(Owners, Alive, Dead, "no peer");
        check_directory(Strict, Unknown, Alive, "no owner");
        check_directory(Strict, Alive, Unknown, "no peer");
        check_directory(Strict, Alive, Dead, "no peer");
        check_directory(Strict, Alive, Alive, "ok");
    }

    proptest! {
        /// Against the simplest model there is: a map from peer to (mask, text).
        #[test]
        fn marks_follow_a_plain_map(
            items in prop::collection::vec((0..6_usize, any::<Option<(u8, u8)>>(), prop::option::of("[ab]?")), 0..60),
            limit in 1..5_u32,
        ) {
            let app = app(Directory::Open, limit);
            let mut state = state(0, 0, Standing::Unknown);
            let mut model: HashMap<usize, (u64, String)> = HashMap::new();
            for (nr, bits, text) in items {
                let bits = bits.map(|(set, clear)| BitChange {
                    set: StandardMark::new(set.into()),
                    clear: StandardMark::new(clear.into()),
                });
                let change = MarkChange {
                    conversation: peer(nr),
                    standard: bits,
                    custom: text.as_deref().map(|text| CustomMark::parse(text, 256).unwrap()),
                };
                let (mut mask, mut custom) = model.get(&nr).cloned().unwrap_or_default();
                if let Some(bits) = bits {
                    mask = (mask | bits.set.bits()) & !bits.clear.bits();
                }
                custom = text.unwrap_or(custom);
                let full = !model.contains_key(&nr) && model.len() as u32 >= limit;
                let something = mask != 0 || !custom.is_empty();

                let outcome = state.mark(&app, &[change], 7).unwrap().items.remove(0);
                prop_assert_eq!(outcome.is_err(), full && something);
                if !something {
                    model.remove(&nr);
                } else if !full {
                    model.insert(nr, (mask, custom));
                }
                prop_assert_eq!(state.counts.marked as usize, model.len());
                for nr in 0..6 {
                    let (mask, text) = model.get(&nr).cloned().unwrap_or_default();
                    let entry = &state.entries[&peer(nr)];
                    prop_assert_eq!(entry.after.standard.bits(), mask);
                    prop_assert_eq!(entry.before.standard.changed(entry.bits).bits(), mask);
                    prop_assert_eq!(entry.after.custom.as_str(), text);
                    prop_assert_eq!(entry.after.position.is_some(), model.contains_key(&nr));
                }
            }
        }
    }
}
