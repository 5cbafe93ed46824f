//! Reads of the native API.

use std::sync::Arc;

use super::Service;
use crate::deadline::Deadline;
use crate::domain::{App, Conversation, Counts, UserId, UserKey};
use crate::error::Error;
use crate::store::snapshot::{self, Head, Shown};

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
            .store
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
        let read = self.store.clone().read(deadline, async move |reader| {
            snapshot::read_conversation(reader, &key, &conversation).await
        });
        let (head, shown) = self.within(deadline, Error::late_read, read).await?;
        app.check_owner(head.owner)?;
        Ok((head, shown))
    }
}
