//! The one way in which a user's state changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Service;
use crate::domain::{App, Applied, Change, Conversation, UserId, UserKey, UserState};
use crate::error::Error;
use crate::limits::Limits;
use crate::store::Store;

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
        let store = self.store.clone();
        let outcomes = self.within_deadline(async move { commit(&store, &[write]).await }).await?;
        outcomes
            .into_iter()
            .next()
            .unwrap_or_else(|| Err(Error::internal("a write had no outcome")))
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
    let touched: Vec<(&UserKey, &Conversation)> = keys
        .iter()
        .zip(writes)
        .flat_map(|(key, write)| {
            write.change.touched().map(move |conversation| (key, conversation))
        })
        .collect();
    tx.load_entries(&mut states, &touched).await?;
    for (key, state) in &mut states {
        if state.is_near_a_limit(&owners[key].limits) {
            state.dead = tx.count_dead(key).await?;
        }
    }

    let outcomes = keys
        .iter()
        .zip(writes)
        .map(|(key, write)| {
            let state = states.get_mut(key).ok_or(Error::UnknownUser)?;
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
        tx.save_users(changed.iter().copied()).await?;
        let entries = changed.iter().flat_map(|(key, state, _)| {
            let changed = state.entries.iter().filter(|(_, entry)| entry.is_changed());
            changed.map(|(conversation, entry)| (*key, conversation, entry))
        });
        tx.save_entries(&entries.collect::<Vec<_>>()).await?;
        tx.commit().await?;
    }
    Ok(outcomes)
}
