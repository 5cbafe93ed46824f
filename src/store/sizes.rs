//! How large apps are. One process at a time counts an app, in steps, and stores the numbers for the others.

use std::collections::BTreeMap;

use super::convert::{corrupt, number, required};
use super::{Reader, Store, Tx, citus};
use crate::deadline::Deadline;
use crate::domain::{SdkAppId, UserId};
use crate::error::Error;
use crate::limits::Limits;

/// How large an app was when it was counted last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AppSize {
    pub users: u64,
    /// Rows, also those that are empty.
    pub conversations: u64,
    /// Users who have as many marked, grouped or pinned conversations as the app's limit allows.
    pub users_at_limit: u64,
    /// The app's part of the tables and indexes of users' state, by its part of the rows.
    pub bytes: u64,
    /// Unix seconds.
    pub counted_at: u64,
}

impl AppSize {
    /// The size of an app in two partitions together, as of the older count.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self {
            users: self.users + other.users,
            conversations: self.conversations + other.conversations,
            users_at_limit: self.users_at_limit + other.users_at_limit,
            bytes: self.bytes + other.bytes,
            counted_at: self.counted_at.min(other.counted_at),
        }
    }
}

/// Numbers of users that were counted so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counted {
    pub users: u64,
    pub conversations: u64,
    pub users_at_limit: u64,
}

/// The sizes in a partition of all apps that were ever counted.
pub async fn load_all(
    part: &Store,
    deadline: Deadline,
) -> Result<BTreeMap<SdkAppId, AppSize>, Error> {
    let bytes = if part.place().is_some() { citus::STATE_BYTES } else { STATE_BYTES };
    part.clone().read(deadline, async |reader| load_sizes(reader, bytes).await).await
}

/// The bytes of `users` and `contact_groups`, and those of `conversations`.
const STATE_BYTES: &str =
    "SELECT pg_total_relation_size('users') + pg_total_relation_size('contact_groups'),
        pg_total_relation_size('conversations')";

async fn load_sizes(
    reader: &mut Reader<'_>,
    bytes: &'static str,
) -> Result<BTreeMap<SdkAppId, AppSize>, Error> {
    let (of_users, of_conversations): (i64, i64) =
        sqlx::query_as(bytes).fetch_one(reader.session()).await?;
    let rows = sqlx::query_file!("src/store/sql/app_sizes.sql", of_users, of_conversations)
        .fetch_all(reader.session())
        .await?;
    let sizes = rows.into_iter().map(|row| {
        let app = SdkAppId::new(row.sdk_app_id)
            .map_err(|problem| corrupt("app_sizes.sdk_app_id", problem))?;
        let count = |column, value| number(column, required(column, value)?);
        let size = AppSize {
            users: count("app_sizes.users", row.users)?,
            conversations: count("app_sizes.conversations", row.conversations)?,
            users_at_limit: count("app_sizes.users_at_limit", row.users_at_limit)?,
            bytes: number("app_sizes, bytes", row.bytes)?,
            counted_at: number("app_sizes.counted_at", row.counted_at)?,
        };
        Ok((app, size))
    });
    sizes.collect()
}

/// Claims an app whose last count is older than `age_s`, if no other process counts it. The claim ends after `claim_s`.
pub async fn claim(tx: &mut Tx<'_>, age_s: i64, claim_s: i64) -> Result<Option<SdkAppId>, Error> {
    sqlx::query!(
        "
        INSERT INTO app_sizes (sdk_app_id)
        SELECT a.sdk_app_id FROM apps a
        WHERE a.sdk_app_id > 0 AND NOT EXISTS (SELECT FROM app_sizes s WHERE s.sdk_app_id = a.sdk_app_id)
        ON CONFLICT (sdk_app_id) DO NOTHING
        ",
    )
    .execute(tx.session())
    .await?;
    let claimed = sqlx::query_scalar!(
        "
        UPDATE app_sizes s SET claimed_until = statement_timestamp() + make_interval(secs => $2::bigint)
        FROM (
            SELECT o.sdk_app_id FROM app_sizes o
            -- The first condition makes PostgreSQL use the index.
            WHERE o.sdk_app_id > 0
                AND COALESCE(o.counted_at, '-infinity') <= statement_timestamp() - make_interval(secs => $1::bigint)
                AND o.claimed_until <= statement_timestamp()
            ORDER BY o.counted_at NULLS FIRST, o.sdk_app_id
            LIMIT 1
            FOR NO KEY UPDATE SKIP LOCKED
        ) due
        WHERE s.sdk_app_id = due.sdk_app_id
        RETURNING s.sdk_app_id
        ",
        age_s,
        claim_s,
    )
    .fetch_optional(tx.session())
    .await?;
    let app =
        |number| SdkAppId::new(number).map_err(|problem| corrupt("app_sizes.sdk_app_id", problem));
    claimed.map(app).transpose()
}

/// Counts the next `limit` users after `after`. Returns the last of them; `None` if there is no further user.
pub async fn count(
    reader: &mut Reader<'_>,
    sdk_app_id: SdkAppId,
    limits: &Limits,
    after: Option<&UserId>,
    limit: u32,
) -> Result<(Option<UserId>, Counted), Error> {
    let row = sqlx::query_file!(
        "src/store/sql/count_users.sql",
        sdk_app_id.number(),
        after.map_or("", UserId::as_str),
        i64::from(limit),
        number::<_, i32>("apps.marked_max", limits.marked)?,
        number::<_, i32>("apps.grouped_max", limits.grouped)?,
        number::<_, i32>("apps.pinned_max", limits.pinned)?,
    )
    .fetch_one(reader.session())
    .await?;
    let last = row
        .last
        .map(|id| UserId::parse(id, u32::MAX).map_err(|problem| corrupt("users.user_id", problem)));
    let counted = Counted {
        users: number("users, counted", row.users)?,
        conversations: number("users.row_count", row.conversations)?,
        users_at_limit: number("users, counted", row.users_at_limit)?,
    };
    Ok((last.transpose()?, counted))
}

/// Stores the numbers of an app, and ends the claim.
pub async fn save(tx: &mut Tx<'_>, sdk_app_id: SdkAppId, counted: Counted) -> Result<(), Error> {
    sqlx::query!(
        "
        UPDATE app_sizes SET
            users = $2, conversations = $3, users_at_limit = $4, counted_at = statement_timestamp(),
            claimed_until = '-infinity'
        WHERE sdk_app_id = $1
        ",
        sdk_app_id.number(),
        number::<_, i64>("app_sizes.users", counted.users)?,
        number::<_, i64>("app_sizes.conversations", counted.conversations)?,
        number::<_, i64>("app_sizes.users_at_limit", counted.users_at_limit)?,
    )
    .execute(tx.session())
    .await?;
    Ok(())
}
