//! Apps. Every call looks up its app; operators change apps.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared, ready};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use super::changing_apps::{AppChange, ChangedApp, create_app, update_app};
use super::last_known::RELOAD_MAX;
use super::{Service, random_bytes};
use crate::audit::Operator;
use crate::deadline::Deadline;
use crate::domain::{App, AppKey, Refusal, SdkAppId, SecretKey};
use crate::error::{Error, Queue};
use crate::metrics::{AppMetrics, KeyTimes};
use crate::store::{self, Store};

/// Capacity of a thread's cache.
const APPS_MAX: u64 = 10_000;
/// Numbers that the process remembers, of apps that exist and of numbers without an app.
const EXISTING_MAX: u64 = 1_000_000;
const MISSING_MAX: u64 = 10_000;
/// Look-ups per second, for the whole process, of numbers that no app is known to have.
const UNKNOWN_PER_SECOND: NonZeroU32 = NonZeroU32::new(50).unwrap();

/// Per-thread cache of recently used apps. Concurrent requests for one app share a single load, which wakes all of
/// them. In a cache where each waiter wakes the next, the last of thousands of waiters waits for seconds.
#[derive(Debug, Clone)]
pub(super) struct AppCache(Cache<SdkAppId, Loading>);

/// A load that is running or done. It is removed from the cache if it has found no app.
type Loading = Shared<BoxFuture<'static, Result<Option<Known>, Arc<Error>>>>;

pub(super) type Known = (Arc<App>, AppMetrics);

impl AppCache {
    pub(super) fn new(age_max: Duration) -> Self {
        Self(Cache::builder().max_capacity(APPS_MAX).time_to_live(age_max).build())
    }
}

/// Which numbers have an app, as far as the process knows. Anybody can send any number, before any check, so look-ups of
/// unknown numbers share a rate. An app that exists needs it once: [`Service::learn_apps`] and its first look-up make it
/// known.
#[derive(Debug)]
pub(super) struct Numbers {
    existing: Cache<SdkAppId, ()>,
    missing: Cache<SdkAppId, ()>,
    unknown: DefaultDirectRateLimiter,
}

impl Numbers {
    pub(super) fn new(age_max: Duration) -> Self {
        Self {
            existing: Cache::builder().max_capacity(EXISTING_MAX).build(),
            missing: Cache::builder().max_capacity(MISSING_MAX).time_to_live(age_max).build(),
            unknown: RateLimiter::direct(Quota::per_second(UNKNOWN_PER_SECOND)),
        }
    }

    /// Whether the database may be asked for this number now.
    fn check(&self, sdk_app_id: SdkAppId) -> Result<(), Error> {
        if self.existing.contains_key(&sdk_app_id) {
            return Ok(());
        }
        if self.missing.contains_key(&sdk_app_id) {
            return Err(Refusal::UnknownApp.into());
        }
        self.unknown.check().map_err(|_| Error::Overloaded(Queue::UnknownApps))
    }

    pub(super) fn note(&self, sdk_app_id: SdkAppId, exists: bool) {
        if exists {
            self.missing.invalidate(&sdk_app_id);
            self.existing.insert(sdk_app_id, ());
        } else {
            self.existing.invalidate(&sdk_app_id);
            self.missing.insert(sdk_app_id, ());
        }
    }
}

impl Service {
    /// Makes all apps known, so that strangers who send unknown numbers cannot delay an app's first call.
    pub async fn learn_apps(&self) -> Result<(), Error> {
        for app in self.list_apps(Deadline::of_a_request()).await? {
            self.shared.numbers.note(app.sdk_app_id, true);
        }
        Ok(())
    }

    /// Looks up the app in the cache, so it may be up to [`Settings::app_age_max`](super::Settings) old. Counts a request of
    /// the app.
    pub async fn app(&self, sdk_app_id: SdkAppId, deadline: Deadline) -> Result<Arc<App>, Error> {
        let (app, counted) = self.known(sdk_app_id, deadline).await?;
        counted.requests.inc();
        Ok(app)
    }

    /// Like [`Self::app`], but counts no request: for what is no call of the app, or was counted when it began.
    pub async fn app_uncounted(
        &self,
        sdk_app_id: SdkAppId,
        deadline: Deadline,
    ) -> Result<Arc<App>, Error> {
        Ok(self.known(sdk_app_id, deadline).await?.0)
    }

    async fn known(&self, sdk_app_id: SdkAppId, deadline: Deadline) -> Result<Known, Error> {
        let lookups = &self.metrics().app_cache;
        let loading = if let Some(loading) = self.apps.0.get(&sdk_app_id) {
            loading
        } else {
            self.shared.numbers.check(sdk_app_id)?;
            self.apps.0.get_with(sdk_app_id, || self.load_for_all(sdk_app_id))
        };
        let found = if let Some(found) = loading.peek() {
            lookups.hits.inc();
            found.clone()
        } else {
            lookups.misses.inc();
            deadline.limit(loading).await.map_err(Error::late_read)?
        };
        Ok(found.map_err(of_all)?.ok_or(Refusal::UnknownApp)?)
    }

    fn load_for_all(&self, sdk_app_id: SdkAppId) -> Loading {
        let last_known = self.shared.last_known.get(sdk_app_id);
        let load = self.clone().reload(sdk_app_id, last_known.clone()).boxed().shared();
        match last_known.filter(|_| self.shared.last_known.away_for().is_some()) {
            None => load,
            // Requests do not wait for it. It finds out whether the shared tables answer again.
            Some(known) => {
                self.runtime.spawn(load);
                ready(Ok(Some(known))).boxed().shared()
            }
        }
    }

