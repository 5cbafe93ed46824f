//! All that is stored of one user, for export and import.

use super::{ConversationState, Counts, Numbers};
use crate::domain::{ContactGroup, Conversation, UserId};
use crate::limits::Limits;

/// The values of an account. `None` is not known.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct AccountValues {
    pub nick: Option<String>,
    pub face_url: Option<String>,
}

impl AccountValues {
    /// Whether all that is known here is the same there.
    #[must_use]
    pub fn agree_with(&self, other: &Self) -> bool {
        let agree = |own: &Option<String>, other| own.is_none() || own == other;
        agree(&self.nick, &other.nick) && agree(&self.face_url, &other.face_url)
    }
}

/// A contact group with the revision at which it got its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredGroup {
    pub group: ContactGroup,
    pub name_revision: u64,
}

/// A conversation's row with the revision of its last change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredConversation {
    pub conversation: Conversation,
    pub state: ConversationState,
    pub revision: u64,
}

/// A user's account and state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredUser {
    pub user_id: UserId,
    /// `None` if the user has no account.
    pub account: Option<AccountValues>,
    /// A revision of 0 stands for a user without state.
    pub numbers: Numbers,
    pub groups_revision: u64,
    /// By id.
    pub groups: Vec<StoredGroup>,
    /// By kind and id of the other end. Empty ones are among them.
    pub conversations: Vec<StoredConversation>,
}

