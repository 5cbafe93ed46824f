//! Users: one row each, which is the user's lock and holds the user's counts.

use std::collections::BTreeMap;

use super::ChangedUser;
use crate::domain::{Counts, Numbers, SdkAppId, UserId, UserKey, UserState};
use crate::error::Error;
use crate::limits::LIMIT_MAX;
use crate::store::Tx;
use crate::store::convert::{check_row_count, corrupt, number};
use crate::store::feed::{self, DirectoryChange, FeedRow};
use crate::store::unnest::unnest;

/// Locks users until the transaction ends, and loads their rows. Locks are taken in the order of the keys.
///
/// A user without a row gets one if the value in `users` is true (the app's directory is open) or if the user has an
/// account. Other users are missing from the result. If nothing changes afterwards, roll back: new rows are not to stay.
///
/// New rows are added after the other users are locked. This can deadlock two writers; PostgreSQL then ends one of them, and
/// the service retries it.
pub async fn lock(
    tx: &mut Tx<'_>,
    users: &BTreeMap<UserKey, bool>,
) -> Result<BTreeMap<UserKey, UserState>, Error> {
    let mut locked = lock_rows(tx, users.keys()).await?;
    if locked.len() < users.len() && insert_missing(tx, users, &locked).await? {
        locked = lock_rows(tx, users.keys()).await?;
    }
    Ok(locked)
}

/// As [`lock`], for users who have a row.
pub(in crate::store) async fn lock_rows(
    tx: &mut Tx<'_>,
    users: impl Iterator<Item = &UserKey> + Clone,
) -> Result<BTreeMap<UserKey, UserState>, Error> {
    let rows = unnest!(
        query!(
            "
            SELECT
                u.sdk_app_id, u.user_id, revision, forgotten_revision, next_position, next_group_id,
                row_count, marked, grouped, pinned
            FROM users u
            JOIN unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
                ON u.sdk_app_id = t.sdk_app_id AND u.user_id = t.user_id
            ORDER BY u.sdk_app_id, u.user_id
            FOR NO KEY UPDATE OF u
            "
        ),
        for key in users.clone() => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
        }
    )
    .fetch_all(tx.session())
    .await?;
    let locked = rows.into_iter().map(|row| {
        let numbers = Numbers {
            revision: number("users.revision", row.revision)?,
            forgotten_revision: number("users.forgotten_revision", row.forgotten_revision)?,
            next_position: number("users.next_position", row.next_position)?,
            next_group_id: number("users.next_group_id", row.next_group_id)?,
            counts: Counts {
                rows: number("users.row_count", row.row_count)?,
                marked: number("users.marked", row.marked)?,
                grouped: number("users.grouped", row.grouped)?,
                pinned: number("users.pinned", row.pinned)?,
            },
        };
        Ok((user_key(row.sdk_app_id, &row.user_id)?, UserState::of(numbers)))
    });
    locked.collect()
}

/// Adds a row for each user who has none and may have one, or locks the row that another writer has added since. Returns
/// whether there was such a user.
async fn insert_missing(
    tx: &mut Tx<'_>,
    users: &BTreeMap<UserKey, bool>,
    locked: &BTreeMap<UserKey, UserState>,
) -> Result<bool, Error> {
    let is_missing = |(key, _): &(&UserKey, &bool)| !locked.contains_key(*key);
    let added = unnest!(
        query!(
            r#"
            INSERT INTO users AS u (sdk_app_id, user_id)
            SELECT sdk_app_id, user_id
            FROM unnest($1::bigint[], $2::text[], $3::boolean[]) AS t (sdk_app_id, user_id, directory_is_open)
            WHERE directory_is_open OR (
                SELECT TRUE FROM accounts a WHERE a.sdk_app_id = t.sdk_app_id AND a.user_id = t.user_id
            ) IS NOT NULL
            ORDER BY sdk_app_id, user_id COLLATE "C"
            ON CONFLICT (sdk_app_id, user_id) DO UPDATE SET revision = u.revision
            "#
        ),
        for (key, directory_is_open) in users.iter().filter(is_missing) => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            directory_is_open: bool = *directory_is_open,
        }
    )
    .execute(tx.session())
    .await?;
    Ok(added.rows_affected() > 0)
}

