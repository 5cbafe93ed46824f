//! Delivering to webhooks.
//!
//! A process claims a webhook before it delivers, and renews its claim. A statement that records an outcome checks the claim,
//! so a process that was given up changes nothing.

use super::{position, stored_url};
use crate::domain::{
    ClaimedWebhook, Delivery, PageOutcome, SdkAppId, WantedChanges, WebhookSecret,
};
use crate::error::Error;
use crate::store::convert::{corrupt, number};
use crate::store::feed::{change, columns};
use crate::store::unnest::unnest;
use crate::store::{Reader, Tx};

/// Attempts go on for three days.
const GIVE_UP_AFTER_S: i64 = 3 * 24 * 3600;
/// How long a claim lasts unless it is renewed.
const CLAIM_S: i64 = 15;

/// Claims up to `limit` webhooks that have something to deliver and that no other process delivers to.
pub async fn claim(
    tx: &mut Tx<'_>,
    process: &str,
    limit: i64,
) -> Result<Vec<ClaimedWebhook>, Error> {
    let rows = sqlx::query_file!(
        "src/store/sql/claim_webhooks.sql",
        process,
        limit,
        CLAIM_S,
        GIVE_UP_AFTER_S,
    )
    .fetch_all(tx.session())
    .await?;
    let secret = |text: String| {
        WebhookSecret::parse(&text).map_err(|problem| corrupt("webhooks.secret", problem))
    };
    rows.into_iter()
        .map(|row| {
            let secrets = [Some(row.secret), row.previous_secret].into_iter().flatten();
            Ok(ClaimedWebhook {
                sdk_app_id: SdkAppId::new(row.sdk_app_id)
                    .map_err(|problem| corrupt("webhooks.sdk_app_id", problem))?,
                feed: 0,
                id: row.webhook_id,
                url: stored_url(&row.url)?,
                wants: WantedChanges { users: row.wants_users, directory: row.wants_directory },
                secrets: secrets.map(secret).collect::<Result<_, _>>()?,
                position: position(row.epoch, row.number)?,
                gives_up: row.gives_up,
            })
        })
        .collect()
}

/// Renews a claim, or ends it. Returns whether the process still had it.
pub async fn renew(
    tx: &mut Tx<'_>,
    webhook: &ClaimedWebhook,
    process: &str,
    keep: bool,
) -> Result<bool, Error> {
    let seconds = if keep { CLAIM_S } else { 0 };
    let done = sqlx::query!(
        "UPDATE webhooks SET claimed_until = statement_timestamp() + make_interval(secs => $4::bigint)
        WHERE sdk_app_id = $1 AND webhook_id = $2 AND claimed_by = $3 AND claimed_until > statement_timestamp()
            AND NOT disabled",
        webhook.sdk_app_id.number(),
        webhook.id,
        process,
        seconds,
    )
    .execute(tx.session())
    .await?;
    Ok(done.rows_affected() == 1)
}

/// The failed deliveries that are due, in the order of the feed.
pub async fn due(
    reader: &mut Reader<'_>,
    webhook: &ClaimedWebhook,
    limit: i64,
) -> Result<Vec<Delivery>, Error> {
    let rows = sqlx::query!(
        "SELECT epoch, number, kind, id, is_gone, revision, attempts FROM webhook_deliveries
        WHERE sdk_app_id = $1 AND webhook_id = $2 AND next_try_at <= clock_timestamp()
        ORDER BY epoch, number LIMIT $3",
        webhook.sdk_app_id.number(),
        webhook.id,
        limit,
    )
    .fetch_all(reader.session())
    .await?;
    rows.into_iter()
        .map(|row| {
            let revision = number("webhook_deliveries.revision", row.revision)?;
            Ok(Delivery {
                position: position(row.epoch, row.number)?,
                change: change(row.kind, row.id, row.is_gone, revision)?,
                attempts: Some(number("webhook_deliveries.attempts", row.attempts)?),
            })
        })
        .collect()
}

/// Returns for each delivery whether an earlier change of the same user or member of the directory waits.
pub async fn are_blocked(
    reader: &mut Reader<'_>,
    webhook: &ClaimedWebhook,
    deliveries: &[Delivery],
) -> Result<Vec<bool>, Error> {
    let rows = unnest!(
        query_scalar!(
            r#"
            SELECT (
                SELECT TRUE FROM webhook_deliveries d
                WHERE d.sdk_app_id = $3 AND d.webhook_id = $4 AND d.kind = t.kind AND d.id = t.id
                    AND d.next_try_at IS NOT NULL
                LIMIT 1
            ) IS NOT NULL AS "is_blocked!"
            FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS t (kind, id, nr)
            ORDER BY nr
            "#
        ),
        for delivery in deliveries => {
            kind: i16 = columns(&delivery.change).kind,
            id: &str = columns(&delivery.change).id,
        };
        webhook.sdk_app_id.number(),
        webhook.id
    )
    .fetch_all(reader.session())
    .await?;
    Ok(rows)
}