    /// Loads the app. If the shared tables do not answer, returns it as it was last loaded.
    async fn reload(
        self,
        sdk_app_id: SdkAppId,
        last_known: Option<Known>,
    ) -> Result<Option<Known>, Arc<Error>> {
        // Requests with different deadlines share the load, so it has its own deadline.
        let deadline = match last_known {
            Some(_) => Deadline::within(RELOAD_MAX),
            None => Deadline::of_a_request(),
        };
        let (store, begun) = (self.partitions.shared().clone(), self.shared.last_known.begin());
        let load = async move { load_app(&store, sdk_app_id, deadline).await };
        let found = match self.within(deadline, Error::late_read, load).await {
            Ok(app) => app.map(|app| self.counted(app)),
            Err(Error::Unavailable(_)) if last_known.is_some() => {
                self.shared.last_known.note_absence();
                return Ok(last_known);
            }
            Err(error) => {
                if !matches!(error, Error::Unavailable(_)) {
                    self.shared.last_known.note_return();
                }
                self.apps.0.invalidate(&sdk_app_id);
                return Err(error.into());
            }
        };
        self.shared.numbers.note(sdk_app_id, found.is_some());
        self.shared.last_known.note_answer(sdk_app_id, found.as_ref(), begun);
        if found.is_none() {
            self.apps.0.invalidate(&sdk_app_id);
        }
        Ok(found)
    }

    /// The app with its metrics, which show its keys from now on.
    fn counted(&self, app: App) -> Known {
        let number = app.sdk_app_id.number();
        self.metrics().set_app_keys(number, &app.keys().map(times).collect::<Vec<_>>());
        (Arc::new(app), self.metrics().app(number))
    }
}

fn times(key: &AppKey) -> KeyTimes {
    KeyTimes { created_at: key.created_at, last_used_at: key.last_used_at }
}

/// Makes an error for one of the requests that shared a failed load.
fn of_all(shared: Arc<Error>) -> Error {
    if matches!(*shared, Error::Internal(_)) {
        Error::Internal(shared.into())
    } else {
        Error::Unavailable(Some(shared.into()))
    }
}

/// The functions below for the admin API, with the request's deadline. Changes take effect at once in this process.
impl Service {
    /// All apps, sorted by number.
    pub async fn list_apps(&self, deadline: Deadline) -> Result<Vec<App>, Error> {
        let store = self.partitions.shared().clone();
        self.within(deadline, Error::late_read, async move { list_apps(&store, deadline).await })
            .await
    }

    /// Reads the app from the database and not from the cache.
    pub async fn load_app(&self, sdk_app_id: SdkAppId, deadline: Deadline) -> Result<App, Error> {
        let store = self.partitions.shared().clone();
        let load = async move { load_app(&store, sdk_app_id, deadline).await };
        Ok(self.within(deadline, Error::late_read, load).await?.ok_or(Refusal::UnknownApp)?)
    }

    /// Returns `None` if the app's number is taken.
    pub async fn create_app(
        &self,
        app: App,
        operator: Operator,
        deadline: Deadline,
    ) -> Result<Option<App>, Error> {
        let (partitions, sdk_app_id) = (self.partitions.clone(), app.sdk_app_id);
        let create = async move { create_app(&partitions, app, &operator, deadline).await };
        let created = self.within(deadline, Error::late_write, create).await;
        if matches!(created, Ok(Some(_))) {
            self.shared.numbers.note(sdk_app_id, true);
        }
        self.forget_if_changed(sdk_app_id, &created);
        created
    }

    /// `operator` is `None` if the app itself changes something, through its API.
    pub async fn update_app(
        &self,
        sdk_app_id: SdkAppId,
        change: AppChange,
        operator: Option<Operator>,
        deadline: Deadline,
    ) -> Result<ChangedApp, Error> {
        let partitions = self.partitions.clone();
        let update = async move {
            update_app(&partitions, sdk_app_id, change, operator.as_ref(), deadline).await
        };
        let updated = self.within(deadline, Error::late_write, update).await;
        self.forget_if_changed(sdk_app_id, &updated);
        Ok(updated?.ok_or(Refusal::UnknownApp)?)
    }

    /// Forgets an app after a change that may have failed. If the shared tables did not answer, nothing was written, and what
    /// the caches have is all that the service can serve.
    fn forget_if_changed<T>(&self, sdk_app_id: SdkAppId, change: &Result<T, Error>) {
        if !matches!(change, Err(Error::Unavailable(_))) {
            self.forget_app(sdk_app_id);
        }
    }

    /// Removes the app from the caches of all threads, and of the process.
    pub(super) fn forget_app(&self, sdk_app_id: SdkAppId) {
        self.shared.last_known.forget(sdk_app_id);
        for apps in self.all_apps() {
            apps.0.invalidate(&sdk_app_id);
        }
    }
}

/// All apps, sorted by number.
pub async fn list_apps(store: &Store, deadline: Deadline) -> Result<Vec<App>, Error> {
    store.clone().read(deadline, async |reader| store::apps::load_all(reader).await).await
}

pub async fn load_app(
    store: &Store,
    sdk_app_id: SdkAppId,
    deadline: Deadline,
) -> Result<Option<App>, Error> {
    store.clone().read(deadline, async |reader| store::apps::load(reader, sdk_app_id).await).await
}

pub fn random_secret_key() -> Result<SecretKey, Error> {
    Ok(SecretKey::of_random_bytes(random_bytes()?))
}
