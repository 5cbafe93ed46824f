//! What a user's state can be asked to do.

use super::{App, Conversation, MarkChange, UserState};
use crate::error::Error;

/// One request to change one user's state.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Marks, item by item.
    Mark(Vec<MarkChange>),
}

/// What a change has done: a refused item leaves its neighbours applied.
#[derive(Debug, Default)]
pub struct Applied {
    /// One outcome per item, in order.
    pub items: Vec<Result<(), Error>>,
}

impl Change {
    /// The app's edition allows it.
    pub fn check_edition(&self, app: &App) -> Result<(), Error> {
        let needs_edition = match self {
            Self::Mark(changes) => changes.iter().any(|change| change.standard.is_some()),
        };
        if needs_edition && !app.edition.has_standard_marks() {
            Err(Error::EditionTooLow)
        } else {
            Ok(())
        }
    }

    /// The conversations that have to be loaded before it can be applied.
    pub fn touched(&self) -> impl Iterator<Item = &Conversation> {
        match self {
            Self::Mark(changes) => changes.iter().map(|change| &change.conversation),
        }
    }

    /// Changes the state, or refuses as a whole and leaves it as it was.
    pub fn apply(&self, state: &mut UserState, app: &App, now: u64) -> Result<Applied, Error> {
        match self {
            Self::Mark(changes) => state.mark(app, changes, now),
        }
    }
}
