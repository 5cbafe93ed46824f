//! The recorded calls and answers of each user, and the check that an order of events explains them.

mod deletions;
mod linearizability;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::model::{Answer, Call, Deleted, User};
use deletions::{DirectoryCall, possible_deletions};
use linearizability::{Failure, Object, Timed, check};

/// A call and its answer. The answer is `None` if the client received none.
#[derive(Debug, Clone)]
pub(crate) struct Observation {
    call: Call,
    answer: Option<Answer>,
    /// The possible states of the directory during the call.
    deleted: Vec<Deleted>,
}

/// All recorded calls, with times of one logical clock.
pub struct History {
    clock: AtomicU64,
    users: Vec<Mutex<Vec<Timed<Observation>>>>,
    directory_calls: [Mutex<Vec<DirectoryCall>>; 2],
    unexpected: Mutex<Vec<String>>,
}

impl History {
    pub fn of(users: usize) -> Self {
        Self {
            clock: AtomicU64::new(1),
            users: (0..users).map(|_| Mutex::default()).collect(),
            directory_calls: Default::default(),
            unexpected: Mutex::default(),
        }
    }

    /// The next time of the logical clock. Each time is unique.
    pub fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub fn record(&self, user: usize, called: u64, call: Call, answer: Option<Answer>) {
        if call.only_reads() && answer.is_none() {
            return;
        }
        let returned = answer.is_some().then(|| self.now());
        let operation = Observation { call, answer, deleted: Vec::new() };
        self.users[user].lock().unwrap().push(Timed { called, returned, operation });
    }

    pub fn record_directory_call(&self, entry: usize, called: u64, deletes: bool, is_known: bool) {
        let returned = is_known.then(|| self.now());
        self.directory_calls[entry].lock().unwrap().push(DirectoryCall {
            called,
            returned,
            deletes,
        });
    }

    /// Records an answer that the service must never give.
    pub fn record_unexpected(&self, what: String) {
        self.unexpected.lock().unwrap().push(what);
    }

    /// The number of answered calls, and of calls without an answer.
    pub fn counts(&self) -> (usize, usize) {
        let mut counts = (0, 0);
        for user in &self.users {
            let user = user.lock().unwrap();
            let known = user.iter().filter(|timed| timed.returned.is_some()).count();
            counts = (counts.0 + known, counts.1 + user.len() - known);
        }
        counts
    }

    /// Checks that an order of events explains every answer. Otherwise returns the answer that none explains.
    pub fn explain(&self) -> Result<(), String> {
        self.explain_restored([u64::MAX; 2], u64::MAX)
    }

    /// Checks answers of a database that was restored to one moment from `from` to `to`, the same moment for all users.
    /// Everything since `resumed` must be explained by the calls before that moment. Calls that were answered before the
    /// moment have taken effect. Calls that began after the moment have not. A call that was in progress has taken effect
    /// as it was answered, or not at all.
    pub fn explain_restored(&self, [from, to]: [u64; 2], resumed: u64) -> Result<(), String> {
        if let Some(first) = self.unexpected.lock().unwrap().first() {
            return Err(first.clone());
        }
        let directory_calls =
            self.directory_calls.each_ref().map(|calls| calls.lock().unwrap().clone());
        let mut users: Vec<_> =
            self.users.iter().map(|user| user.lock().unwrap().clone()).collect();
        for history in &mut users {
            history.sort_by_key(|timed| timed.called);
            for timed in &mut *history {
                let end = timed.returned.unwrap_or(u64::MAX);
                timed.operation.deleted = possible_deletions(&directory_calls, timed.called, end);
            }
        }
        let mut moments = from..=to;
        loop {
            let moment = moments.next().expect("`from` is not after `to`");
            let remaining = directory_calls.each_ref().map(|calls| as_of(moment, calls));
            let explained = users
                .iter()
                .map(|history| restored(history, &remaining, moment, resumed))
                .enumerate()
                .try_for_each(|(number, history)| explain_user(number, &history));
            if explained.is_ok() || moments.is_empty() {
                return explained;
            }
        }
    }
}

/// The calls that began before a moment. A call that had not returned by then may take effect at any later time.
fn as_of(moment: u64, calls: &[DirectoryCall]) -> Vec<DirectoryCall> {
    let begun = calls.iter().filter(|call| call.called <= moment).copied();
    let returned = |call: &DirectoryCall| call.returned.filter(|returned| *returned <= moment);
    begun.map(|call| DirectoryCall { returned: returned(&call), ..call }).collect()
}

/// The calls that the restored state of a user may contain, followed by the calls since `resumed`.
fn restored(
    history: &[Timed<Observation>],
    remaining: &[Vec<DirectoryCall>; 2],
    moment: u64,
    resumed: u64,
) -> Vec<Timed<Observation>> {
    let mut before: Vec<_> =
        history.iter().filter(|timed| timed.called <= moment).cloned().collect();
    for timed in &mut before {
        timed.returned = timed.returned.filter(|returned| *returned <= moment);
    }
    // A read that was in progress tells nothing.
    before.retain(|timed| timed.returned.is_some() || !timed.operation.call.only_reads());
    let mut seen: Vec<_> =
        history.iter().filter(|timed| timed.called >= resumed).cloned().collect();
    for timed in &mut seen {
        let end = timed.returned.unwrap_or(u64::MAX);
        timed.operation.deleted = possible_deletions(remaining, timed.called, end);
    }
    before.append(&mut seen);
    before
}

fn explain_user(number: usize, history: &[Timed<Observation>]) -> Result<(), String> {
    check(&OneUser, &User::default(), history).map_err(|failure| {
        let (nr, about) = match failure {
            Failure::Contradiction { operation, about } => (operation, about),
            Failure::Undecided { operation } => (operation, "undecided".to_owned()),
        };
        let last = history[..=nr].iter().rev().take(12).rev();
        let last: Vec<_> = last.map(|timed| format!("  {timed:?}")).collect();
        let wrong = &history[nr];
        format!(
            "user {number}: nothing explains {nr}: {wrong:?}\n{about}\nthe last calls:\n{}",
            last.join("\n")
        )
    })
}

struct OneUser;

impl Object for OneUser {
    type State = User;
    type Operation = Observation;

    fn next(&self, state: &User, seen: &Observation) -> Vec<User> {
        let mut states = Vec::new();
        for deleted in &seen.deleted {
            let mut next = state.clone();
            let answer = next.apply(&seen.call, *deleted);
            let fits =
                |seen_answer: &Answer| state.normalize(&seen.call, seen_answer.clone()) == answer;
            if seen.answer.as_ref().is_none_or(fits) && !states.contains(&next) {
                states.push(next);
            }
        }
        states
    }

    fn only_reads(&self, seen: &Observation) -> bool {
        seen.call.only_reads()
    }
}
