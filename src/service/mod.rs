//! The use cases, one per file. A use case orders the steps: begin, lock, load, apply, save, commit.

mod accounts;
mod apps;
mod audit;
mod changing_apps;
mod chat_groups;
mod commit;
mod copies;
mod erasing;
mod feed;
mod feed_readers;
mod health;
mod key_use;
mod lane;
mod lanes;
mod last_known;
mod listening;
mod news;
mod operators;
mod outage;
mod poller;
mod reading;
mod sizes;
mod snapshot;
mod trace;
mod turns;
mod user_ids;
mod webhooks;
mod write;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::sync::{Semaphore, watch};
use tokio::task::AbortHandle;
use tracing::Instrument;

use crate::deadline::{Deadline, Late};
use crate::error::Error;
use crate::metrics::{Metrics, Observed};
pub use crate::store::reading::ListCursor;
pub use crate::store::snapshot::{Changes, Filter, Head, Order, Place, Shown};
use crate::store::{Partitions, Store};
pub use accounts::{Account, AccountState};
use apps::{AppCache, Numbers};
pub use apps::{list_apps, load_app, random_secret_key};
pub use audit::{begin, finish, load_audit};
pub use changing_apps::{AppChange, AppSettings, ChangedApp, create_app, update_app};
pub use chat_groups::ChatGroupRequest;
pub(crate) use copies::{copy_directory, differing_copies};
pub use erasing::{
    ErasedUser, KnownUser, RemovedApp, Until, delete_app, erase_user, load_user, reset_app,
};
pub use feed::FeedPage;
use health::Health;
use key_use::KeyUses;
use lanes::Lanes;
use last_known::LastKnown;
pub use listening::{Listener, ListenerKind, Woken};
use news::Waiting;
use operators::TokenLookups;
pub use operators::{create_token, list_tokens, revoke_token};
pub use reading::{ConversationList, ConversationPage};
pub use sizes::{AppSize, load_app_sizes};
pub use snapshot::ListPage;
pub use user_ids::UserIds;
pub use webhooks::{WEBHOOKS_MAX, WebhookChange, WebhookHosts, random_webhook_secret};
pub use write::{Write, Written};

/// Reads that a thread makes at once for clients that wait for changes. If many of them are woken together, the other requests
/// still find connections.
const LISTENER_READS: usize = 2;

#[derive(Debug, Clone, Copy)]
pub struct Settings {
    /// How long a cached app (keys, admins, limits) may be used.
    pub app_age_max: Duration,
    /// How long an app is served as it was last loaded while the shared tables of a divided database do not answer.
    pub last_known_app_age_max: Duration,
    /// How long empty conversations stay stored, so that readers of changes see that they became empty.
    pub history: Duration,
    /// How long changes stay in the feeds of apps. At most 14 days: see `migrations/V4__add_feed.sql`.
    pub feed_retention: Duration,
    /// How long entries stay in the audit trail.
    pub audit_retention: Duration,
    pub webhooks: WebhookHosts,
}

impl Default for Settings {
    /// A changed secret key must take effect within 5 seconds. Two cache lifetimes fit into that.
    fn default() -> Self {
        Self {
            app_age_max: Duration::from_secs(2),
            last_known_app_age_max: last_known::AGE_MAX,
            history: Duration::from_hours(30 * 24),
            feed_retention: Duration::from_hours(7 * 24),
            audit_retention: Duration::from_hours(400 * 24),
            webhooks: WebhookHosts::default(),
        }
    }
}

/// The entry point of all use cases. Each worker thread has its own, see [`Service::for_this_thread`].
#[derive(Debug, Clone)]
pub struct Service {
    partitions: Partitions,
    apps: AppCache,
    runtime: Handle,
    settings: Settings,
    lanes: Lanes,
    /// Bounds the connections that clients take who wait for changes.
    listener_reads: Arc<Semaphore>,
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    numbers: Numbers,
    last_known: LastKnown,
    parts: Mutex<Vec<Part>>,
    key_uses: KeyUses,
    tokens: TokenLookups,
    waiting: Waiting,
    stopping: AtomicBool,
    /// What the last check found; `None` before the first.
    health: watch::Sender<Option<Health>>,
    /// The task that checks.
    checks: OnceLock<AbortHandle>,
    /// The task that looks for changes of other processes.
    poller: OnceLock<AbortHandle>,
    /// The task that removes old changes from the feeds.
    forgetting: OnceLock<AbortHandle>,
    /// The task that counts how large apps are.
    counting: OnceLock<AbortHandle>,
    /// The task that makes missing copies in the partitions.
    copying: OnceLock<AbortHandle>,
}

