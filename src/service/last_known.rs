//! Apps as they were last loaded, for the time when the shared tables do not answer.
//!
//! In a divided database, a call for a user needs the shared tables only for its app: keys, admins and limits. The user's state is
//! in a partition, whose server may work while that of the shared tables does not. So each process remembers the apps that it has
//! loaded. With one partition this remembers nothing, since the state is lost together with the apps.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use moka::sync::Cache;

use super::apps::Known;
use crate::domain::SdkAppId;
use crate::store::Partitions;

/// How long an app is served as it was last loaded. A key that was retired meanwhile, through another process, is accepted until
/// then.
pub(super) const AGE_MAX: Duration = Duration::from_mins(10);
/// How long a request waits for a load that has a substitute.
pub(super) const RELOAD_MAX: Duration = Duration::from_millis(500);
/// Apps that a process remembers.
const APPS_MAX: u64 = 10_000;

#[derive(Debug)]
pub(super) struct LastKnown {
    /// `None` with one partition. An app leaves the cache at the end of its time, which begins when it is loaded.
    apps: Option<Cache<SdkAppId, Known>>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// How many changes of apps this process has made.
    changes: u64,
    /// When a load first failed; `None` if the last load got an answer.
    away_since: Option<Instant>,
}

/// A load that has begun.
#[derive(Debug, Clone, Copy)]
pub(super) struct Begun {
    changes: u64,
}

impl LastKnown {
    pub(super) fn new(partitions: &Partitions, age_max: Duration) -> Self {
        let cache = || Cache::builder().max_capacity(APPS_MAX).time_to_live(age_max).build();
        Self { apps: partitions.is_divided().then(cache), state: Mutex::default() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn get(&self, app: SdkAppId) -> Option<Known> {
        self.apps.as_ref()?.get(&app)
    }

    /// For how long loads have got no answer, although there was something to serve. `None` if the last one got an answer.
    pub(super) fn away_for(&self) -> Option<Duration> {
        self.state().away_since.map(|since| since.elapsed())
    }

    /// Call this before a load.
    pub(super) fn begin(&self) -> Begun {
        Begun { changes: self.state().changes }
    }

    /// The shared tables have answered a load. `found` is `None` if the app does not exist.
    pub(super) fn note_answer(&self, app: SdkAppId, found: Option<&Known>, begun: Begun) {
        let mut state = self.state();
        state.away_since = None;
        let Some(apps) = &self.apps else { return };
        match found {
            // What was read before a change of this process must not come back after it.
            Some(known) if state.changes == begun.changes => apps.insert(app, known.clone()),
            Some(_) => {}
            None => apps.invalidate(&app),
        }
    }

    /// The shared tables have not answered a load, and the app is served as it was last loaded.
    pub(super) fn note_absence(&self) {
        self.state().away_since.get_or_insert_with(Instant::now);
    }

    /// The shared tables answer something.
    pub(super) fn note_return(&self) {
        self.state().away_since = None;
    }

    /// Forgets an app that this process has changed.
    pub(super) fn forget(&self, app: SdkAppId) {
        let mut state = self.state();
        state.changes += 1;
        if let Some(apps) = &self.apps {
            apps.invalidate(&app);
        }
    }
}

/// Logs when apps begin or stop to be served as they were last loaded, and not each call.
pub(super) fn log_change(was_away: bool, is_away: bool) {
    match (was_away, is_away) {
        (false, true) => tracing::warn!(
            "the server with the shared tables does not answer: apps are served as they were last loaded, for at most {} minutes",
            AGE_MAX.as_secs() / 60
        ),
        (true, false) => {
            tracing::info!("the server with the shared tables answers again: apps are loaded anew");
        }
        (false, false) | (true, true) => {}
    }
}
