//! One transaction for many writes: lock, load, apply, save, commit.

use std::collections::{BTreeMap, BTreeSet};

use tracing::trace;

use super::Write;
use crate::domain::{Applied, Growth, UserKey, UserState};
use crate::error::Error;
use crate::limits::Limits;
use crate::store::Tx;

/// What became of each write.
pub(super) type Outcomes = Vec<Result<Applied, Error>>;

/// Why writes were not committed, none of them.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing has happened.
    Before(Error),
    /// The commit itself failed: whether it happened is not known.
    InDoubt(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Before(error)
    }
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Before(error) | Self::InDoubt(error) => error,
        }
    }
}

/// Commits writes together and answers each: one that is refused does not touch the others.
pub(super) async fn commit(mut tx: Tx<'_>, writes: &[&Write]) -> Result<Outcomes, Failure> {
    #[cfg(feature = "planted-bugs")]
    crate::store::planted::panic();
    let keys: Vec<UserKey> = writes.iter().map(|write| write.key()).collect();
    let owners: BTreeMap<_, _> =
        keys.iter().cloned().zip(writes).map(|(key, write)| (key, &write.app)).collect();

    let anyone = owners.iter().map(|(key, app)| (key.clone(), app.directory.takes_anyone()));
    let touched = keys.iter().zip(writes).flat_map(|(key, write)| {
        write.change.touched().map(move |conversation| (key, conversation))
    });
    let mut states = tx.lock_users(&anyone.collect(), &touched.collect::<Vec<_>>()).await?;
    #[cfg(feature = "planted-bugs")]
    tx.unlock().await?;
    trace!(target: "earmark::span", "users locked, conversations loaded");
    load_groups(&mut tx, &mut states, &keys, writes).await?;
    trace!(target: "earmark::span", "groups loaded");
    let mut growth: BTreeMap<&UserKey, Growth> = BTreeMap::new();
    for (key, write) in keys.iter().zip(writes) {
        let of_user = growth.entry(key).or_default();
        *of_user = of_user.or(write.change.growth());
    }
    for (key, state) in &mut states {
        if state.is_near_a_limit(&owners[key].limits, growth[key]) {
            state.dead = tx.count_dead(key, state.counts).await?;
        }
    }

    let outcomes = keys
        .iter()
        .zip(writes)
        .map(|(key, write)| {
            let state = states.get_mut(key).ok_or_else(|| write.change.no_such_user())?;
            #[cfg(feature = "planted-bugs")]
            crate::store::planted::forget_others(state);
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
        #[cfg(feature = "planted-bugs")]
        tx.spoil_commit().await?;
        trace!(target: "earmark::span", "state saved");
        tx.commit().await.map_err(Failure::InDoubt)?;
    }
    Ok(outcomes)
}

async fn load_groups(
    tx: &mut Tx<'_>,
    states: &mut BTreeMap<UserKey, UserState>,
    keys: &[UserKey],
    writes: &[&Write],
) -> Result<(), Error> {
    let all = || keys.iter().zip(writes);
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

async fn save(tx: &mut Tx<'_>, changed: &[(&UserKey, &UserState, &Limits)]) -> Result<(), Error> {
    let deleted: Vec<_> =
        changed.iter().filter(|(_, state, _)| state.deleted).map(|(key, ..)| *key).collect();
    if !deleted.is_empty() {
        tx.delete_accounts(&deleted).await?;
    }
    let counted = changed.iter().copied().filter(|(_, state, _)| state.has_changed_counts());
    if counted.clone().next().is_some() {
        tx.save_counts(counted).await?;
    }
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
