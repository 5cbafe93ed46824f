//! One user's rows in memory, and the two paths on which a batch of changes is committed to them.
//!
//! [`Stored::mark`] imitates the fast path (`src/store/sql/mark.sql`). [`Stored::load`] and [`Stored::save`] imitate the
//! locking path (`commit` in `src/service/commit.rs`, and the statements in `src/store/` that it uses).

use std::collections::{BTreeMap, BTreeSet};

use earmark::domain::{
    App, Change, CombinedMark, ContactGroup, Conversation, ConversationState, Counts, CustomMark,
    Entry, Growth, Numbers, Presence, UserState,
};
use earmark::limits::Limits;
use testkit::model::DELETABLE;

/// The locking path removes rows that have been empty for longer than this many seconds.
const HISTORY: u64 = 4;

/// Changes to one user's state that share a commit.
pub(super) struct Batch<'b> {
    pub(super) app: &'b App,
    pub(super) changes: &'b [Change],
    /// The state of a conversation's other end in the directory.
    pub(super) presence: &'b dyn Fn(&Conversation) -> Presence,
    /// Unix seconds.
    pub(super) now: u64,
}

impl Batch<'_> {
    fn touched(&self) -> BTreeSet<&Conversation> {
        self.changes.iter().flat_map(Change::touched).collect()
    }

    fn growth(&self) -> Growth {
        self.changes.iter().map(Change::growth).fold(Growth::default(), Growth::or)
    }

    fn is_dead(&self, conversation: &Conversation) -> bool {
        (self.presence)(conversation) == Presence::Gone
    }
}

/// A row of `conversations`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) kept: ConversationState,
    changed_revision: u64,
}

/// The rows of one user.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Stored {
    pub(super) owner: Presence,
    pub(super) conversations: BTreeMap<Conversation, Row>,
    pub(super) groups: Vec<ContactGroup>,
    numbers: Numbers,
}

/// Whether the locking path may remove empty rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Removal {
    Allowed,
    Forbidden,
}

impl Stored {
    /// Commits a batch on the fast path, and returns the new rows. Returns `None` if the batch needs the locking path.
    pub(super) fn mark(&self, batch: &Batch<'_>) -> Option<Self> {
        let mut marks: BTreeMap<&Conversation, CombinedMark<'_>> = BTreeMap::new();
        for change in batch.changes {
            let Change::Mark(items) = change else { return None };
            for item in items {
                marks.entry(&item.conversation).or_default().add(item);
            }
        }
        let is_ready = |(conversation, mark): (&&Conversation, &CombinedMark<'_>)| {
            let row = self.conversations.get(*conversation);
            let sets_nothing = mark.bits.set.is_empty()
                && mark.custom.is_none_or(CustomMark::is_empty)
                && !mark.changes_anyway;
            (row.is_some_and(|row| row.kept.holds_place) || sets_nothing)
                && !batch.is_dead(conversation)
        };
        if self.owner != Presence::Present
            || self.numbers.counts.marked > batch.app.limits.marked
            || !marks.iter().all(is_ready)
        {
            return None;
        }
        let mut marked = self.clone();
        let revision = self.numbers.revision + 1;
        for (conversation, mark) in marks {
            let Some(row) = marked.conversations.get_mut(conversation) else { continue };
            let standard = row.kept.standard.changed(mark.bits);
            let custom = mark.custom.unwrap_or(&row.kept.custom).clone();
            if mark.changes_anyway || (standard, &custom) != (row.kept.standard, &row.kept.custom) {
                row.kept = ConversationState {
                    standard,
                    custom,
                    changed_at: batch.now,
                    ..row.kept.clone()
                };
                row.changed_revision = revision;
                marked.numbers.revision = revision;
            }
        }
        marked.check(&batch.app.limits);
        Some(marked)
    }

    /// Loads the rows that the locking path needs to apply a batch. Removes empty rows if that is allowed and the limits demand
    /// it.
    pub(super) fn load(&mut self, batch: &Batch<'_>, removal: Removal) -> UserState {
        let mut state = UserState::of(self.numbers);
        state.owner = self.owner;
        let entry = |conversation: &Conversation, row: Option<&Row>| {
            Entry::loaded(row.map(|row| row.kept.clone()), (batch.presence)(conversation))
        };
        for conversation in batch.touched() {
            let row = self.conversations.get(conversation);
            state.load_entry(conversation.clone(), entry(conversation, row));
        }
        if batch.changes.iter().any(Change::needs_groups) {
            state.load_groups(self.groups.clone());
        }
        if batch.changes.iter().any(Change::needs_members) {
            let members = self.conversations.iter().filter(|(_, row)| row.kept.is_grouped());
            for (conversation, row) in members {
                if !state.entries.contains_key(conversation) {
                    state.load_entry(conversation.clone(), entry(conversation, Some(row)));
                }
            }
        }
        let limits = &batch.app.limits;
        if removal == Removal::Allowed && batch.growth() != Growth::default() {
            self.remove_empty(&mut state, batch);
        }
        if state.is_near_a_limit(limits, batch.growth()) {
            state.load_taken(self.taken(batch, |other| !state.entries.contains_key(other)));
        }
        state
    }

