//! What was asked and answered, user by user, and whether it can be explained.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::fates::{Fate, possibly_dead};
use crate::linearizability::{Failure, Object, Timed, check};
use crate::model::{Answer, Call, Dead, User};

/// A call and what came of it; `None` if it is not known.
#[derive(Debug, Clone)]
pub(crate) struct Seen {
    call: Call,
    answer: Option<Answer>,
    /// What the mortal may have been meanwhile.
    dead: Vec<Dead>,
}

/// Everything that was seen, in the order of one clock.
pub(crate) struct History {
    clock: AtomicU64,
    users: Vec<Mutex<Vec<Timed<Seen>>>>,
    fates: [Mutex<Vec<Fate>>; 2],
    unexpected: Mutex<Vec<String>>,
}

impl History {
    pub(crate) fn of(users: usize) -> Self {
        Self {
            clock: AtomicU64::new(1),
            users: (0..users).map(|_| Mutex::default()).collect(),
            fates: Default::default(),
            unexpected: Mutex::default(),
        }
    }

    /// The moment that it is now. No two are the same.
    pub(crate) fn now(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::SeqCst)
    }

    pub(crate) fn saw(&self, user: usize, called: u64, call: Call, answer: Option<Answer>) {
        if call.only_reads() && answer.is_none() {
            return;
        }
        let returned = answer.is_some().then(|| self.now());
        let operation = Seen { call, answer, dead: Vec::new() };
        self.users[user].lock().unwrap().push(Timed { called, returned, operation });
    }

    pub(crate) fn saw_fate(&self, mortal: usize, called: u64, dies: bool, is_known: bool) {
        let returned = is_known.then(|| self.now());
        self.fates[mortal].lock().unwrap().push(Fate { called, returned, dies });
    }

    /// Something that must never be answered.
    pub(crate) fn never(&self, what: String) {
        self.unexpected.lock().unwrap().push(what);
    }

    /// How many calls were answered, and of how many the answer is not known.
    pub(crate) fn counts(&self) -> (usize, usize) {
        let mut counts = (0, 0);
        for user in &self.users {
            let user = user.lock().unwrap();
            let known = user.iter().filter(|timed| timed.returned.is_some()).count();
            counts = (counts.0 + known, counts.1 + user.len() - known);
        }
        counts
    }

    /// Every user's answers are explained, or it is said what is not.
    pub(crate) fn explain(&self) -> Result<(), String> {
        if let Some(first) = self.unexpected.lock().unwrap().first() {
            return Err(first.clone());
        }
        let fates = self.fates.each_ref().map(|fates| fates.lock().unwrap().clone());
        for (number, user) in self.users.iter().enumerate() {
            let mut history = user.lock().unwrap().clone();
            history.sort_by_key(|timed| timed.called);
            for timed in &mut history {
                let end = timed.returned.unwrap_or(u64::MAX);
                timed.operation.dead = possibly_dead(&fates, timed.called, end);
            }
            check(&OneUser, &User::default(), &history).map_err(|failure| {
                let (nr, about) = match failure {
                    Failure::Contradiction { operation, about } => (operation, about),
                    Failure::Undecided { operation } => (operation, "undecided".to_owned()),
                };
                let before = history[..=nr].iter().rev().take(12).rev();
                let before: Vec<_> = before.map(|timed| format!("  {timed:?}")).collect();
                let said = &history[nr];
                format!(
                    "user {number}: nothing explains {nr}: {said:?}\n{about}\nthe last calls:\n{}",
                    before.join("\n")
                )
            })?;
        }
        Ok(())
    }
}

struct OneUser;

impl Object for OneUser {
    type State = User;
    type Operation = Seen;

    fn next(&self, state: &User, seen: &Seen) -> Vec<User> {
        let mut states = Vec::new();
        for dead in &seen.dead {
            let mut next = state.clone();
            let answer = next.apply(&seen.call, *dead);
            if seen.answer.as_ref().is_none_or(|seen| *seen == answer) && !states.contains(&next) {
                states.push(next);
            }
        }
        states
    }

    fn only_reads(&self, seen: &Seen) -> bool {
        seen.call.only_reads()
    }
}
