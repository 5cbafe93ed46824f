//! What the partitions have copies of.
//!
//! A statement that reads or writes users asks whether the app exists and who is gone, so each partition has a copy of both.
//!
//! * **Apps** come from the shared tables ([`AppCopy`]).
//! * **Who is gone** comes from the schema that knows it: a deleted account from the partition of its user, a destroyed chat group
//!   from the shared tables. Rows of `gone` that come from a schema are its log of changes, in the order of
//!   `apps.directory_revision`, and `apps.copied_revision` says how far the others have copied it. So the transaction that deletes
//!   an account also notes that copies are due, and a copy that a crash has prevented is made later (a transactional outbox).

use std::collections::BTreeMap;

use super::convert::corrupt;
use super::unnest::unnest;
use super::{Reader, Tx, feed};
use crate::domain::{Conversation, SdkAppId};
use crate::error::Error;

/// Changes of a directory in one copy, unless more have the same directory revision.
const CHANGES_AT_ONCE: i64 = 1000;
/// Apps in one answer of [`apps_to_copy`].
const APPS_AT_ONCE: i64 = 100;

/// What the partitions know of an app.
#[derive(Debug)]
pub struct AppCopy {
    sdk_app_id: SdkAppId,
    disabled: bool,
    feed: bool,
    webhooks: Vec<WebhookCopy>,
}

/// A webhook gets the changes of each feed from a position in that feed.
#[derive(Debug)]
struct WebhookCopy {
    id: i64,
    url: String,
    wants_users: bool,
    wants_directory: bool,
    secret: String,
    previous_secret: Option<String>,
    /// Microseconds since 1970.
    previous_until: Option<i64>,
    disabled: bool,
}

/// Loads an app from the shared tables, and locks it until the transaction ends, so that copies are made in the order of the
/// changes.
pub async fn lock_app(tx: &mut Tx<'_>, sdk_app_id: SdkAppId) -> Result<Option<AppCopy>, Error> {
    let app = sqlx::query!(
        r#"
        SELECT disabled, (
            SELECT h.on_since FROM feed_head h WHERE h.sdk_app_id = a.sdk_app_id
        ) IS NOT NULL AS "feed!"
        FROM apps a WHERE sdk_app_id = $1 FOR NO KEY UPDATE
        "#,
        sdk_app_id.number(),
    )
    .fetch_optional(tx.session())
    .await?;
    let Some(app) = app else { return Ok(None) };
    let webhooks = sqlx::query_as!(
        WebhookCopy,
        r#"
        SELECT
            webhook_id AS id, url, wants_users, wants_directory, secret, previous_secret,
            floor(extract(epoch FROM previous_until) * 1000000)::bigint AS previous_until, disabled
        FROM webhooks WHERE sdk_app_id = $1 ORDER BY webhook_id
        "#,
        sdk_app_id.number(),
    )
    .fetch_all(tx.session())
    .await?;
    Ok(Some(AppCopy { sdk_app_id, disabled: app.disabled, feed: app.feed, webhooks }))
}

/// Saves the copy of an app in a partition.
pub async fn save_app(tx: &mut Tx<'_>, app: &AppCopy) -> Result<(), Error> {
    let AppCopy { sdk_app_id, disabled, feed, webhooks } = app;
    // In two statements, and without the trigger of the shared tables: Citus supports neither in one.
    let ended = sqlx::query_scalar!(
        "SELECT epoch FROM ended_apps WHERE sdk_app_id = $1",
        sdk_app_id.number(),
    )
    .fetch_optional(tx.session())
    .await?;
    sqlx::query!(
        "
        INSERT INTO apps AS a (sdk_app_id, edition, directory, secret_key, disabled, epoch)
        VALUES ($1, 'premium', 'open', '', $2, $3)
        ON CONFLICT (sdk_app_id) DO UPDATE SET disabled = EXCLUDED.disabled
        ",
        sdk_app_id.number(),
        disabled,
        ended.unwrap_or(0),
    )
    .execute(tx.session())
    .await?;
    feed::switch(tx, *sdk_app_id, *feed).await?;
    let ids: Vec<i64> = webhooks.iter().map(|webhook| webhook.id).collect();
    sqlx::query!(
        "DELETE FROM webhooks WHERE sdk_app_id = $1 AND webhook_id <> ALL ($2)",
        sdk_app_id.number(),
        &ids,
    )
    .execute(tx.session())
    .await?;
    for webhook in webhooks {
        save_webhook(tx, *sdk_app_id, webhook).await?;
    }
    Ok(())
}

