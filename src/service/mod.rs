//! What the service does, one use case per file. A use case decides the order: begin, lock, load, apply, save, commit.

mod accounts;
mod apps;
mod chat_groups;
mod commit;
mod health;
mod lane;
mod reading;
mod trace;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tracing::Instrument;

use crate::deadline::Deadline;
use crate::error::Error;
use crate::metrics::{Metrics, Observed};
use crate::store::Store;
pub use crate::store::reading::ListCursor;
pub use accounts::{Account, AccountState};
use apps::AppCache;
pub use apps::{
    AppChange, AppSettings, create_app, list_apps, load_app, random_secret_key, update_app,
};
pub use chat_groups::ChatGroupRequest;
use lane::Lane;
pub use reading::{ConversationList, ConversationPage};
pub use write::Write;

/// How the service works.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How old what is known of an app's keys, admins and limits may be.
    pub app_age_max: Duration,
    /// How long empty conversations are kept, so that readers of changes learn that they have become empty.
    pub history: Duration,
}

impl Default for Settings {
    /// Two app ages fit into the 5 seconds within which a changed key counts.
    fn default() -> Self {
        Self { app_age_max: Duration::from_secs(2), history: Duration::from_hours(30 * 24) }
    }
}

/// The service: the database, the apps seen lately, and the runtime that works on the database.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    apps: AppCache,
    runtime: Handle,
    settings: Settings,
    lane: Lane,
    shared: Arc<Shared>,
}

/// What all threads have in common.
#[derive(Debug, Default)]
struct Shared {
    parts: Mutex<Vec<Part>>,
    stopping: AtomicBool,
}

/// What a thread has of its own, for those who look at all of it.
#[derive(Debug)]
struct Part {
    store: Store,
    lane: Lane,
    apps: AppCache,
}

impl Service {
    /// A service on this database, which does its work on the runtime that this is called on.
    #[must_use]
    pub fn new(store: Store, settings: Settings) -> Self {
        Self::here(store, settings, Arc::default())
    }

    /// The same service for the thread that this is called on, one of `threads`: with connections, a lane and an app cache of
    /// its own, so that a request is answered without messages between threads. Under load such a message waits long: a
    /// thread runs thirty tasks that it woke itself before one that another thread woke.
    #[must_use]
    pub fn for_this_thread(&self, threads: usize) -> Self {
        let store = self.store.share(threads);
        Self::here(store, self.settings, self.shared.clone())
    }

    fn here(store: Store, settings: Settings, shared: Arc<Shared>) -> Self {
        let (runtime, apps) = (Handle::current(), AppCache::new(settings.app_age_max));
        let lane = Lane::start(&store, &runtime, settings.history);
        let part = Part { store: store.clone(), lane: lane.clone(), apps: apps.clone() };
        shared.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        Self { store, apps, runtime, settings, lane, shared }
    }

    /// From now on all threads say that the service is about to stop.
    pub fn announce_stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
    }

    /// The service is about to stop.
    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.stopping.load(Ordering::Relaxed)
    }

    /// What is counted.
    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        self.store.metrics()
    }

    /// What is not counted, but looked at, of all threads.
    #[must_use]
    pub fn observe(&self) -> Observed {
        let mut seen = Observed::default();
        for part in self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner).iter() {
            let connections = part.store.connections();
            seen.connections += connections.open;
            seen.connections_in_use += connections.in_use;
            seen.connections_max += connections.max;
            seen.queues.push(part.lane.waiting());
        }
        seen
    }

    /// What each thread knows of apps.
    fn all_apps(&self) -> Vec<AppCache> {
        let parts = self.shared.parts.lock().unwrap_or_else(PoisonError::into_inner);
        parts.iter().map(|part| part.apps.clone()).collect()
    }

    /// Finishes the writes that wait, and gives the database's connections back.
    pub async fn close(&self) {
        self.lane.close().await;
        self.store.close().await;
    }

    /// Runs `work` in a task of its own until the deadline: when the caller goes away, nothing is left half done.
    ///
    /// Not an `async fn`: its callers would each hold the work in their own state, and copy it about.
    fn within<T, W>(
        &self,
        deadline: Deadline,
        work: W,
    ) -> impl Future<Output = Result<T, Error>> + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let span = tracing::trace_span!(target: "earmark::span", "database");
        let done = self.runtime.spawn(deadline.limit(work).instrument(span));
        async move {
            match done.await {
                Ok(Ok(result)) => result,
                Ok(Err(late)) => Err(late.into()),
                Err(panic) => Err(Error::Internal(panic.into())),
            }
        }
    }
}
