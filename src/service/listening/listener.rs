//! One client that waits.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use prometheus::IntGauge;
use tokio::sync::watch;

use super::{Listeners, News};
use crate::domain::{Moment, UserKey};

/// A client that waits for changes of a user. It counts in a gauge until it is dropped.
#[derive(Debug)]
pub struct Listener {
    listeners: Listeners,
    key: Arc<UserKey>,
    news: watch::Receiver<News>,
    /// The revision that the last wait saw.
    revision_seen: u64,
    /// The calls that the last wait saw, and those that a read has followed.
    calls_seen: u64,
    calls_followed: u64,
    /// What the client has.
    at: Option<Moment>,
    open: IntGauge,
}

/// Why a listener stopped to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Woken {
    /// There may be changes.
    Changed,
    /// The service stops.
    Stopping,
}

impl Listener {
    pub(super) fn new(
        listeners: Listeners,
        key: Arc<UserKey>,
        news: watch::Receiver<News>,
        open: IntGauge,
    ) -> Self {
        let calls = news.borrow().calls;
        let (calls_seen, calls_followed) = (calls, calls);
        Self { listeners, key, news, revision_seen: 0, calls_seen, calls_followed, at: None, open }
    }

    #[must_use]
    pub fn user(&self) -> &UserKey {
        &self.key
    }

    /// Notes that the client has the state of this moment. The other listeners of the user hear of it.
    pub fn note(&mut self, at: Moment) {
        self.at = Some(at);
        self.calls_followed = self.calls_seen;
        let mut users = self.listeners.users();
        let Some(user) = users.get_mut(&self.key) else { return };
        user.correct_revision(self.revision_seen, at.revision);
        user.tell_revision(at.revision);
        let told = user.told_directory.unwrap_or(at.directory_revision);
        user.told_directory = Some(told.min(at.directory_revision));
    }

    /// Waits until there may be something that the client does not have. Can be dropped and called again, and returns again
    /// until [`Self::note`] is called.
    pub async fn wait(&mut self) -> Woken {
        let (at, calls) = (self.at, self.calls_followed);
        let is_new = |news: &News| {
            let is_beyond = |at: Moment| {
                news.revision > at.revision || news.directory_revision > at.directory_revision
            };
            news.is_stopping || news.calls != calls || at.is_none_or(is_beyond)
        };
        // The sender lives as long as this listener.
        let Ok(news) = self.news.wait_for(is_new).await else { return Woken::Stopping };
        self.calls_seen = news.calls;
        self.revision_seen = news.revision;
        if news.is_stopping { Woken::Stopping } else { Woken::Changed }
    }

    /// Waits until the service stops.
    pub async fn wait_for_stop(&mut self) {
        // An error would mean that the sender is gone, which lives as long as this listener.
        drop(self.news.wait_for(|news| news.is_stopping).await);
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        self.open.dec();
        let mut users = self.listeners.users();
        // Listeners are added under the lock, so no other one can come between.
        if users.get(&self.key).is_some_and(|user| user.news.receiver_count() <= 1) {
            users.remove(&self.key);
        }
        self.listeners.0.count.store(users.len(), Ordering::Release);
    }
}
