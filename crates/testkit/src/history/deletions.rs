//! Deletions of a chat group and of an account from the directory while clients call. The directory is not part of any user's
//! state, so the tests only know when a deletion may have taken effect.

use crate::model::Deleted;

/// A call that deleted an entry of the directory, or created it again.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DirectoryCall {
    pub(crate) called: u64,
    /// `None` if the call was never answered. It may then take effect at any later time.
    pub(crate) returned: Option<u64>,
    pub(crate) deletes: bool,
}

/// Whether an entry may have been deleted at some moment from `from` to `to`. Its calls do not overlap.
fn possible(calls: &[DirectoryCall], from: u64, to: u64) -> Vec<bool> {
    let before = calls.iter().rfind(|call| call.returned.is_some_and(|moment| moment < from));
    let settled = before.is_some_and(|call| call.deletes);
    let begun = calls.iter().filter(|call| call.called <= to);
    let meanwhile = begun.filter(|call| call.returned.is_none_or(|moment| moment >= from));
    let mut all: Vec<_> = meanwhile.map(|call| call.deletes).collect();
    all.push(settled);
    all.sort_unstable();
    all.dedup();
    all
}

/// All states that the two entries may have had during an operation.
pub(crate) fn possible_deletions(
    calls: &[Vec<DirectoryCall>; 2],
    from: u64,
    to: u64,
) -> Vec<Deleted> {
    let [group, account] = calls.each_ref().map(|calls| possible(calls, from, to));
    let pairs = || {
        let account = &account;
        group.iter().flat_map(move |group| account.iter().map(move |account| [*group, *account]))
    };
    pairs()
        .flat_map(|at_look_up| pairs().map(move |at_count| Deleted { at_look_up, at_count }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_possible_states_of_an_entry_are_known() {
        let call = |called, returned, deletes| DirectoryCall { called, returned, deletes };
        let calls = [call(10, Some(20), true), call(30, Some(40), false), call(50, None, true)];
        for (from, to, expected) in [
            (0, 5, &[false][..]),
            (0, 15, &[false, true]),
            (15, 18, &[false, true]),
            (22, 25, &[true]),
            (25, 35, &[false, true]),
            (42, 45, &[false]),
            (60, 61, &[false, true]),
        ] {
            assert_eq!(possible(&calls, from, to), expected, "{from} to {to}");
        }
    }
}
