//! Reading a user's state.

use std::sync::Arc;

use super::Service;
use crate::deadline::Deadline;
use crate::domain::{App, ContactGroup, Conversation, ConversationState, UserId, UserKey};
use crate::error::Error;
use crate::store::reading::{self, ListCursor, Reading};

#[derive(Debug)]
pub struct ConversationPage {
    pub conversations: Vec<(Conversation, ConversationState)>,
    pub groups: Vec<ContactGroup>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<u32>,
}

/// A page of a user's conversations, pinned ones first.
#[derive(Debug)]
pub struct ConversationList {
    pub conversations: Vec<(Conversation, ConversationState)>,
    /// Where the next page begins; `None` on the last page.
    pub next: Option<ListCursor>,
}

impl Service {
    /// A page of the conversations with a mark or a contact group, in the order in which they first got one.
    pub async fn read_page(
        &self,
        app: Arc<App>,
        owner: UserId,
        after: u32,
        deadline: Deadline,
    ) -> Result<ConversationPage, Error> {
        let size = app.limits.page_items;
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        // One more than the page size, to know whether another page follows.
        let limit = size.saturating_add(1);
        let read = self.partitions.of_user(&key).clone().read(deadline, async move |reader| {
            reading::read_page(reader, &key, after, limit).await
        });
        let Reading { owner, groups, mut conversations } =
            self.within(deadline, Error::late_read, read).await?;
        app.check_owner(owner)?;
        let next = cut(&mut conversations, size).and_then(|(_, last)| last.position);
        Ok(ConversationPage { conversations, groups, next })
    }

    /// Returns the state of these conversations, in order; the default if none is stored. Returns only the contact
    /// groups that hold one of them.
    pub async fn search(
        &self,
        app: Arc<App>,
        owner: UserId,
        wanted: Vec<Conversation>,
        deadline: Deadline,
    ) -> Result<ConversationPage, Error> {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        let read = self.partitions.of_user(&key).clone().read(deadline, async move |reader| {
            Ok((reading::read_conversations(reader, &key, &wanted).await?, wanted))
        });
        let (Reading { owner, mut groups, conversations: found }, wanted) =
            self.within(deadline, Error::late_read, read).await?;
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

    /// A page of all conversations with state: first the pinned ones, newest pin first, then the others, newest change
    /// first.
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
        let read = self.partitions.of_user(&key).clone().read(deadline, async move |reader| {
            reading::read_list(reader, &key, after, limit).await
        });
        let Reading { owner, mut conversations, .. } =
            self.within(deadline, Error::late_read, read).await?;
        app.check_owner(owner)?;
        let next = match cut(&mut conversations, size).map(|(_, last)| last) {
            None => None,
            Some(ConversationState { pin_position: Some(pin_position), .. }) => {
                Some(ListCursor { pin_position: *pin_position, ..after })
            }
            Some(ConversationState { position: Some(position), changed_at, .. }) => {
                Some(ListCursor { position: *position, changed_at: *changed_at, ..after })
            }
            Some(_) => return Err(Error::internal("conversations.position: NULL")),
        };
        Ok(ConversationList { conversations, next })
    }
}

/// Shortens the list to one page. Returns the last conversation of the page if another page follows.
pub(super) fn cut<T>(conversations: &mut Vec<T>, size: u32) -> Option<&T> {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    if conversations.len() <= size {
        return None;
    }
    conversations.truncate(size);
    conversations.last()
}