impl StoredUser {
    /// The numbers of rows.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let rows = self.conversations.iter().map(|row| Counts::of(Some(&row.state)));
        rows.fold(Counts::default(), Counts::plus)
    }

    /// What counts against the limits, if `is_gone` says which other ends are gone.
    #[must_use]
    pub fn taken(&self, is_gone: impl Fn(&Conversation) -> bool) -> Counts {
        let live = self.conversations.iter().filter(|row| !is_gone(&row.conversation));
        live.map(|row| &row.state).fold(Counts::default(), |counts, state| {
            counts.plus(Counts {
                rows: 0,
                marked: state.is_marked().into(),
                grouped: state.is_grouped().into(),
                pinned: state.is_pinned().into(),
            })
        })
    }

    /// The highest value that each count may have: the limits do not count what is exempt.
    #[must_use]
    pub fn room(&self, limits: &Limits, taken: Counts) -> Counts {
        let counts = self.counts();
        Counts::max(limits).plus(counts.minus(taken)).each(counts, u32::max)
    }

    /// Whether both have the same contact groups and the same conversations. Revisions, and conversations that are empty, make no
    /// difference.
    #[must_use]
    pub fn has_state_of(&self, other: &Self) -> bool {
        let groups =
            |user: &Self| user.groups.iter().map(|stored| stored.group.clone()).collect::<Vec<_>>();
        let rows = |user: &Self| {
            let rows = user.conversations.iter().filter(|row| !row.state.is_empty());
            rows.map(|row| (row.conversation.clone(), row.state.clone())).collect::<Vec<_>>()
        };
        groups(self) == groups(other) && rows(self) == rows(other)
    }

    #[must_use]
    pub fn has_state(&self) -> bool {
        !self.groups.is_empty() || !self.conversations.is_empty()
    }

    /// What to store in place of `stored`.
    ///
    /// A user who never had state gets all revisions as they are. Otherwise the revision grows, and what came before it is
    /// forgotten, so that every reader of changes reads the whole state again.
    #[must_use]
    pub fn in_place_of(mut self, stored: &Self) -> Self {
        let (old, new) = (stored.numbers, &mut self.numbers);
        if old.revision > 0 {
            // No reader has seen the revision in between.
            let revision = new.revision.max(old.revision + 2);
            new.revision = revision;
            new.forgotten_revision = revision - 1;
            self.groups_revision = revision;
            self.groups.iter_mut().for_each(|group| group.name_revision = revision);
            self.conversations.iter_mut().for_each(|row| row.revision = revision);
        }
        new.next_position = new.next_position.max(old.next_position);
        new.next_group_id = new.next_group_id.max(old.next_group_id);
        new.counts = Counts::default();
        self.numbers.counts = self.counts();
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{ContactGroupName, StandardMark};

    /// A user at a revision with this mark on one conversation, and a contact group.
    fn user(revision: u64, bits: u64) -> StoredUser {
        let state = ConversationState {
            standard: StandardMark::new(bits),
            holds_place: true,
            position: Some(1),
            ..ConversationState::default()
        };
        let peer = Conversation::OneToOne(UserId::parse("peer", 32).unwrap());
        let name = ContactGroupName::parse("work").unwrap();
        let numbers =
            Numbers { revision, next_position: 2, next_group_id: 2, ..Numbers::default() };
        StoredUser {
            user_id: UserId::parse("user", 32).unwrap(),
            account: None,
            numbers,
            groups_revision: 1,
            groups: vec![StoredGroup {
                group: ContactGroup { id: 1, name, rank: None },
                name_revision: 1,
            }],
            conversations: vec![StoredConversation { conversation: peer, state, revision: 1 }],
        }
    }

    #[test]
    fn a_user_without_state_gets_all_numbers_as_they_are() {
        let new = user(7, 1);
        let empty = StoredUser { numbers: Numbers::default(), conversations: vec![], ..user(0, 0) };
        let numbers = Numbers { counts: new.counts(), ..new.numbers };
        assert_eq!(new.clone().in_place_of(&empty), StoredUser { numbers, ..new });
    }

    #[test]
    fn a_replaced_user_forgets_every_revision_that_a_reader_may_have_seen() {
        for (file, stored, expected) in [(7, 3, 7), (7, 5, 7), (7, 6, 8), (7, 7, 9), (1, 100, 102)]
        {
            let replaced = user(file, 1).in_place_of(&user(stored, 2));
            let numbers = replaced.numbers;
            assert_eq!((numbers.revision, numbers.forgotten_revision), (expected, expected - 1));
            assert!(numbers.forgotten_revision > stored, "a reader at {stored} reads anew");
            assert_eq!(replaced.conversations[0].revision, expected);
            assert_eq!(
                (replaced.groups[0].name_revision, replaced.groups_revision),
                (expected, expected)
            );
        }
    }

    #[test]
    fn positions_and_ids_never_go_back() {
        let mut stored = user(3, 2);
        (stored.numbers.next_position, stored.numbers.next_group_id) = (9, 1);
        let numbers = user(7, 1).in_place_of(&stored).numbers;
        assert_eq!((numbers.next_position, numbers.next_group_id), (9, 2));
    }

    #[test]
    fn revisions_and_empty_conversations_make_no_difference() {
        let mut with_empty = user(9, 1);
        let peer = Conversation::OneToOne(UserId::parse("empty", 32).unwrap());
        let state = ConversationState { position: Some(7), ..ConversationState::default() };
        with_empty.conversations.push(StoredConversation {
            conversation: peer,
            state,
            revision: 9,
        });
        assert!(user(3, 1).has_state_of(&with_empty) && with_empty.has_state_of(&user(3, 1)));
        assert!(!user(3, 1).has_state_of(&user(3, 2)));
        let mut renamed = user(3, 1);
        renamed.groups[0].group.rank = Some(1);
        assert!(!user(3, 1).has_state_of(&renamed));
    }

    #[test]
    fn who_is_gone_takes_no_room_and_leaves_it_to_others() {
        let limits = Limits { marked: 1, ..Limits::default() };
        let user = user(1, 1);
        let taken = user.taken(|_| true);
        assert_eq!((taken.marked, user.room(&limits, taken).marked), (0, 2));
        let taken = user.taken(|_| false);
        assert_eq!((taken.marked, user.room(&limits, taken).marked), (1, 1));
    }
}