impl Shared {
    fn parts(&self) -> Vec<Part> {
        self.parts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn is_stopping(&self) -> bool {
        self.stopping.load(Ordering::Relaxed)
    }
}

/// What belongs to one thread. Other threads use it to read gauges, to check the thread, and to invalidate cached apps.
#[derive(Debug, Clone)]
struct Part {
    runtime: Handle,
    partitions: Partitions,
    lanes: Lanes,
    apps: AppCache,
}

impl Service {
    /// Creates the service, and starts to check it once a second. It runs its tasks on the Tokio runtime of the calling
    /// thread.
    #[must_use]
    pub fn new(partitions: Partitions, settings: Settings) -> Self {
        let shared = Shared {
            numbers: Numbers::new(settings.app_age_max),
            last_known: LastKnown::new(&partitions, settings.last_known_app_age_max),
            parts: Mutex::default(),
            key_uses: KeyUses::default(),
            tokens: TokenLookups::default(),
            waiting: Waiting::default(),
            stopping: AtomicBool::default(),
            health: watch::Sender::default(),
            checks: OnceLock::default(),
            poller: OnceLock::default(),
            forgetting: OnceLock::default(),
            counting: OnceLock::default(),
            copying: OnceLock::default(),
        };
        let service = Self::here(partitions, settings, Arc::new(shared));
        service.start_checks();
        service.start_poller();
        service.start_to_forget_changes();
        service.start_to_count();
        service.start_to_copy();
        for kind in ListenerKind::ALL {
            service.metrics().listeners(kind.name()).set(0);
        }
        service
    }

    /// Creates the service of the calling thread, one of `threads`, with its own connections, lane and app cache. So a
    /// request is answered without messages between threads. Under load such a message waits long: Tokio runs about
    /// thirty tasks that the thread woke itself before it runs one that another thread woke.
    #[must_use]
    pub fn for_this_thread(&self, threads: usize) -> Self {
        let partitions = self.partitions.share(threads);
        Self::here(partitions, self.settings, self.shared.clone())
    }

    fn here(partitions: Partitions, settings: Settings, shared: Arc<Shared>) -> Self {
        let (runtime, apps) = (Handle::current(), AppCache::new(settings.app_age_max));
        let lanes = Lanes::start(&partitions, &runtime, &shared.waiting, settings.history);
        let part = Part {
            runtime: runtime.clone(),
            partitions: partitions.clone(),
            lanes: lanes.clone(),
            apps: apps.clone(),
        };
        shared.parts.lock().unwrap_or_else(PoisonError::into_inner).push(part);
        let listener_reads = Semaphore::new(LISTENER_READS).into();
        Self { partitions, apps, runtime, settings, lanes, listener_reads, shared }
    }

    /// Makes [`Service::is_stopping`] true on all threads, and ends the wait of all listeners.
    pub fn announce_stop(&self) {
        self.shared.stopping.store(true, Ordering::Relaxed);
        self.shared.waiting.stop();
    }

    #[must_use]
    pub fn is_stopping(&self) -> bool {
        self.shared.is_stopping()
    }

    #[must_use]
    pub fn metrics(&self) -> &Metrics {
        self.partitions.shared().metrics()
    }

    #[must_use]
    pub fn observe(&self) -> Observed {
        let mut seen = Observed { health: self.health_gauges(), ..Observed::default() };
        for part in self.shared.parts() {
            for connections in part.partitions.schemas().map(Store::connections) {
                seen.connections += connections.open;
                seen.connections_in_use += connections.in_use;
                seen.connections_max += connections.max;
            }
            seen.queues.push(part.lanes.waiting());
        }
        seen
    }

    fn all_apps(&self) -> Vec<AppCache> {
        self.shared.parts().into_iter().map(|part| part.apps).collect()
    }

    /// Finishes the waiting writes, then closes the connections to PostgreSQL.
    pub async fn close(&self) {
        // Ends the tasks that look whether the service stops.
        self.announce_stop();
        let Shared { checks, poller, forgetting, counting, copying, .. } = &*self.shared;
        let tasks = [checks, poller, forgetting, counting, copying];
        tasks.into_iter().filter_map(OnceLock::get).for_each(AbortHandle::abort);
        self.lanes.close();
        self.partitions.close().await;
    }

    /// Runs `work` in its own task until the deadline. If the client disconnects, actix drops the handler, but the task
    /// goes on, so no work stops halfway. `when_late` is [`Error::late_write`] for work that may commit, and otherwise
    /// [`Error::late_read`].
    ///
    /// Not an `async fn`: then the future of each caller would contain `work` and move it around.
    fn within<T, W>(
        &self,
        deadline: Deadline,
        when_late: fn(Late) -> Error,
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
                Ok(Err(late)) => Err(when_late(late)),
                Err(panic) => Err(Error::Internal(panic.into())),
            }
        }
    }
}

/// From the random generator of the operating system.
fn random_bytes<const N: usize>() -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Internal(anyhow::anyhow!("no randomness: {error}")))?;
    Ok(bytes)
}
