//! Writes users whole. The caller holds their locks.

use std::collections::BTreeSet;

use crate::domain::{Conversation, Counts, SdkAppId, StoredUser, UserKey};
use crate::error::Error;
use crate::store::directory::accounts::{self, Account};
use crate::store::feed::DirectoryChange;
use crate::store::state::users::{UserRow, save_rows};
use crate::store::state::{contact_groups, conversations};
use crate::store::unnest::unnest;
use crate::store::{Tx, convert::number};

/// A user to save, with all numbers as they are to be stored.
#[derive(Debug, Clone)]
pub struct ImportedUser {
    pub key: UserKey,
    pub user: StoredUser,
    /// The highest value that each count may have.
    pub room: Counts,
    /// Rows of the user are stored, and all of them are replaced.
    pub replaces: bool,
}

/// Adds accounts or changes their values. The result is for the feed.
pub async fn save_accounts(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    users: &[&StoredUser],
) -> Result<Vec<DirectoryChange>, Error> {
    let account = |user: &&StoredUser| {
        let values = user.account.clone()?;
        let (nick, face_url) = (values.nick, values.face_url);
        Some(Account { user_id: user.user_id.clone(), nick, face_url })
    };
    let accounts: Vec<_> = users.iter().filter_map(account).collect();
    if accounts.is_empty() {
        return Ok(Vec::new());
    }
    accounts::import(tx, sdk_app_id, &accounts).await
}

/// Saves the state of locked users of one app, and appends them and the changes of the directory to the feed. It must be the
/// last statement before the commit.
pub async fn save(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    users: &[ImportedUser],
    directory: &[DirectoryChange],
) -> Result<(), Error> {
    let replaced: Vec<&str> =
        users.iter().filter(|user| user.replaces).map(|user| user.key.user_id.as_str()).collect();
    if !replaced.is_empty() {
        accounts::delete_state(tx, sdk_app_id, &replaced).await?;
    }
    let groups: Vec<_> = users
        .iter()
        .flat_map(|ImportedUser { key, user, .. }| {
            user.groups.iter().map(move |stored| (key, &stored.group, stored.name_revision))
        })
        .collect();
    contact_groups::insert(tx, &groups).await?;
    let rows: Vec<_> = users
        .iter()
        .flat_map(|ImportedUser { key, user, .. }| {
            let rows = user.conversations.iter();
            rows.map(move |row| (key, &row.conversation, &row.state, row.revision))
        })
        .collect();
    conversations::save_rows(tx, &rows).await?;
    if users.is_empty() && directory.is_empty() {
        return Ok(());
    }
    let rows = users.iter().map(|ImportedUser { key, user, room, .. }| UserRow {
        key,
        numbers: user.numbers,
        groups_revision: Some(user.groups_revision),
        room: *room,
    });
    save_rows(tx, &rows.collect::<Vec<_>>(), directory).await
}

/// Those of these conversations whose other ends are gone.
pub async fn gone_among(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    conversations: impl Iterator<Item = &Conversation> + Clone,
) -> Result<BTreeSet<Conversation>, Error> {
    let rows = unnest!(
        query!(
            "
            SELECT g.kind, g.id
            FROM unnest($1::smallint[], $2::text[]) AS t (kind, peer_id)
            JOIN gone g ON g.sdk_app_id = $3 AND g.kind = t.kind AND g.id = t.peer_id AND g.is_gone
            "
        ),
        for conversation in conversations.clone() => {
            kind: i16 = conversation.kind(),
            peer_id: &str = conversation.peer_id(),
        };
        sdk_app_id.number()
    )
    .fetch_all(tx.session())
    .await?;
    let conversation = |(kind, id): (i16, String)| {
        Conversation::stored(kind, id)
            .map_err(|problem| crate::store::convert::corrupt("gone.id", problem))
    };
    rows.into_iter().map(|row| conversation((row.kind, row.id))).collect()
}

/// Raises the app's directory revision to `revision`, if it is lower.
pub async fn set_directory_revision(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    revision: u64,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "UPDATE apps SET directory_revision = $2 WHERE sdk_app_id = $1 AND directory_revision < $2",
        sdk_app_id.number(),
        number::<_, i64>("apps.directory_revision", revision)?,
    )
    .execute(tx.session())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Removes rows of locked users who have never had state: [`super::lock`] has added them.
pub async fn remove_new(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    user_ids: &[&str],
) -> Result<(), Error> {
    sqlx::query!(
        "DELETE FROM users WHERE sdk_app_id = $1 AND user_id = ANY ($2) AND revision = 0",
        sdk_app_id.number(),
        user_ids as &[&str],
    )
    .execute(tx.session())
    .await?;
    Ok(())
}
