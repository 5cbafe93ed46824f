//! The two ways to commit a batch of writes.
//!
//! [`mark`] is the fast path: one statement that changes marks in rows that exist already. [`commit`] is the locking
//! path for everything else: lock the users, load, apply the rules, save, commit.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use tracing::trace;

use super::{Write, Written};
use crate::domain::{
    App, Applied, Change, CombinedMark, Conversation, Directory, Growth, Refusal, UserKey,
    UserState,
};
use crate::error::Error;
use crate::store::marks::{MarkRow, MarkUser, MarkedUser};
use crate::store::{self, ChangedUser, Connection, KnownMembers, Tx};

/// One result per write, in order.
pub(super) type Outcomes = Vec<Result<Written, Error>>;

/// The writes of a transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Writes<'b> {
    pub(super) writes: &'b [&'b Write],
    pub(super) known: &'b KnownMembers,
}

/// Marks the conversations of all writes in one statement. `None` means that nothing was written and that the write
/// needs the locking path. Of one user, either all writes are applied or none.
pub(super) async fn mark(
    connection: &mut Connection,
    Writes { writes, known }: Writes<'_>,
) -> Result<Vec<Option<Written>>, Error> {
    let mut by_user: BTreeMap<UserKey, Vec<&Write>> = BTreeMap::new();
    for write in writes {
        by_user.entry(write.key()).or_default().push(write);
    }
    let (mut users, mut rows) = (Vec::with_capacity(by_user.len()), Vec::new());
    for writes in by_user.values() {
        let Some(first) = writes.first() else { continue };
        let mut marks: BTreeMap<&Conversation, (CombinedMark<'_>, u64)> = BTreeMap::new();
        for write in writes {
            let Change::Mark(changes) = &write.change else { continue };
            for change in changes {
                let (mark, now) = marks.entry(&change.conversation).or_default();
                if mark.add(change) {
                    *now = write.arrival.now;
                }
            }
        }
        let user = users.len();
        let count = writes.len() as u64;
        users.push(MarkUser { app: &first.app, user_id: &first.owner, writes: count });
        let is_strict = first.app.directory == Directory::Strict;
        let must_exist = |conversation| is_strict && !known.has(first.app.sdk_app_id, conversation);
        let row = |(conversation, (mark, now))| {
            let must_exist = must_exist(conversation);
            MarkRow { user, conversation, mark, must_exist, now }
        };
        rows.extend(marks.into_iter().map(row));
    }
    let done = store::marks::update(connection, &users, &rows).await?;
    trace!(target: "earmark::span", "conversations marked");
    // The revision before the next write of each user who is done.
    let mut revisions: BTreeMap<UserKey, Option<(u64, bool)>> = by_user
        .into_iter()
        .zip(done)
        .map(|((key, writes), done)| {
            let before = |MarkedUser { revision, is_changed }| {
                let own = if is_changed { writes.len() as u64 } else { 0 };
                (revision.saturating_sub(own), is_changed)
            };
            (key, done.map(before))
        })
        .collect();
    let outcome = |write: &&Write| {
        let (revision, is_changed) = revisions.get_mut(&write.key())?.as_mut()?;
        *revision += u64::from(*is_changed);
        let items = write.change.touched().map(|_| Ok(())).collect();
        Some(Written { applied: Applied { items, ..Applied::default() }, revision: *revision })
    };
    Ok(writes.iter().map(outcome).collect())
}

/// Commits writes in one transaction. If one is refused, the others are still committed. May also remove
/// conversations that have been empty for longer than `history`.
pub(super) async fn commit(
    connection: &mut Connection,
    Writes { writes, known }: Writes<'_>,
    history: Duration,
) -> Result<Outcomes, Error> {
    let batch = Batch::of(writes);
    let mut tx = connection.begin().await?;
    let mut states = store::users::lock(&mut tx, &batch.users()).await?;
    trace!(target: "earmark::span", "users locked");
    store::conversations::load(&mut tx, &mut states, &batch.touched(), known).await?;
    load_groups(&mut tx, &mut states, &batch).await?;
    trace!(target: "earmark::span", "conversations and contact groups loaded");
    make_room(&mut tx, &mut states, &batch, history).await?;

    let mut revisions: BTreeMap<&UserKey, u64> = batch
        .keys
        .iter()
        .filter_map(|key| Some((key, states.get(key)?.numbers.revision)))
        .collect();
    let apply = |(key, write): (&UserKey, &Write)| {
        let (Some(state), Some(revision)) = (states.get_mut(key), revisions.get_mut(key)) else {
            return Err(write.change.no_such_user().into());
        };
        if write.expected_revision.is_some_and(|expected| expected != *revision) {
            return Err(Refusal::RevisionChanged.into());
        }
        let edits = state.edits();
        let applied = write.change.apply(state, &write.app, write.arrival.now)?;
        // A write that changes nothing leaves the revision, so that it does not refuse the next one that expects it.
        *revision += u64::from(state.edits() > edits);
        Ok(Written { applied, revision: *revision })
    };
    let outcomes: Outcomes = batch.each().map(apply).collect();

    let changed = batch.changed(&states, &revisions);
    if changed.is_empty() {
        tx.rollback().await?;
    } else {
        save(&mut tx, &changed).await?;
        trace!(target: "earmark::span", "state saved");
        tx.commit().await?;
    }
    Ok(outcomes)
}

/// The writes of one transaction. `keys[i]` is the user of `writes[i]`.
struct Batch<'w> {
    keys: Vec<UserKey>,
    writes: &'w [&'w Write],
}

