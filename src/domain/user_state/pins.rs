//! Pins, and clearing all state of a conversation.

use super::{ConversationState, UserState, take};
use crate::domain::{App, Applied, Conversation, Refusal};

impl UserState {
    /// A conversation that is already pinned keeps its position.
    pub(in crate::domain) fn pin(
        &mut self,
        app: &App,
        conversations: &[Conversation],
        now: u64,
    ) -> Applied {
        self.change_each(app, conversations, now, |kept, next_position| {
            if kept.pin_position.is_none() {
                kept.pin_position = Some(take(next_position)?);
            }
            Ok(())
        })
    }

    /// Unpinning a conversation that is not pinned succeeds.
    pub(in crate::domain) fn unpin(
        &mut self,
        app: &App,
        conversations: &[Conversation],
        now: u64,
    ) -> Applied {
        self.change_each(app, conversations, now, |kept, _| {
            kept.pin_position = None;
            Ok(())
        })
    }

    fn change_each(
        &mut self,
        app: &App,
        conversations: &[Conversation],
        now: u64,
        edit: fn(&mut ConversationState, &mut u32) -> Result<(), Refusal>,
    ) -> Applied {
        let items = conversations
            .iter()
            .map(|conversation| {
                self.check_peer(app, conversation)?;
                self.change(&app.limits, conversation, now, edit)
            })
            .collect();
        Applied { items, ..Applied::default() }
    }

    /// Clears marks, contact groups and pin. Also works if the other user is deleted or the chat group destroyed.
    pub(in crate::domain) fn forget(
        &mut self,
        app: &App,
        conversation: &Conversation,
        now: u64,
    ) -> Result<Applied, Refusal> {
        self.change(&app.limits, conversation, now, |kept, _| {
            (kept.standard, kept.custom) = Default::default();
            kept.group_ids.clear();
            kept.pin_position = None;
            Ok(())
        })?;
        Ok(Applied { items: vec![Ok(())], ..Applied::default() })
    }
}

#[cfg(test)]
mod tests {
    use crate::domain::user_state::tests::{app, custom, peer, state};
    use crate::domain::{
        App, Change, ConversationState, Counts, CustomMark, Directory, Entry, Presence,
    };
    use crate::limits::Limits;

    fn check(changes: &[Change], expected: &[&[bool]]) -> crate::domain::UserState {
        let limits = Limits { pinned: 2, ..Limits::default() };
        let (app, mut state) =
            (App { limits, ..app(Directory::Open, 10) }, state(0, 0, Presence::Unknown));
        for (change, expected) in changes.iter().zip(expected) {
            let applied = change.apply(&mut state, &app, 7).unwrap();
            assert_eq!(applied.items.iter().map(Result::is_ok).collect::<Vec<_>>(), *expected);
        }
        state
    }

    #[test]
    fn a_user_can_pin_as_many_conversations_as_the_limit() {
        let state = check(
            &[
                Change::Pin(vec![peer(0), peer(1), peer(2), peer(0)]),
                Change::Unpin(vec![peer(1), peer(5)]),
                Change::Pin(vec![peer(2)]),
            ],
            &[&[true, true, false, true], &[true, true], &[true]],
        );
        assert_eq!(state.numbers.counts.pinned, 2);
        let pin = |nr| state.entries[&peer(nr)].after.as_ref().unwrap().pin_position;
        assert!(pin(0) < pin(2));
    }

    #[test]
    fn clearing_the_marks_keeps_the_pin() {
        let state = check(
            &[
                Change::Pin(vec![peer(0)]),
                Change::Mark(vec![custom(peer(0), "x")]),
                Change::Mark(vec![custom(peer(0), "")]),
            ],
            &[&[true], &[true], &[true]],
        );
        let kept = state.entries[&peer(0)].after.as_ref().unwrap();
        assert!(kept.is_pinned() && !kept.is_marked() && kept.holds_place);
    }

    #[test]
    fn forgetting_leaves_an_empty_row_that_still_holds_a_place() {
        let state = check(
            &[
                Change::Mark(vec![custom(peer(0), "x")]),
                Change::Pin(vec![peer(0)]),
                Change::Forget(peer(0)),
                Change::Forget(peer(1)),
            ],
            &[&[true], &[true], &[true], &[true]],
        );
        let kept = state.entries[&peer(0)].after.as_ref().unwrap();
        assert!(kept.is_empty() && kept.holds_place && kept.position.is_some());
        assert!(!state.entries[&peer(1)].is_changed(), "there was nothing to forget");
        let counts = Counts { rows: 1, marked: 1, ..Counts::default() };
        assert_eq!(state.numbers.counts, counts);
    }

    /// Writes in one commit change the same state. A row with a deleted user is exempt from the limit, so clearing it
    /// must not free a place for the next write.
    #[test]
    fn forgetting_a_conversation_with_a_deleted_user_frees_no_place() {
        let app = app(Directory::Open, 2);
        let mut state = state(2, 0, Presence::Unknown);
        let kept = ConversationState {
            custom: CustomMark::parse("x", 256).unwrap(),
            holds_place: true,
            position: Some(1),
            ..ConversationState::default()
        };
        state.numbers.counts.marked += 1;
        state.entries.remove(&peer(0));
        state.load_entry(peer(0), Entry::loaded(Some(kept), Presence::Gone));
        state.load_taken(Counts { rows: 2, marked: 2, ..Counts::default() });
        Change::Forget(peer(0)).apply(&mut state, &app, 7).unwrap();
        let applied = Change::Mark(vec![custom(peer(1), "x")]).apply(&mut state, &app, 7).unwrap();
        assert!(applied.items[0].is_err(), "two other conversations fill the limit");
        assert_eq!(state.numbers.counts.marked, 3);
    }
}
