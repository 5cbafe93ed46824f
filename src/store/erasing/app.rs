//! The state of an app: what its users have, its directory, and what is still to be told of both.

use crate::domain::{Refusal, SdkAppId};
use crate::error::Error;
use crate::store::{Tx, accounts};

/// Rows that a step removes, unless a single user has more.
const STEP_ROWS: u64 = 10_000;
/// Users that a step locks at most.
const STEP_USERS: i64 = 1_000;

/// Numbers of removed rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Removed {
    pub users: u64,
    pub conversations: u64,
    pub contact_groups: u64,
    pub accounts: u64,
    pub chat_groups: u64,
    /// Entries of the feed, and failed deliveries of webhooks.
    pub changes: u64,
    /// Accounts and chat groups of which it was known that they are gone.
    gone: u64,
}

impl Removed {
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            users: self.users + other.users,
            conversations: self.conversations + other.conversations,
            contact_groups: self.contact_groups + other.contact_groups,
            accounts: self.accounts + other.accounts,
            chat_groups: self.chat_groups + other.chat_groups,
            changes: self.changes + other.changes,
            gone: self.gone + other.gone,
        }
    }

    fn rows(&self) -> u64 {
        let Self { users, conversations, contact_groups, accounts, chat_groups, changes, gone } =
            self;
        users + conversations + contact_groups + accounts + chat_groups + changes + gone
    }

    fn room(&self) -> i64 {
        i64::try_from(STEP_ROWS.saturating_sub(self.rows())).unwrap_or_default()
    }
}

/// Removes up to about `STEP_ROWS` rows of an app's state, and ends all cursors of the app's users. Returns what was removed, and
/// whether nothing is left.
///
/// Users come first, because every writer locks them first. They come again after the directory, which may have let some write
/// in between. Who is gone comes last of the directory, so that until then no one can write about them.
pub async fn remove_state(tx: &mut Tx<'_>, sdk_app_id: SdkAppId) -> Result<(Removed, bool), Error> {
    let app = sdk_app_id.number();
    let mut removed = Removed::default();
    remove_users(tx, sdk_app_id, &mut removed).await?;
    removed.accounts = sqlx::query!(
        r#"
        DELETE FROM accounts WHERE sdk_app_id = $1 AND user_id = ANY (ARRAY(
            SELECT user_id FROM accounts WHERE sdk_app_id = $1 ORDER BY user_id LIMIT $2
        ))
        "#,
        app,
        removed.room(),
    )
    .execute(tx.session())
    .await?
    .rows_affected();
    removed.chat_groups = sqlx::query!(
        r#"
        DELETE FROM chat_groups WHERE sdk_app_id = $1 AND group_id = ANY (ARRAY(
            SELECT group_id FROM chat_groups WHERE sdk_app_id = $1 ORDER BY group_id LIMIT $2
        ))
        "#,
        app,
        removed.room(),
    )
    .execute(tx.session())
    .await?
    .rows_affected();
    remove_users(tx, sdk_app_id, &mut removed).await?;
    for kind in [1_i16, 2] {
        removed.gone += sqlx::query!(
            r#"
            DELETE FROM gone WHERE sdk_app_id = $1 AND kind = $3 AND id = ANY (ARRAY(
                SELECT id FROM gone WHERE sdk_app_id = $1 AND kind = $3 ORDER BY id LIMIT $2
            ))
            "#,
            app,
            removed.room(),
            kind,
        )
        .execute(tx.session())
        .await?
        .rows_affected();
    }
    remove_changes(tx, app, &mut removed).await?;
    let is_done = removed.room() > 0;
    end_cursors(tx, app).await?;
    Ok((removed, is_done))
}

async fn remove_users(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    removed: &mut Removed,
) -> Result<(), Error> {
    let app = sdk_app_id.number();
    loop {
        let room = removed.room();
        let rows = sqlx::query!(
            "SELECT user_id, row_count FROM users WHERE sdk_app_id = $1 ORDER BY user_id LIMIT $2 FOR UPDATE",
            app,
            room.min(STEP_USERS),
        )
        .fetch_all(tx.session())
        .await?;
        let mut taken = 0;
        let mut user_ids = Vec::with_capacity(rows.len());
        for row in rows {
            if taken >= room {
                break;
            }
            taken += 1 + i64::from(row.row_count);
            user_ids.push(row.user_id);
        }
        if user_ids.is_empty() {
            return Ok(());
        }
        let of_users: Vec<&str> = user_ids.iter().map(String::as_str).collect();
        let (conversations, contact_groups) =
            accounts::delete_state(tx, sdk_app_id, &of_users).await?;
        removed.conversations += conversations;
        removed.contact_groups += contact_groups;
        removed.users += sqlx::query!(
            "DELETE FROM users WHERE sdk_app_id = $1 AND user_id = ANY ($2)",
            app,
            &user_ids,
        )
        .execute(tx.session())
        .await?
        .rows_affected();
    }
}

