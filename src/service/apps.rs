//! Apps: looked up for every call, changed by operators.

use std::sync::Arc;
use std::time::Duration;

use moka::future::Cache;

use super::Service;
use crate::domain::{App, Directory, Edition, SdkAppId, SecretKey};
use crate::error::Error;
use crate::limits::LimitChange;
use crate::metrics::AppMetrics;
use crate::store::Store;

/// Numbers that are remembered at once, those of apps that do not exist included.
const APPS_MAX: u64 = 10_000;

/// The apps seen lately, each loaded once for all who wait for it.
#[derive(Debug, Clone)]
pub(super) struct AppCache(Cache<SdkAppId, Option<Known>>);

/// An app that exists, and where its requests are counted.
type Known = (Arc<App>, AppMetrics);

impl AppCache {
    pub(super) fn new(age_max: Duration) -> Self {
        Self(Cache::builder().max_capacity(APPS_MAX).time_to_live(age_max).build())
    }
}

impl Service {
    /// The app of this number, as it was within the age that the cache allows.
    pub async fn app(&self, sdk_app_id: SdkAppId) -> Result<Arc<App>, Error> {
        let lookups = &self.store.metrics().app_cache;
        let found = if let Some(known) = self.apps.0.get(&sdk_app_id).await {
            lookups.hits.inc();
            known
        } else {
            lookups.misses.inc();
            self.load_for_all(sdk_app_id).await?
        };
        let (app, counted) = found.ok_or(Error::UnknownApp)?;
        counted.requests.inc();
        Ok(app)
    }

    /// Loads an app into the cache, once for all who wait for it.
    async fn load_for_all(&self, sdk_app_id: SdkAppId) -> Result<Option<Known>, Error> {
        let (store, metrics) = (self.store.clone(), self.store.metrics());
        let load = async {
            let found =
                self.within_deadline(async move { load_app(&store, sdk_app_id).await }).await;
            found.map(|app| app.map(|app| (Arc::new(app), metrics.app(sdk_app_id.number()))))
        };
        match Box::pin(self.apps.0.try_get_with(sdk_app_id, load)).await {
            Ok(found) => Ok(found),
            Err(shared) if matches!(*shared, Error::Timeout(_)) => {
                Err(Error::Timeout(Some(shared.into())))
            }
            Err(shared) => Err(Error::Internal(shared.into())),
        }
    }
}

/// What an operator changes about an app.
#[derive(Debug, Clone)]
pub enum AppChange {
    /// Edition, directory and limits; `None` leaves as is.
    Set {
        /// The edition.
        edition: Option<Edition>,
        /// The directory mode.
        directory: Option<Directory>,
        /// Limits, by name.
        limits: Vec<LimitChange>,
    },
    /// A new secret key; the one before stays good until it is retired.
    RotateKey(SecretKey),
    /// The key before the last rotation is not good any more.
    RetireKey,
    /// One more admin.
    AddAdmin(String),
    /// One admin less.
    RemoveAdmin(String),
    /// Whether anyone may call at all.
    Disabled(bool),
}

impl AppChange {
    fn apply(self, app: &mut App) {
        match self {
            Self::Set { edition, directory, limits } => {
                app.edition = edition.unwrap_or(app.edition);
                app.directory = directory.unwrap_or(app.directory);
                app.limits.change(limits);
            }
            Self::RotateKey(key) => {
                app.previous_secret_key = Some(std::mem::replace(&mut app.secret_key, key));
            }
            Self::RetireKey => app.previous_secret_key = None,
            Self::AddAdmin(admin) => app.admins.push(admin),
            Self::RemoveAdmin(admin) => app.admins.retain(|other| *other != admin),
            Self::Disabled(disabled) => app.disabled = disabled,
        }
        app.admins.sort_unstable();
        app.admins.dedup();
    }
}

/// Adds an app; `None` when its number is taken.
pub async fn create_app(store: &Store, app: App) -> Result<Option<App>, Error> {
    let mut tx = store.begin().await?;
    if !tx.insert_app(&app).await? {
        tx.rollback().await?;
        return Ok(None);
    }
    tx.save_app(&app).await?;
    tx.commit().await?;
    Ok(Some(app))
}

/// Changes an app and answers with what it is afterwards; `None` when there is no such app.
pub async fn update_app(
    store: &Store,
    sdk_app_id: SdkAppId,
    change: AppChange,
) -> Result<Option<App>, Error> {
    let mut tx = store.begin().await?;
    let Some(mut app) = tx.lock_app(sdk_app_id).await? else {
        tx.rollback().await?;
        return Ok(None);
    };
    change.apply(&mut app);
    tx.save_app(&app).await?;
    tx.commit().await?;
    Ok(Some(app))
}

/// All apps, by number.
pub async fn list_apps(store: &Store) -> Result<Vec<App>, Error> {
    store.read().await?.load_apps().await
}

/// The app of this number, from the database.
pub async fn load_app(store: &Store, sdk_app_id: SdkAppId) -> Result<Option<App>, Error> {
    store.read().await?.load_app(sdk_app_id).await
}

/// A secret key from the system's randomness.
pub fn random_secret_key() -> Result<SecretKey, Error> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes)
        .map_err(|error| Error::Internal(anyhow::anyhow!("no randomness: {error}")))?;
    Ok(SecretKey::of_random_bytes(bytes))
}
