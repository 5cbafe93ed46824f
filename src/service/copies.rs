//! Copies what all partitions must know: apps, and who is gone. A change is acknowledged after all partitions have it.
//!
//! A task looks for copies that a fault has prevented. A database with one partition has no copies.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join_all, try_join_all};
use tokio::time::{MissedTickBehavior, interval};

use super::Service;
use super::outage::Outage;
use crate::deadline::Deadline;
use crate::domain::{SdkAppId, UserKey};
use crate::error::Error;
use crate::store::copies::{self, AppValue, DirectoryChanges};
use crate::store::{Partitions, Store, Tx};

/// From one look for changes of directories that are not copied to the next.
const PERIOD: Duration = Duration::from_secs(1);
/// In every tenth look, the apps of the partitions are compared with the shared tables.
const LOOKS_PER_COMPARISON: u64 = 10;

impl Service {
    /// Copies what has changed in an app's directory in the partitions of these users.
    pub(super) async fn copy_directory_of(
        &self,
        users: &[UserKey],
        deadline: Deadline,
    ) -> Result<(), Error> {
        if !self.partitions.is_divided() {
            return Ok(());
        }
        let mut sources: Vec<(usize, SdkAppId)> =
            users.iter().map(|key| (self.partitions.number_of(key), key.sdk_app_id)).collect();
        sources.sort_unstable();
        sources.dedup();
        let parts = self.partitions.each();
        let copied = sources
            .into_iter()
            .map(|(number, app)| copy_directory(&self.partitions, &parts[number], app, deadline));
        try_join_all(copied).await.map(drop)
    }

    /// Starts the task that makes missing copies. It ends when the service is closed or
    /// dropped. Several processes may do this at the same time: a copy that is made twice changes nothing.
    pub(super) fn start_to_copy(&self) {
        if !self.partitions.is_divided() {
            return;
        }
        let (shared, partitions) = (Arc::downgrade(&self.shared), self.partitions.clone());
        let apps = Outage::new(
            "the apps of the partitions cannot be compared with the shared tables",
            "the apps of the partitions are compared with the shared tables again",
        );
        let directories = Outage::new(
            "changes of directories cannot be copied to all partitions",
            "changes of directories are copied to all partitions again",
        );
        let task = self.runtime.spawn(async move {
            let mut timer = interval(PERIOD);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            for nr in 0_u64.. {
                timer.tick().await;
                if shared.strong_count() == 0 {
                    return;
                }
                if nr.is_multiple_of(LOOKS_PER_COMPARISON) {
                    apps.note(copy_missing_apps(&partitions).await);
                }
                directories.note(copy_all_directories(&partitions).await);
            }
        });
        // Only `Service::new` calls this, so the cell is empty.
        drop(self.shared.copying.set(task.abort_handle()));
    }
}

/// Copies an app to all partitions. Its row in the shared tables is locked meanwhile, so that copies are made in the order of the
/// changes.
pub(super) async fn copy_app(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    deadline: Deadline,
) -> Result<(), Error> {
    if !partitions.is_divided() {
        return Ok(());
    }
    let copied = partitions.shared().clone().write(deadline, async |tx: &mut Tx<'_>| {
        let Some(app) = copies::lock_app(tx, sdk_app_id).await? else { return Ok(()) };
        let save = |part: &Store| {
            let (part, app) = (part.clone(), &app);
            async move {
                part.write(deadline, async |tx: &mut Tx<'_>| copies::save_app(tx, app).await).await
            }
        };
        try_join_all(partitions.each().iter().map(save)).await.map(drop)
    });
    copied.await
}

/// Copies to the other partitions what has changed in an app's directory in one schema, which is a partition or the shared
/// tables.
pub(crate) async fn copy_directory(
    partitions: &Partitions,
    source: &Store,
    sdk_app_id: SdkAppId,
    deadline: Deadline,
) -> Result<(), Error> {
    if !partitions.is_divided() {
        return Ok(());
    }
    loop {
        let read = source
            .clone()
            .read(deadline, async |reader| copies::changes_to_copy(reader, sdk_app_id).await);
        let Some(changes) = read.await? else { return Ok(()) };
        if !changes.is_empty() {
            let others = partitions.each().iter().filter(|part| !part.is_same_schema(source));
            let saved = others.map(|part| save_directory(part, &changes, deadline));
            try_join_all(saved).await?;
        }
        let note = source
            .clone()
            .write(deadline, async |tx: &mut Tx<'_>| copies::note_copied(tx, &changes).await);
        note.await?;
        if !changes.is_cut {
            return Ok(());
        }
    }
}

async fn save_directory(
    part: &Store,
    changes: &DirectoryChanges,
    deadline: Deadline,
) -> Result<(), Error> {
    let save = part
        .clone()
        .write(deadline, async |tx: &mut Tx<'_>| copies::save_directory(tx, changes).await);
    if save.await? {
        Ok(())
    } else {
        Err(Error::Unavailable(Some(anyhow::anyhow!("a partition does not know the app yet"))))
    }
}

async fn copy_all_directories(partitions: &Partitions) -> Result<(), Error> {
    let copied = partitions.schemas().map(|source| async move {
        let deadline = Deadline::of_a_request();
        let read = source.clone().read(deadline, async |reader| copies::apps_to_copy(reader).await);
        for app in deadline.limit(read).await.map_err(Error::late_read)?? {
            copy_directory(partitions, source, app, Deadline::of_a_request()).await?;
        }
        Ok(())
    });
    // A schema that does not answer keeps none of the others waiting.
    join_all(copied).await.into_iter().collect()
}

/// Copies the apps that a partition lacks, or of which it has another copy.
async fn copy_missing_apps(partitions: &Partitions) -> Result<(), Error> {
    for app in differing_copies(partitions).await? {
        copy_app(partitions, app, Deadline::of_a_request()).await?;
    }
    Ok(())
}

/// The apps that a partition lacks, or of which it has another copy. A disabled app may be about to be deleted, so that it is
/// missing is no difference.
pub(crate) async fn differing_copies(partitions: &Partitions) -> Result<Vec<SdkAppId>, Error> {
    if !partitions.is_divided() {
        return Ok(Vec::new());
    }
    let deadline = Deadline::of_a_request();
    let read = |schema: &Store| {
        let schema = schema.clone();
        async move { schema.read(deadline, async |reader| copies::app_values(reader).await).await }
    };
    let wanted = read(partitions.shared()).await?;
    let found = join_all(partitions.each().iter().map(read)).await;
    let found = found.into_iter().collect::<Result<Vec<_>, _>>()?;
    let differs = |(app, value): &(SdkAppId, AppValue)| {
        found.iter().any(|of_part| match of_part.get(app) {
            None => !value.disabled,
            Some(copy) => copy != value,
        })
    };
    Ok(wanted.into_iter().filter(differs).map(|(app, _)| app).collect())
}
