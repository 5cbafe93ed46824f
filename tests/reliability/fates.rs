//! What became of the mortal: a chat group and an account that the directory lets die and come back. That is no part of
//! any user's state, so all that is known of it is when it may have been how.

use crate::model::Dead;

/// A call that let a mortal die, or brought it back.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Fate {
    pub(crate) called: u64,
    /// `None`: the answer never came, so it may happen at any time after.
    pub(crate) returned: Option<u64>,
    pub(crate) dies: bool,
}

/// What a mortal may have been at some moment from `from` to `to`: dead, alive, or either. Its fates follow one another.
fn possible(fates: &[Fate], from: u64, to: u64) -> Vec<bool> {
    let before = fates.iter().rfind(|fate| fate.returned.is_some_and(|moment| moment < from));
    let settled = before.is_some_and(|fate| fate.dies);
    let begun = fates.iter().filter(|fate| fate.called <= to);
    let meanwhile = begun.filter(|fate| fate.returned.is_none_or(|moment| moment >= from));
    let mut all: Vec<_> = meanwhile.map(|fate| fate.dies).collect();
    all.push(settled);
    all.sort_unstable();
    all.dedup();
    all
}

/// All that the mortal may have been during an operation.
pub(crate) fn possibly_dead(fates: &[Vec<Fate>; 2], from: u64, to: u64) -> Vec<Dead> {
    let [group, account] = fates.each_ref().map(|fates| possible(fates, from, to));
    let pairs = || {
        let account = &account;
        group.iter().flat_map(move |group| account.iter().map(move |account| [*group, *account]))
    };
    pairs()
        .flat_map(|at_look_up| pairs().map(move |at_count| Dead { at_look_up, at_count }))
        .collect()
}

#[test]
fn what_a_mortal_may_have_been_is_known() {
    let fate = |called, returned, dies| Fate { called, returned, dies };
    let fates = [fate(10, Some(20), true), fate(30, Some(40), false), fate(50, None, true)];
    for (from, to, expected) in [
        (0, 5, &[false][..]),
        (0, 15, &[false, true]),
        (15, 18, &[false, true]),
        (22, 25, &[true]),
        (25, 35, &[false, true]),
        (42, 45, &[false]),
        (60, 61, &[false, true]),
    ] {
        assert_eq!(possible(&fates, from, to), expected, "{from} to {to}");
    }
}
