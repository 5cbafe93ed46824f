//! Removes rows of empty conversations. They stay for a while, so that readers of changes learn that they have become empty.

use std::collections::BTreeMap;

use super::conversations::conversation;
use super::users::{self, user_key};
use crate::deadline::Deadline;
use crate::domain::{Conversation, UserKey, UserState};
use crate::error::Error;
use crate::store::convert::{check_row_count, number};
use crate::store::unnest::unnest;
use crate::store::{Partitions, Store, Tx};

/// How many users [`prune`] locks at once.
const LOCKED_USERS_MAX: i64 = 100;

/// The timeouts of [`prune`]: the search for old rows may take long, and a user may be locked for a moment.
const PRUNE_TIMEOUTS: &str = "SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = '10s'";

/// A removed row of `conversations`.
struct RemovedRow {
    conversation: Conversation,
    holds_place: bool,
    changed_revision: u64,
}

/// Numbers of what [`prune`] removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pruned {
    /// Users who lost a row.
    pub users: u64,
    pub conversations: u64,
}

/// Removes empty conversations of locked users, the oldest first: at least the number in `wanted` for each user, and all that
/// have not changed since `changed_before` (Unix seconds). Updates the states, which the caller must save.
pub async fn remove_empty(
    tx: &mut Tx<'_>,
    states: &mut BTreeMap<UserKey, UserState>,
    wanted: &BTreeMap<UserKey, u32>,
    changed_before: u64,
) -> Result<(), Error> {
    for (key, rows) in remove_rows(tx, wanted, changed_before).await? {
        let Some(state) = states.get_mut(&key) else { continue };
        for row in rows {
            state.note_removed(&row.conversation, row.holds_place, row.changed_revision);
        }
    }
    Ok(())
}

async fn remove_rows(
    tx: &mut Tx<'_>,
    wanted: &BTreeMap<UserKey, u32>,
    changed_before: u64,
) -> Result<BTreeMap<UserKey, Vec<RemovedRow>>, Error> {
    let rows = unnest!(
        query_file!("src/store/sql/remove_empty.sql"),
        for (key, wanted) in wanted => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            wanted: i32 = number("users.row_count", *wanted)?,
        };
        number::<_, i64>("conversations.changed_at", changed_before)?
    )
    .fetch_all(tx.session())
    .await?;
    let mut removed: BTreeMap<UserKey, Vec<RemovedRow>> = BTreeMap::new();
    for row in rows {
        removed.entry(user_key(row.sdk_app_id, &row.user_id)?).or_default().push(RemovedRow {
            conversation: conversation(row.kind, row.peer_id)?,
            holds_place: row.holds_place,
            changed_revision: number("conversations.changed_revision", row.changed_revision)?,
        });
    }
    Ok(removed)
}

/// Removes all empty conversations that have not changed since `changed_before` (Unix seconds). Locks a few users at a time,
/// for a few statements, so that the service can work at the same time.
pub async fn prune(partitions: &Partitions, changed_before: u64) -> Result<Pruned, Error> {
    let mut all = Pruned::default();
    for part in partitions.each() {
        let pruned = prune_in(part, changed_before).await?;
        all.users += pruned.users;
        all.conversations += pruned.conversations;
    }
    Ok(all)
}

async fn prune_in(store: &Store, changed_before: u64) -> Result<Pruned, Error> {
    let mut pruned = Pruned::default();
    let mut after = (0, String::new());
    loop {
        let mut connection = store.connection(Deadline::NONE).await?;
        let mut tx = connection.begin_plain().await?;
        sqlx::raw_sql(PRUNE_TIMEOUTS).execute(tx.session()).await?;
        let users = next_users(&mut tx, &after, changed_before).await?;
        let Some(last) = users.last() else {
            tx.rollback().await?;
            return Ok(pruned);
        };
        after = (last.sdk_app_id.number(), last.user_id.as_str().to_owned());
        users::lock(&mut tx, &users.iter().map(|key| (key.clone(), false)).collect()).await?;
        // Only the age counts.
        let wanted = users.into_iter().map(|key| (key, 0)).collect();
        let removed = remove_rows(&mut tx, &wanted, changed_before).await?;
        subtract_removed(&mut tx, &removed).await?;
        tx.commit().await?;
        pruned.users += u64::try_from(removed.len()).unwrap_or(u64::MAX);
        pruned.conversations += removed.values().map(|rows| rows.len() as u64).sum::<u64>();
    }
}

/// Returns the next users, sorted by key, who have an old empty row.
async fn next_users(
    tx: &mut Tx<'_>,
    after: &(i64, String),
    changed_before: u64,
) -> Result<Vec<UserKey>, Error> {
    let rows = sqlx::query!(
        r#"
        SELECT u.sdk_app_id, u.user_id FROM users u
        WHERE (u.sdk_app_id, u.user_id) > ($1, $2) AND EXISTS (
            SELECT FROM conversations c
            WHERE c.sdk_app_id = u.sdk_app_id AND c.user_id = u.user_id AND c.changed_at < $3
                AND c.standard_mark = 0 AND c.custom_mark = '' AND c.group_ids = '{}' AND c.pin_position IS NULL
        )
        ORDER BY u.sdk_app_id, u.user_id
        LIMIT $4
        "#,
        after.0,
        &after.1,
        number::<_, i64>("conversations.changed_at", changed_before)?,
        LOCKED_USERS_MAX,
    )
    .fetch_all(tx.session())
    .await?;
    rows.into_iter().map(|row| user_key(row.sdk_app_id, &row.user_id)).collect()
}

/// Subtracts removed rows from the counts of their users. No reader sees a difference, so no revision grows.
async fn subtract_removed(
    tx: &mut Tx<'_>,
    removed: &BTreeMap<UserKey, Vec<RemovedRow>>,
) -> Result<(), Error> {
    let places = |rows: &[RemovedRow]| rows.iter().filter(|row| row.holds_place).count();
    let revision = |rows: &[RemovedRow]| rows.iter().map(|row| row.changed_revision).max();
    let saved = unnest!(
        query!(
            "
            UPDATE users u SET
                row_count = u.row_count - t.row_count, marked = u.marked - t.marked,
                forgotten_revision = GREATEST(u.forgotten_revision, t.forgotten_revision)
            FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[], $5::bigint[])
                AS t (sdk_app_id, user_id, row_count, marked, forgotten_revision)
            WHERE u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
            "
        ),
        for (key, rows) in removed => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            row_count: i32 = number("users.row_count", rows.len())?,
            marked: i32 = number("users.marked", places(rows))?,
            forgotten_revision: i64 =
                number("users.forgotten_revision", revision(rows).unwrap_or(0))?,
        }
    )
    .execute(tx.session())
    .await?;
    check_row_count("users", saved.rows_affected(), removed.len())
}
