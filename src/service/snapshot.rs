//! Reads of the native API.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;

use super::Service;
use super::listening::{Listener, ListenerKind};
use super::reading::cut;
use crate::deadline::Deadline;
use crate::domain::{App, Conversation, Counts, Moment, Refusal, UserId, UserKey};
use crate::error::Error;
use crate::store::snapshot::{self, Changes, Filter, Head, Order, Place, Shown};

/// A page of a list.
#[derive(Debug, Clone)]
pub struct ListPage {
    pub head: Head,
    pub conversations: Vec<Shown>,
    /// Where the next page begins; `None` after the last page.
    pub next: Option<Place>,
}

impl Service {
    /// A user's contact groups, and what counts against the limits.
    pub async fn user(
        &self,
        app: Arc<App>,
        owner: UserId,
        deadline: Deadline,
    ) -> Result<(Head, Counts), Error> {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        let read = self
            .partitions
            .of_user(&key)
            .clone()
            .read(deadline, async move |reader| snapshot::read_user(reader, &key).await);
        let (head, used) = self.within(deadline, Error::late_read, read).await?;
        app.check_owner(head.owner)?;
        Ok((head, used))
    }

    /// One conversation; `None` if it has no state that answers show.
    pub async fn conversation(
        &self,
        app: Arc<App>,
        owner: UserId,
        conversation: Conversation,
        deadline: Deadline,
    ) -> Result<(Head, Option<Shown>), Error> {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        let read = self.partitions.of_user(&key).clone().read(deadline, async move |reader| {
            snapshot::read_conversation(reader, &key, &conversation).await
        });
        let (head, shown) = self.within(deadline, Error::late_read, read).await?;
        app.check_owner(head.owner)?;
        Ok((head, shown))
    }

    /// A page of the conversations that pass the filter.
    pub async fn list(
        &self,
        app: Arc<App>,
        owner: UserId,
        (order, filter): (Order, Filter),
        after: Option<Place>,
        size: u32,
        deadline: Deadline,
    ) -> Result<ListPage, Error> {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner };
        let limit = size.saturating_add(1);
        let group = filter.group.clone();
        let read = self.partitions.of_user(&key).clone().read(deadline, async move |reader| {
            snapshot::read_list(reader, &key, order, &filter, after.as_ref(), limit).await
        });
        let (head, mut found) = self.within(deadline, Error::late_read, read).await?;
        app.check_owner(head.owner)?;
        let has_group = |name| head.groups.iter().any(|(group, _)| group.name == name);
        if group.is_some_and(|name| !has_group(name)) {
            return Err(Refusal::UnknownContactGroup.into());
        }
        let place = |(shown, sort_key): &(Shown, i64)| Place {
            sort_key: *sort_key,
            conversation: shown.conversation.clone(),
        };
        let next = cut(&mut found, size).map(place);
        let conversations = found.into_iter().map(|(shown, _)| shown).collect();
        Ok(ListPage { head, conversations, next })
    }

    /// What is different since `since`, or only the head if that is `None`. Returns `None` if `since` is not known any more.
    pub async fn changes(
        &self,
        app: &App,
        owner: &UserId,
        since: Option<Moment>,
        deadline: Deadline,
    ) -> Result<Option<Changes>, Error> {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: owner.clone() };
        let read =
            self.partitions.of_user(&key).clone().read(deadline, async move |reader| {
                snapshot::read_changes(reader, &key, since).await
            });
        let changes = self.within(deadline, Error::late_read, read).await?;
        let head = &changes.head;
        app.check_owner(head.owner)?;
        let is_known = |since| head.at.knows(since, head.forgotten_revision);
        Ok(since.is_none_or(is_known).then_some(changes))
    }

    /// Begins to listen for changes of a user. Listen before you read.
    #[must_use]
    pub fn listen(&self, key: UserKey, kind: ListenerKind) -> Listener {
        self.shared.waiting.listeners.add(key, self.metrics().listeners(kind.name()))
    }

    /// Waits until a listener may read. Hold the result while it reads.
    pub async fn listener_read(&self) -> Option<OwnedSemaphorePermit> {
        self.listener_reads.clone().acquire_owned().await.ok()
    }
}
