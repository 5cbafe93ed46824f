//! One transaction for many writes: lock, load, apply, save, commit.

use std::collections::{BTreeMap, BTreeSet};

use tracing::trace;

use super::Write;
use crate::domain::{App, Applied, Growth, Touched, UserKey, UserState};
use crate::error::Error;
use crate::store::{Changed, Connection, Tx, Unsaved};

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

impl From<Unsaved> for Failure {
    fn from(unsaved: Unsaved) -> Self {
        match unsaved {
            Unsaved::Refused(error) => Self::Before(error),
            Unsaved::InDoubt(error) => Self::InDoubt(error),
        }
    }
}

impl Failure {
    pub(super) fn into_error(self) -> Error {
        match self {
            Self::Before(error) | Self::InDoubt(error) => error,
        }
    }
}

/// Writes that are committed together, and whose they are.
pub(super) struct Batch<'w> {
    keys: Vec<UserKey>,
    writes: &'w [&'w Write],
}

impl<'w> Batch<'w> {
    pub(super) fn of(writes: &'w [&'w Write]) -> Self {
        Self { keys: writes.iter().map(|write| write.key()).collect(), writes }
    }

    /// Loads what it is about, without a lock.
    pub(super) async fn load(
        &self,
        connection: &mut Connection,
    ) -> Result<BTreeMap<UserKey, UserState>, Error> {
        let states = connection.load_users(&self.users(), &self.touched()).await?;
        trace!(target: "earmark::span", "users and conversations loaded");
        Ok(states)
    }

    fn each(&self) -> impl Iterator<Item = (&UserKey, &'w Write)> + Clone {
        self.keys.iter().zip(self.writes.iter().copied())
    }

    fn apps(&self) -> BTreeMap<&UserKey, &'w App> {
        self.each().map(|(key, write)| (key, &*write.app)).collect()
    }

    /// Everybody, and whether the app takes anyone.
    fn users(&self) -> BTreeMap<UserKey, bool> {
        let users = self.each();
        users.map(|(key, write)| (key.clone(), write.app.directory.takes_anyone())).collect()
    }

    fn touched(&self) -> Vec<(&UserKey, Touched<'w>)> {
        let touched = self.each().map(|(key, write)| (key, write.change.touched()));
        touched.flat_map(|(key, all)| all.map(move |touched| (key, touched))).collect()
    }

    /// Those whose dead have to be counted before anything is applied.
    fn near_a_limit(&self, states: &BTreeMap<UserKey, UserState>) -> BTreeSet<UserKey> {
        let mut growth: BTreeMap<&UserKey, Growth> = BTreeMap::new();
        for (key, write) in self.each() {
            let of_user = growth.entry(key).or_default();
            *of_user = of_user.or(write.change.growth());
        }
        let apps = self.apps();
        states
            .iter()
            .filter(|(key, state)| state.is_near_a_limit(&apps[key].limits, growth[key]))
            .map(|(key, _)| key.clone())
            .collect()
    }

    fn changed<'s>(&self, states: &'s BTreeMap<UserKey, UserState>) -> Vec<Changed<'s>>
    where
        'w: 's,
    {
        let apps = self.apps();
        let changed = states.iter().filter(|(_, state)| state.is_changed());
        changed.map(|(key, state)| (key, state, &apps[key].limits)).collect()
    }
}

fn apply(
    key: &UserKey,
    write: &Write,
    states: &mut BTreeMap<UserKey, UserState>,
) -> Result<Applied, Error> {
    let state = states.get_mut(key).ok_or_else(|| write.change.no_such_user())?;
    #[cfg(feature = "planted-bugs")]
    crate::store::planted::forget_others(state);
    write.change.apply(state, &write.app, write.now)
}

/// What became of each write, or `None`: nothing has happened, and it takes a transaction.
pub(super) type OutcomesAsLoaded = Vec<Option<Result<Applied, Error>>>;

/// Commits writes together without a lock: what was loaded is saved for those of whom nobody else has changed any of it
/// meanwhile. The others need a transaction, and so do those of whom more must be known.
pub(super) async fn commit_as_loaded(
    connection: &mut Connection,
    batch: &Batch<'_>,
    mut states: BTreeMap<UserKey, UserState>,
) -> Result<OutcomesAsLoaded, Failure> {
    #[cfg(feature = "planted-bugs")]
    crate::store::planted::panic();
    let mut unsaved = batch.near_a_limit(&states);
    let mut outcomes: Vec<_> = batch
        .each()
        .map(|(key, write)| (!unsaved.contains(key)).then(|| apply(key, write, &mut states)))
        .collect();

    let of_more = |state: &UserState| state.changes_groups() || state.lacks_counts();
    let for_more = states.iter().filter(|(_, state)| of_more(state));
    unsaved.extend(for_more.map(|(key, _)| key.clone()));
    #[cfg(feature = "planted-bugs")]
    connection.forget_versions(&mut states).await?;
    let mut changed = batch.changed(&states);
    changed.retain(|(key, ..)| !unsaved.contains(*key));
    if !changed.is_empty() {
        let others = connection.save_as_loaded(&changed).await?;
        trace!(target: "earmark::span", "state saved");
        unsaved.extend(others.into_iter().cloned());
    }
    for (outcome, key) in outcomes.iter_mut().zip(&batch.keys) {
        if unsaved.contains(key) {
            *outcome = None;
        }
    }
    Ok(outcomes)
}

/// Commits writes in a transaction and answers each: one that is refused does not touch the others.
pub(super) async fn commit(mut tx: Tx<'_>, writes: &[&Write]) -> Result<Outcomes, Failure> {
    #[cfg(feature = "planted-bugs")]
    crate::store::planted::panic();
    let batch = Batch::of(writes);
    let mut states = tx.lock_users(&batch.users(), &batch.touched()).await?;
    trace!(target: "earmark::span", "users locked, conversations loaded");
    load_groups(&mut tx, &mut states, &batch).await?;
    trace!(target: "earmark::span", "groups loaded");
    for key in batch.near_a_limit(&states) {
        if let Some(state) = states.get_mut(&key) {
            let living_others = tx.count_living_others(&key, state).await?;
            state.load_dead(living_others);
        }
    }

    let outcomes = batch.each().map(|(key, write)| apply(key, write, &mut states)).collect();

    let changed = batch.changed(&states);
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
    batch: &Batch<'_>,
) -> Result<(), Error> {
    let with_groups: BTreeSet<&UserKey> =
        batch.each().filter(|(_, write)| write.change.needs_groups()).map(|(key, _)| key).collect();
    if !with_groups.is_empty() {
        tx.load_contact_groups(states, &with_groups.into_iter().collect::<Vec<_>>()).await?;
    }
    for (key, _) in batch.each().filter(|(_, write)| write.change.needs_members()) {
        if let Some(state) = states.get_mut(key) {
            tx.load_members(key, state).await?;
        }
    }
    Ok(())
}

async fn save(tx: &mut Tx<'_>, changed: &[Changed<'_>]) -> Result<(), Error> {
    let deleted: Vec<_> =
        changed.iter().filter(|(_, state, _)| state.deleted).map(|(key, ..)| *key).collect();
    if !deleted.is_empty() {
        tx.delete_accounts(&deleted).await?;
    }
    let states: Vec<_> = changed.iter().map(|(key, state, _)| (*key, *state)).collect();
    tx.save_contact_groups(&states).await?;
    tx.save_users(changed).await
}
