//! Contact groups. The caller holds the user's lock.

use std::collections::BTreeMap;

use super::ChangedUser;
use super::users::user_key;
use crate::domain::{ContactGroup, ContactGroupName, UserKey, UserState};
use crate::error::Error;
use crate::store::Tx;
use crate::store::convert::{check_row_count, corrupt, number};
use crate::store::unnest::unnest;

/// Loads the contact groups of these users into their states.
pub async fn load(
    tx: &mut Tx<'_>,
    states: &mut BTreeMap<UserKey, UserState>,
    users: &[&UserKey],
) -> Result<(), Error> {
    let rows = unnest!(
        query!(
            "
            SELECT g.sdk_app_id, g.user_id, g.group_id, g.name, g.rank
            FROM contact_groups g
            JOIN unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
                ON g.sdk_app_id = t.sdk_app_id AND g.user_id = t.user_id
            "
        ),
        for key in users => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
        }
    )
    .fetch_all(tx.session())
    .await?;
    let mut groups: BTreeMap<UserKey, Vec<ContactGroup>> = BTreeMap::new();
    for row in rows {
        let key = user_key(row.sdk_app_id, &row.user_id)?;
        groups.entry(key).or_default().push(contact_group(row.group_id, &row.name, row.rank)?);
    }
    for (key, groups) in groups {
        if let Some(state) = states.get_mut(&key) {
            state.load_groups(groups);
        }
    }
    Ok(())
}

/// Saves the changes to the contact groups of users. Deletes first, so that a new contact group can take the name of a
/// deleted one.
pub async fn save(tx: &mut Tx<'_>, changed: &[ChangedUser<'_>]) -> Result<(), Error> {
    let deleted: Vec<_> = changed
        .iter()
        .flat_map(|user| user.state.groups_to_delete().map(|group| (user.key, group.id)))
        .collect();
    if !deleted.is_empty() {
        delete(tx, &deleted).await?;
    }
    let added: Vec<_> = changed
        .iter()
        .flat_map(|user| {
            user.state.groups_to_insert().map(move |group| (user.key, group, user.revision))
        })
        .collect();
    insert(tx, &added).await?;
    let moved: Vec<_> = changed
        .iter()
        .flat_map(|user| user.state.groups_to_rank().map(|group| (user.key, group)))
        .collect();
    if !moved.is_empty() {
        save_ranks(tx, &moved).await?;
    }
    Ok(())
}

async fn save_ranks(tx: &mut Tx<'_>, groups: &[(&UserKey, &ContactGroup)]) -> Result<(), Error> {
    let saved = unnest!(
        query!(
            "
            UPDATE contact_groups g SET rank = t.rank
            FROM unnest($1::bigint[], $2::text[], $3::int[], $4::int[]) AS t (sdk_app_id, user_id, group_id, rank)
            WHERE g.sdk_app_id = t.sdk_app_id AND g.user_id = t.user_id AND g.group_id = t.group_id
            "
        ),
        for (key, group) in groups => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            group_id: i32 = number("contact_groups.group_id", group.id)?,
            rank: Option<i32> = group.rank.map(|rank| number("contact_groups.rank", rank)).transpose()?,
        }
    )
    .execute(tx.session())
    .await?;
    check_row_count("contact_groups", saved.rows_affected(), groups.len())
}

async fn delete(tx: &mut Tx<'_>, groups: &[(&UserKey, u32)]) -> Result<(), Error> {
    unnest!(
        query!(
            "
            DELETE FROM contact_groups g
            USING unnest($1::bigint[], $2::text[], $3::int[]) AS t (sdk_app_id, user_id, group_id)
            WHERE g.sdk_app_id = t.sdk_app_id AND g.user_id = t.user_id AND g.group_id = t.group_id
            "
        ),
        for (key, group_id) in groups => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            group_id: i32 = number("contact_groups.group_id", *group_id)?,
        }
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Inserts contact groups, each with the revision at which it got its name.
pub(in crate::store) async fn insert(
    tx: &mut Tx<'_>,
    groups: &[(&UserKey, &ContactGroup, u64)],
) -> Result<(), Error> {
    if groups.is_empty() {
        return Ok(());
    }
    unnest!(
        query!(
            "
            INSERT INTO contact_groups (sdk_app_id, user_id, group_id, name, rank, name_revision)
            SELECT sdk_app_id, user_id, group_id, name, rank, name_revision
            FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[], $5::int[], $6::bigint[])
                AS t (sdk_app_id, user_id, group_id, name, rank, name_revision)
            "
        ),
        for (key, group, name_revision) in groups => {
            sdk_app_id: i64 = key.sdk_app_id.number(),
            user_id: &str = key.user_id.as_str(),
            group_id: i32 = number("contact_groups.group_id", group.id)?,
            name: &str = group.name.as_str(),
            rank: Option<i32> = group.rank.map(|rank| number("contact_groups.rank", rank)).transpose()?,
            name_revision: i64 = number("users.revision", *name_revision)?,
        }
    )
    .execute(tx.session())
    .await?;
    Ok(())
}

/// Converts the columns `group_id`, `name` and `rank`.
pub(in crate::store) fn contact_group(
    group_id: i32,
    name: &str,
    rank: Option<i32>,
) -> Result<ContactGroup, Error> {
    Ok(ContactGroup {
        id: number("contact_groups.group_id", group_id)?,
        name: ContactGroupName::parse(name)
            .map_err(|problem| corrupt("contact_groups.name", problem))?,
        rank: rank.map(|rank| number("contact_groups.rank", rank)).transpose()?,
    })
}
