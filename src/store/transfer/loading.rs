//! Reads all that is stored of some users.

use std::collections::BTreeMap;

use crate::domain::{
    AccountValues, Conversation, ConversationState, Counts, Numbers, SdkAppId, StoredConversation,
    StoredGroup, StoredUser, UserId, UserKey,
};
use crate::error::Error;
use crate::store::Tx;
use crate::store::convert::{corrupt, number};
use crate::store::state::contact_groups::contact_group;
use crate::store::state::conversations::ConversationRow;
use crate::store::users;

/// Locks the users who have state or are to get some, in the order of their keys. `true` adds a row if there is none.
pub async fn lock(tx: &mut Tx<'_>, wanted: &BTreeMap<UserKey, bool>) -> Result<(), Error> {
    let new: BTreeMap<UserKey, bool> = wanted
        .iter()
        .filter(|(_, is_added)| **is_added)
        .map(|(key, _)| (key.clone(), true))
        .collect();
    if new.len() < wanted.len() {
        users::lock_rows(tx, wanted.keys()).await?;
    }
    if !new.is_empty() {
        users::lock(tx, &new).await?;
    }
    Ok(())
}

/// Reads users in the order of `user_ids`, which are sorted. A user without any row is empty in the result.
pub async fn load(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    user_ids: &[&str],
) -> Result<Vec<StoredUser>, Error> {
    let mut users = heads(tx, sdk_app_id, user_ids).await?;
    let nrs: BTreeMap<String, usize> =
        users.iter().zip(0..).map(|(user, nr)| (user.user_id.as_str().to_owned(), nr)).collect();
    let unknown = || Error::internal("a row of a user that was not asked for");
    for (user_id, group) in groups(tx, sdk_app_id, user_ids).await? {
        let nr = nrs.get(&user_id).ok_or_else(unknown)?;
        users[*nr].groups.push(group);
    }
    for (user_id, conversation) in conversations(tx, sdk_app_id, user_ids).await? {
        let nr = nrs.get(&user_id).ok_or_else(unknown)?;
        users[*nr].conversations.push(conversation);
    }
    Ok(users)
}

async fn heads(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    user_ids: &[&str],
) -> Result<Vec<StoredUser>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT
            t.user_id AS "user_id!", a.nick AS "nick?", a.face_url AS "face_url?",
            u.revision AS "revision?", u.forgotten_revision AS "forgotten_revision?",
            u.groups_revision AS "groups_revision?", u.next_position AS "next_position?",
            u.next_group_id AS "next_group_id?", u.row_count AS "row_count?", u.marked AS "marked?",
            u.grouped AS "grouped?", u.pinned AS "pinned?"
        FROM unnest($2::text[]) WITH ORDINALITY AS t (user_id, nr)
        LEFT JOIN accounts a ON a.sdk_app_id = $1 AND a.user_id = t.user_id
        LEFT JOIN users u ON u.sdk_app_id = $1 AND u.user_id = t.user_id
        ORDER BY t.nr
        "#,
        sdk_app_id.number(),
        user_ids as &[&str],
    )
    .fetch_all(tx.session())
    .await?;
    let count = |column, value: Option<i32>| number(column, value.unwrap_or(0));
    let next = |column, value: Option<i32>| number(column, value.unwrap_or(1));
    let revision = |column, value: Option<i64>| number(column, value.unwrap_or(0));
    let user = rows.into_iter().map(|row| {
        let account = row.nick.zip(row.face_url);
        let counts = Counts {
            rows: count("users.row_count", row.row_count)?,
            marked: count("users.marked", row.marked)?,
            grouped: count("users.grouped", row.grouped)?,
            pinned: count("users.pinned", row.pinned)?,
        };
        Ok(StoredUser {
            user_id: UserId::parse(row.user_id, u32::MAX)
                .map_err(|problem| corrupt("users.user_id", problem))?,
            account: account.map(|(nick, face_url)| AccountValues {
                nick: Some(nick),
                face_url: Some(face_url),
            }),
            numbers: Numbers {
                revision: revision("users.revision", row.revision)?,
                forgotten_revision: revision("users.forgotten_revision", row.forgotten_revision)?,
                next_position: next("users.next_position", row.next_position)?,
                next_group_id: next("users.next_group_id", row.next_group_id)?,
                counts,
            },
            groups_revision: revision("users.groups_revision", row.groups_revision)?,
            groups: Vec::new(),
            conversations: Vec::new(),
        })
    });
    user.collect()
}

async fn groups(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    user_ids: &[&str],
) -> Result<Vec<(String, StoredGroup)>, Error> {
    let rows = sqlx::query!(
        "SELECT user_id, group_id, name, rank, name_revision FROM contact_groups
        WHERE sdk_app_id = $1 AND user_id = ANY ($2) ORDER BY user_id, group_id",
        sdk_app_id.number(),
        user_ids as &[&str],
    )
    .fetch_all(tx.session())
    .await?;
    let rows = rows.into_iter().map(|row| {
        let stored = StoredGroup {
            group: contact_group(row.group_id, &row.name, row.rank)?,
            name_revision: number("contact_groups.name_revision", row.name_revision)?,
        };
        Ok((row.user_id, stored))
    });
    rows.collect()
}

async fn conversations(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    user_ids: &[&str],
) -> Result<Vec<(String, StoredConversation)>, Error> {
    let rows = sqlx::query!(
        "SELECT
            user_id, kind, peer_id, standard_mark, custom_mark, holds_place, group_ids, position, pin_position,
            changed_at, changed_revision
        FROM conversations
        WHERE sdk_app_id = $1 AND user_id = ANY ($2) ORDER BY user_id, kind, peer_id",
        sdk_app_id.number(),
        user_ids as &[&str],
    )
    .fetch_all(tx.session())
    .await?;
    let rows = rows.into_iter().map(|row| {
        let conversation = Conversation::stored(row.kind, row.peer_id)
            .map_err(|problem| corrupt("conversations.peer_id", problem))?;
        let state = ConversationState::try_from(ConversationRow {
            standard_mark: row.standard_mark,
            custom_mark: row.custom_mark.into(),
            holds_place: row.holds_place,
            group_ids: row.group_ids,
            position: row.position,
            pin_position: row.pin_position,
            changed_at: row.changed_at,
        })?;
        let revision = number("conversations.changed_revision", row.changed_revision)?;
        Ok((row.user_id, StoredConversation { conversation, state, revision }))
    });
    rows.collect()
}
