//! What the tables hold of one user, and how a batch of changes is loaded and saved: in memory, row by row.

use std::collections::BTreeMap;

use crate::domain::{
    App, Change, ContactGroup, Conversation, Counts, Entry, Growth, Kept, Standing, UserState,
};

/// The rows of one user.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) owner: Standing,
    pub(super) conversations: BTreeMap<Conversation, Kept>,
    pub(super) groups: Vec<ContactGroup>,
    counts: Counts,
    next_position: u32,
    next_group_id: u32,
}

impl Stored {
    pub(super) fn new() -> Self {
        Self { next_position: 1, next_group_id: 1, ..Self::default() }
    }

    /// The piece of the state that these changes need; `standing` is what the directory says of other ends.
    pub(super) fn load(
        &self,
        changes: &[Change],
        app: &App,
        standing: impl Fn(&Conversation) -> Standing,
    ) -> UserState {
        let mut state = UserState::of(self.owner);
        state.load_counts(self.counts, self.next_position, self.next_group_id);
        if changes.iter().any(Change::needs_groups) {
            state.load_groups(self.groups.clone());
        }
        let touched = changes.iter().flat_map(Change::touched).map(|touched| touched.conversation);
        let all_grouped = self.conversations.iter().filter(|(_, kept)| kept.is_grouped());
        let members = all_grouped.filter(|_| changes.iter().any(Change::needs_members));
        for conversation in touched.chain(members.map(|(conversation, _)| conversation)) {
            let kept = self.conversations.get(conversation).cloned().unwrap_or_default();
            let entry = Entry::loaded(kept, standing(conversation));
            state.entries.insert(conversation.clone(), entry);
        }
        let growth = changes.iter().map(Change::growth).fold(Growth::default(), Growth::or);
        if state.is_near_a_limit(&app.limits, growth) {
            let is_dead = |conversation: &Conversation| standing(conversation) == Standing::Dead;
            state.dead = self.count(|conversation| is_dead(conversation));
        }
        state
    }

    /// Takes over what differs. A standard mark is changed by bits, everything else is overwritten.
    pub(super) fn save(&mut self, state: &UserState, now: u64) {
        if !state.is_changed() {
            return;
        }
        self.owner = state.owner;
        if state.deleted {
            self.conversations.clear();
            self.groups.clear();
        }
        self.counts = state.counts;
        (self.next_position, self.next_group_id) = (state.next_position, state.next_group_id);
        let gone: Vec<_> = state.groups_to_delete().cloned().collect();
        self.groups.retain(|group| !gone.contains(group));
        self.groups.extend(state.groups_to_insert().cloned());
        for (conversation, entry) in &state.entries {
            let (before, after) = (&entry.before, &entry.after);
            let stored = self.conversations.get(conversation).cloned().unwrap_or_default();
            assert_eq!(&stored, before, "it was loaded, or is gone");
            let what = |kept: &Kept| (kept.standard, kept.custom.clone(), kept.group_ids.clone());
            if what(before) != what(after) && after.is_something() {
                assert_eq!(after.changed_at, now);
            }
            if after.is_something() {
                self.conversations.insert(conversation.clone(), after.clone());
            } else {
                assert_eq!(after, &Kept::default(), "nothing is kept of nothing");
                self.conversations.remove(conversation);
            }
        }
        self.check();
    }

    /// What must hold of the rows, whatever has happened.
    fn check(&self) {
        assert_eq!(self.counts, self.count(|_| true), "counts are those of the rows");
        let kept = || self.conversations.values();
        let positions = kept().flat_map(|kept| [kept.position, kept.pin_position]).flatten();
        let mut positions: Vec<_> = positions.collect();
        let all = positions.len();
        positions.sort_unstable();
        positions.dedup();
        assert_eq!(positions.len(), all, "a position is given once");
        assert!(positions.last().is_none_or(|last| *last < self.next_position));
        for group in &self.groups {
            assert!(group.id < self.next_group_id);
            let same = |other: &&ContactGroup| other.id == group.id || other.name == group.name;
            assert_eq!(self.groups.iter().filter(same).count(), 1, "a group is there once");
        }
        for kept in kept() {
            assert_eq!(kept.position.is_some(), kept.is_marked() || kept.is_grouped());
            assert!(kept.group_ids.is_sorted_by(|one, next| one < next));
            let is_there = |id: &u32| self.groups.iter().any(|group| group.id == *id);
            assert!(kept.group_ids.iter().all(is_there), "members are of groups that are there");
        }
    }

    fn count(&self, counts: impl Fn(&Conversation) -> bool) -> Counts {
        let kept: Vec<_> = self
            .conversations
            .iter()
            .filter(|(one, _)| counts(one))
            .map(|(_, kept)| kept)
            .collect();
        let count = |has: fn(&Kept) -> bool| {
            u32::try_from(kept.iter().filter(|kept| has(kept)).count()).unwrap()
        };
        Counts {
            marked: count(Kept::is_marked),
            grouped: count(Kept::is_grouped),
            pinned: count(Kept::is_pinned),
        }
    }
}
