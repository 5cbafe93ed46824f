//! Reading a user's state back.

use std::sync::Arc;

use super::Service;
use crate::deadline::Deadline;
use crate::domain::{App, ContactGroup, Conversation, Kept, UserId, UserKey};
use crate::error::Error;
use crate::store::reading::{self, ListCursor, Reading};

/// Some of a user's conversations, with the user's conversation groups.
#[derive(Debug)]
pub struct ConversationPage {
    /// The conversations, in order.
    pub conversations: Vec<(Conversation, Kept)>,
    /// The conversation groups, by number.
    pub groups: Vec<ContactGroup>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<u32>,
}

/// Some of a user's conversations, pinned ones first.
#[derive(Debug)]
pub struct ConversationList {
    /// The conversations, in order.
    pub conversations: Vec<(Conversation, Kept)>,
    /// Where the next page begins; `None` when this is the last.
    pub next: Option<ListCursor>,
}

impl Service {
    /// A page of the conversations that are marked or grouped, in the order in which they first were.
    pub async fn read_page(
        &self,
        app: Arc<App>,
        owner: UserId,
        after: u32,
        deadline: Deadline,
    ) -> Result<ConversationPage, Error> {
        let size = app.limits.page_items;
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        // One more than the page holds, to know whether another follows.
        let limit = size.saturating_add(1);
        let read = self.store.clone().read(deadline, async move |reader| {
            reading::read_page(reader, &key, after, limit).await
        });
        let Reading { owner, groups, mut conversations } = self.within(deadline, read).await?;
        app.check_owner(owner)?;
        let next = cut(&mut conversations, size).and_then(|last| last.position);
        Ok(ConversationPage { conversations, groups, next })
    }

    /// What is kept about these conversations, in their order: nothing, for those that nothing is kept about. The groups
    /// are those that the answer refers to.
    pub async fn search(
        &self,
        app: Arc<App>,
        owner: UserId,
        wanted: Vec<Conversation>,
        deadline: Deadline,
    ) -> Result<ConversationPage, Error> {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        let read = self.store.clone().read(deadline, async move |reader| {
            Ok((reading::read_conversations(reader, &key, &wanted).await?, wanted))
        });
        let (Reading { owner, mut groups, conversations: found }, wanted) =
            self.within(deadline, read).await?;
        app.check_owner(owner)?;
        let mut found = found.into_iter().peekable();
        let conversations: Vec<_> = wanted
            .into_iter()
            .map(|conversation| {
                let kept = found.next_if(|(other, _)| *other == conversation);
                (conversation, kept.map(|(_, kept)| kept).unwrap_or_default())
            })
            .collect();
        groups.retain(|group| {
            conversations.iter().any(|(_, kept)| kept.group_ids.contains(&group.id))
        });
        Ok(ConversationPage { conversations, groups, next: None })
    }

    /// A page of the conversations that anything is kept about: pinned ones first, newest pin first, then the others,
    /// newest change first.
    pub async fn read_list(
        &self,
        app: Arc<App>,
        owner: UserId,
        after: ListCursor,
        deadline: Deadline,
    ) -> Result<ConversationList, Error> {
        let size = app.limits.page_items;
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        let limit = size.saturating_add(1);
        let read = self.store.clone().read(deadline, async move |reader| {
            reading::read_list(reader, &key, after, limit).await
        });
        let Reading { owner, mut conversations, .. } = self.within(deadline, read).await?;
        app.check_owner(owner)?;
        let next = match cut(&mut conversations, size) {
            None => None,
            Some(Kept { pin_position: Some(pin_position), .. }) => {
                Some(ListCursor { pin_position: *pin_position, ..after })
            }
            Some(Kept { position: Some(position), changed_at, .. }) => {
                Some(ListCursor { position: *position, changed_at: *changed_at, ..after })
            }
            Some(_) => return Err(Error::internal("conversations.position: NULL")),
        };
        Ok(ConversationList { conversations, next })
    }
}

/// Cuts what does not fit on a page, and says after what it was cut, if anything was.
fn cut(conversations: &mut Vec<(Conversation, Kept)>, size: u32) -> Option<&Kept> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if conversations.len() <= size {
        return None;
    }
    conversations.truncate(size);
    conversations.last().map(|(_, kept)| kept)
}
