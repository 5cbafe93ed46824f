//! The end of a user, and of a user in the lists of others.

use super::{Counts, Entry, Presence, UserState};
use crate::domain::{Applied, Conversation, Refusal};

impl UserState {
    /// Deletes the account and all state. The sequences go on, so that no number is reused.
    pub(in crate::domain) fn delete_account(&mut self) -> Result<Applied, Refusal> {
        // A user who was never imported may have state, if the app's directory is open or was.
        let has_state = self.numbers.counts.rows > 0 || !self.stored_groups.is_empty();
        if self.owner != Presence::Present && !has_state {
            return Err(Refusal::UnknownAccount);
        }
        self.erase();
        Ok(Applied { items: vec![Ok(())], ..Applied::default() })
    }

    /// Removes what the deletion of the account removes, also if nothing is stored. The contact groups must be loaded.
    pub fn erase(&mut self) {
        self.owner = Presence::Gone;
        self.deleted = true;
        self.note_groups_edit();
        self.numbers.counts = Counts::default();
        // All rows are removed, so this must be at least the revision of each of them.
        self.numbers.forgotten_revision = self.numbers.revision + 1;
        self.exempt = Counts::default();
        self.groups.clear();
        self.stored_groups.clear();
        for entry in self.entries.values_mut() {
            *entry = Entry::loaded(None, entry.peer);
        }
    }

    /// Removes the row of a conversation whose other end is erased, and returns whether there is one. Nothing of it stays that
    /// could tell readers of changes, so `forgotten_revision` grows beyond each cursor until now. The store must delete the row.
    pub fn remove_erased(&mut self, conversation: &Conversation) -> bool {
        let Some(entry) = self.entries.get_mut(conversation) else { return false };
        let Some(row) = &entry.before else { return false };
        let (counts, taken) = (Counts::of(Some(row)), entry.taken(Some(row)));
        self.numbers.counts = self.numbers.counts.minus(counts);
        self.exempt = self.exempt.minus(counts.minus(taken));
        self.numbers.forgotten_revision = self.numbers.revision + 1;
        self.edits += 1;
        self.edits_groups |= row.is_grouped();
        *entry = Entry::loaded(None, entry.peer);
        true
    }
}