/// Saves the rows of changed users, each with its new revision, and appends them and changes of the directory to the feeds of
/// their apps. It must be the last statement before the commit, because the heads of the feeds stay locked until then.
///
/// The `*_max` columns are upper bounds. A limit and what is exempt from it may together exceed what the column can hold.
pub async fn save(
    tx: &mut Tx<'_>,
    changed: &[ChangedUser<'_>],
    directory: &[DirectoryChange],
) -> Result<(), Error> {
    let rows: Vec<_> = changed
        .iter()
        .map(|ChangedUser { key, state, limits, revision }| UserRow {
            key,
            numbers: Numbers { revision: *revision, ..state.numbers },
            groups_revision: state.changes_groups().then_some(*revision),
            room: state.room(limits),
        })
        .collect();
    save_rows(tx, &rows, directory).await
}

/// A row of `users` to save.
pub(in crate::store) struct UserRow<'a> {
    pub(in crate::store) key: &'a UserKey,
    pub(in crate::store) numbers: Numbers,
    /// `None` leaves it as it is.
    pub(in crate::store) groups_revision: Option<u64>,
    /// The highest value that each count may have.
    pub(in crate::store) room: Counts,
}

/// As [`save`].
pub(in crate::store) async fn save_rows(
    tx: &mut Tx<'_>,
    rows: &[UserRow<'_>],
    directory: &[DirectoryChange],
) -> Result<(), Error> {
    let saved = unnest!(
        query_file!("src/store/sql/save_users.sql"),
        for row in rows => {
            sdk_app_id: i64 = row.key.sdk_app_id.number(),
            user_id: &str = row.key.user_id.as_str(),
            revision: i64 = number("users.revision", row.numbers.revision)?,
            forgotten_revision: i64 = number("users.forgotten_revision", row.numbers.forgotten_revision)?,
            groups_revision: Option<i64> =
                row.groups_revision.map(|it| number("users.groups_revision", it)).transpose()?,
            next_position: i32 = number("users.next_position", row.numbers.next_position)?,
            next_group_id: i32 = number("users.next_group_id", row.numbers.next_group_id)?,
            row_count: i32 = number("users.row_count", row.numbers.counts.rows)?,
            marked: i32 = number("users.marked", row.numbers.counts.marked)?,
            marked_max: i32 = number("users.marked_max", row.room.marked.min(LIMIT_MAX))?,
            grouped: i32 = number("users.grouped", row.numbers.counts.grouped)?,
            grouped_max: i32 = number("users.grouped_max", row.room.grouped.min(LIMIT_MAX))?,
            pinned: i32 = number("users.pinned", row.numbers.counts.pinned)?,
            pinned_max: i32 = number("users.pinned_max", row.room.pinned.min(LIMIT_MAX))?,
        }
        for change in directory => {
            sdk_app_id: i64 = change.sdk_app_id,
        }
    )
    .fetch_one(tx.session())
    .await?;
    check_row_count("users", number("users, saved", saved.saved)?, rows.len())?;
    let heads: BTreeMap<_, _> = saved.feed_apps.into_iter().zip(saved.first_numbers).collect();
    if heads.is_empty() {
        return Ok(());
    }
    let mut changes = Vec::new();
    for row in rows {
        changes.push(FeedRow {
            sdk_app_id: row.key.sdk_app_id.number(),
            kind: 0,
            id: row.key.user_id.as_str(),
            is_gone: None,
            revision: number("users.revision", row.numbers.revision)?,
        });
    }
    changes.extend(directory.iter().map(|change| FeedRow {
        sdk_app_id: change.sdk_app_id,
        kind: change.kind,
        id: &change.id,
        is_gone: Some(change.is_gone),
        revision: change.directory_revision,
    }));
    feed::append(tx, heads, changes).await
}

/// Converts the key of a stored row.
pub(super) fn user_key(sdk_app_id: i64, user_id: &str) -> Result<UserKey, Error> {
    Ok(UserKey {
        sdk_app_id: SdkAppId::new(sdk_app_id)
            .map_err(|problem| corrupt("users.sdk_app_id", problem))?,
        user_id: UserId::parse(user_id, u32::MAX)
            .map_err(|problem| corrupt("users.user_id", problem))?,
    })
}
