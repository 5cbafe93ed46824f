//! The directory: which accounts and chat groups exist, and which are gone.

use std::collections::BTreeSet;

use crate::domain::{Conversation, SdkAppId};

/// Members of directories of which is known that they exist, although the partition of a write does not have their rows.
#[derive(Debug, Clone, Default)]
pub struct KnownMembers(BTreeSet<(SdkAppId, Conversation)>);

impl KnownMembers {
    pub fn add(&mut self, app: SdkAppId, members: impl IntoIterator<Item = Conversation>) {
        self.0.extend(members.into_iter().map(|member| (app, member)));
    }

    #[must_use]
    pub fn union<'k>(all: impl Iterator<Item = &'k Self>) -> Self {
        Self(all.flat_map(|known| known.0.iter().cloned()).collect())
    }

    #[must_use]
    pub fn has(&self, app: SdkAppId, member: &Conversation) -> bool {
        !self.0.is_empty() && self.0.contains(&(app, member.clone()))
    }
}

pub mod accounts;
pub mod chat_groups;
pub(super) mod gone;
