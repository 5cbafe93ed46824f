//! Apps. Every call looks up its app; operators change apps.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::{BoxFuture, Shared};
use governor::{DefaultDirectRateLimiter, Quota, RateLimiter};
use moka::sync::Cache;

use super::{Service, random_bytes};
use crate::deadline::Deadline;
use crate::domain::{
    App, AppKey, Directory, Edition, MarkBit, MarkNames, NamedMark, Origin, Refusal, SdkAppId,
    SecretKey, UserAccess,
};
use crate::error::{Error, Queue};
use crate::limits::LimitChange;
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

type Known = (Arc<App>, AppMetrics);

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
        let lookups = &self.store.metrics().app_cache;
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
        let (service, store) = (self.clone(), self.store.clone());
        let load = async move {
            // Requests with different deadlines share the load, so it has its own deadline.
            let deadline = Deadline::of_a_request();
            let load = async move { load_app(&store, sdk_app_id, deadline).await };
            let found = service.within(deadline, Error::late_read, load).await;
            if let Ok(found) = &found {
                service.shared.numbers.note(sdk_app_id, found.is_some());
            }
            if !matches!(found, Ok(Some(_))) {
                service.apps.0.invalidate(&sdk_app_id);
            }
            let counted = |app: App| {
                let number = sdk_app_id.number();
                service.metrics().set_app_keys(number, &app.keys().map(times).collect::<Vec<_>>());
                (Arc::new(app), service.metrics().app(number))
            };
            found.map(|app| app.map(counted)).map_err(Arc::new)
        };
        load.boxed().shared()
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
        let store = self.store.clone();
        self.within(deadline, Error::late_read, async move { list_apps(&store, deadline).await })
            .await
    }

    /// Reads the app from the database and not from the cache.
    pub async fn load_app(&self, sdk_app_id: SdkAppId, deadline: Deadline) -> Result<App, Error> {
        let store = self.store.clone();
        let load = async move { load_app(&store, sdk_app_id, deadline).await };
        Ok(self.within(deadline, Error::late_read, load).await?.ok_or(Refusal::UnknownApp)?)
    }

    /// Returns `None` if the app's number is taken.
    pub async fn create_app(&self, app: App, deadline: Deadline) -> Result<Option<App>, Error> {
        let (store, sdk_app_id) = (self.store.clone(), app.sdk_app_id);
        let create = async move { create_app(&store, app, deadline).await };
        let created = self.within(deadline, Error::late_write, create).await;
        if matches!(created, Ok(Some(_))) {
            self.shared.numbers.note(sdk_app_id, true);
        }
        self.forget_app(sdk_app_id);
        created
    }

    pub async fn update_app(
        &self,
        sdk_app_id: SdkAppId,
        change: AppChange,
        deadline: Deadline,
    ) -> Result<App, Error> {
        let store = self.store.clone();
        let update = async move { update_app(&store, sdk_app_id, change, deadline).await };
        let updated = self.within(deadline, Error::late_write, update).await;
        self.forget_app(sdk_app_id);
        Ok(updated?.ok_or(Refusal::UnknownApp)?)
    }

    /// Removes the app from the caches of all threads.
    pub(super) fn forget_app(&self, sdk_app_id: SdkAppId) {
        for apps in self.all_apps() {
            apps.0.invalidate(&sdk_app_id);
        }
    }
}

/// New settings of an app. `None` leaves a setting unchanged.
#[derive(Debug, Clone, Default)]
pub struct AppSettings {
    pub edition: Option<Edition>,
    pub directory: Option<Directory>,
    /// `true` refuses every call.
    pub disabled: Option<bool>,
    pub limits: Vec<LimitChange>,
    pub user_access: Option<UserAccess>,
    /// Replaces all of them.
    pub allowed_origins: Option<Vec<Origin>>,
    pub feed: Option<bool>,
}

impl AppSettings {
    pub fn apply(self, app: &mut App) {
        app.edition = self.edition.unwrap_or(app.edition);
        app.directory = self.directory.unwrap_or(app.directory);
        app.disabled = self.disabled.unwrap_or(app.disabled);
        app.limits.change(self.limits);
        app.user_access = self.user_access.unwrap_or(app.user_access);
        if let Some(origins) = self.allowed_origins {
            app.allowed_origins = origins;
            app.allowed_origins.sort_unstable();
            app.allowed_origins.dedup();
        }
        app.feed = self.feed.unwrap_or(app.feed);
    }
}

#[derive(Debug, Clone)]
pub enum AppChange {
    Set(AppSettings),
    /// Adds a secret key. `force` ends the validity of the older one if two keys are valid.
    RotateKey {
        key: SecretKey,
        force: bool,
    },
    /// Ends the validity of the key with this id.
    RetireKey {
        id: i64,
    },
    AddAdmin(String),
    RemoveAdmin(String),
    NameMark(MarkBit, NamedMark),
    /// Replaces the names of all marks.
    NameMarks(MarkNames),
    /// Takes the name of a mark away.
    UnnameMark(MarkBit),
}

impl AppChange {
    fn apply(self, app: &mut App) -> Result<(), Refusal> {
        match self {
            Self::Set(settings) => settings.apply(app),
            Self::RotateKey { key, force } => app.rotate_key(key, force).map_err(Refusal::Key)?,
            Self::RetireKey { id } => app.retire_key(id).map_err(Refusal::Key)?,
            Self::AddAdmin(admin) => app.admins.push(admin),
            Self::RemoveAdmin(admin) => app.admins.retain(|other| *other != admin),
            Self::NameMark(bit, mark) => {
                if !app.marks.insert(bit, mark) {
                    return Err(Refusal::MarkNameTaken);
                }
            }
            Self::NameMarks(marks) => app.marks = marks,
            Self::UnnameMark(bit) => app.marks.remove(bit),
        }
        app.admins.sort_unstable();
        app.admins.dedup();
        Ok(())
    }
}

/// Returns `None` if the app's number is taken.
pub async fn create_app(
    store: &Store,
    mut app: App,
    deadline: Deadline,
) -> Result<Option<App>, Error> {
    app.admins.sort_unstable();
    app.admins.dedup();
    let create = store.clone().write(deadline, async |tx| {
        let is_new = store::apps::insert(tx, &app).await?;
        if is_new { Ok(Some(store::apps::save(tx, &app).await?)) } else { Ok(None) }
    });
    create.await
}

/// Returns the changed app, or `None` if there is no such app.
pub async fn update_app(
    store: &Store,
    sdk_app_id: SdkAppId,
    change: AppChange,
    deadline: Deadline,
) -> Result<Option<App>, Error> {
    let update = store.clone().write(deadline, async move |tx| {
        let Some(mut app) = store::apps::lock(tx, sdk_app_id).await? else { return Ok(None) };
        change.apply(&mut app)?;
        Ok(Some(store::apps::save(tx, &app).await?))
    });
    update.await
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
