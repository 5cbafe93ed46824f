//! When each secret key was last used. Operators look at this time before they retire a key.
//!
//! A request only notes its key in memory. A task stores the notes, one statement at a time, so no request waits for it and
//! it uses one connection of the process.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use moka::sync::Cache;

use super::Service;
use super::outage::Outage;
use crate::deadline::Deadline;
use crate::domain::{App, AppKey, SdkAppId};
use crate::error::Error;
use crate::store::{self, Store, Tx};

/// A use is stored only if the stored time is older than this.
const PRECISION_S: u64 = 300;
/// After this time the process stores a key again, for example because PostgreSQL did not answer.
const RETRY_AFTER: Duration = Duration::from_mins(1);
/// Capacity of the list of keys that the process has stored lately.
const KEYS_MAX: u64 = 10_000;

#[derive(Debug, Clone)]
pub(super) struct KeyUses {
    /// Keys that were noted within [`RETRY_AFTER`].
    noted: Cache<i64, ()>,
    waiting: Arc<Mutex<Waiting>>,
    outage: Arc<Outage>,
}

#[derive(Debug, Default)]
struct Waiting {
    keys: BTreeSet<(SdkAppId, i64)>,
    has_task: bool,
}

impl Default for KeyUses {
    fn default() -> Self {
        let noted = Cache::builder().max_capacity(KEYS_MAX).time_to_live(RETRY_AFTER).build();
        let outage = Outage::new(
            "the last use of secret keys is not stored",
            "the last use of secret keys is stored again",
        );
        Self { noted, waiting: Arc::default(), outage: outage.into() }
    }
}

impl KeyUses {
    /// The keys to store next. If there is none, the task ends.
    fn take(&self) -> Vec<(SdkAppId, i64)> {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.has_task = !waiting.keys.is_empty();
        std::mem::take(&mut waiting.keys).into_iter().collect()
    }

    async fn store_waiting(self, store: Store) {
        loop {
            let keys = self.take();
            if keys.is_empty() {
                return;
            }
            self.outage.note(save(&store, &keys).await);
        }
    }
}

impl Service {
    /// Notes that a request at `now` (Unix seconds) was signed with this key of the app.
    pub fn note_key_use(&self, app: &App, key: &AppKey, now: u64) {
        if key.last_used_at.is_some_and(|time| now < time.saturating_add(PRECISION_S)) {
            return;
        }
        let uses = &self.shared.key_uses;
        if !uses.noted.entry(key.id).or_insert(()).is_fresh() {
            return;
        }
        let mut waiting = uses.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.keys.insert((app.sdk_app_id, key.id));
        if !waiting.has_task {
            waiting.has_task = true;
            self.runtime.spawn(uses.clone().store_waiting(self.partitions.shared().clone()));
        }
    }
}

async fn save(store: &Store, keys: &[(SdkAppId, i64)]) -> Result<(), Error> {
    let deadline = Deadline::of_a_request();
    let save = async |tx: &mut Tx<'_>| store::apps::save_key_uses(tx, keys).await;
    deadline.limit(store.clone().write(deadline, save)).await.map_err(Error::late_write)?
}
