//! What the service does, one use case per file. A use case decides the order: begin, lock, load, apply, save, commit.

mod accounts;
mod apps;
mod chat_groups;
mod commit;
mod health;
mod lanes;
mod reading;
mod trace;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::time::timeout;
use tracing::Instrument;

use crate::error::Error;
use crate::metrics::{Metrics, Observed};
pub use crate::store::ListCursor;
use crate::store::{DEADLINE, Store};
pub use accounts::{Account, AccountState};
use apps::AppCache;
pub use apps::{
    AppChange, AppSettings, create_app, list_apps, load_app, random_secret_key, update_app,
};
pub use chat_groups::ChatGroupRequest;
use lanes::Lanes;
pub use reading::{ConversationList, ConversationPage};
use write::Writer;
pub use write::{Write, WriteMode};

/// How the service works.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How old what is known of an app's keys, admins and limits may be.
    pub app_age_max: Duration,
    /// How writes come to their transactions.
    pub write_mode: WriteMode,
}

impl Default for Settings {
    /// Two app ages fit into the 5 seconds within which a changed key counts.
    fn default() -> Self {
        Self { app_age_max: Duration::from_secs(2), write_mode: WriteMode::default() }
    }
}

/// The service: the database, the apps seen lately, and the runtime that works on the database.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    apps: AppCache,
    runtime: Handle,
    settings: Settings,
    writer: Writer,
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
    writer: Writer,
    apps: AppCache,
}

impl Service {
    /// A service on this database, which does its work on the runtime that this is called on.
    #[must_use]
    pub fn new(store: Store, settings: Settings) -> Self {
        Self::here(store, settings, Arc::default())
    }

    /// The same service for the thread that this is called on, one of `threads`: with connections, lanes and known apps of
    /// its own, so that a request is answered without a word between threads. Under load such a word waits long: a thread
    /// looks after thirty tasks that it woke itself before one that another thread woke.
    #[must_use]
    pub fn for_this_thread(&self, threads: usize) -> Self {
        let store = self.store.share(threads);
        Self::here(store, self.settings, self.shared.clone())
    }

    fn here(store: Store, settings: Settings, shared: Arc<Shared>) -> Self {
        let (runtime, apps) = (Handle::current(), AppCache::new(settings.app_age_max));
        let writer = match settings.write_mode {
            WriteMode::Shared { lanes } => Writer::Shared(Lanes::start(&store, &runtime, lanes)),
            WriteMode::Single => Writer::Single(store.clone()),
        };
        let part = Part { store: store.clone(), writer: writer.clone(), apps: apps.clone() };
        shared.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        Self { store, apps, runtime, settings, writer, shared }
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
            if let Writer::Shared(lanes) = &part.writer {
                seen.queues.extend(lanes.waiting());
            }
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
        if let Writer::Shared(lanes) = &self.writer {
            lanes.close().await;
        }
        self.store.close().await;
    }

    /// Runs `work` on its own, so that a caller who goes away leaves nothing half done, and ends it at the deadline.
    ///
    /// Not an `async fn`: those who wait would each have room for the work in their own state, and move it about.
    fn within_deadline<T, W>(&self, work: W) -> impl Future<Output = Result<T, Error>> + use<T, W>
    where
        T: Send + 'static,
        W: Future<Output = Result<T, Error>> + Send + 'static,
    {
        let span = tracing::trace_span!(target: "earmark::span", "database");
        let done = self.runtime.spawn(timeout(DEADLINE, work).instrument(span));
        async move {
            match done.await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(Error::Timeout(None)),
                Err(panic) => Err(Error::Internal(panic.into())),
            }
        }
    }
}
