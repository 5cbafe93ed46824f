//! Patches of conversations.

use super::{UserState, take};
use crate::domain::{App, Applied, ContactGroupName, Patch, Refusal};

impl UserState {
    /// Applies the patches in order. If one is refused, it changes nothing, and the others are still applied.
    pub(in crate::domain) fn patch(&mut self, app: &App, patches: &[Patch], now: u64) -> Applied {
        let items = patches.iter().map(|patch| self.patch_one(app, patch, now)).collect();
        Applied { items, ..Applied::default() }
    }

    fn patch_one(&mut self, app: &App, patch: &Patch, now: u64) -> Result<(), Refusal> {
        self.check_peer(app, &patch.conversation)?;
        let (added, removed) =
            (self.group_ids(&patch.add_to)?, self.group_ids(&patch.remove_from)?);
        self.change(&app.limits, &patch.conversation, now, |kept, next_position| {
            kept.standard = kept.standard.changed(patch.bits);
            if let Some(custom) = &patch.custom {
                kept.custom = custom.clone();
            }
            kept.group_ids.extend(added);
            kept.group_ids.sort_unstable();
            kept.group_ids.dedup();
            kept.group_ids.retain(|id| !removed.contains(id));
            match patch.pinned {
                Some(true) if kept.pin_position.is_none() => {
                    kept.pin_position = Some(take(next_position)?);
                }
                Some(false) => kept.pin_position = None,
                Some(true) | None => {}
            }
            Ok(())
        })
    }

    fn group_ids(&self, names: &[ContactGroupName]) -> Result<Vec<u32>, Refusal> {
        names.iter().map(|name| Ok(self.group(name)?.id)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user_state::tests::{app, peer, state};
    use crate::domain::{
        BitChange, Change, CustomMark, Directory, Edition, Growth, MarkChange, Presence,
        StandardMark,
    };
    use crate::limits::Limits;

    fn name(text: &str) -> ContactGroupName {
        ContactGroupName::parse(text).unwrap()
    }

    fn nothing(nr: usize) -> Patch {
        Patch {
            conversation: peer(nr),
            bits: BitChange::default(),
            custom: None,
            add_to: Vec::new(),
            remove_from: Vec::new(),
            pinned: None,
        }
    }

    fn bits(set: u64) -> BitChange {
        BitChange { set: StandardMark::new(set), clear: StandardMark::default() }
    }

    /// Changes all that a patch can change.
    fn everything(nr: usize) -> Patch {
        Patch {
            bits: bits(1),
            custom: Some(CustomMark::parse("x", 256).unwrap()),
            add_to: vec![name("a"), name("a")],
            pinned: Some(true),
            ..nothing(nr)
        }
    }

    fn small_app() -> App {
        let limits = Limits { marked: 2, grouped: 2, pinned: 1, ..Limits::default() };
        App { limits, ..app(Directory::Open, 2) }
    }

    /// Applies patches for a user with the contact groups a and b.
    fn patched(patches: Vec<Patch>) -> (UserState, Vec<Result<(), Refusal>>) {
        let (app, mut state) = (small_app(), state(0, 0, Presence::Unknown));
        for group in ["a", "b"] {
            Change::PutGroup(name(group)).apply(&mut state, &app, 7).unwrap();
        }
        let applied = Change::Patch(patches).apply(&mut state, &app, 7).unwrap();
        (state, applied.items)
    }

    #[test]
    fn a_patch_changes_everything_at_once() {
        let (state, items) = patched(vec![everything(0)]);
        assert_eq!(items, [Ok(())]);
        let kept = state.entries[&peer(0)].after.as_ref().unwrap();
        assert_eq!((kept.standard.bits(), kept.custom.as_str()), (1, "x"));
        assert_eq!(kept.group_ids, [1]);
        assert!(kept.is_pinned());
    }

    #[test]
    fn a_patch_is_refused_as_a_whole_and_leaves_the_others() {
        let unknown = Patch { remove_from: vec![name("c")], ..everything(1) };
        let second_pin = everything(2);
        let last = Patch { remove_from: vec![name("a")], pinned: Some(false), ..nothing(0) };
        let (state, items) = patched(vec![everything(0), unknown, second_pin, last]);
        let refusals = [
            None,
            Some(Refusal::UnknownContactGroup),
            Some(Refusal::TooManyPinned { max: 1 }),
            None,
        ];
        assert_eq!(items.iter().map(|item| item.err()).collect::<Vec<_>>(), refusals);
        assert!([1, 2].iter().all(|nr| state.entries[&peer(*nr)].after.is_none()));
        let kept = state.entries[&peer(0)].after.as_ref().unwrap();
        assert!(kept.is_marked() && !kept.is_grouped() && !kept.is_pinned());
    }

    #[test]
    fn a_patch_that_is_applied_again_changes_nothing() {
        let (mut state, _) = patched(vec![everything(0)]);
        let before = (state.edits(), state.numbers);
        Change::Patch(vec![everything(0)]).apply(&mut state, &small_app(), 8).unwrap();
        assert_eq!((state.edits(), state.numbers), before);
    }

    #[test]
    fn patches_that_only_mark_take_the_fast_path() {
        let marks = Patch { add_to: Vec::new(), pinned: None, ..everything(0) };
        let expected = MarkChange {
            conversation: peer(0),
            standard: Some(bits(1)),
            custom: marks.custom.clone(),
        };
        assert_eq!(Change::of_patches(vec![marks.clone()]), Change::Mark(vec![expected]));
        for other in [
            Patch { add_to: vec![name("a")], ..nothing(1) },
            Patch { remove_from: vec![name("a")], ..nothing(1) },
            Patch { pinned: Some(false), ..nothing(1) },
        ] {
            let both = vec![marks.clone(), other];
            assert_eq!(Change::of_patches(both.clone()), Change::Patch(both));
        }
    }

    #[test]
    fn a_patch_needs_what_its_parts_need() {
        let standard = App { edition: Edition::Standard, ..small_app() };
        let custom = CustomMark::parse("x", 256).unwrap();
        let cleared = BitChange { set: StandardMark::default(), clear: StandardMark::new(1) };
        let [marked, grouped, pinned] =
            [(true, false, false), (false, true, false), (false, false, true)]
                .map(|(marked, grouped, pinned)| Growth { marked, grouped, pinned });
        for (patch, growth, needs_edition, needs_groups) in [
            (Patch { bits: bits(1), ..nothing(0) }, marked, true, false),
            (Patch { bits: cleared, ..nothing(0) }, Growth::default(), true, false),
            (Patch { custom: Some(custom), ..nothing(0) }, marked, false, false),
            (
                Patch { custom: Some(CustomMark::default()), ..nothing(0) },
                Growth::default(),
                false,
                false,
            ),
            (Patch { add_to: vec![name("a")], ..nothing(0) }, grouped, true, true),
            (Patch { remove_from: vec![name("a")], ..nothing(0) }, Growth::default(), true, true),
            (Patch { pinned: Some(true), ..nothing(0) }, pinned, false, false),
            (Patch { pinned: Some(false), ..nothing(0) }, Growth::default(), false, false),
        ] {
            let change = Change::Patch(vec![patch]);
            assert_eq!(change.growth(), growth, "{change:?}");
            assert_eq!(change.check_edition(&standard).is_err(), needs_edition, "{change:?}");
            assert_eq!(change.needs_groups(), needs_groups, "{change:?}");
        }
    }
}
