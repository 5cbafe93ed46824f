//! The changes that a request can make to one user's state.

use super::{
    App, BitChange, ContactGroup, ContactGroupName, Conversation, CustomMark, Growth, MarkChange,
    Refusal, UserState,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Mark(Vec<MarkChange>),
    /// Each patch is applied as a whole or refused. A refused one leaves the others.
    Patch(Vec<Patch>),
    CreateGroup(ContactGroupName, Vec<Conversation>),
    /// Creates a contact group unless the user has one of this name.
    PutGroup(ContactGroupName),
    /// Renames a contact group, moves it to another place in the user's order, or both.
    EditGroup {
        name: ContactGroupName,
        new_name: Option<ContactGroupName>,
        /// The new place, from 0. A place beyond the end is the last one.
        index: Option<u32>,
    },
    ChangeMembers(ContactGroupName, Vec<MemberChange>),
    /// Deletes a contact group. Its conversations keep their marks and pins.
    DeleteGroup(ContactGroupName),
    Pin(Vec<Conversation>),
    Unpin(Vec<Conversation>),
    /// Clears the conversation's marks, contact groups and pin.
    Forget(Conversation),
    /// Deletes the user's account and all of the user's state.
    DeleteAccount,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChange {
    pub conversation: Conversation,
    /// `true` adds the conversation, `false` removes it.
    pub member: bool,
}

/// What changes in a conversation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Patch {
    pub conversation: Conversation,
    pub bits: BitChange,
    /// An empty one clears the custom mark.
    pub custom: Option<CustomMark>,
    pub add_to: Vec<ContactGroupName>,
    pub remove_from: Vec<ContactGroupName>,
    pub pinned: Option<bool>,
}

impl Patch {
    fn sets_bits(&self) -> bool {
        self.bits != BitChange::default()
    }

    fn names_groups(&self) -> bool {
        !self.add_to.is_empty() || !self.remove_from.is_empty()
    }

    fn only_marks(&self) -> bool {
        !self.names_groups() && self.pinned.is_none()
    }
}

impl From<Patch> for MarkChange {
    fn from(patch: Patch) -> Self {
        let standard = patch.sets_bits().then_some(patch.bits);
        Self { conversation: patch.conversation, standard, custom: patch.custom }
    }
}

/// The result of a change. If an item is refused, the other items are still applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// One result per item, in the order of the request.
    pub items: Vec<Result<(), Refusal>>,
    /// The contact group that the change concerned, as it is after the change. If it was deleted: as it was before.
    pub group: Option<ContactGroup>,
    /// The change has created the contact group.
    pub is_new: bool,
}

impl Change {
    /// Patches that change nothing but marks become [`Change::Mark`], which has a fast path.
    #[must_use]
    pub fn of_patches(patches: Vec<Patch>) -> Self {
        if patches.iter().all(Patch::only_marks) {
            Self::Mark(patches.into_iter().map(MarkChange::from).collect())
        } else {
            Self::Patch(patches)
        }
    }

    pub fn check_edition(&self, app: &App) -> Result<(), Refusal> {
        let needs_edition = match self {
            Self::Mark(changes) => changes.iter().any(|change| change.standard.is_some()),
            Self::Patch(patches) => {
                patches.iter().any(|patch| patch.sets_bits() || patch.names_groups())
            }
            Self::CreateGroup(..)
            | Self::PutGroup(_)
            | Self::EditGroup { .. }
            | Self::ChangeMembers(..)
            | Self::DeleteGroup(_) => true,
            Self::Pin(_) | Self::Unpin(_) | Self::Forget(_) | Self::DeleteAccount => false,
        };
        if needs_edition && !app.edition.has_standard_marks() {
            Err(Refusal::EditionTooLow)
        } else {
            Ok(())
        }
    }

    /// The refusal for a user who was never imported.
    #[must_use]
    pub fn no_such_user(&self) -> Refusal {
        if matches!(self, Self::DeleteAccount) {
            Refusal::UnknownAccount
        } else {
            Refusal::UnknownOwner
        }
    }