/// A new webhook begins at the end of this partition's feed. A changed one is tried at once.
async fn save_webhook(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    webhook: &WebhookCopy,
) -> Result<(), Error> {
    sqlx::query!(
        "
        INSERT INTO webhooks AS w (
            sdk_app_id, webhook_id, url, wants_users, wants_directory, secret, previous_secret, previous_until, disabled,
            epoch, number
        )
        OVERRIDING SYSTEM VALUE
        SELECT
            $1, $2, $3, $4, $5, $6, $7, to_timestamp($8::bigint / 1000000.0), $9,
            e.epoch + a.epoch, COALESCE(h.next_number - 1, 0)
        FROM database_epoch e JOIN apps a ON a.sdk_app_id = $1 LEFT JOIN feed_head h ON h.sdk_app_id = $1
        WHERE e.is_only_row
        ON CONFLICT (sdk_app_id, webhook_id) DO UPDATE SET
            url = EXCLUDED.url, wants_users = EXCLUDED.wants_users, wants_directory = EXCLUDED.wants_directory,
            secret = EXCLUDED.secret, previous_secret = EXCLUDED.previous_secret,
            previous_until = EXCLUDED.previous_until, disabled = EXCLUDED.disabled, next_try_at = '-infinity'
        WHERE (w.url, w.wants_users, w.wants_directory, w.secret, w.previous_secret, w.disabled) IS DISTINCT FROM (
            EXCLUDED.url, EXCLUDED.wants_users, EXCLUDED.wants_directory, EXCLUDED.secret, EXCLUDED.previous_secret,
            EXCLUDED.disabled
        )
        ",
        sdk_app_id.number(),
        webhook.id,
        &webhook.url,
        webhook.wants_users,
        webhook.wants_directory,
        &webhook.secret,
        webhook.previous_secret.as_deref(),
        webhook.previous_until,
        webhook.disabled,
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// A value for each app of a schema. Two schemas have the same value for an app if [`AppCopy`] is the same.
pub async fn app_values(reader: &mut Reader<'_>) -> Result<BTreeMap<SdkAppId, AppValue>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT a.sdk_app_id, a.disabled, encode(sha256(convert_to(concat_ws(
            ',', a.disabled,
            (SELECT h.on_since FROM feed_head h WHERE h.sdk_app_id = a.sdk_app_id) IS NOT NULL,
            (
                SELECT string_agg(
                    concat_ws(
                        ' ', webhook_id, url, wants_users, wants_directory, secret, previous_secret, w.disabled
                    ), ',' ORDER BY webhook_id
                )
                FROM webhooks w WHERE w.sdk_app_id = a.sdk_app_id
            )
        ), 'UTF8')), 'hex') AS "value!"
        -- The condition makes PostgreSQL use the index.
        FROM apps a WHERE a.sdk_app_id > 0
        "#,
    )
    .fetch_all(reader.session())
    .await?;
    let rows = rows.into_iter().map(|row| (row.sdk_app_id, row.disabled, row.value));
    rows.map(|(number, disabled, value)| Ok((app_id(number)?, AppValue { disabled, value })))
        .collect()
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppValue {
    pub disabled: bool,
    value: String,
}

fn app_id(number: i64) -> Result<SdkAppId, Error> {
    SdkAppId::new(number).map_err(|problem| corrupt("apps.sdk_app_id", problem))
}

/// Changes of an app's directory that come from one schema.
#[derive(Debug)]
pub struct DirectoryChanges {
    sdk_app_id: SdkAppId,
    rows: Vec<Row>,
    /// The copies are complete up to this directory revision of the schema.
    through: i64,
    /// There are more.
    pub is_cut: bool,
}

#[derive(Debug)]
struct Row {
    kind: i16,
    id: String,
    is_gone: bool,
    directory_revision: i64,
}

impl DirectoryChanges {
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }
}

/// The apps of a schema that may have changes to copy.
pub async fn apps_to_copy(reader: &mut Reader<'_>) -> Result<Vec<SdkAppId>, Error> {
    let numbers = sqlx::query_scalar!(
        "SELECT sdk_app_id FROM apps WHERE sdk_app_id > 0 AND directory_revision > copied_revision
        ORDER BY sdk_app_id LIMIT $1",
        APPS_AT_ONCE,
    )
    .fetch_all(reader.session())
    .await?;
    numbers.into_iter().map(app_id).collect()
}

