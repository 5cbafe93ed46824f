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
        self.explain_restored([u64::MAX; 2], u64::MAX)
    }

    /// Everything that was seen from `resumed` on is explained by what had happened at one moment from `from` to `to`, the
    /// same one for all users: what was answered before it has happened, what was called after it has not, and what was
    /// under way has happened wholly, as it was answered, or not at all.
    pub(crate) fn explain_restored(
        &self,
        [from, to]: [u64; 2],
        resumed: u64,
    ) -> Result<(), String> {
        if let Some(first) = self.unexpected.lock().unwrap().first() {
            return Err(first.clone());
        }
        let fates = self.fates.each_ref().map(|fates| fates.lock().unwrap().clone());
        let mut users: Vec<_> =
            self.users.iter().map(|user| user.lock().unwrap().clone()).collect();
        for history in &mut users {
            history.sort_by_key(|timed| timed.called);
            for timed in &mut *history {
                let end = timed.returned.unwrap_or(u64::MAX);
                timed.operation.dead = possibly_dead(&fates, timed.called, end);
            }
        }
        let mut moments = from..=to;
        loop {
            let moment = moments.next().expect("`from` is not after `to`");
            let left = fates.each_ref().map(|fates| as_of(moment, fates));
            let explained = users
                .iter()
                .map(|history| restored(history, &left, moment, resumed))
                .enumerate()
                .try_for_each(|(number, history)| explain_user(number, &history));
            if explained.is_ok() || moments.is_empty() {
                return explained;
            }
        }
    }
}

/// The fates that had begun by a moment; those that had not ended may happen at any time after.
fn as_of(moment: u64, fates: &[Fate]) -> Vec<Fate> {
    let begun = fates.iter().filter(|fate| fate.called <= moment).copied();
    let returned = |fate: &Fate| fate.returned.filter(|returned| *returned <= moment);
    begun.map(|fate| Fate { returned: returned(&fate), ..fate }).collect()
}

/// What a user who was put back to a moment may have lived through, and what was seen from `resumed` on.
fn restored(
    history: &[Timed<Seen>],
    left: &[Vec<Fate>; 2],
    moment: u64,
    resumed: u64,
) -> Vec<Timed<Seen>> {
    let mut lived: Vec<_> =
        history.iter().filter(|timed| timed.called <= moment).cloned().collect();
    for timed in &mut lived {
        timed.returned = timed.returned.filter(|returned| *returned <= moment);
    }
    // A read that was under way tells nothing.
    lived.retain(|timed| timed.returned.is_some() || !timed.operation.call.only_reads());
    let mut seen: Vec<_> =
        history.iter().filter(|timed| timed.called >= resumed).cloned().collect();
    for timed in &mut seen {
        let end = timed.returned.unwrap_or(u64::MAX);
        timed.operation.dead = possibly_dead(left, timed.called, end);
    }
    lived.append(&mut seen);
    lived
}

fn explain_user(number: usize, history: &[Timed<Seen>]) -> Result<(), String> {
    check(&OneUser, &User::default(), history).map_err(|failure| {
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
    })
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
            let fits =
                |seen_answer: &Answer| state.normalize(&seen.call, seen_answer.clone()) == answer;
            if seen.answer.as_ref().is_none_or(fits) && !states.contains(&next) {
                states.push(next);
            }
        }
        states
    }

    fn only_reads(&self, seen: &Seen) -> bool {
        seen.call.only_reads()
    }
}