/// Removes failed deliveries and the entries of the feed.
async fn remove_changes(tx: &mut Tx<'_>, app: i64, removed: &mut Removed) -> Result<(), Error> {
    removed.changes += sqlx::query!(
        "
        DELETE FROM webhook_deliveries d
        USING (
            SELECT sdk_app_id, webhook_id, epoch, number FROM webhook_deliveries
            WHERE sdk_app_id = $1 ORDER BY webhook_id, epoch, number LIMIT $2
        ) t
        WHERE d.sdk_app_id = t.sdk_app_id AND d.webhook_id = t.webhook_id AND d.epoch = t.epoch
            AND d.number = t.number
        ",
        app,
        removed.room(),
    )
    .execute(tx.session())
    .await?
    .rows_affected();
    removed.changes += sqlx::query!(
        "
        DELETE FROM feed WHERE sdk_app_id = $1 AND number < $2 + (
            SELECT number FROM feed WHERE sdk_app_id = $1 ORDER BY number LIMIT 1
        )
        ",
        app,
        removed.room(),
    )
    .execute(tx.session())
    .await?
    .rows_affected();
    Ok(())
}

/// Makes the cursors of the app's users, and the positions of readers of its feed, unknown. Locks the app's row, and then the head
/// of its feed, as every writer does. The number that is left out wakes the readers who wait.
async fn end_cursors(tx: &mut Tx<'_>, app: i64) -> Result<(), Error> {
    // Two statements, since Citus runs one that reads the shared tables in a subquery as a commit in two phases.
    let next = sqlx::query_scalar!(
        r#"SELECT next_app_epoch(epoch) AS "epoch!" FROM apps WHERE sdk_app_id = $1 FOR NO KEY UPDATE"#,
        app,
    )
    .fetch_optional(tx.session())
    .await?
    .ok_or(Refusal::UnknownApp)?;
    sqlx::query!("UPDATE apps SET epoch = $2 WHERE sdk_app_id = $1", app, next)
        .execute(tx.session())
        .await?;
    sqlx::query!(
        "UPDATE feed_head SET next_number = next_number + 1, forgotten_number = next_number WHERE sdk_app_id = $1",
        app,
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Deletes a disabled app without state, its keys, settings and webhooks, and notes the number for the case that it is used again.
/// Returns false, and does nothing, if the app is enabled.
///
/// Fails with [`Refusal::UnknownApp`] if a request that had loaded the app before has left state since.
pub async fn delete_app(tx: &mut Tx<'_>, sdk_app_id: SdkAppId) -> Result<bool, Error> {
    let app = sdk_app_id.number();
    let locked = sqlx::query!(
        "SELECT next_app_epoch(epoch) AS \"epoch!\" FROM apps WHERE sdk_app_id = $1 AND disabled FOR UPDATE",
        app,
    )
    .fetch_optional(tx.session())
    .await?;
    let Some(locked) = locked else { return Ok(false) };
    sqlx::query!(
        "
        INSERT INTO ended_apps (sdk_app_id, epoch) VALUES ($1, $2)
        ON CONFLICT (sdk_app_id) DO UPDATE SET epoch = EXCLUDED.epoch, ended_at = EXCLUDED.ended_at
        ",
        app,
        locked.epoch,
    )
    .execute(tx.session())
    .await?;
    for statement in [
        sqlx::query!("DELETE FROM webhooks WHERE sdk_app_id = $1", app),
        sqlx::query!("DELETE FROM feed_head WHERE sdk_app_id = $1", app),
        sqlx::query!("DELETE FROM app_marks WHERE sdk_app_id = $1", app),
        sqlx::query!("DELETE FROM app_origins WHERE sdk_app_id = $1", app),
        sqlx::query!("DELETE FROM app_admins WHERE sdk_app_id = $1", app),
        sqlx::query!("DELETE FROM app_keys WHERE sdk_app_id = $1", app),
        sqlx::query!("DELETE FROM apps WHERE sdk_app_id = $1", app),
    ] {
        statement.execute(tx.session()).await?;
    }
    Ok(true)
}
