//! What a user's state can be asked to do.

use super::{App, ContactGroup, ContactGroupName, Conversation, Growth, MarkChange, UserState};
use crate::error::Error;

/// One request to change one user's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Marks, item by item.
    Mark(Vec<MarkChange>),
    /// A new conversation group, with conversations to begin with.
    CreateGroup(ContactGroupName, Vec<Conversation>),
    /// Another name for a conversation group.
    RenameGroup {
        /// The name it has.
        old: ContactGroupName,
        /// The name it gets.
        new: ContactGroupName,
    },
    /// Conversations into and out of a conversation group, item by item.
    ChangeMembers(ContactGroupName, Vec<MemberChange>),
    /// A conversation group less; its conversations stay.
    DeleteGroup(ContactGroupName),
    /// Conversations to the top of the list.
    Pin(Vec<Conversation>),
    /// Conversations back to where they belong.
    Unpin(Vec<Conversation>),
    /// Everything that is kept about a conversation.
    Forget(Conversation),
    /// The user's account, and everything that is kept with it.
    DeleteAccount,
}

/// A conversation into or out of a conversation group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MemberChange {
    /// Which conversation.
    pub conversation: Conversation,
    /// It shall be in, or out.
    pub member: bool,
}

/// What a change has done: a refused item leaves its neighbours applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// One outcome per item, in order.
    pub items: Vec<Result<(), Error>>,
    /// The conversation group that it was about, as it is now (or was, if it is gone).
    pub group: Option<ContactGroup>,
}

impl Applied {
    /// The conversation group that it was about, of a change that is about one.
    pub fn group(&self) -> Result<&ContactGroup, Error> {
        self.group.as_ref().ok_or_else(|| Error::internal("a change of a group named none"))
    }
}

impl Change {
    /// The app's edition allows it.
    pub fn check_edition(&self, app: &App) -> Result<(), Error> {
        let needs_edition = match self {
            Self::Mark(changes) => changes.iter().any(|change| change.standard.is_some()),
            Self::CreateGroup(..)
            | Self::RenameGroup { .. }
            | Self::ChangeMembers(..)
            | Self::DeleteGroup(_) => true,
            Self::Pin(_) | Self::Unpin(_) | Self::Forget(_) | Self::DeleteAccount => false,
        };
        if needs_edition && !app.edition.has_standard_marks() {
            Err(Error::EditionTooLow)
        } else {
            Ok(())
        }
    }

    /// What it is refused with when the user has never been heard of.
    #[must_use]
    pub fn no_such_user(&self) -> Error {
        if matches!(self, Self::DeleteAccount) { Error::AccountMissing } else { Error::UnknownUser }
    }

    /// The conversations that have to be loaded before it can be applied.
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

    /// The counts that it can make grow.
    #[must_use]
    pub fn growth(&self) -> Growth {
        Growth {
            marked: matches!(self, Self::Mark(_)),
            grouped: matches!(self, Self::CreateGroup(..) | Self::ChangeMembers(..)),
            pinned: matches!(self, Self::Pin(_)),
        }
    }

    /// The user's conversation groups have to be loaded, too.
    #[must_use]
    pub fn needs_groups(&self) -> bool {
        match self {
            Self::CreateGroup(..)
            | Self::RenameGroup { .. }
            | Self::ChangeMembers(..)
            | Self::DeleteGroup(_) => true,
            Self::Mark(_)
            | Self::Pin(_)
            | Self::Unpin(_)
            | Self::Forget(_)
            | Self::DeleteAccount => false,
        }
    }

    /// All conversations that are in any group have to be loaded, too.
    #[must_use]
    pub fn needs_members(&self) -> bool {
        matches!(self, Self::DeleteGroup(_))
    }

    /// Changes the state, or refuses as a whole and leaves it as it was. `now` is in Unix seconds.
    pub fn apply(&self, state: &mut UserState, app: &App, now: u64) -> Result<Applied, Error> {
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
