//! Accounts in the directory.

use super::gone::{self, ACCOUNT};
use crate::domain::{SdkAppId, UserId, UserKey};
use crate::error::Error;
use crate::store::feed::DirectoryChange;
use crate::store::unnest::unnest;
use crate::store::{Reader, Tx};

/// An account to import. A value that is `None` stays as it is.
#[derive(Debug, Clone)]
pub struct Account {
    pub user_id: UserId,
    pub nick: Option<String>,
    pub face_url: Option<String>,
}

/// Imports accounts of distinct users. An account that exists is updated; a deleted account returns empty. The result is for
/// the feed.
pub async fn import(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    accounts: &[Account],
) -> Result<Vec<DirectoryChange>, Error> {
    let user_ids: Vec<_> = accounts.iter().map(|account| account.user_id.as_str()).collect();
    // Locks rows in the order of user ids, so that two callers do not wait for each other in a circle.
    sqlx::query!(
        r#"
        INSERT INTO accounts AS a (sdk_app_id, user_id)
        SELECT $1, user_id FROM unnest($2::text[]) AS t (user_id) ORDER BY user_id COLLATE "C"
        ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET nick = a.nick
        "#,
        sdk_app_id.number(),
        &user_ids as &[&str],
    )
    .execute(tx.session())
    .await?;
    unnest!(
        query!(
            "
            UPDATE accounts a SET nick = COALESCE(t.nick, a.nick), face_url = COALESCE(t.face_url, a.face_url)
            FROM unnest($1::text[], $2::text[], $3::text[]) AS t (user_id, nick, face_url)
            WHERE a.sdk_app_id = $4 AND a.user_id = t.user_id
            "
        ),
        for account in accounts => {
            user_id: &str = account.user_id.as_str(),
            nick: Option<&str> = account.nick.as_deref(),
            face_url: Option<&str> = account.face_url.as_deref(),
        };
        sdk_app_id.number()
    )
    .execute(tx.session())
    .await?;
    gone::remove(tx, sdk_app_id, ACCOUNT, &user_ids).await
}

/// Deletes accounts with all rows of their users except those in `users`, whose revisions must not start again. The users
/// are locked and sorted. The result is for the feed.
pub async fn delete(tx: &mut Tx<'_>, users: &[&UserKey]) -> Result<Vec<DirectoryChange>, Error> {
    let mut changes = Vec::new();
    for of_app in users.chunk_by(|a, b| a.sdk_app_id == b.sdk_app_id) {
        let sdk_app_id = of_app[0].sdk_app_id;
        let user_ids: Vec<_> = of_app.iter().map(|key| key.user_id.as_str()).collect();
        delete_rows(tx, sdk_app_id, &user_ids).await?;
        changes.extend(gone::add(tx, sdk_app_id, ACCOUNT, &user_ids).await?);
    }
    Ok(changes)
}

/// Loads an account; `None` if the user is not imported.
pub async fn load(reader: &mut Reader<'_>, key: &UserKey) -> Result<Option<Account>, Error> {
    let row = sqlx::query!(
        "SELECT nick, face_url FROM accounts WHERE sdk_app_id = $1 AND user_id = $2",
        key.sdk_app_id.number(),
        key.user_id.as_str(),
    )
    .fetch_optional(reader.session())
    .await?;
    Ok(row.map(|row| Account {
        user_id: key.user_id.clone(),
        nick: Some(row.nick),
        face_url: Some(row.face_url),
    }))
}

/// Deletes accounts, and all rows of their users except those in `users`.
pub(in crate::store) async fn delete_rows(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    user_ids: &[&str],
) -> Result<(), Error> {
    delete_state(tx, sdk_app_id, user_ids).await?;
    sqlx::query!(
        "DELETE FROM accounts WHERE sdk_app_id = $1 AND user_id = ANY ($2)",
        sdk_app_id.number(),
        user_ids as &[&str],
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Deletes the conversations and the contact groups of users, and returns how many of each there were.
pub(in crate::store) async fn delete_state(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    user_ids: &[&str],
) -> Result<(u64, u64), Error> {
    let conversations = sqlx::query!(
        "DELETE FROM conversations WHERE sdk_app_id = $1 AND user_id = ANY ($2)",
        sdk_app_id.number(),
        user_ids as &[&str],
    )
    .execute(tx.session())
    .await?;
    let contact_groups = sqlx::query!(
        "DELETE FROM contact_groups WHERE sdk_app_id = $1 AND user_id = ANY ($2)",
        sdk_app_id.number(),
        user_ids as &[&str],
    )
    .execute(tx.session())
    .await?;
    Ok((conversations.rows_affected(), contact_groups.rows_affected()))
}

/// Returns for each user, in order, whether the account exists.
pub async fn exist(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    users: &[UserId],
) -> Result<Vec<bool>, Error> {
    let user_ids: Vec<_> = users.iter().map(UserId::as_str).collect();
    let rows = sqlx::query_scalar!(
        r#"
        SELECT a.user_id IS NOT NULL AS "exists!"
        FROM unnest($2::text[]) WITH ORDINALITY AS t (user_id, nr)
        LEFT JOIN accounts a ON a.sdk_app_id = $1 AND a.user_id = t.user_id
        ORDER BY nr
        "#,
        sdk_app_id.number(),
        &user_ids as &[&str],
    )
    .fetch_all(reader.session())
    .await?;
    Ok(rows)
}
