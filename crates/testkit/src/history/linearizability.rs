//! Is there an order of operations that explains all their answers?
//!
//! Operations overlap. Each one must have taken effect at one moment between its call and its return. An operation without an
//! answer may have taken effect at any moment after its call, or never. The search is the algorithm of Wing and Gong with
//! Lowe's refinement. It follows the events in the order of time. For each possible state, it keeps which of the open
//! operations have taken effect. An operation takes effect only when the return of an operation needs it.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::fmt::Debug;
use std::hash::Hash;

/// The search gives up after this many configurations.
const CONFIGURATIONS_MAX: usize = 300_000;

/// The behaviour of one object.
pub(crate) trait Object {
    type State: Clone + Eq + Hash + Debug;
    type Operation: Debug;
    /// The states that may follow if the operation takes effect with its recorded answer.
    fn next(&self, state: &Self::State, operation: &Self::Operation) -> Vec<Self::State>;
    /// `true` if the operation changes no state.
    fn only_reads(&self, operation: &Self::Operation) -> bool;
}

/// An operation with the times of its call and its return, by one clock for all operations.
#[derive(Debug, Clone)]
pub(crate) struct Timed<O> {
    pub(crate) called: u64,
    /// `None` if there was no answer.
    pub(crate) returned: Option<u64>,
    pub(crate) operation: O,
}

/// Why a history is not explained.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Failure {
    /// No order explains the answer of this operation. `about` describes the possible states before it.
    Contradiction { operation: usize, about: String },
    /// The search had too many configurations.
    Undecided { operation: usize },
}

/// A possible state, and the open operations that have taken effect in it.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Configuration<S> {
    state: S,
    done: BTreeSet<usize>,
}

/// How many operations without an answer may take effect to explain one return: as few as possible, or any number.
const FEW: [usize; 4] = [0, 1, 2, usize::MAX];
const ANY: [usize; 1] = [usize::MAX];

/// Explains a history of one object that begins with the state `first`. The first search uses as few operations without an
/// answer as possible, which is fast and usually enough. If it fails, the second search uses any number.
pub(crate) fn check<O: Object>(
    object: &O,
    first: &O::State,
    history: &[Timed<O::Operation>],
) -> Result<(), Failure> {
    follow(object, first, history, &FEW).or_else(|_| follow(object, first, history, &ANY))
}

fn follow<O: Object>(
    object: &O,
    first: &O::State,
    history: &[Timed<O::Operation>],
    unanswered: &[usize],
) -> Result<(), Failure> {
    let calls = history.iter().enumerate().map(|(nr, timed)| (timed.called, false, nr));
    let returns = history.iter().enumerate();
    let returns = returns.filter_map(|(nr, timed)| Some((timed.returned?, true, nr)));
    let mut events: Vec<_> = calls.chain(returns).collect();
    events.sort_unstable();
    let mut open = BTreeSet::new();
    let first = Configuration { state: first.clone(), done: BTreeSet::new() };
    let mut possible = HashSet::from([first]);
    for (_, is_return, nr) in events {
        if !is_return {
            open.insert(nr);
            continue;
        }
        let mut after = HashSet::new();
        for most in unanswered {
            after = take_effect(object, history, &open, &possible, nr, *most)
                .ok_or(Failure::Undecided { operation: nr })?;
            if !after.is_empty() {
                break;
            }
        }
        if after.is_empty() {
            let about = describe(history, &open, &possible);
            return Err(Failure::Contradiction { operation: nr, about });
        }
        open.remove(&nr);
        let forget = |mut configuration: Configuration<O::State>| {
            configuration.done.remove(&nr);
            configuration
        };
        possible = without_dominated(after.into_iter().map(forget).collect(), history);
    }
    Ok(())
}

/// The configurations in which `wanted` has taken effect, after any open operations that had to take effect before it.
/// `None` if the search gave up.
fn take_effect<O: Object>(
    object: &O,
    history: &[Timed<O::Operation>],
    open: &BTreeSet<usize>,
    possible: &HashSet<Configuration<O::State>>,
    wanted: usize,
    unanswered_most: usize,
) -> Option<HashSet<Configuration<O::State>>> {
    let reads: Vec<_> =
        open.iter().copied().filter(|nr| object.only_reads(&history[*nr].operation)).collect();
    // A read that can be explained now takes effect at once, because it changes nothing.
    let read = |mut configuration: Configuration<O::State>| {
        for nr in &reads {
            if !object.next(&configuration.state, &history[*nr].operation).is_empty() {
                configuration.done.insert(*nr);
            }
        }
        configuration
    };
    let mut left: Vec<_> = possible.iter().cloned().map(|one| (read(one), 0)).collect();
    let mut seen: HashSet<_> = left.iter().map(|(one, _)| one.clone()).collect();
    let mut found = HashSet::new();
    while let Some((configuration, unanswered)) = left.pop() {
        if configuration.done.contains(&wanted) {
            found.insert(configuration);
            continue;
        }
        for nr in open.difference(&configuration.done).filter(|nr| !reads.contains(nr)) {
            let unanswered = unanswered + usize::from(history[*nr].returned.is_none());
            if unanswered > unanswered_most {
                continue;
            }
            for state in object.next(&configuration.state, &history[*nr].operation) {
                // An operation without an answer that changes nothing explains nothing.
                if history[*nr].returned.is_none() && state == configuration.state {
                    continue;
                }
                let mut done = configuration.done.clone();
                done.insert(*nr);
                let next = read(Configuration { state, done });
                if seen.insert(next.clone()) {
                    left.push((next, unanswered));
                }
            }
        }
        if seen.len() > CONFIGURATIONS_MAX {
            return None;
        }
    }
    Some(found)
}

