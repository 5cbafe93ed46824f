//! The directory of chat groups.

use std::sync::Arc;

use super::Service;
use super::feed::append;
use crate::deadline::Deadline;
use crate::domain::{App, ChatGroup, ChatGroupId, ChatGroupType, Refusal};
use crate::error::Error;
use crate::store;

#[derive(Debug, Clone)]
pub struct ChatGroupRequest {
    /// `None` generates an id.
    pub id: Option<ChatGroupId>,
    pub group_type: ChatGroupType,
    pub name: String,
}

impl Service {
    /// Adds a chat group and returns its id.
    pub async fn create_chat_group(
        &self,
        app: &Arc<App>,
        request: ChatGroupRequest,
        deadline: Deadline,
    ) -> Result<ChatGroupId, Error> {
        let id = request.id.map_or_else(|| random_id(request.group_type), Ok)?;
        let group = ChatGroup { id, group_type: request.group_type, name: request.name };
        let (store, sdk_app_id) = (self.store.clone(), app.sdk_app_id);
        self.within(deadline, Error::late_write, async move {
            let mut connection = store.connection(deadline).await?;
            let mut tx = connection.begin().await?;
            let Some(changes) = store::chat_groups::insert(&mut tx, sdk_app_id, &group).await?
            else {
                tx.rollback().await?;
                return Err(Refusal::ChatGroupIdTaken.into());
            };
            append(&mut tx, &changes).await?;
            tx.commit().await?;
            Ok(group.id)
        })
        .await
        .inspect(|_| self.shared.waiting.tell_directory(sdk_app_id))
    }

    /// Destroys a chat group. The users' state about it stays stored, but reads leave it out and writes are refused.
    pub async fn destroy_chat_group(
        &self,
        app: &Arc<App>,
        id: ChatGroupId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let (store, sdk_app_id) = (self.store.clone(), app.sdk_app_id);
        self.within(deadline, Error::late_write, async move {
            let mut connection = store.connection(deadline).await?;
            let mut tx = connection.begin().await?;
            let Some(changes) = store::chat_groups::destroy(&mut tx, sdk_app_id, &id).await? else {
                tx.rollback().await?;
                return Err(Refusal::UnknownChatGroup.into());
            };
            append(&mut tx, &changes).await?;
            tx.commit().await
        })
        .await
        .inspect(|()| self.shared.waiting.tell_directory(sdk_app_id))
    }

    /// Looks up each id, in order. `None` means that the chat group was never created, or is destroyed.
    pub async fn chat_groups(
        &self,
        app: &Arc<App>,
        ids: Vec<ChatGroupId>,
        deadline: Deadline,
    ) -> Result<Vec<(ChatGroupId, Option<ChatGroup>)>, Error> {
        let sdk_app_id = app.sdk_app_id;
        let read = self.store.clone().read(deadline, async move |reader| {
            let groups = store::chat_groups::load(reader, sdk_app_id, &ids).await?;
            let find = |id: &ChatGroupId| groups.iter().find(|group| group.id == *id).cloned();
            Ok(ids.into_iter().map(|id| (id.clone(), find(&id))).collect())
        });
        self.within(deadline, Error::late_read, read).await
    }
}

fn random_id(group_type: ChatGroupType) -> Result<ChatGroupId, Error> {
    let mut bytes = [0; 10];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Internal(anyhow::anyhow!("no randomness: {error}")))?;
    Ok(ChatGroupId::of_random_bytes(bytes, group_type))
}
