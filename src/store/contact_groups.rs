//! Contact groups.

use std::collections::BTreeMap;

use super::users::stored_key;
use super::{Tx, count, stored};
use crate::domain::{ContactGroup, ContactGroupName, UserKey, UserState};
use crate::error::Error;

impl Tx<'_> {
    /// Loads the contact groups of these users into their states.
    pub async fn load_contact_groups(
        &mut self,
        states: &mut BTreeMap<UserKey, UserState>,
        of: &[&UserKey],
    ) -> Result<(), Error> {
        let sdk_app_ids: Vec<_> = of.iter().map(|key| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = of.iter().map(|key| key.user_id.as_str()).collect();
        let rows = sqlx::query!(
            r#"
            SELECT g.sdk_app_id, g.user_id, g.group_id, g.name
            FROM contact_groups g
            JOIN unnest($1::bigint[], $2::text[]) AS t (sdk_app_id, user_id)
                ON g.sdk_app_id = t.sdk_app_id AND g.user_id = t.user_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
        )
        .fetch_all(self.session())
        .await?;
        let mut groups: BTreeMap<UserKey, Vec<ContactGroup>> = BTreeMap::new();
        for row in rows {
            let key = stored_key(row.sdk_app_id, &row.user_id)?;
            groups.entry(key).or_default().push(stored_group(row.group_id, &row.name)?);
        }
        for (key, groups) in groups {
            if let Some(state) = states.get_mut(&key) {
                state.load_groups(groups);
            }
        }
        Ok(())
    }

    /// Saves what has changed about contact groups. Rows go before rows come, so that names can be handed on.
    pub async fn save_contact_groups(
        &mut self,
        changed: &[(&UserKey, &UserState)],
    ) -> Result<(), Error> {
        let gone: Vec<_> = changed
            .iter()
            .flat_map(|(key, state)| state.groups_to_delete().map(move |group| (*key, group)))
            .collect();
        let new: Vec<_> = changed
            .iter()
            .flat_map(|(key, state)| state.groups_to_insert().map(move |group| (*key, group)))
            .collect();
        if !gone.is_empty() {
            self.delete_contact_groups(&gone).await?;
        }
        if !new.is_empty() {
            self.insert_contact_groups(&new).await?;
        }
        Ok(())
    }

    async fn delete_contact_groups(
        &mut self,
        gone: &[(&UserKey, &ContactGroup)],
    ) -> Result<(), Error> {
        let sdk_app_ids: Vec<_> = gone.iter().map(|(key, _)| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = gone.iter().map(|(key, _)| key.user_id.as_str()).collect();
        let group_ids: Vec<_> = gone.iter().map(|(_, group)| stored(group.id)).collect();
        sqlx::query!(
            r#"
            DELETE FROM contact_groups g
            USING unnest($1::bigint[], $2::text[], $3::int[]) AS t (sdk_app_id, user_id, group_id)
            WHERE g.sdk_app_id = t.sdk_app_id AND g.user_id = t.user_id AND g.group_id = t.group_id
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &group_ids,
        )
        .execute(self.session())
        .await?;
        Ok(())
    }

    async fn insert_contact_groups(
        &mut self,
        new: &[(&UserKey, &ContactGroup)],
    ) -> Result<(), Error> {
        let sdk_app_ids: Vec<_> = new.iter().map(|(key, _)| key.sdk_app_id.number()).collect();
        let user_ids: Vec<_> = new.iter().map(|(key, _)| key.user_id.as_str()).collect();
        let group_ids: Vec<_> = new.iter().map(|(_, group)| stored(group.id)).collect();
        let names: Vec<_> = new.iter().map(|(_, group)| group.name.as_str()).collect();
        sqlx::query!(
            r#"
            INSERT INTO contact_groups (sdk_app_id, user_id, group_id, name)
            SELECT * FROM unnest($1::bigint[], $2::text[], $3::int[], $4::text[])
            "#,
            &sdk_app_ids,
            &user_ids as &[&str],
            &group_ids,
            &names as &[&str],
        )
        .execute(self.session())
        .await?;
        Ok(())
    }
}

/// A contact group as the table holds it.
pub(super) fn stored_group(group_id: i32, name: &str) -> Result<ContactGroup, Error> {
    let bad = |problem| Error::Internal(anyhow::anyhow!("contact_groups, name: {problem}"));
    Ok(ContactGroup { id: count(group_id), name: ContactGroupName::parse(name).map_err(bad)? })
}
