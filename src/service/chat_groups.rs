//! The directory of chat groups.

use std::sync::Arc;

use super::copies::copy_directory;
use super::feed::append;
use super::{Service, random_bytes};
use crate::deadline::Deadline;
use crate::domain::{App, ChatGroup, ChatGroupId, ChatGroupType, Refusal, SdkAppId};
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
        let sdk_app_id = app.sdk_app_id;
        let create = self.partitions.shared().clone().write(deadline, async move |tx| {
            let changes = store::chat_groups::insert(tx, sdk_app_id, &group).await?;
            append(tx, &changes.ok_or(Refusal::ChatGroupIdTaken)?).await?;
            Ok(group.id)
        });
        let id = self.within(deadline, Error::late_write, create).await?;
        self.copy_chat_groups(sdk_app_id, deadline).await?;
        Ok(id)
    }

    /// Destroys a chat group. The users' state about it stays stored, but reads leave it out and writes are refused.
    pub async fn destroy_chat_group(
        &self,
        app: &Arc<App>,
        id: ChatGroupId,
        deadline: Deadline,
    ) -> Result<(), Error> {
        let sdk_app_id = app.sdk_app_id;
        let destroy = self.partitions.shared().clone().write(deadline, async move |tx| {
            let changes = store::chat_groups::destroy(tx, sdk_app_id, &id).await?;
            append(tx, &changes.ok_or(Refusal::UnknownChatGroup)?).await
        });
        self.within(deadline, Error::late_write, destroy).await?;
        self.copy_chat_groups(sdk_app_id, deadline).await
    }

    /// Copies a change that is committed, and tells of it.
    async fn copy_chat_groups(&self, app: SdkAppId, deadline: Deadline) -> Result<(), Error> {
        let copied =
            copy_directory(&self.partitions, self.partitions.shared(), app, deadline).await;
        self.shared.waiting.tell_directory(app);
        copied.map_err(Error::after_commit)
    }

    /// Looks up each id, in order. `None` means that the chat group was never created, or is destroyed.
    pub async fn chat_groups(
        &self,
        app: &Arc<App>,
        ids: Vec<ChatGroupId>,
        deadline: Deadline,
    ) -> Result<Vec<(ChatGroupId, Option<ChatGroup>)>, Error> {
        let sdk_app_id = app.sdk_app_id;
        let read = self.partitions.shared().clone().read(deadline, async move |reader| {
            let groups = store::chat_groups::load(reader, sdk_app_id, &ids).await?;
            let find = |id: &ChatGroupId| groups.iter().find(|group| group.id == *id).cloned();
            Ok(ids.into_iter().map(|id| (id.clone(), find(&id))).collect())
        });
        self.within(deadline, Error::late_read, read).await
    }
}

fn random_id(group_type: ChatGroupType) -> Result<ChatGroupId, Error> {
    Ok(ChatGroupId::of_random_bytes(random_bytes()?, group_type))
}
