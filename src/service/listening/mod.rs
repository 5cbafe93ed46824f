//! Clients that wait for changes of a user, and how they are woken.
//!
//! A listener is told numbers, never changes: the highest revision of its user that the process knows of, and the highest
//! directory revision that concerns the user. It compares them with what its client has, and reads. So no order of reads,
//! commits and wake-ups loses a change, and a listener costs the same however much has changed.

mod listener;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prometheus::IntGauge;
use tokio::sync::{Notify, watch};

pub use listener::{Listener, Woken};

use crate::domain::{SdkAppId, UserKey};

/// How a client waits for changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListenerKind {
    /// A stream of `events`.
    Stream,
    /// A call of `changes` that waits.
    LongPoll,
}

impl ListenerKind {
    pub(super) const ALL: [Self; 2] = [Self::Stream, Self::LongPoll];

    /// The metric label.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Stream => "stream",
            Self::LongPoll => "long_poll",
        }
    }
}

/// The users whose changes clients wait for. All worker threads share this list.
#[derive(Debug, Clone, Default)]
pub(super) struct Listeners(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    users: Mutex<HashMap<Arc<UserKey>, ListenedUser>>,
    /// How many users there are. Without one, a commit costs one look at this number.
    count: AtomicUsize,
    is_stopping: AtomicBool,
    /// Asks the poller to look at the directory now. Also wakes it for the first listener.
    looks: Notify,
}

#[derive(Debug)]
struct ListenedUser {
    news: watch::Sender<News>,
    /// The directory revision up to which the user's listeners were told. `None` until one of them has read.
    told_directory: Option<u64>,
}

#[derive(Debug, Clone, Copy, Default)]
struct News {
    revision: u64,
    directory_revision: u64,
    /// Counts the calls to read whatever the numbers are.
    calls: u64,
    is_stopping: bool,
}

/// What the poller compares with the database.
#[derive(Debug, Clone)]
pub(super) struct Told {
    pub(super) key: Arc<UserKey>,
    pub(super) revision: u64,
    pub(super) directory_revision: u64,
}

impl Listeners {
    fn users(&self) -> MutexGuard<'_, HashMap<Arc<UserKey>, ListenedUser>> {
        self.0.users.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins to listen. A client must listen before it reads, or it may miss what happens in between.
    pub(super) fn add(&self, key: UserKey, open: IntGauge) -> Listener {
        let mut users = self.users();
        let key = users.get_key_value(&key).map_or_else(|| key.into(), |(key, _)| key.clone());
        let news =
            News { is_stopping: self.0.is_stopping.load(Ordering::Relaxed), ..News::default() };
        let user = users.entry(key.clone()).or_insert_with(|| ListenedUser {
            news: watch::Sender::new(news),
            told_directory: None,
        });
        let news = user.news.subscribe();
        self.0.count.store(users.len(), Ordering::Release);
        let is_first = users.len() == 1;
        drop(users);
        if is_first {
            self.0.looks.notify_one();
        }
        open.inc();
        Listener::new(self.clone(), key, news, open)
    }