impl<'w> Batch<'w> {
    fn of(writes: &'w [&'w Write]) -> Self {
        Self { keys: writes.iter().map(|write| write.key()).collect(), writes }
    }

    fn each(&self) -> impl Iterator<Item = (&UserKey, &'w Write)> + Clone {
        self.keys.iter().zip(self.writes.iter().copied())
    }

    fn apps(&self) -> BTreeMap<&UserKey, &'w App> {
        self.each().map(|(key, write)| (key, &*write.app)).collect()
    }

    /// Each user, and whether the app accepts users who were never imported.
    fn users(&self) -> BTreeMap<UserKey, bool> {
        let users = self.each();
        users.map(|(key, write)| (key.clone(), write.app.directory.takes_anyone())).collect()
    }

    fn touched(&self) -> BTreeSet<(&UserKey, &'w Conversation)> {
        let touched = self.each().map(|(key, write)| (key, write.change.touched()));
        touched.flat_map(|(key, all)| all.map(move |one| (key, one))).collect()
    }

    fn growth(&self) -> BTreeMap<&UserKey, Growth> {
        let mut growth: BTreeMap<_, Growth> = BTreeMap::new();
        for (key, write) in self.each() {
            let of_user = growth.entry(key).or_default();
            *of_user = of_user.or(write.change.growth());
        }
        growth
    }

    fn changed<'s>(
        &self,
        states: &'s BTreeMap<UserKey, UserState>,
        revisions: &BTreeMap<&UserKey, u64>,
    ) -> Vec<ChangedUser<'s>>
    where
        'w: 's,
    {
        let apps = self.apps();
        let changed = states.iter().filter(|(_, state)| state.is_changed());
        let user = |(key, state)| ChangedUser {
            key,
            state,
            limits: &apps[key].limits,
            revision: revisions[key],
        };
        changed.map(user).collect()
    }
}

async fn load_groups(
    tx: &mut Tx<'_>,
    states: &mut BTreeMap<UserKey, UserState>,
    batch: &Batch<'_>,
) -> Result<(), Error> {
    let with_groups: BTreeSet<&UserKey> =
        batch.each().filter(|(_, write)| write.change.needs_groups()).map(|(key, _)| key).collect();
    if !with_groups.is_empty() {
        let with_groups: Vec<_> = with_groups.into_iter().collect();
        store::contact_groups::load(tx, states, &with_groups).await?;
    }
    for (key, _) in batch.each().filter(|(_, write)| write.change.needs_members()) {
        if let Some(state) = states.get_mut(key) {
            store::conversations::load_members(tx, key, state).await?;
        }
    }
    Ok(())
}

/// For users near a limit, removes empty rows and counts the other rows, so that the limit is exact. Once per 64 new
/// conversations of a user, also removes rows that have been empty for longer than `history`.
async fn make_room(
    tx: &mut Tx<'_>,
    states: &mut BTreeMap<UserKey, UserState>,
    batch: &Batch<'_>,
    history: Duration,
) -> Result<(), Error> {
    let (apps, growth) = (batch.apps(), batch.growth());
    let wanted: BTreeMap<UserKey, u32> = states
        .iter()
        .filter(|(key, _)| growth[key] != Growth::default())
        .map(|(key, state)| (key.clone(), state.rows_to_forget(&apps[key].limits, growth[key])))
        .filter(|(key, wanted)| *wanted > 0 || states[key].is_due_to_forget())
        .collect();
    if !wanted.is_empty() {
        let now = batch.writes.iter().map(|write| write.arrival.now).max().unwrap_or_default();
        let changed_before = now.saturating_sub(history.as_secs());
        store::forgetting::remove_empty(tx, states, &wanted, changed_before).await?;
    }
    let is_near = |(key, state): &(&UserKey, &mut UserState)| {
        state.is_near_a_limit(&apps[key].limits, growth[key])
    };
    for (key, state) in states.iter_mut().filter(is_near) {
        let others = store::conversations::count_others(tx, key, state).await?;
        state.load_taken(others);
    }
    Ok(())
}

async fn save(tx: &mut Tx<'_>, changed: &[ChangedUser<'_>]) -> Result<(), Error> {
    store::contact_groups::save(tx, changed).await?;
    store::conversations::save(tx, changed).await?;
    let deleted: Vec<_> =
        changed.iter().filter(|user| user.state.deleted).map(|user| user.key).collect();
    let directory = store::accounts::delete(tx, &deleted).await?;
    store::users::save(tx, changed, &directory).await
}
