//! The directory of chat groups.

use super::gone::CHAT_GROUP;
use super::{Reader, Tx};
use crate::domain::{ChatGroup, ChatGroupId, SdkAppId};
use crate::error::Error;

impl Tx<'_> {
    /// Adds a chat group, or brings a destroyed one back as a new one; `false` when the id is taken.
    pub async fn insert_chat_group(
        &mut self,
        sdk_app_id: SdkAppId,
        group: &ChatGroup,
    ) -> Result<bool, Error> {
        let done = sqlx::query!(
            r#"
            INSERT INTO chat_groups (sdk_app_id, group_id, group_type, name) VALUES ($1, $2, $3, $4)
            ON CONFLICT (sdk_app_id, group_id) DO NOTHING
            "#,
            sdk_app_id.number(),
            group.id.as_str(),
            group.group_type.name(),
            &group.name,
        )
        .execute(self.session())
        .await?;
        self.note_back(sdk_app_id, CHAT_GROUP, &[group.id.as_str()]).await?;
        Ok(done.rows_affected() == 1)
    }

    /// Destroys a chat group; `false` when there is none. What users keep about it stays.
    pub async fn destroy_chat_group(
        &mut self,
        sdk_app_id: SdkAppId,
        id: &ChatGroupId,
    ) -> Result<bool, Error> {
        let done = sqlx::query!(
            "DELETE FROM chat_groups WHERE sdk_app_id = $1 AND group_id = $2",
            sdk_app_id.number(),
            id.as_str(),
        )
        .execute(self.session())
        .await?;
        let is_destroyed = done.rows_affected() == 1;
        if is_destroyed {
            self.note_gone(sdk_app_id, CHAT_GROUP, &[id.as_str()]).await?;
        }
        Ok(is_destroyed)
    }
}

impl Reader<'_> {
    /// The live chat groups among these.
    pub async fn load_chat_groups(
        &mut self,
        sdk_app_id: SdkAppId,
        ids: &[ChatGroupId],
    ) -> Result<Vec<ChatGroup>, Error> {
        let ids: Vec<_> = ids.iter().map(ChatGroupId::as_str).collect();
        let rows = sqlx::query!(
            r#"
            SELECT group_id, group_type, name FROM chat_groups
            WHERE sdk_app_id = $1 AND group_id = ANY ($2)
            "#,
            sdk_app_id.number(),
            &ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        rows.into_iter()
            .map(|row| {
                let bad = |problem| Error::Internal(anyhow::anyhow!("chat_groups: {problem}"));
                Ok(ChatGroup {
                    id: ChatGroupId::parse(row.group_id, u32::MAX).map_err(bad)?,
                    group_type: row.group_type.parse().map_err(bad)?,
                    name: row.name,
                })
            })
            .collect()
    }
}
