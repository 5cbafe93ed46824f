//! Wakes the readers who wait for a feed to grow.
//!
//! A commit of this process wakes the readers of its app at once. For commits of other processes, one task asks PostgreSQL for
//! the heads of all feeds that have readers. Without readers there is no task, and a commit costs one look at a counter.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::sleep;

use crate::deadline::Deadline;
use crate::domain::SdkAppId;
use crate::store::{self, Partitions};

/// The time between two looks at the heads.
const LOOK_PERIOD: Duration = Duration::from_millis(250);

#[derive(Debug, Clone, Default)]
pub(super) struct FeedReaders(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    count: AtomicUsize,
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    apps: HashMap<SdkAppId, AppReaders>,
    has_task: bool,
}

#[derive(Debug, Default)]
struct AppReaders {
    count: usize,
    signs: watch::Sender<Signs>,
}

/// Signs that a feed has grown.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Signs {
    /// Commits of this process.
    commits: u64,
    /// The highest sum of the `next_number`s of all schemas that the task has seen.
    next_number: u64,
}

impl FeedReaders {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.0.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Call this before the read after which the reader may wait. `runtime` runs the task.
    pub(super) fn listen(
        &self,
        app: SdkAppId,
        runtime: &Handle,
        partitions: &Partitions,
    ) -> FeedReader {
        let mut waiting = self.lock();
        let readers = waiting.apps.entry(app).or_default();
        readers.count += 1;
        let signs = readers.signs.subscribe();
        if !std::mem::replace(&mut waiting.has_task, true) {
            runtime.spawn(self.clone().look(partitions.clone()));
        }
        self.0.count.fetch_add(1, Ordering::SeqCst);
        FeedReader { readers: self.clone(), app, signs }
    }

    pub(super) fn is_anyone_there(&self) -> bool {
        self.0.count.load(Ordering::SeqCst) > 0
    }

    /// Call this after a commit that changed users of these apps, or their directory.
    pub(super) fn note_commit(&self, apps: impl IntoIterator<Item = SdkAppId>) {
        if !self.is_anyone_there() {
            return;
        }
        let waiting = self.lock();
        for app in apps {
            if let Some(readers) = waiting.apps.get(&app) {
                readers.signs.send_modify(|signs| signs.commits += 1);
            }
        }
    }

    /// Wakes all readers, because the service stops.
    pub(super) fn wake_all(&self) {
        for readers in self.lock().apps.values() {
            readers.signs.send_modify(|signs| signs.commits += 1);
        }
    }

    /// Looks at the heads until there are no readers.
    async fn look(self, partitions: Partitions) {
        loop {
            sleep(LOOK_PERIOD).await;
            let Some(apps) = self.apps_or_end() else { return };
            let deadline = Deadline::of_a_request();
            let reads = partitions.schemas().map(|schema| {
                let read =
                    async |reader: &mut store::Reader<'_>| store::feed::heads(reader, &apps).await;
                schema.clone().read(deadline, read)
            });
            let heads = deadline.limit(try_join_all(reads)).await;
            let Ok(Ok(heads)) = heads else {
                // The health checks report the fault.
                tracing::debug!("the heads of the feeds could not be read");
                continue;
            };
            let mut sums: HashMap<SdkAppId, u64> = HashMap::new();
            for (app, next_number) in heads.into_iter().flatten() {
                *sums.entry(app).or_default() += next_number;
            }
            let waiting = self.lock();
            for (app, next_number) in sums {
                if let Some(readers) = waiting.apps.get(&app) {
                    readers.signs.send_if_modified(|signs| {
                        std::mem::replace(&mut signs.next_number, next_number) != next_number
                    });
                }
            }
        }
    }

    /// The apps with readers; `None` ends the task.
    fn apps_or_end(&self) -> Option<Vec<SdkAppId>> {
        let mut waiting = self.lock();
        waiting.has_task = !waiting.apps.is_empty();
        waiting.has_task.then(|| waiting.apps.keys().copied().collect())
    }
}

/// A reader who may wait.
#[derive(Debug)]
pub(super) struct FeedReader {
    readers: FeedReaders,
    app: SdkAppId,
    signs: watch::Receiver<Signs>,
}

impl FeedReader {
    /// Take this before a read.
    pub(super) fn signs(&self) -> Signs {
        *self.signs.borrow()
    }

    /// Waits until the feed has grown since the read that began after `before` and found `next_number`.
    pub(super) async fn wait(&mut self, before: Signs, next_number: u64) {
        let has_grown =
            |signs: &Signs| signs.commits != before.commits || signs.next_number > next_number;
        // The sender is dropped only after the last reader.
        drop(self.signs.wait_for(has_grown).await);
    }
}

impl Drop for FeedReader {
    fn drop(&mut self) {
        self.readers.0.count.fetch_sub(1, Ordering::SeqCst);
        let mut waiting = self.readers.lock();
        if let Some(readers) = waiting.apps.get_mut(&self.app) {
            readers.count -= 1;
            if readers.count == 0 {
                waiting.apps.remove(&self.app);
            }
        }
    }
}
