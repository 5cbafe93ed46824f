//! The users of a load. Their names are chosen such that every partition has some of them.

use std::sync::atomic::{AtomicUsize, Ordering};

use earmark::domain::{UserId, UserKey, partition_of};
use testkit::APP;
use testkit::model::Call;

use crate::stand::partitions;

/// Names are spread over so many partitions also if the database has only one. The tests with two servers have four.
const SPREAD: u16 = 4;

/// The users of a load.
pub(crate) struct Users {
    users: Vec<User>,
    /// A user in each partition, who is not one of the load's users.
    pub(crate) watchers: Vec<String>,
}

struct User {
    name: String,
    /// Calls without an answer, except those that change the directory.
    unanswered: AtomicUsize,
}

impl Users {
    pub(crate) fn of(seed: u64, count: usize) -> Self {
        let spread = partitions().max(SPREAD);
        let turns = (0..spread).cycle().zip(0..count);
        let users = turns.map(|(partition, number)| User {
            name: name_in(partition, spread, &format!("user{seed}-{number}")),
            unanswered: AtomicUsize::new(0),
        });
        let watchers =
            (0..partitions()).map(|partition| name_in(partition, partitions(), "watcher"));
        Self { users: users.collect(), watchers: watchers.collect() }
    }

    pub(crate) fn name(&self, user: usize) -> &str {
        &self.users[user].name
    }

    /// Notes that a call was not answered. Calls that change the directory wait for all partitions, so they say nothing about
    /// the partition of their user.
    pub(crate) fn note_unanswered(&self, user: usize, call: &Call) {
        if !matches!(call, Call::Import | Call::DeleteAccount) {
            self.users[user].unanswered.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// How many calls of the users of some partitions were not answered. `count` is the number of all partitions.
    pub(crate) fn unanswered_in(&self, is_meant: impl Fn(u16) -> bool, count: u16) -> usize {
        let there =
            self.users.iter().filter(|user| is_meant(partition_of(&key(&user.name), count)));
        there.map(|user| user.unanswered.load(Ordering::SeqCst)).sum()
    }
}

fn key(name: &str) -> UserKey {
    UserKey { sdk_app_id: APP.parse().unwrap(), user_id: UserId::parse(name, 32).unwrap() }
}

/// A user of the partition whose name begins with `name`.
fn name_in(partition: u16, count: u16, name: &str) -> String {
    let mut names = (0..).map(|number: u32| format!("{name}-{number}"));
    names.find(|name| partition_of(&key(name), count) == partition).unwrap()
}
