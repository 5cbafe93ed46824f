//! Finds what other processes have changed, for the clients that listen to this one.
//!
//! One task asks the database a few times a second about all listened users at once. It asks nothing while no one listens.
//! NOTIFY would tell sooner, but takes a lock of the whole database at each commit, and does not pass a pooler.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::join_all;
use tokio::time::{Instant, sleep_until, timeout_at};

use super::Service;
use super::listening::{Listeners, Told};
use crate::deadline::Deadline;
use crate::domain::{Conversation, SdkAppId, UserId};
use crate::error::Error;
use crate::store::changed::{self, AppMoment};
use crate::store::{Partitions, Store};

/// From a look at all listened users to the next. A client hears of another process's change within a second.
const PERIOD: Duration = Duration::from_millis(400);
/// Between two looks at the directory, however often it changes in this process.
const PAUSE: Duration = Duration::from_millis(20);
/// Users in one statement.
const USERS_AT_ONCE: usize = 10_000;
/// Pairs of a user and a conversation in one statement.
const PAIRS_AT_ONCE: usize = 100_000;
/// If more has changed in a directory, or there are more pairs, all listened users of the app read.
const GONE_MAX: u32 = 1000;
const PAIRS_MAX: usize = 1_000_000;

impl Service {
    /// Starts the poller. It ends when the service is closed.
    pub(super) fn start_poller(&self) {
        let (partitions, listeners) =
            (self.partitions.clone(), self.shared.waiting.listeners.clone());
        let epochs = vec![BTreeMap::new(); partitions.each().len()];
        let poller = Poller { partitions, listeners, epochs, is_failing: false };
        let task = self.runtime.spawn(poller.run());
        // Only `Service::new` calls this, so the cell is empty.
        drop(self.shared.poller.set(task.abort_handle()));
    }
}

struct Poller {
    partitions: Partitions,
    listeners: Listeners,
    /// The last that were found in each partition, of the apps whose users are listened to.
    epochs: Vec<BTreeMap<SdkAppId, Option<u64>>>,
    is_failing: bool,
}

impl Poller {
    async fn run(mut self) {
        let mut next = Instant::now();
        loop {
            if !self.listeners.is_anyone_there() {
                self.listeners.asked().await;
                continue;
            }
            let is_asked = timeout_at(next, self.listeners.asked()).await.is_ok();
            let begun = Instant::now();
            // If a panic ended the poller, clients would hear of nothing any more. So we catch it.
            let look = AssertUnwindSafe(self.look(is_asked && begun < next)).catch_unwind().await;
            self.log_change(look.unwrap_or_else(|_| Err(Error::internal("a panic, logged above"))));
            if begun >= next || !is_asked {
                next = begun + PERIOD;
            }
            sleep_until(Instant::now() + PAUSE).await;
        }
    }

    /// Compares what listeners were told with the database. What a failed look misses is found by the next one. All partitions are
    /// looked at together, so that those that do not answer delay the others by one deadline at most.
    async fn look(&mut self, only_directory: bool) -> Result<(), Error> {
        let mut told: Vec<Vec<Told>> = vec![Vec::new(); self.epochs.len()];
        for one in self.listeners.told() {
            told[self.partitions.number_of(&one.key)].push(one);
        }
        let listeners = &self.listeners;
        let parts = self.partitions.each().iter().zip(&mut self.epochs).zip(told);
        let looks = parts.map(|((store, epochs), told)| async move {
            Part { store, listeners }.look(epochs, &told, only_directory).await
        });
        join_all(looks).await.into_iter().collect()
    }

    /// Logs when looks begin or stop to fail, and not each look.
    fn log_change(&mut self, look: Result<(), Error>) {
        let was_failing = std::mem::replace(&mut self.is_failing, look.is_err());
        match (was_failing, look) {
            (false, Err(cause)) => {
                tracing::warn!(
                    ?cause,
                    "clients that listen do not hear of other processes' changes"
                );
            }
            (true, Ok(())) => tracing::info!("clients that listen hear of all changes again"),
            (false, Ok(())) | (true, Err(_)) => {}
        }
    }
}

