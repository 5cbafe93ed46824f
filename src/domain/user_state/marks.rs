//! Changes to marks.

use super::UserState;
use crate::domain::{App, Applied, MarkChange, Refusal};

impl UserState {
    /// Applies the items in order. If one is refused, the others are still applied.
    pub(in crate::domain) fn mark(
        &mut self,
        app: &App,
        changes: &[MarkChange],
        now: u64,
    ) -> Applied {
        let items = changes.iter().map(|change| self.mark_one(app, change, now)).collect();
        Applied { items, ..Applied::default() }
    }

    fn mark_one(&mut self, app: &App, change: &MarkChange, now: u64) -> Result<(), Refusal> {
        self.check_peer(app, &change.conversation)?;
        let bits = change.standard.unwrap_or_default();
        self.change(&app.limits, &change.conversation, now, |kept, _| {
            kept.standard = kept.standard.changed(bits);
            if let Some(custom) = &change.custom {
                kept.custom = custom.clone();
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use std::collections::HashMap;

    use super::*;
    use crate::domain::user_state::tests::{app, custom, peer, state};
    use crate::domain::{BitChange, Change, Counts, CustomMark, Directory, Presence, StandardMark};

    fn mark(
        state: &mut UserState,
        app: &App,
        changes: &[MarkChange],
        now: u64,
    ) -> Result<Vec<Result<(), Refusal>>, Refusal> {
        Change::Mark(changes.to_vec()).apply(state, app, now).map(|applied| applied.items)
    }

    #[track_caller]
    fn check_place(marked: u32, dead: u32, expected: Option<u32>) {
        let mut state = state(marked, 0, Presence::Unknown);
        let app = app(Directory::Open, 1000);
        state.load_taken(Counts { rows: marked, marked: marked - dead, ..Counts::default() });
        let outcome = mark(&mut state, &app, &[custom(peer(0), "x")], 7).unwrap();
        let refused = outcome[0].err();
        if let Some(count) = expected {
            assert_eq!((refused, state.numbers.counts.marked), (None, count));
        } else {
            assert_eq!(refused, Some(Refusal::TooManyMarked { max: 1000 }));
            assert!(!state.is_changed(), "a refused item changes nothing");
        }
    }

    #[test]
    fn the_last_free_place_can_be_taken_and_the_next_mark_is_refused() {
        check_place(998, 0, Some(999));
        check_place(999, 0, Some(1000));
        check_place(1000, 0, None);
    }

    #[test]
    fn a_conversation_with_a_deleted_user_takes_no_place() {
        check_place(1000, 1, Some(1001));
        check_place(1001, 1, None);
    }

    #[test]
    fn a_cleared_conversation_frees_its_place_within_one_call() {
        let mut state = state(1, 0, Presence::Unknown);
        let app = app(Directory::Open, 2);
        state.load_taken(Counts { rows: 1, marked: 1, ..Counts::default() });
        let changes = [
            custom(peer(0), "a"),
            custom(peer(1), "refused"),
            custom(peer(0), ""),
            custom(peer(1), "b"),
        ];
        let outcome = mark(&mut state, &app, &changes, 7).unwrap();
        assert_eq!(
            outcome.iter().map(Result::is_ok).collect::<Vec<_>>(),
            [true, false, true, true]
        );
        let kept = |nr| state.entries[&peer(nr)].after.clone().unwrap();
        assert!(kept(0).is_empty() && kept(0).position == Some(1), "the row and its position stay");
        assert_eq!(kept(1).position, Some(2));
        assert_eq!(state.numbers.counts.marked, 3, "both hold a place");
    }

    #[test]
    fn a_mark_without_effect_keeps_changed_at() {
        let mut state = state(0, 0, Presence::Unknown);
        let app = app(Directory::Open, 2);
        mark(&mut state, &app, &[custom(peer(0), "a")], 7).unwrap();
        mark(&mut state, &app, &[custom(peer(0), "a")], 8).unwrap();
        assert_eq!(state.entries[&peer(0)].after.as_ref().unwrap().changed_at, 7);
    }

    #[track_caller]
    fn check_directory(directory: Directory, owner: Presence, peer_is: Presence, expected: &str) {
        let mut state = UserState { owner, ..state(0, 0, peer_is) };
        let outcome = match mark(&mut state, &app(directory, 10), &[custom(peer(0), "x")], 7) {
            Err(Refusal::UnknownOwner) => "no owner",
            Err(_) => "unexpected",
            Ok(items) => items[0].as_ref().map_or("no peer", |()| "ok"),
        };
        assert_eq!(outcome, expected, "{directory:?}, owner {owner:?}, peer {peer_is:?}");
    }

    #[test]
    fn the_directory_mode_decides_which_ids_must_exist() {
        use Directory::{Open, Owners, Strict};
        use Presence::{Gone, Present, Unknown};
        check_directory(Open, Unknown, Unknown, "ok");
        check_directory(Open, Gone, Present, "no owner");
        check_directory(Open, Present, Gone, "no peer");
        check_directory(Owners, Unknown, Present, "no owner");
        check_directory(Owners, Gone, Present, "no owner");
        check_directory(Owners, Present, Unknown, "ok");
        check_directory(Owners, Present, Gone, "no peer");
        check_directory(Strict, Unknown, Present, "no owner");
        check_directory(Strict, Present, Unknown, "no peer");
        check_directory(Strict, Present, Gone, "no peer");
        check_directory(Strict, Present, Present, "ok");
    }

    proptest! {
        /// Compares with a simple model: a map from peer to (mask, text).
        #[test]
        fn marks_behave_like_a_plain_map(
            items in prop::collection::vec((0..6_usize, any::<Option<(u8, u8)>>(), prop::option::of("[ab]?")), 0..60),
            limit in 1..5_usize,
        ) {
            let app = app(Directory::Open, u32::try_from(limit).unwrap());
            let mut state = state(0, 0, Presence::Unknown);
            let mut model: HashMap<usize, (u64, String)> = HashMap::new();
            for (nr, bits, text) in items {
                let bits = bits.map(|(set, clear)| BitChange {
                    set: StandardMark::new(set.into()),
                    clear: StandardMark::new(clear.into()),
                });
                let change = MarkChange {
                    conversation: peer(nr),
                    standard: bits,
                    custom: text.as_deref().map(|text| CustomMark::parse(text, 256).unwrap()),
                };
                let (mut mask, mut custom) = model.get(&nr).cloned().unwrap_or_default();
                if let Some(bits) = bits {
                    mask = (mask | bits.set.bits()) & !bits.clear.bits();
                }
                custom = text.unwrap_or(custom);
                let full = !model.contains_key(&nr) && model.len() >= limit;
                let something = mask != 0 || !custom.is_empty();

                let outcome = mark(&mut state, &app, &[change], 7).unwrap().remove(0);
                prop_assert_eq!(outcome.is_err(), full && something);
                if !something {
                    model.remove(&nr);
                } else if !full {
                    model.insert(nr, (mask, custom));
                }
                let taken = state.numbers.counts.minus(state.exempt);
                prop_assert_eq!(taken.marked as usize, model.len());
                for nr in 0..6 {
                    let (mask, text) = model.get(&nr).cloned().unwrap_or_default();
                    let kept = state.entries[&peer(nr)].after.clone().unwrap_or_default();
                    prop_assert_eq!(kept.standard.bits(), mask);
                    prop_assert_eq!(kept.custom.as_str(), text);
                    prop_assert_eq!(kept.is_marked(), model.contains_key(&nr));
                }
            }
        }
    }
}
