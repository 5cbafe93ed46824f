//! Chat groups in the directory.

use super::gone::{self, CHAT_GROUP};
use crate::domain::{ChatGroup, ChatGroupId, SdkAppId};
use crate::error::Error;
use crate::store::convert::corrupt;
use crate::store::feed::DirectoryChange;
use crate::store::unnest::unnest;
use crate::store::{Reader, Tx};

/// Adds a chat group; returns `None` if the id is taken, and otherwise what is for the feed. The id of a destroyed chat group may
/// be used again.
pub async fn insert(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    group: &ChatGroup,
) -> Result<Option<Vec<DirectoryChange>>, Error> {
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
    .execute(tx.session())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    Ok(Some(gone::remove(tx, sdk_app_id, CHAT_GROUP, &[group.id.as_str()]).await?))
}

/// Adds distinct chat groups, and changes those that exist. The result is for the feed.
pub(in crate::store) async fn upsert(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    groups: &[&ChatGroup],
) -> Result<Vec<DirectoryChange>, Error> {
    unnest!(
        query!(
            "
            INSERT INTO chat_groups (sdk_app_id, group_id, group_type, name)
            SELECT $4, group_id, group_type, name
            FROM unnest($1::text[], $2::text[], $3::text[]) AS t (group_id, group_type, name)
            ON CONFLICT (sdk_app_id, group_id) DO UPDATE
                SET group_type = excluded.group_type, name = excluded.name
            "
        ),
        for group in groups => {
            group_id: &str = group.id.as_str(),
            group_type: &str = group.group_type.name(),
            name: &str = &group.name,
        };
        sdk_app_id.number()
    )
    .execute(tx.session())
    .await?;
    let ids: Vec<_> = groups.iter().map(|group| group.id.as_str()).collect();
    gone::remove(tx, sdk_app_id, CHAT_GROUP, &ids).await
}

/// Deletes the rows of chat groups.
pub(in crate::store) async fn delete_rows(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    ids: &[&str],
) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM chat_groups WHERE sdk_app_id = $1 AND group_id = ANY ($2)",
        sdk_app_id.number(),
        ids as &[&str],
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Destroys a chat group; returns `None` if it does not exist, and otherwise what is for the feed. The conversations of users
/// stay stored.
pub async fn destroy(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    id: &ChatGroupId,
) -> Result<Option<Vec<DirectoryChange>>, Error> {
    let done = sqlx::query!(
        "DELETE FROM chat_groups WHERE sdk_app_id = $1 AND group_id = $2",
        sdk_app_id.number(),
        id.as_str(),
    )
    .execute(tx.session())
    .await?;
    if done.rows_affected() == 0 {
        return Ok(None);
    }
    Ok(Some(gone::add(tx, sdk_app_id, CHAT_GROUP, &[id.as_str()]).await?))
}

/// Loads those of these chat groups that exist.
pub async fn load(
    reader: &mut Reader<'_>,
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
    .fetch_all(reader.session())
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(ChatGroup {
                id: ChatGroupId::parse(row.group_id, u32::MAX)
                    .map_err(|problem| corrupt("chat_groups.group_id", problem))?,
                group_type: row
                    .group_type
                    .parse()
                    .map_err(|problem| corrupt("chat_groups.group_type", problem))?,
                name: row.name,
            })
        })
        .collect()
}
