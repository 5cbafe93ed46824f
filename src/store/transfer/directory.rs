//! Writes the directory: chat groups, and who has left.

use std::collections::BTreeMap;

use super::{GoneMember, lock};
use crate::domain::{App, Change, ChatGroup, Conversation, SdkAppId, UserKey};
use crate::error::Error;
use crate::store::directory::{accounts, gone};
use crate::store::state::{ChangedUser, contact_groups, conversations, users};
use crate::store::unnest::unnest;
use crate::store::{KnownMembers, Tx, chat_groups};

/// What became of entries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Saved {
    pub new: u64,
    pub changed: u64,
}

/// Adds chat groups and changes their types and names. One that is gone comes back.
pub async fn save_chat_groups(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    groups: &[ChatGroup],
) -> Result<Saved, Error> {
    let rows = unnest!(
        query!(
            r#"
            SELECT t.nr AS "nr!", (c.group_type = t.group_type AND c.name = t.name) AS is_same
            FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS t (group_id, group_type, name, nr)
            LEFT JOIN chat_groups c ON c.sdk_app_id = $4 AND c.group_id = t.group_id
            ORDER BY t.nr
            "#
        ),
        for group in groups => {
            group_id: &str = group.id.as_str(),
            group_type: &str = group.group_type.name(),
            name: &str = &group.name,
        };
        sdk_app_id.number()
    )
    .fetch_all(tx.session())
    .await?;
    let (mut saved, mut written) = (Saved::default(), Vec::new());
    for (group, row) in groups.iter().zip(rows) {
        match row.is_same {
            Some(true) => continue,
            Some(false) => saved.changed += 1,
            None => saved.new += 1,
        }
        written.push(group);
    }
    if !written.is_empty() {
        let changes = chat_groups::upsert(tx, sdk_app_id, &written).await?;
        if !changes.is_empty() {
            users::save(tx, &[], &changes).await?;
        }
    }
    Ok(saved)
}

/// Deletes accounts and chat groups, or notes that they have come back. An account takes all state of its user with it. The
/// app's directory revision grows to `least` or beyond. `now` is in Unix seconds.
pub async fn save_gone(
    tx: &mut Tx<'_>,
    app: &App,
    members: &[GoneMember],
    least: u64,
    now: u64,
) -> Result<Saved, Error> {
    let sdk_app_id = app.sdk_app_id;
    let leaving = |member: &&GoneMember| member.is_gone;
    let owners = members.iter().filter(leaving).filter_map(|gone| gone.member.user_key(sdk_app_id));
    lock(tx, &owners.map(|key| (key, false)).collect()).await?;
    let stored = stored(tx, sdk_app_id, members).await?;
    let mut saved = Saved::default();
    let mut written = Vec::new();
    for (gone, stored) in members.iter().zip(stored) {
        match stored {
            Some(is_gone) if is_gone == gone.is_gone => continue,
            Some(_) => saved.changed += 1,
            None => saved.new += 1,
        }
        written.push((&gone.member, gone.is_gone));
    }
    if written.is_empty() {
        return Ok(saved);
    }
    let leaving = written.iter().filter(|(_, is_gone)| *is_gone).map(|(member, _)| *member);
    let keys: Vec<_> = leaving.clone().filter_map(|member| member.user_key(sdk_app_id)).collect();
    let states = deleted_states(tx, app, &keys, now).await?;
    let user_ids: Vec<_> = keys.iter().map(|key| key.user_id.as_str()).collect();
    accounts::delete_rows(tx, sdk_app_id, &user_ids).await?;
    let groups: Vec<_> = leaving
        .filter(|member| matches!(member, Conversation::Group(_)))
        .map(Conversation::peer_id)
        .collect();
    chat_groups::delete_rows(tx, sdk_app_id, &groups).await?;
    let directory = gone::set(tx, sdk_app_id, &written, least).await?;
    let changed: Vec<_> = states
        .iter()
        .map(|(key, state)| ChangedUser {
            key,
            state,
            limits: &app.limits,
            revision: state.numbers.revision + 1,
        })
        .collect();
    users::save(tx, &changed, &directory).await?;
    Ok(saved)
}

/// The states of locked users after their accounts were deleted. Those who have no state are left out.
async fn deleted_states(
    tx: &mut Tx<'_>,
    app: &App,
    keys: &[UserKey],
    now: u64,
) -> Result<BTreeMap<UserKey, crate::domain::UserState>, Error> {
    let mut states = users::lock_rows(tx, keys.iter()).await?;
    let with_state: Vec<UserKey> = states.keys().cloned().collect();
    contact_groups::load(tx, &mut states, &with_state.iter().collect::<Vec<_>>()).await?;
    conversations::load(
        tx,
        &mut states,
        &std::collections::BTreeSet::new(),
        &KnownMembers::default(),
    )
    .await?;
    states.retain(|_, state| Change::DeleteAccount.apply(state, app, now).is_ok());
    Ok(states)
}

/// Whether each member is noted as gone. `None`: it was never gone.
async fn stored(
    tx: &mut Tx<'_>,
    sdk_app_id: SdkAppId,
    members: &[GoneMember],
) -> Result<Vec<Option<bool>>, Error> {
    let rows = unnest!(
        query!(
            r#"
            SELECT g.is_gone AS "is_gone?"
            FROM unnest($1::smallint[], $2::text[]) WITH ORDINALITY AS t (kind, id, nr)
            LEFT JOIN gone g ON g.sdk_app_id = $3 AND g.kind = t.kind AND g.id = t.id
            ORDER BY t.nr
            "#
        ),
        for gone in members => {
            kind: i16 = gone.member.kind(),
            id: &str = gone.member.peer_id(),
        };
        sdk_app_id.number()
    )
    .fetch_all(tx.session())
    .await?;
    Ok(rows.into_iter().map(|row| row.is_gone).collect())
}