/// Records what became of a page. Returns false, and changes nothing, if the claim has ended.
pub async fn record(
    tx: &mut Tx<'_>,
    webhook: &ClaimedWebhook,
    process: &str,
    outcome: &PageOutcome,
) -> Result<bool, Error> {
    let stored = |column, value: u64| -> Result<i64, Error> { number(column, value) };
    let epoch = outcome.position.map(|position| stored("webhooks.epoch", position.epoch));
    let nr = outcome.position.map(|position| stored("webhooks.number", position.number));
    // The time is a parameter, because Citus would make two steps of a statement that asks for it within COALESCE or CASE.
    let now = sqlx::query_scalar!(
        r#"SELECT extract(epoch FROM clock_timestamp())::float8 AS "now!" FROM webhooks
        WHERE sdk_app_id = $1 AND webhook_id = $2 AND claimed_by = $3 AND claimed_until > clock_timestamp()
            AND NOT disabled
        FOR NO KEY UPDATE"#,
        webhook.sdk_app_id.number(),
        webhook.id,
        process,
    );
    let Some(now) = now.fetch_optional(tx.session()).await? else { return Ok(false) };
    sqlx::query_file!(
        "src/store/sql/record_webhook.sql",
        webhook.sdk_app_id.number(),
        webhook.id,
        now,
        epoch.transpose()?,
        nr.transpose()?,
        outcome.failure.as_deref(),
        outcome.is_alive,
    )
    .execute(tx.session())
    .await?;
    delete_delivered(tx, webhook, &outcome.delivered).await?;
    save_failed(tx, webhook, outcome).await?;
    // The next change of a user becomes due when the one before it is delivered, or given up.
    sqlx::query_file!("src/store/sql/next_deliveries.sql", webhook.sdk_app_id.number(), webhook.id)
        .execute(tx.session())
        .await?;
    Ok(true)
}

async fn delete_delivered(
    tx: &mut Tx<'_>,
    webhook: &ClaimedWebhook,
    delivered: &[Delivery],
) -> Result<(), Error> {
    unnest!(
        query!(
            "
            DELETE FROM webhook_deliveries d
            USING unnest($1::bigint[], $2::bigint[]) AS t (epoch, number)
            WHERE d.sdk_app_id = $3 AND d.webhook_id = $4 AND d.epoch = t.epoch AND d.number = t.number
            "
        ),
        for delivery in delivered.iter().filter(|delivery| delivery.attempts.is_some()) => {
            epoch: i64 = number("webhook_deliveries.epoch", delivery.position.epoch)?,
            number: i64 = number("webhook_deliveries.number", delivery.position.number)?,
        };
        webhook.sdk_app_id.number(),
        webhook.id
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

async fn save_failed(
    tx: &mut Tx<'_>,
    webhook: &ClaimedWebhook,
    outcome: &PageOutcome,
) -> Result<(), Error> {
    // Those from the feed, if the position stays, will come again from the feed.
    let moves = outcome.position.is_some();
    let is_saved = |delivery: &Delivery| moves || delivery.attempts.is_some();
    let failed = outcome.failed.iter().map(|(delivery, error)| (delivery, Some(error.as_str())));
    let behind = outcome.behind.iter().map(|delivery| (delivery, None));
    let rows: Vec<(&Delivery, Option<&str>)> =
        failed.chain(behind).filter(|(delivery, _)| is_saved(delivery)).collect();
    unnest!(
        query_file!("src/store/sql/save_deliveries.sql"),
        for (delivery, error) in &rows => {
            epoch: i64 = number("webhook_deliveries.epoch", delivery.position.epoch)?,
            number: i64 = number("webhook_deliveries.number", delivery.position.number)?,
            kind: i16 = columns(&delivery.change).kind,
            id: &str = columns(&delivery.change).id,
            is_gone: Option<bool> = columns(&delivery.change).is_gone,
            revision: i64 = number("webhook_deliveries.revision", columns(&delivery.change).revision)?,
            last_error: Option<&str> = *error,
        };
        webhook.sdk_app_id.number(),
        webhook.id,
        webhook.gives_up,
        GIVE_UP_AFTER_S
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// What the metrics say about all webhooks of the database.
#[derive(Debug, Clone, Copy, Default)]
pub struct WebhookGauges {
    /// Enabled webhooks of which every attempt fails.
    pub failing: i64,
    pub dead_letters: i64,
    /// The age of the oldest change that is not delivered, of all enabled webhooks.
    pub lag_s: i64,
}

pub async fn gauges(reader: &mut Reader<'_>) -> Result<WebhookGauges, Error> {
    let row =
        sqlx::query_file!("src/store/sql/webhook_gauges.sql").fetch_one(reader.session()).await?;
    Ok(WebhookGauges { failing: row.failing, dead_letters: row.dead_letters, lag_s: row.lag_s })
}
