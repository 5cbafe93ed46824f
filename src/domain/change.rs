//! The changes that a request can make to one user's state.

use super::{
    App, ContactGroup, ContactGroupName, Conversation, Growth, MarkChange, Refusal, UserState,
};

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    Mark(Vec<MarkChange>),
    CreateGroup(ContactGroupName, Vec<Conversation>),
    RenameGroup {
        old: ContactGroupName,
        new: ContactGroupName,
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

/// The result of a change. If an item is refused, the other items are still applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// One result per item, in the order of the request.
    pub items: Vec<Result<(), Refusal>>,
    /// The contact group that the change concerned, as it is after the change. If it was deleted: as it was before.
    pub group: Option<ContactGroup>,
}

impl Change {
    pub fn check_edition(&self, app: &App) -> Result<(), Refusal> {
        let needs_edition = match self {
            Self::Mark(changes) => changes.iter().any(|change| change.standard.is_some()),
            Self::CreateGroup(..)
            | Self::RenameGroup { .. }
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
        let (marks, members, plain): (&[MarkChange], &[MemberChange], &[Conversation]) = match self
        {
            Self::Mark(changes) => (changes, &[], &[]),
            Self::ChangeMembers(_, changes) => (&[], changes, &[]),
            Self::CreateGroup(_, conversations)
            | Self::Pin(conversations)
            | Self::Unpin(conversations) => (&[], &[], conversations),
            Self::Forget(conversation) => (&[], &[], std::slice::from_ref(conversation)),
            Self::RenameGroup { .. } | Self::DeleteGroup(_) | Self::DeleteAccount => {
                (&[], &[], &[])
            }
        };
        let marks = marks.iter().map(|change| &change.conversation);
        marks.chain(members.iter().map(|change| &change.conversation)).chain(plain)
    }

    /// Which of the user's counts the change can increase.
    #[must_use]
    pub fn growth(&self) -> Growth {
        Growth {
            marked: matches!(self, Self::Mark(_)),
            grouped: matches!(self, Self::CreateGroup(..) | Self::ChangeMembers(..)),
            pinned: matches!(self, Self::Pin(_)),
        }
    }

    #[must_use]
    pub fn needs_groups(&self) -> bool {
        match self {
            Self::CreateGroup(..)
            | Self::RenameGroup { .. }
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
            Self::CreateGroup(name, conversations) => {
                state.create_group(app, name, conversations, now)
            }
            Self::RenameGroup { old, new } => state.rename_group(old, new),
            Self::ChangeMembers(name, changes) => state.change_members(app, name, changes, now),
            Self::DeleteGroup(name) => state.delete_group(app, name, now),
            Self::Pin(conversations) => Ok(state.pin(app, conversations, now)),
            Self::Unpin(conversations) => Ok(state.unpin(app, conversations, now)),
            Self::Forget(conversation) => state.forget(app, conversation, now),
            Self::DeleteAccount => state.delete_account(),
        }
    }
}
