//! The one way in which a user's state changes.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::Service;
use crate::domain::{App, Applied, Change, Conversation, UserId, UserKey, UserState};
use crate::error::Error;
use crate::limits::Limits;
use crate::store::{Store, Tx};

/// A change of one user's state, and for whom.
#[derive(Debug, Clone)]
pub struct Write {
    /// The app of the user.
    pub app: Arc<App>,
    /// The user whose state it is.
    pub owner: UserId,
    /// What to do.
    pub change: Change,
    /// Unix seconds.
    pub now: u64,
}

impl Write {
    fn key(&self) -> UserKey {
        UserKey { sdk_app_id: self.app.sdk_app_id, user_id: self.owner.clone() }
    }
}

impl Service {
    /// Changes a user's state, durably, before it returns.
    pub async fn write(&self, write: Write) -> Result<Applied, Error> {
        write.change.check_edition(&write.app)?;
        let mut outcomes = self.write_together(vec![write]).await?;
        outcomes.pop().unwrap_or_else(|| Err(Error::internal("a write had no outcome")))
    }

    /// Changes the states of several users in one transaction, and answers each: one that is refused does not touch the
    /// others.
    pub async fn write_together(
        &self,
        writes: Vec<Write>,
    ) -> Result<Vec<Result<Applied, Error>>, Error> {
        let store = self.store.clone();
        self.within_deadline(async move { commit(&store, &writes).await }).await
    }
}

/// Commits writes together and answers each: one that is refused does not touch the others. An error of the whole means
/// that none of them happened, except [`Error::Timeout`] from the commit itself, which leaves it open.
async fn commit(store: &Store, writes: &[Write]) -> Result<Vec<Result<Applied, Error>>, Error> {
    let keys: Vec<UserKey> = writes.iter().map(Write::key).collect();
    let owners: BTreeMap<_, _> =
        keys.iter().cloned().zip(writes).map(|(key, write)| (key, &write.app)).collect();

    let mut tx = store.begin().await?;
    let anyone = owners.iter().map(|(key, app)| (key.clone(), app.directory.takes_anyone()));
    let mut states = tx.lock_users(&anyone.collect()).await?;
    load(&mut tx, &mut states, &keys, writes).await?;
    for (key, state) in &mut states {
        if state.is_near_a_limit(&owners[key].limits) {
            state.dead = tx.count_dead(key, state.counts).await?;
        }
    }

    let outcomes = keys
        .iter()
        .zip(writes)
        .map(|(key, write)| {
            let state = states.get_mut(key).ok_or_else(|| write.change.no_such_user())?;
            write.change.apply(state, &write.app, write.now)
        })
        .collect();

    let changed: Vec<(&UserKey, &UserState, &Limits)> = states
        .iter()
        .filter(|(_, state)| state.is_changed())
        .map(|(key, state)| (key, state, &owners[key].limits))
        .collect();
    if changed.is_empty() {
        tx.rollback().await?;
    } else {
        save(&mut tx, &changed).await?;
        tx.commit().await?;
    }
    Ok(outcomes)
}

async fn load(
    tx: &mut Tx,
    states: &mut BTreeMap<UserKey, UserState>,
    keys: &[UserKey],
    writes: &[Write],
) -> Result<(), Error> {
    let all = || keys.iter().zip(writes);
    let touched: Vec<(&UserKey, &Conversation)> = all()
        .flat_map(|(key, write)| {
            let touched = write.change.touched().into_iter();
            touched.map(move |conversation| (key, conversation))
        })
        .collect();
    tx.load_entries(states, &touched).await?;
    let with_groups: BTreeSet<&UserKey> =
        all().filter(|(_, write)| write.change.needs_groups()).map(|(key, _)| key).collect();
    if !with_groups.is_empty() {
        tx.load_contact_groups(states, &with_groups.into_iter().collect::<Vec<_>>()).await?;
    }
    for (key, _) in all().filter(|(_, write)| write.change.needs_members()) {
        if let Some(state) = states.get_mut(key) {
            tx.load_members(key, state).await?;
        }
    }
    Ok(())
}

async fn save(tx: &mut Tx, changed: &[(&UserKey, &UserState, &Limits)]) -> Result<(), Error> {
    let deleted: Vec<_> =
        changed.iter().filter(|(_, state, _)| state.deleted).map(|(key, ..)| *key).collect();
    if !deleted.is_empty() {
        tx.delete_accounts(&deleted).await?;
    }
    tx.save_users(changed.iter().copied()).await?;
    let states: Vec<_> = changed.iter().map(|(key, state, _)| (*key, *state)).collect();
    tx.save_contact_groups(&states).await?;
    let entries: Vec<_> = states
        .iter()
        .flat_map(|(key, state)| {
            let changed = state.entries.iter().filter(|(_, entry)| entry.is_changed());
            changed.map(|(conversation, entry)| (*key, conversation, entry))
        })
        .collect();
    if !entries.is_empty() {
        tx.save_entries(&entries).await?;
    }
    Ok(())
}
