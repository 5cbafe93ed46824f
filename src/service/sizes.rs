//! Counts how large apps are, for operators. It is done in the background and seldom, so that neither a look at the metrics nor a
//! list of the apps reads a large table.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::Service;
use crate::deadline::Deadline;
use crate::domain::{Refusal, SdkAppId};
use crate::error::Error;
use crate::metrics::Metrics;
pub use crate::store::sizes::AppSize;
use crate::store::sizes::{self, Counted};
use crate::store::{self, Partitions, Store, Tx};

/// From one look for apps that are due to the next.
const PERIOD: Duration = Duration::from_mins(1);
/// An app is counted again after this time.
const AGE_S: i64 = 3_600;
/// A process that has claimed an app and dies leaves it for so long.
const CLAIM_S: i64 = 1_800;
/// Users that one statement reads, which takes some 10 ms.
const USERS_AT_ONCE: u32 = 10_000;
/// Between two statements. So counting takes at most a tenth of a processor of the database.
const PAUSE: Duration = Duration::from_millis(100);

impl Service {
    /// Starts the task that counts. It ends when the service is closed or dropped. Several processes may do this at the same
    /// time: each app is counted by the one that has claimed it.
    pub(super) fn start_to_count(&self) {
        let (shared, partitions) =
            (std::sync::Arc::downgrade(&self.shared), self.partitions.clone());
        let task = self.runtime.spawn(async move {
            let mut timer = interval(PERIOD);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shared.strong_count() > 0 {
                timer.tick().await;
                if let Err(error) = look(&partitions).await {
                    let cause = error.with_causes();
                    tracing::warn!(cause, "the sizes of apps were not counted");
                }
            }
        });
        // Only `Service::new` calls this, so the cell is empty.
        drop(self.shared.counting.set(task.abort_handle()));
    }

    /// The sizes of the apps that were counted. For the admin API.
    pub async fn app_sizes(
        &self,
        deadline: Deadline,
    ) -> Result<BTreeMap<SdkAppId, AppSize>, Error> {
        let partitions = self.partitions.clone();
        let load = async move { load_app_sizes(&partitions, deadline).await };
        self.within(deadline, Error::late_read, load).await
    }
}

/// The sizes of the apps that were counted.
pub async fn load_app_sizes(
    partitions: &Partitions,
    deadline: Deadline,
) -> Result<BTreeMap<SdkAppId, AppSize>, Error> {
    let reads = partitions.each().iter().map(|part| sizes::load_all(part, deadline));
    let mut all: BTreeMap<SdkAppId, AppSize> = BTreeMap::new();
    for (app, size) in try_join_all(reads).await?.into_iter().flatten() {
        all.entry(app).and_modify(|sum| *sum = sum.plus(size)).or_insert(size);
    }
    Ok(all)
}

/// Counts the apps that are due, and shows the sizes of all apps in the metrics.
async fn look(partitions: &Partitions) -> Result<(), Error> {
    for part in partitions.each() {
        loop {
            let claim = part.clone().write(Deadline::of_a_request(), async |tx: &mut Tx<'_>| {
                sizes::claim(tx, AGE_S, CLAIM_S).await
            });
            let Some(app) = claim.await? else { break };
            match count(partitions, part, app).await {
                // It was deleted meanwhile.
                Err(Error::Refused(Refusal::UnknownApp)) => {}
                counted => counted?,
            }
        }
    }
    let sizes = load_app_sizes(partitions, Deadline::of_a_request()).await?;
    show(partitions.shared().metrics(), &sizes);
    Ok(())
}

/// Counts what a partition has of an app. Its limits are in the shared tables.
async fn count(partitions: &Partitions, store: &Store, sdk_app_id: SdkAppId) -> Result<(), Error> {
    let load = partitions
        .shared()
        .clone()
        .read(Deadline::of_a_request(), async |reader| store::apps::load(reader, sdk_app_id).await);
    let limits = load.await?.ok_or(Refusal::UnknownApp)?.limits;
    let (mut all, mut after) = (Counted::default(), None);
    loop {
        let read = store.clone().read(Deadline::of_a_request(), async |reader| {
            sizes::count(reader, sdk_app_id, &limits, after.as_ref(), USERS_AT_ONCE).await
        });
        let (last, counted) = read.await?;
        all.users += counted.users;
        all.conversations += counted.conversations;
        all.users_at_limit += counted.users_at_limit;
        let is_last = counted.users < u64::from(USERS_AT_ONCE);
        after = last;
        if is_last {
            break;
        }
        sleep(PAUSE).await;
    }
    let save = store.clone().write(Deadline::of_a_request(), async |tx: &mut Tx<'_>| {
        sizes::save(tx, sdk_app_id, all).await
    });
    save.await
}

fn show(metrics: &Metrics, sizes: &BTreeMap<SdkAppId, AppSize>) {
    metrics.set_app_sizes(sizes.iter().map(|(app, size)| {
        let AppSize { users, conversations, users_at_limit, bytes, counted_at } = *size;
        (app.number(), [users, conversations, users_at_limit, bytes, counted_at])
    }));
}
