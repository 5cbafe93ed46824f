//! Webhooks and their failed deliveries, as operators manage them.

pub mod delivery;

use super::convert::{corrupt, number};
use super::feed::change;
use super::pool::Session;
use super::{Reader, Tx};
use crate::domain::{
    FailedDelivery, FeedPosition, SdkAppId, WantedChanges, Webhook, WebhookSecret, WebhookUrl,
};
use crate::error::Error;

/// The secret signs for a day after it was replaced.
const ROTATION_S: i64 = 24 * 3600;

/// What changes of a webhook. `None` leaves it as it is.
#[derive(Debug, Clone, Default)]
pub struct WebhookChange {
    pub url: Option<WebhookUrl>,
    pub wants: Option<WantedChanges>,
    pub disabled: Option<bool>,
}

/// Adds a webhook that begins at the end of the feed. Returns `None` if the app has `max` webhooks already, or does not exist.
/// The app's row is locked, so that two callers do not count at the same time.
pub async fn insert(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    url: &WebhookUrl,
    wants: WantedChanges,
    secret: &WebhookSecret,
    max: i64,
) -> Result<Option<i64>, Error> {
    sqlx::query!("SELECT FROM apps WHERE sdk_app_id = $1 FOR NO KEY UPDATE", sdk_app_id.number())
        .fetch_optional(tx.session())
        .await?;
    let id = sqlx::query_scalar!(
        "INSERT INTO webhooks (sdk_app_id, url, wants_users, wants_directory, secret, epoch, number)
        SELECT $1, $2, $3, $4, $5, e.epoch + a.epoch, COALESCE(h.next_number - 1, 0)
        FROM database_epoch e JOIN apps a ON a.sdk_app_id = $1 LEFT JOIN feed_head h ON h.sdk_app_id = $1
        WHERE e.is_only_row AND (SELECT count(*) FROM webhooks w WHERE w.sdk_app_id = $1) < $6
        RETURNING webhook_id",
        sdk_app_id.number(),
        url.as_str(),
        wants.users,
        wants.directory,
        secret.reveal(),
        max,
    )
    .fetch_optional(tx.session())
    .await?;
    Ok(id)
}

/// The webhooks of an app, oldest first; only the one with this id if it is given.
pub async fn load(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    id: Option<i64>,
) -> Result<Vec<Webhook>, Error> {
    select(reader.session(), sdk_app_id, id).await
}

/// Locks a webhook against other changes of it, and loads it.
pub async fn lock(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    id: i64,
) -> Result<Option<Webhook>, Error> {
    sqlx::query!(
        "SELECT FROM webhooks WHERE sdk_app_id = $1 AND webhook_id = $2 FOR NO KEY UPDATE",
        sdk_app_id.number(),
        id,
    )
    .fetch_optional(tx.session())
    .await?;
    Ok(select(tx.session(), sdk_app_id, Some(id)).await?.pop())
}

async fn select(
    session: Session<'_>,
    sdk_app_id: SdkAppId,
    id: Option<i64>,
) -> Result<Vec<Webhook>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT
            webhook_id, url, wants_users, wants_directory, disabled, last_error,
            floor(extract(epoch FROM failing_since))::bigint AS failing_since,
            (
                SELECT count(*) FROM webhook_deliveries d
                WHERE d.sdk_app_id = w.sdk_app_id AND d.webhook_id = w.webhook_id AND next_try_at IS NOT NULL
            ) AS "waiting!",
            (
                SELECT count(*) FROM webhook_deliveries d
                WHERE d.sdk_app_id = w.sdk_app_id AND d.webhook_id = w.webhook_id AND next_try_at IS NULL
            ) AS "dead_letters!"
        FROM webhooks w
        WHERE sdk_app_id = $1 AND webhook_id = COALESCE($2, webhook_id)
        ORDER BY webhook_id
        "#,
        sdk_app_id.number(),
        id,
    )
    .fetch_all(session)
    .await?;
    rows.into_iter()
        .map(|row| {
            Ok(Webhook {
                id: row.webhook_id,
                url: stored_url(&row.url)?,
                wants: WantedChanges { users: row.wants_users, directory: row.wants_directory },
                disabled: row.disabled,
                failing_since: row
                    .failing_since
                    .map(|time| number("webhooks.failing_since", time))
                    .transpose()?,
                last_error: row.last_error,
                waiting: number("webhook_deliveries, waiting", row.waiting)?,
                dead_letters: number("webhook_deliveries, dead", row.dead_letters)?,
            })
        })
        .collect()
}

