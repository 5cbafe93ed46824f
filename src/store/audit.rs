//! The audit trail, in the shared tables.

use std::time::Duration;

use super::convert::number;
use super::{Reader, Store, Tx};
use crate::audit::{Entry, Recorded, Wanted};
use crate::deadline::Deadline;
use crate::domain::SdkAppId;
use crate::error::Error;

/// Entries that one statement removes.
const REMOVED_AT_ONCE: i64 = 10_000;

/// Adds an entry, in the transaction of the change, and returns its number.
pub async fn add(tx: &mut Tx<'_>, entry: &Entry) -> Result<i64, Error> {
    let Entry { operator, action, app, target, before, after } = entry;
    let text = |document: &Option<serde_json::Value>| document.as_ref().map(ToString::to_string);
    let added = sqlx::query_scalar!(
        "
        INSERT INTO audit (operator, origin, action, sdk_app_id, target, before, after, request_id)
        VALUES ($1, $2, $3, $4, $5, $6::text::jsonb, $7::text::jsonb, $8)
        RETURNING number
        ",
        operator.name,
        operator.origin,
        action.name(),
        app.map(SdkAppId::number),
        target.as_deref(),
        text(before),
        text(after),
        operator.request_id,
    );
    Ok(added.fetch_one(tx.session()).await?)
}

/// Adds to an entry what came of its change. Until then, it has nothing as `after`.
pub async fn complete(tx: &mut Tx<'_>, nr: i64, after: &serde_json::Value) -> Result<(), Error> {
    sqlx::query!(
        "UPDATE audit SET after = $2::text::jsonb WHERE number = $1",
        nr,
        after.to_string(),
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

struct Row {
    number: i64,
    at: i64,
    operator: String,
    role: String,
    origin: String,
    action: String,
    sdk_app_id: Option<i64>,
    target: Option<String>,
    before: Option<String>,
    after: Option<String>,
    request_id: Option<String>,
}

impl TryFrom<Row> for Recorded {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self, Error> {
        let Row { number: nr, at, operator, role, origin, action, sdk_app_id, .. } = row;
        let Row { target, before, after, request_id, .. } = row;
        let (at, app) = (number("audit.at", at)?, sdk_app_id);
        Ok(Self {
            number: nr,
            at,
            operator,
            role,
            origin,
            action,
            app,
            target,
            before,
            after,
            request_id,
        })
    }
}

/// Entries, newest first.
pub async fn load(reader: &mut Reader<'_>, wanted: Wanted) -> Result<Vec<Recorded>, Error> {
    let Wanted { app, since, before, limit } = wanted;
    let (before, limit) = (before.unwrap_or(i64::MAX), i64::from(limit));
    let since: i64 = number("audit.at", since.unwrap_or(0))?;
    // Two statements, since each has an index of its own.
    let rows = if let Some(app) = app {
        let of_app = sqlx::query_as!(
            Row,
            r#"
            SELECT
                number, floor(extract(epoch FROM at))::bigint AS "at!", operator, role, origin, action, sdk_app_id, target,
                before::text AS before, after::text AS after, request_id
            FROM audit
            WHERE sdk_app_id = $1 AND number < $2 AND at >= to_timestamp($3::bigint)
            ORDER BY number DESC LIMIT $4
            "#,
            app.number(),
            before,
            since,
            limit,
        );
        of_app.fetch_all(reader.session()).await?
    } else {
        let all = sqlx::query_as!(
            Row,
            r#"
            SELECT
                number, floor(extract(epoch FROM at))::bigint AS "at!", operator, role, origin, action, sdk_app_id, target,
                before::text AS before, after::text AS after, request_id
            FROM audit
            WHERE number < $1 AND at >= to_timestamp($2::bigint)
            ORDER BY number DESC LIMIT $3
            "#,
            before,
            since,
            limit,
        );
        all.fetch_all(reader.session()).await?
    };
    rows.into_iter().map(Recorded::try_from).collect()
}

/// Removes entries that are older than this, some at a time. Returns how many there were.
pub async fn forget(shared: &Store, age: Duration, deadline: Deadline) -> Result<u64, Error> {
    let age: i64 = number("audit.at", age.as_secs())?;
    let mut all = 0;
    loop {
        let remove = shared.clone().write(deadline, async |tx| {
            let removed = sqlx::query!(
                "
                DELETE FROM audit WHERE number = ANY (ARRAY(
                    SELECT number FROM audit WHERE at < now() - make_interval(secs => $1::bigint) ORDER BY at LIMIT $2
                ))
                ",
                age,
                REMOVED_AT_ONCE,
            );
            Ok(removed.execute(tx.session()).await?.rows_affected())
        });
        let removed = remove.await?;
        all += removed;
        if removed < REMOVED_AT_ONCE.unsigned_abs() {
            return Ok(all);
        }
    }
}