    pub(super) fn is_anyone_there(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// Tells the listeners of these users of their users' revisions. Call it after the commit.
    pub(super) fn tell_revisions(&self, written: impl IntoIterator<Item = (UserKey, u64)>) {
        let users = self.users();
        for (key, revision) in written {
            if let Some(user) = users.get(&key) {
                user.tell_revision(revision);
            }
        }
    }

    /// Tells that all of these users were compared with the directory of their app at this directory revision, and that it
    /// concerns those of them for whom `concerns` is true.
    pub(super) fn tell_directory(
        &self,
        told: &[&Told],
        directory_revision: u64,
        concerns: impl Fn(usize) -> bool,
    ) {
        let mut users = self.users();
        for (nr, told) in told.iter().enumerate() {
            let Some(user) = users.get_mut(&told.key) else { continue };
            // Otherwise a listener has read at an older directory revision meanwhile, and is told in the next round.
            if user.told_directory == Some(told.directory_revision) {
                user.told_directory = Some(directory_revision);
            }
            if concerns(nr) {
                user.news.send_if_modified(|news| {
                    let is_new = news.directory_revision < directory_revision;
                    news.directory_revision = news.directory_revision.max(directory_revision);
                    is_new
                });
            }
        }
    }

    /// Makes every listener of an app read.
    pub(super) fn call_app(&self, app: SdkAppId) {
        for (key, user) in &*self.users() {
            if key.sdk_app_id == app {
                user.news.send_modify(|news| news.calls += 1);
            }
        }
    }

    /// Ends the wait of every listener, also of those to come.
    pub(super) fn stop(&self) {
        let users = self.users();
        self.0.is_stopping.store(true, Ordering::Relaxed);
        for user in users.values() {
            user.news.send_modify(|news| news.is_stopping = true);
        }
    }

    /// Makes the poller look at the directory now, since this process has changed it.
    pub(super) fn directory_changed(&self) {
        if self.is_anyone_there() {
            self.0.looks.notify_one();
        }
    }

    /// Returns when the poller is asked to look.
    pub(super) async fn asked(&self) {
        self.0.looks.notified().await;
    }

    /// The users whose listeners have read.
    pub(super) fn told(&self) -> Vec<Told> {
        let users = self.users();
        let told = |(key, user): (&Arc<UserKey>, &ListenedUser)| {
            let directory_revision = user.told_directory?;
            let revision = user.news.borrow().revision;
            Some(Told { key: key.clone(), revision, directory_revision })
        };
        users.iter().filter_map(told).collect()
    }
}

impl Told {
    pub(super) fn app(&self) -> SdkAppId {
        self.key.sdk_app_id
    }
}

impl ListenedUser {
    /// A read has found a lower revision than the wait before it: an operator has reset the app, and revisions begin again.
    /// Without this, a listener would read for ever.
    fn correct_revision(&self, seen: u64, read: u64) {
        self.news.send_if_modified(|news| {
            if news.revision == seen && read < seen {
                news.revision = read;
            }
            false
        });
    }