/// Removes a configuration if another one has the same state, but fewer operations without an answer have taken effect
/// in it. The other one can do everything that the removed one can.
fn without_dominated<S: Clone + Eq + Hash, T>(
    all: HashSet<Configuration<S>>,
    history: &[Timed<T>],
) -> HashSet<Configuration<S>> {
    let mut alike: HashMap<(S, BTreeSet<usize>), Vec<BTreeSet<usize>>> = HashMap::new();
    for Configuration { state, done } in all {
        let (unanswered, answered) =
            done.into_iter().partition(|nr| history[*nr].returned.is_none());
        alike.entry((state, answered)).or_default().push(unanswered);
    }
    let mut kept = HashSet::new();
    for ((state, answered), sets) in alike {
        for set in &sets {
            let is_least = !sets.iter().any(|other| other != set && other.is_subset(set));
            if is_least {
                let done = answered.union(set).copied().collect();
                kept.insert(Configuration { state: state.clone(), done });
            }
        }
    }
    kept
}

fn describe<O: Debug, S: Debug>(
    history: &[Timed<O>],
    open: &BTreeSet<usize>,
    possible: &HashSet<Configuration<S>>,
) -> String {
    let open: Vec<_> = open.iter().map(|nr| format!("  {nr}: {:?}", history[*nr])).collect();
    let states = possible.iter().take(4);
    let states: Vec<_> =
        states.map(|one| format!("  {:?}, done: {:?}", one.state, one.done)).collect();
    format!(
        "open operations:\n{}\n{} possible states before, among them:\n{}",
        open.join("\n"),
        possible.len(),
        states.join("\n"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A number that can be set, added to, and read.
    struct Number;

    #[derive(Debug, Clone, Copy)]
    enum Do {
        Set(u32),
        Add(u32),
        Read(u32),
    }
    use Do::{Add, Read, Set};

    impl Object for Number {
        type State = u32;
        type Operation = Do;

        fn next(&self, state: &u32, operation: &Do) -> Vec<u32> {
            match *operation {
                Set(number) => vec![number],
                Add(number) => vec![state + number],
                Read(number) if number == *state => vec![number],
                Read(_) => Vec::new(),
            }
        }

        fn only_reads(&self, operation: &Do) -> bool {
            matches!(operation, Read(_))
        }
    }

    /// Operations as `(called, returned, operation)`. If `returned` is 0, there was no answer.
    fn explained(history: &[(u64, u64, Do)]) -> bool {
        let timed = |&(called, returned, operation): &(u64, u64, Do)| Timed {
            called,
            returned: Some(returned).filter(|moment| *moment > 0),
            operation,
        };
        let history: Vec<_> = history.iter().map(timed).collect();
        match check(&Number, &0, &history) {
            Ok(()) => true,
            Err(Failure::Contradiction { .. }) => false,
            Err(undecided) => panic!("{undecided:?}"),
        }
    }

    #[test]
    fn sequential_operations_are_explained() {
        assert!(explained(&[]));
        assert!(explained(&[(1, 2, Set(1)), (3, 4, Read(1)), (5, 6, Add(2)), (7, 8, Read(3))]));
    }

    #[test]
    fn overlapping_operations_may_take_effect_in_any_order() {
        for read in [0, 1, 2] {
            let history = [(1, 10, Set(1)), (2, 9, Set(2)), (3, 8, Read(read))];
            assert!(explained(&history), "{read}");
        }
        assert!(!explained(&[(1, 10, Set(1)), (2, 9, Set(2)), (3, 8, Read(3))]));
    }

    #[test]
    fn a_lost_update_is_found() {
        assert!(explained(&[(1, 4, Add(1)), (2, 3, Add(2)), (5, 6, Read(3))]));
        assert!(!explained(&[(1, 4, Add(1)), (2, 3, Add(2)), (5, 6, Read(2))]));
    }

    #[test]
    fn a_stale_read_is_found() {
        assert!(!explained(&[(1, 2, Set(1)), (3, 4, Read(0))]));
        assert!(explained(&[(1, 3, Set(1)), (2, 4, Read(0))]));
    }

    #[test]
    fn a_change_that_two_readers_see_appear_and_disappear_is_found() {
        let seen_and_unseen = [(1, 10, Set(1)), (2, 3, Read(1)), (4, 5, Read(0))];
        assert!(!explained(&seen_and_unseen));
        assert!(explained(&[(1, 10, Set(1)), (2, 3, Read(0)), (4, 5, Read(1))]));
    }

    #[test]
    fn an_unanswered_operation_may_take_effect_at_any_time_or_never() {
        let unanswered = (1, 0, Add(5));
        for (reads, is_fine) in
            [([0, 0], true), ([0, 5], true), ([5, 5], true), ([5, 0], false), ([0, 10], false)]
        {
            let history = [unanswered, (2, 3, Read(reads[0])), (4, 5, Read(reads[1]))];
            assert_eq!(explained(&history), is_fine, "{reads:?}");
        }
    }

    #[test]
    fn an_operation_takes_no_effect_before_its_call() {
        assert!(!explained(&[(1, 2, Read(5)), (3, 0, Set(5))]));
        assert!(!explained(&[(1, 2, Read(5)), (3, 4, Set(5))]));
    }

    #[test]
    fn many_unanswered_operations_can_be_checked() {
        let mut history: Vec<_> = (1..=14).map(|nr| (nr, 0, Add(1 << nr))).collect();
        for nr in 0..20 {
            history.push((100 + 2 * nr, 101 + 2 * nr, Read(0b1010)));
        }
        assert!(explained(&history));
        history.push((200, 201, Read(1)));
        assert!(!explained(&history));
    }
}