    /// Removes the oldest empty rows: as many as the limits demand, and all that are older than [`HISTORY`]. It removes all
    /// empty rows up to a revision, so it may remove more than the limits demand.
    fn remove_empty(&mut self, state: &mut UserState, batch: &Batch<'_>) {
        let (limits, now) = (&batch.app.limits, batch.now);
        let wanted = state.rows_to_forget(limits, batch.growth());
        let new_rows = state.entries.values().filter(|entry| entry.before.is_none()).count();
        if wanted > 0 || state.is_due_to_forget() {
            let last = self.last_revision_to_remove(wanted, now.saturating_sub(HISTORY));
            let mut removed_until = self.numbers.forgotten_revision;
            self.conversations.retain(|conversation, row| {
                let goes = row.kept.is_empty() && Some(row.changed_revision) <= last;
                if goes {
                    removed_until = removed_until.max(row.changed_revision);
                    state.note_removed(conversation, row.kept.holds_place, row.changed_revision);
                }
                !goes
            });
            assert_eq!(state.numbers.forgotten_revision, removed_until);
        }
        // This bounds the rows of a user. The changes then add at most one row for each of `new_rows`, and one for each of
        // their conversations whose empty row was just removed.
        let has_empty = self.conversations.values().any(|row| row.kept.is_empty());
        let rows = self.conversations.len() + new_rows;
        assert!(!has_empty || rows <= rows_max(limits), "{rows} rows: {self:?}");
    }

    /// The revision up to which empty rows are removed: `wanted` rows, and all before the first one that changed at
    /// `changed_before` or later. `None` if no row is to be removed.
    fn last_revision_to_remove(&self, wanted: u32, changed_before: u64) -> Option<u64> {
        let rows = self.conversations.values().filter(|row| row.kept.is_empty());
        let mut empty: Vec<_> = rows.collect();
        empty.sort_by_key(|row| row.changed_revision);
        let wanted = usize::try_from(wanted).unwrap();
        let of_wanted = empty.iter().take(wanted).map(|row| row.changed_revision).max();
        let first_young = empty.iter().find(|row| row.kept.changed_at >= changed_before);
        let of_old = match first_young {
            Some(row) => Some(row.changed_revision - 1),
            None => empty.last().map(|row| row.changed_revision),
        };
        of_wanted.max(of_old)
    }

    /// Counts these conversations against the limits. A conversation whose other end is deleted does not count.
    fn taken(&self, batch: &Batch<'_>, is_counted: impl Fn(&Conversation) -> bool) -> Counts {
        let rows = self.conversations.iter();
        let rows = rows.filter(|(other, _)| is_counted(other) && !batch.is_dead(other));
        let kept: Vec<_> = rows.map(|(_, row)| &row.kept).collect();
        Counts {
            rows: 0,
            marked: count(&kept, ConversationState::is_marked),
            grouped: count(&kept, ConversationState::is_grouped),
            pinned: count(&kept, ConversationState::is_pinned),
        }
    }

    /// Saves a changed state.
    pub(super) fn save(&mut self, state: &UserState, batch: &Batch<'_>) {
        let before = self.clone();
        assert_eq!(state.numbers.revision, before.numbers.revision, "saving makes it grow");
        let revision = before.numbers.revision + 1;
        self.owner = state.owner;
        self.numbers = Numbers { revision, ..state.numbers };
        let (counts, room) = (state.numbers.counts, state.room(&batch.app.limits));
        assert!(counts.marked <= room.marked, "the CHECK constraint would refuse {counts:?}");
        assert!(counts.grouped <= room.grouped && counts.pinned <= room.pinned, "{counts:?}");
        if state.deleted {
            self.conversations.clear();
            self.groups.clear();
            assert_eq!(self.numbers.forgotten_revision, revision, "all rows are removed");
        }
        let deleted: Vec<_> = state.groups_to_delete().cloned().collect();
        self.groups.retain(|group| !deleted.contains(group));
        self.groups.extend(state.groups_to_insert().cloned());
        for moved in state.groups_to_rank() {
            let group = self.groups.iter_mut().find(|group| group.id == moved.id).unwrap();
            assert_eq!(group.name, moved.name, "a contact group with a new name is inserted anew");
            group.rank = moved.rank;
        }
        for (conversation, entry) in &state.entries {
            let row = self.conversations.get(conversation).map(|row| &row.kept);
            assert_eq!(row, entry.before.as_ref(), "the row is not the one that was loaded");
            if entry.is_changed() {
                let kept = entry.after.clone().unwrap();
                before.check_change(entry.before.as_ref(), &kept, batch.now);
                let row = Row { kept, changed_revision: revision };
                self.conversations.insert(conversation.clone(), row);
            }
        }
        self.check(&batch.app.limits);
        self.check_room(state, batch);
        let adds_rows = self.conversations.len() > before.conversations.len();
        assert!(!adds_rows || batch.growth() != Growth::default());
    }