    fn tell_revision(&self, revision: u64) {
        self.news.send_if_modified(|news| {
            let is_new = news.revision < revision;
            news.revision = news.revision.max(revision);
            is_new
        });
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt as _;

    use super::*;
    use crate::domain::{Moment, UserId};

    fn key(user: &str) -> UserKey {
        UserKey { sdk_app_id: SdkAppId::new(1).unwrap(), user_id: UserId::parse(user, 32).unwrap() }
    }

    fn at(revision: u64, directory_revision: u64) -> Moment {
        Moment { epoch: 1, directory_revision, revision }
    }

    fn listen(listeners: &Listeners, user: &str) -> Listener {
        listeners.add(key(user), IntGauge::new("open", "open").unwrap())
    }

    fn woken(listener: &mut Listener) -> Option<Woken> {
        listener.wait().now_or_never()
    }

    #[test]
    fn a_listener_wakes_for_what_its_client_does_not_have() {
        let listeners = Listeners::default();
        let (mut own, mut other) = (listen(&listeners, "user0"), listen(&listeners, "user1"));
        own.note(at(5, 0));
        other.note(at(5, 0));
        assert_eq!(woken(&mut own), None);
        listeners.tell_revisions([(key("user0"), 5)]);
        assert_eq!(woken(&mut own), None, "the client has it");
        listeners.tell_revisions([(key("user0"), 6)]);
        assert_eq!(woken(&mut own), Some(Woken::Changed));
        assert_eq!(woken(&mut own), Some(Woken::Changed), "until it is noted");
        own.note(at(6, 0));
        assert_eq!(woken(&mut own), None);
        assert_eq!(woken(&mut other), None);
    }

    #[test]
    fn what_happens_between_a_read_and_the_wait_is_not_lost() {
        let listeners = Listeners::default();
        let mut listener = listen(&listeners, "user0");
        listeners.tell_revisions([(key("user0"), 6)]);
        listener.note(at(5, 0));
        assert_eq!(woken(&mut listener), Some(Woken::Changed));
    }

    #[test]
    fn a_revision_from_before_a_reset_wakes_a_listener_once() {
        let listeners = Listeners::default();
        let mut listener = listen(&listeners, "user0");
        listeners.tell_revisions([(key("user0"), 5)]);
        listener.note(at(0, 0));
        assert_eq!(woken(&mut listener), Some(Woken::Changed));
        listener.note(at(0, 0));
        assert_eq!(woken(&mut listener), None);
        listeners.tell_revisions([(key("user0"), 1)]);
        assert_eq!(woken(&mut listener), Some(Woken::Changed));
    }

    /// One client reads by chance what no listener was told, so the poller would find nothing new.
    #[test]
    fn a_listener_hears_of_what_another_one_has_read() {
        let listeners = Listeners::default();
        let (mut first, mut second) = (listen(&listeners, "user0"), listen(&listeners, "user0"));
        first.note(at(5, 0));
        second.note(at(6, 0));
        assert_eq!(woken(&mut first), Some(Woken::Changed));
        assert_eq!(woken(&mut second), None);
    }

    #[test]
    fn a_directory_is_looked_at_from_the_oldest_read() {
        let listeners = Listeners::default();
        let (mut first, mut second) = (listen(&listeners, "user0"), listen(&listeners, "user0"));
        assert!(listeners.told().is_empty(), "no one has read");
        first.note(at(1, 9));
        let told = listeners.told();
        second.note(at(1, 8));
        // The poller has looked for changes after 9, which says nothing about the ninth.
        listeners.tell_directory(&told.iter().collect::<Vec<_>>(), 10, |_| false);
        let told = listeners.told();
        assert_eq!(told[0].directory_revision, 8);
        listeners.tell_directory(&told.iter().collect::<Vec<_>>(), 10, |_| true);
        assert_eq!(listeners.told()[0].directory_revision, 10);
        assert_eq!(woken(&mut first), Some(Woken::Changed));
        assert_eq!(woken(&mut second), Some(Woken::Changed));
    }

    #[test]
    fn a_stop_ends_every_wait() {
        let listeners = Listeners::default();
        let mut before = listen(&listeners, "user0");
        before.note(at(1, 0));
        listeners.stop();
        let mut after = listen(&listeners, "user1");
        after.note(at(1, 0));
        for listener in [&mut before, &mut after] {
            assert_eq!(woken(listener), Some(Woken::Stopping));
        }
    }

    #[test]
    fn a_call_wakes_every_listener_of_the_app_until_it_has_read() {
        let listeners = Listeners::default();
        let mut listener = listen(&listeners, "user0");
        listener.note(at(1, 0));
        listeners.call_app(SdkAppId::new(2).unwrap());
        assert_eq!(woken(&mut listener), None, "another app");
        listeners.call_app(SdkAppId::new(1).unwrap());
        assert_eq!(woken(&mut listener), Some(Woken::Changed));
        assert_eq!(woken(&mut listener), Some(Woken::Changed), "the read has failed");
        listener.note(at(1, 0));
        assert_eq!(woken(&mut listener), None);
    }

    #[test]
    fn a_user_without_listeners_is_forgotten() {
        let listeners = Listeners::default();
        let open = IntGauge::new("open", "open").unwrap();
        let first = listeners.add(key("user0"), open.clone());
        let second = listeners.add(key("user0"), open.clone());
        assert_eq!(open.get(), 2);
        drop(first);
        assert!(listeners.is_anyone_there());
        drop(second);
        assert!(!listeners.is_anyone_there() && listeners.users().is_empty());
        assert_eq!(open.get(), 0);
    }
}