/// The oldest changes that are not copied; `None` if there is nothing to do.
pub async fn changes_to_copy(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
) -> Result<Option<DirectoryChanges>, Error> {
    let app = sqlx::query!(
        "SELECT directory_revision, copied_revision FROM apps WHERE sdk_app_id = $1",
        sdk_app_id.number(),
    )
    .fetch_optional(reader.session())
    .await?;
    let Some(app) = app.filter(|app| app.directory_revision > app.copied_revision) else {
        return Ok(None);
    };
    // Changes up to the revision that was read are committed, since each change locks the row of the app.
    let rows = sqlx::query_as!(
        Row,
        "SELECT kind, id, is_gone, directory_revision FROM gone
        WHERE sdk_app_id = $1 AND directory_revision > $2 AND directory_revision <= $3 AND source_revision IS NULL
        ORDER BY directory_revision FETCH FIRST ($4) ROWS WITH TIES",
        sdk_app_id.number(),
        app.copied_revision,
        app.directory_revision,
        CHANGES_AT_ONCE,
    )
    .fetch_all(reader.session())
    .await?;
    let is_cut = i64::try_from(rows.len()).is_ok_and(|length| length >= CHANGES_AT_ONCE);
    let last = rows.last().map(|row| row.directory_revision).filter(|_| is_cut);
    let through = last.unwrap_or(app.directory_revision);
    Ok(Some(DirectoryChanges { sdk_app_id, rows, through, is_cut }))
}

/// Copies changes to another partition, unless it has them. Returns false if the partition does not know the app.
pub async fn save_directory(tx: &mut Tx<'_>, changes: &DirectoryChanges) -> Result<bool, Error> {
    let before = sqlx::query_scalar!(
        "SELECT directory_revision FROM apps WHERE sdk_app_id = $1 FOR NO KEY UPDATE",
        changes.sdk_app_id.number(),
    )
    .fetch_optional(tx.session())
    .await?;
    let Some(before) = before else { return Ok(false) };
    let saved = unnest!(
        query!(
            "
            INSERT INTO gone AS g (sdk_app_id, kind, id, is_gone, source_revision, directory_revision)
            SELECT $5, kind, id, is_gone, source_revision, $6
            FROM unnest($1::smallint[], $2::text[], $3::boolean[], $4::bigint[]) AS t (kind, id, is_gone, source_revision)
            ON CONFLICT (sdk_app_id, kind, id) DO UPDATE SET
                is_gone = EXCLUDED.is_gone, source_revision = EXCLUDED.source_revision,
                directory_revision = EXCLUDED.directory_revision
            WHERE g.source_revision < EXCLUDED.source_revision
            "
        ),
        for row in &changes.rows => {
            kind: i16 = row.kind,
            id: &str = row.id.as_str(),
            is_gone: bool = row.is_gone,
            source_revision: i64 = row.directory_revision,
        };
        changes.sdk_app_id.number(),
        before + 1
    )
    .execute(tx.session())
    .await?;
    // A request and the task that makes missing copies may copy the same at the same time.
    if saved.rows_affected() == 0 {
        return Ok(true);
    }
    // What is copied is not to be copied further, unless other changes of this partition wait before it.
    sqlx::query!(
        "
        UPDATE apps SET
            directory_revision = directory_revision + 1,
            copied_revision = CASE WHEN copied_revision = directory_revision THEN copied_revision + 1 ELSE copied_revision END
        WHERE sdk_app_id = $1
        ",
        changes.sdk_app_id.number(),
    )
    .execute(tx.session())
    .await?;
    Ok(true)
}

/// Notes that all partitions have these changes.
pub async fn note_copied(tx: &mut Tx<'_>, changes: &DirectoryChanges) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE apps SET copied_revision = GREATEST(copied_revision, $2) WHERE sdk_app_id = $1",
        changes.sdk_app_id.number(),
        changes.through,
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Whether each of these accounts and chat groups is in the directory of this schema.
pub async fn present(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    members: &[Conversation],
) -> Result<Vec<bool>, Error> {
    let rows = unnest!(
        query_scalar!(
            r#"
            SELECT (
                SELECT TRUE FROM directory d WHERE d.sdk_app_id = $3 AND d.kind = t.kind AND d.id = t.id
            ) IS NOT NULL AS "is_present!"
            FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS t (kind, id, nr)
            ORDER BY nr
            "#
        ),
        for member in members => {
            kind: i16 = member.kind(),
            id: &str = member.peer_id(),
        };
        sdk_app_id.number()
    )
    .fetch_all(reader.session())
    .await?;
    Ok(rows)
}