fn stored_url(url: &str) -> Result<WebhookUrl, Error> {
    WebhookUrl::parse(url).map_err(|problem| corrupt("webhooks.url", problem))
}

/// Changes a webhook; a new URL, and being enabled, are reasons to try at once. Returns whether it exists.
pub async fn update(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    id: i64,
    change: &WebhookChange,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "UPDATE webhooks SET
            url = COALESCE($3, url), wants_users = COALESCE($4, wants_users),
            wants_directory = COALESCE($5, wants_directory), disabled = COALESCE($6, disabled),
            next_try_at = '-infinity'
        WHERE sdk_app_id = $1 AND webhook_id = $2",
        sdk_app_id.number(),
        id,
        change.url.as_ref().map(WebhookUrl::as_str),
        change.wants.map(|wants| wants.users),
        change.wants.map(|wants| wants.directory),
        change.disabled,
    )
    .execute(tx.session())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// Replaces the secret. The one until now signs as well for a day.
pub async fn rotate(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    id: i64,
    secret: &WebhookSecret,
) -> Result<bool, Error> {
    let done = sqlx::query!(
        "UPDATE webhooks SET
            previous_secret = secret, previous_until = statement_timestamp() + make_interval(secs => $4::bigint),
            secret = $3
        WHERE sdk_app_id = $1 AND webhook_id = $2",
        sdk_app_id.number(),
        id,
        secret.reveal(),
        ROTATION_S,
    )
    .execute(tx.session())
    .await?;
    Ok(done.rows_affected() == 1)
}

pub async fn delete(tx: &mut Tx<'_>, sdk_app_id: SdkAppId, id: i64) -> Result<bool, Error> {
    let done = sqlx::query!(
        "DELETE FROM webhooks WHERE sdk_app_id = $1 AND webhook_id = $2",
        sdk_app_id.number(),
        id,
    )
    .execute(tx.session())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The newest failed deliveries, at most `limit`, before this number of the feed.
pub async fn failed(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    id: i64,
    before: Option<i64>,
    limit: i64,
) -> Result<Vec<FailedDelivery>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT
            epoch, number, kind, id, is_gone, revision, attempts, last_error,
            floor(extract(epoch FROM failed_at))::bigint AS "failed_at!", next_try_at IS NULL AS "is_dead!"
        FROM webhook_deliveries
        WHERE sdk_app_id = $1 AND webhook_id = $2 AND number < COALESCE($3, 9223372036854775807)
        ORDER BY number DESC LIMIT $4
        "#,
        sdk_app_id.number(),
        id,
        before,
        limit,
    )
    .fetch_all(reader.session())
    .await?;
    rows.into_iter()
        .map(|row| {
            let revision = number("webhook_deliveries.revision", row.revision)?;
            Ok(FailedDelivery {
                position: position(row.epoch, row.number)?,
                change: change(row.kind, row.id, row.is_gone, revision)?,
                attempts: number("webhook_deliveries.attempts", row.attempts)?,
                failed_at: number("webhook_deliveries.failed_at", row.failed_at)?,
                last_error: row.last_error,
                is_dead: row.is_dead,
            })
        })
        .collect()
}

fn position(epoch: i64, nr: i64) -> Result<FeedPosition, Error> {
    Ok(FeedPosition { epoch: number("epoch", epoch)?, number: number("number", nr)? })
}

/// Makes the dead letters with numbers in this range due, and the webhook, which may be in a long pause after its failures.
/// Returns how many dead letters there were.
pub async fn replay(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    id: i64,
    first: i64,
    last: i64,
) -> Result<u64, Error> {
    sqlx::query!(
        "UPDATE webhooks SET next_try_at = '-infinity' WHERE sdk_app_id = $1 AND webhook_id = $2",
        sdk_app_id.number(),
        id,
    )
    .execute(tx.session())
    .await?;
    let done = sqlx::query!(
        "UPDATE webhook_deliveries SET
            next_try_at = statement_timestamp(), failed_at = statement_timestamp(), attempts = 0
        WHERE sdk_app_id = $1 AND webhook_id = $2 AND number BETWEEN $3 AND $4 AND next_try_at IS NULL",
        sdk_app_id.number(),
        id,
        first,
        last,
    )
    .execute(tx.session())
    .await?;
    Ok(done.rows_affected())
}
