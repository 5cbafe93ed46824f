//! Tells the clients who wait what this process has committed. Each path that commits calls this, and nothing else.

use std::collections::BTreeSet;

use super::Write;
use super::commit::Outcomes;
use super::feed_readers::FeedReaders;
use super::listening::Listeners;
use crate::domain::{Change, SdkAppId, UserKey};

/// Everyone who waits for a change: those who follow a user, and those who read an app's feed. All worker threads share it.
#[derive(Debug, Clone, Default)]
pub(super) struct Waiting {
    pub(super) listeners: Listeners,
    pub(super) feeds: FeedReaders,
}

impl Waiting {
    /// Collects the news of a commit.
    pub(super) fn news(&self) -> News<'_> {
        let listeners = self.listeners.is_anyone_there().then_some(&self.listeners);
        let feeds = self.feeds.is_anyone_there().then_some(&self.feeds);
        News {
            listeners,
            feeds,
            revisions: Vec::new(),
            apps: BTreeSet::new(),
            has_directory: false,
        }
    }

    /// Tells that an account or a chat group of this app has left the directory or come back. Call it after the commit.
    pub(super) fn tell_directory(&self, app: SdkAppId) {
        self.listeners.directory_changed();
        self.feeds.note_commit([app]);
    }

    /// Tells that the state of all users of this app is gone, or the app itself.
    pub(super) fn tell_reset(&self, app: SdkAppId) {
        self.listeners.call_app(app);
        self.feeds.note_commit([app]);
    }

    /// Ends every wait, because the service stops.
    pub(super) fn stop(&self) {
        self.listeners.stop();
        self.feeds.wake_all();
    }
}

/// What committed writes have to tell.
pub(super) struct News<'w> {
    /// `None` if there are none. The same for the feeds.
    listeners: Option<&'w Listeners>,
    feeds: Option<&'w FeedReaders>,
    revisions: Vec<(UserKey, u64)>,
    apps: BTreeSet<SdkAppId>,
    has_directory: bool,
}

impl News<'_> {
    /// Adds writes that were committed or refused.
    pub(super) fn add(&mut self, writes: &[Write], outcomes: &Outcomes) {
        if self.listeners.is_none() && self.feeds.is_none() {
            return;
        }
        for (write, outcome) in writes.iter().zip(outcomes) {
            let Ok(written) = outcome else { continue };
            if self.listeners.is_some() {
                self.revisions.push((write.key(), written.revision));
            }
            if self.feeds.is_some() {
                self.apps.insert(write.app.sdk_app_id);
            }
            self.has_directory |= write.change == Change::DeleteAccount;
        }
    }

    pub(super) fn tell(self) {
        if let Some(listeners) = self.listeners {
            listeners.tell_revisions(self.revisions);
            if self.has_directory {
                listeners.directory_changed();
            }
        }
        if let Some(feeds) = self.feeds {
            feeds.note_commit(self.apps);
        }
    }
}
