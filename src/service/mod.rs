//! What the service does, one use case per file. A use case decides the order: begin, lock, load, apply, save, commit.

mod accounts;
mod apps;
mod chat_groups;
mod health;
mod reading;
mod write;

use std::time::Duration;

use tokio::runtime::Handle;

use crate::error::Error;
pub use crate::store::ListCursor;
use crate::store::{DEADLINE, Store};
pub use accounts::{Account, AccountState};
use apps::AppCache;
pub use apps::{AppChange, create_app, list_apps, load_app, random_secret_key, update_app};
pub use chat_groups::ChatGroupRequest;
pub use reading::{ConversationList, ConversationPage};
pub use write::Write;

/// The service: the database, the apps seen lately, and the runtime that works on the database.
#[derive(Debug, Clone)]
pub struct Service {
    store: Store,
    apps: AppCache,
    runtime: Handle,
}

impl Service {
    /// A service on this database, which does its work on the runtime that this is called on. An app's keys, admins and
    /// limits may be `app_age_max` old.
    #[must_use]
    pub fn new(store: Store, app_age_max: Duration) -> Self {
        Self { store, apps: AppCache::new(app_age_max), runtime: Handle::current() }
    }

    /// Gives the database's connections back.
    pub async fn close(&self) {
        self.store.close().await;
    }

    /// Runs `work` on its own, so that a caller who goes away leaves nothing half done, and answers in time.
    async fn within_deadline<T: Send + 'static>(
        &self,
        work: impl Future<Output = Result<T, Error>> + Send + 'static,
    ) -> Result<T, Error> {
        match tokio::time::timeout(DEADLINE, self.runtime.spawn(work)).await {
            Ok(Ok(result)) => result,
            Ok(Err(panic)) => Err(Error::Internal(panic.into())),
            Err(_) => Err(Error::Timeout(None)),
        }
    }
}