    /// The conversations that must be loaded before [`Change::apply`].
    pub fn touched(&self) -> impl Iterator<Item = &Conversation> {
        // Each kind of change has one kind of items.
        let (mut marks, mut patches): (&[MarkChange], &[Patch]) = (&[], &[]);
        let (mut members, mut plain): (&[MemberChange], &[Conversation]) = (&[], &[]);
        match self {
            Self::Mark(changes) => marks = changes,
            Self::Patch(changes) => patches = changes,
            Self::ChangeMembers(_, changes) => members = changes,
            Self::CreateGroup(_, conversations)
            | Self::Pin(conversations)
            | Self::Unpin(conversations) => plain = conversations,
            Self::Forget(conversation) => plain = std::slice::from_ref(conversation),
            Self::PutGroup(_)
            | Self::EditGroup { .. }
            | Self::DeleteGroup(_)
            | Self::DeleteAccount => {}
        }
        let marks = marks.iter().map(|change| &change.conversation);
        let patches = patches.iter().map(|patch| &patch.conversation);
        let members = members.iter().map(|change| &change.conversation);
        marks.chain(patches).chain(members).chain(plain)
    }

    /// Which of the user's counts the change can increase.
    #[must_use]
    pub fn growth(&self) -> Growth {
        if let Self::Patch(patches) = self {
            let marks = |patch: &Patch| {
                let custom = patch.custom.as_ref();
                !patch.bits.set.is_empty() || custom.is_some_and(|text| !text.is_empty())
            };
            return Growth {
                marked: patches.iter().any(marks),
                grouped: patches.iter().any(|patch| !patch.add_to.is_empty()),
                pinned: patches.iter().any(|patch| patch.pinned == Some(true)),
            };
        }
        Growth {
            marked: matches!(self, Self::Mark(_)),
            grouped: matches!(self, Self::CreateGroup(..) | Self::ChangeMembers(..)),
            pinned: matches!(self, Self::Pin(_)),
        }
    }

    #[must_use]
    pub fn needs_groups(&self) -> bool {
        match self {
            Self::Patch(patches) => patches.iter().any(Patch::names_groups),
            Self::CreateGroup(..)
            | Self::PutGroup(_)
            | Self::EditGroup { .. }
            | Self::ChangeMembers(..)
            | Self::DeleteGroup(_)
            | Self::DeleteAccount => true,
            Self::Mark(_) | Self::Pin(_) | Self::Unpin(_) | Self::Forget(_) => false,
        }
    }

    /// Whether all conversations in any contact group must be loaded, too.
    #[must_use]
    pub fn needs_members(&self) -> bool {
        matches!(self, Self::DeleteGroup(_))
    }

    /// Changes the state, or refuses the whole change and leaves the state as it was. `now` is in Unix seconds.
    pub fn apply(&self, state: &mut UserState, app: &App, now: u64) -> Result<Applied, Refusal> {
        if !matches!(self, Self::DeleteAccount) {
            app.check_owner(state.owner)?;
        }
        match self {
            Self::Mark(changes) => Ok(state.mark(app, changes, now)),
            Self::Patch(patches) => Ok(state.patch(app, patches, now)),
            Self::CreateGroup(name, conversations) => {
                state.create_group(app, name, conversations, now)
            }
            Self::PutGroup(name) => state.put_group(app, name, now),
            Self::EditGroup { name, new_name, index } => {
                state.edit_group(name, new_name.as_ref(), *index)
            }
            Self::ChangeMembers(name, changes) => state.change_members(app, name, changes, now),
            Self::DeleteGroup(name) => state.delete_group(app, name, now),
            Self::Pin(conversations) => Ok(state.pin(app, conversations, now)),
            Self::Unpin(conversations) => Ok(state.unpin(app, conversations, now)),
            Self::Forget(conversation) => state.forget(app, conversation, now),
            Self::DeleteAccount => state.delete_account(),
        }
    }
}