/// A look in one partition.
#[derive(Clone, Copy)]
struct Part<'p> {
    store: &'p Store,
    listeners: &'p Listeners,
}

impl Part<'_> {
    async fn look(
        self,
        epochs: &mut BTreeMap<SdkAppId, Option<u64>>,
        told: &[Told],
        only_directory: bool,
    ) -> Result<(), Error> {
        if told.is_empty() {
            epochs.clear();
            return Ok(());
        }
        if !only_directory {
            for told in told.chunks(USERS_AT_ONCE) {
                self.look_at_users(told).await?;
            }
        }
        let apps: Vec<_> =
            told.iter().map(Told::app).collect::<BTreeSet<_>>().into_iter().collect();
        let read = self
            .store
            .clone()
            .read(Deadline::of_a_request(), async |reader| changed::apps(reader, &apps).await);
        let moments = read.await?;
        // The epoch of an app that was deleted is `None`.
        let now =
            apps.iter().map(|app| (*app, moments.get(app).map(|moment| moment.epoch))).collect();
        let before = std::mem::replace(epochs, now);
        for (app, epoch) in &*epochs {
            if before.get(app) != Some(epoch) {
                self.listeners.call_app(*app);
            }
        }
        for (app, told) in behind(told, &moments) {
            let Some(moment) = moments.get(&app) else { continue };
            self.look_at_directory(app, &told, moment.directory_revision).await?;
        }
        Ok(())
    }

    async fn look_at_users(&self, told: &[Told]) -> Result<(), Error> {
        let known: Vec<_> = told.iter().map(|told| (&*told.key, told.revision)).collect();
        let read = self
            .store
            .clone()
            .read(Deadline::of_a_request(), async |reader| changed::users(reader, &known).await);
        let changed = read.await?;
        let revision = |(nr, revision): (usize, u64)| {
            let told: &Told = told.get(nr)?;
            Some((Clone::clone(&*told.key), revision))
        };
        self.listeners.tell_revisions(changed.into_iter().filter_map(revision));
        Ok(())
    }

    /// Tells those of these users who have a conversation whose other end has left the directory or come back.
    async fn look_at_directory(
        &self,
        app: SdkAppId,
        told: &[&Told],
        directory_revision: u64,
    ) -> Result<(), Error> {
        let since = told.iter().map(|told| told.directory_revision).min().unwrap_or_default();
        let read = self.store.clone().read(Deadline::of_a_request(), async |reader| {
            changed::gone_or_back(reader, app, since, GONE_MAX + 1).await
        });
        let gone = read.await?;
        let is_too_much =
            gone.len() > GONE_MAX as usize || gone.len().saturating_mul(told.len()) > PAIRS_MAX;
        if is_too_much {
            self.listeners.tell_directory(told, directory_revision, |_| true);
            return Ok(());
        }
        for told in told.chunks((PAIRS_AT_ONCE / gone.len().max(1)).max(1)) {
            let concerned = self.users_with(app, told, &gone).await?;
            self.listeners.tell_directory(told, directory_revision, |nr| concerned.contains(&nr));
        }
        Ok(())
    }

    async fn users_with(
        &self,
        app: SdkAppId,
        told: &[&Told],
        gone: &[Conversation],
    ) -> Result<HashSet<usize>, Error> {
        let users: Vec<&UserId> = told.iter().map(|told| &told.key.user_id).collect();
        let read = self.store.clone().read(Deadline::of_a_request(), async |reader| {
            changed::users_with(reader, app, &users, gone).await
        });
        Ok(read.await?.into_iter().collect())
    }
}

/// The users, by app, who were not told of what has happened in the directory of their app.
fn behind<'t>(
    told: &'t [Told],
    moments: &BTreeMap<SdkAppId, AppMoment>,
) -> BTreeMap<SdkAppId, Vec<&'t Told>> {
    let mut behind: BTreeMap<_, Vec<_>> = BTreeMap::new();
    for told in told {
        let now = moments.get(&told.app()).map_or(0, |moment| moment.directory_revision);
        if told.directory_revision < now {
            behind.entry(told.app()).or_default().push(told);
        }
    }
    behind
}