    /// Checks a row against the row that it replaces.
    fn check_change(
        &self,
        before: Option<&ConversationState>,
        after: &ConversationState,
        now: u64,
    ) {
        let before = before.cloned().unwrap_or_default();
        let marks =
            |kept: &ConversationState| (kept.standard, kept.custom.clone(), kept.group_ids.clone());
        if marks(&before) != marks(after) || before.is_empty() || after.is_empty() {
            assert_eq!(after.changed_at, now);
        }
        assert!(after.holds_place || !before.holds_place, "a place is held until the row goes");
        let next = self.numbers.next_position;
        match before.position {
            Some(position) => assert_eq!(after.position, Some(position), "a position stays"),
            None => assert!(after.position.is_none_or(|position| position >= next)),
        }
        if after.pin_position != before.pin_position {
            assert!(after.pin_position.is_none_or(|position| position >= next));
        }
    }

    /// Checks what must hold for the rows at any time.
    fn check(&self, limits: &Limits) {
        let Numbers { revision, forgotten_revision, next_position, next_group_id, counts } =
            self.numbers;
        let rows = || self.conversations.values();
        let kept: Vec<_> = rows().map(|row| &row.kept).collect();
        let counted = Counts {
            rows: count(&kept, |_| true),
            marked: count(&kept, |kept| kept.holds_place),
            grouped: count(&kept, ConversationState::is_grouped),
            pinned: count(&kept, ConversationState::is_pinned),
        };
        assert_eq!(counts, counted, "the counts are not those of the rows");

        assert!(forgotten_revision <= revision);
        for Row { kept, changed_revision } in rows() {
            assert!((1..=revision).contains(changed_revision));
            assert!(!kept.is_empty() || *changed_revision > forgotten_revision, "{kept:?}");
            assert!(kept.holds_place || !kept.is_marked());
            assert!(kept.position.is_some() || !(kept.holds_place || kept.is_grouped()));
            assert!(kept.group_ids.is_sorted_by(|one, next| one < next));
            let exists = |id: &u32| self.groups.iter().any(|group| group.id == *id);
            assert!(kept.group_ids.iter().all(exists), "a contact group does not exist");
        }
        let positions = kept.iter().flat_map(|kept| [kept.position, kept.pin_position]).flatten();
        let mut positions: Vec<_> = positions.collect();
        positions.sort_unstable();
        assert!(positions.is_sorted_by(|one, next| one < next), "a position is used twice");
        assert!(positions.last().is_none_or(|last| *last < next_position));

        for group in &self.groups {
            assert!(group.id < next_group_id);
            let same = |other: &&ContactGroup| other.id == group.id || other.name == group.name;
            assert_eq!(self.groups.iter().filter(same).count(), 1, "a contact group exists twice");
            let same_rank = |other: &&ContactGroup| other.rank == group.rank;
            let is_alone = self.groups.iter().filter(same_rank).count() == 1;
            assert!(group.rank.is_none() || is_alone, "two contact groups have one rank");
        }

        // While an other end is deleted, its conversation does not count against a limit. When the other end is created
        // again, there may be one conversation too many.
        let shown = kept.iter().filter(|kept| !kept.is_empty()).count();
        assert!(shown <= rows_max(limits) + DELETABLE.len());
    }

    /// Checks the part of the counts that does not count against a limit. Near a limit it is exact, and elsewhere it is not
    /// too large.
    fn check_room(&self, state: &UserState, batch: &Batch<'_>) {
        let taken = self.taken(batch, |_| true);
        let of_each = |counts: Counts| [counts.marked, counts.grouped, counts.pinned];
        let (counted, exempt) = (of_each(state.numbers.counts), of_each(state.exempt));
        for ((counted, exempt), taken) in counted.into_iter().zip(exempt).zip(of_each(taken)) {
            assert!(counted >= exempt && counted - exempt >= taken);
        }
    }
}

/// If a user has more rows, the service removes empty ones.
fn rows_max(limits: &Limits) -> usize {
    usize::try_from(limits.marked + limits.grouped + limits.pinned).unwrap()
}

fn count(kept: &[&ConversationState], has: fn(&ConversationState) -> bool) -> u32 {
    u32::try_from(kept.iter().filter(|kept| has(kept)).count()).unwrap()
}
