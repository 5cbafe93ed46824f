//! Changes to contact groups.

use super::{UserState, take};
use crate::domain::{
    App, Applied, ContactGroup, ContactGroupName, Conversation, MemberChange, Refusal,
};

impl UserState {
    /// Deleted and renamed contact groups.
    pub fn groups_to_delete(&self) -> impl Iterator<Item = &ContactGroup> {
        let stays = |stored: &ContactGroup| self.groups.iter().any(|group| group.id == stored.id);
        self.stored_groups
            .iter()
            .filter(move |stored| !stays(stored) || self.renamed.contains(&stored.id))
    }

    /// New and renamed contact groups.
    pub fn groups_to_insert(&self) -> impl Iterator<Item = &ContactGroup> {
        self.groups
            .iter()
            .filter(|group| self.stored(group).is_none() || self.renamed.contains(&group.id))
    }

    /// Contact groups of which nothing but the rank has changed.
    pub fn groups_to_rank(&self) -> impl Iterator<Item = &ContactGroup> {
        let is_moved = |group: &ContactGroup| {
            self.stored(group).is_some_and(|stored| stored.rank != group.rank)
        };
        self.groups.iter().filter(move |group| is_moved(group) && !self.renamed.contains(&group.id))
    }

    fn stored(&self, group: &ContactGroup) -> Option<&ContactGroup> {
        self.stored_groups.iter().find(|stored| stored.id == group.id)
    }

    /// Creates the contact group even if some of its conversations are refused.
    pub(in crate::domain) fn create_group(
        &mut self,
        app: &App,
        name: &ContactGroupName,
        conversations: &[Conversation],
        now: u64,
    ) -> Result<Applied, Refusal> {
        if self.group(name).is_ok() {
            return Err(Refusal::ContactGroupNameTaken);
        }
        let max = app.limits.groups;
        if u32::try_from(self.groups.len()).is_ok_and(|count| count >= max) {
            return Err(Refusal::TooManyContactGroups { max });
        }
        let id = take(&mut self.numbers.next_group_id)?;
        let group = ContactGroup { id, name: name.clone(), rank: None };
        self.groups.push(group.clone());
        self.note_groups_edit();
        let items = conversations
            .iter()
            .map(|conversation| self.change_member(app, &group, conversation, true, now))
            .collect();
        Ok(Applied { items, group: Some(group), is_new: true })
    }

    /// Creates the contact group unless the user has it.
    pub(in crate::domain) fn put_group(
        &mut self,
        app: &App,
        name: &ContactGroupName,
        now: u64,
    ) -> Result<Applied, Refusal> {
        match self.group(name) {
            Ok(group) => Ok(Applied { group: Some(group.clone()), ..Applied::default() }),
            Err(_) => self.create_group(app, name, &[], now),
        }
    }

    /// Renames the contact group, moves it, or both. The new name may equal the old one.
    pub(in crate::domain) fn edit_group(
        &mut self,
        name: &ContactGroupName,
        new_name: Option<&ContactGroupName>,
        index: Option<u32>,
    ) -> Result<Applied, Refusal> {
        let id = self.group(name)?.id;
        let new_name = new_name.unwrap_or(name);
        if self.group(new_name).is_ok_and(|taken| taken.id != id) {
            return Err(Refusal::ContactGroupNameTaken);
        }
        if new_name != name {
            for group in self.groups.iter_mut().filter(|group| group.id == id) {
                group.name = new_name.clone();
            }
            self.renamed.insert(id);
            self.note_groups_edit();
        }
        if let Some(index) = index {
            self.move_group(id, index);
        }
        let group = self.group(new_name)?.clone();
        Ok(Applied { group: Some(group), ..Applied::default() })
    }

    /// Gives all contact groups a rank if their order changes.
    fn move_group(&mut self, id: u32, index: u32) {
        self.groups.sort_by_key(|group| (group.rank.unwrap_or(u32::MAX), group.id));
        let Some(old) = self.groups.iter().position(|group| group.id == id) else { return };
        let last = self.groups.len() - 1;
        let new = usize::try_from(index).map_or(last, |index| index.min(last));
        if new == old {
            return;
        }
        let group = self.groups.remove(old);
        self.groups.insert(new, group);
        for (group, rank) in self.groups.iter_mut().zip(1..) {
            group.rank = Some(rank);
        }
        self.note_groups_edit();
    }

    /// Adds and removes conversations in order. Adding a member again and removing a non-member succeed.
    pub(in crate::domain) fn change_members(
        &mut self,
        app: &App,
        name: &ContactGroupName,
        changes: &[MemberChange],
        now: u64,
    ) -> Result<Applied, Refusal> {
        let group = self.group(name)?.clone();
        let items = changes
            .iter()
            .map(|MemberChange { conversation, member }| {
                self.change_member(app, &group, conversation, *member, now)
            })
            .collect();
        Ok(Applied { items, group: Some(group), is_new: false })
    }

    /// Removes the membership of all conversations, also of those with deleted users or destroyed chat groups.
    pub(in crate::domain) fn delete_group(
        &mut self,
        app: &App,
        name: &ContactGroupName,
        now: u64,
    ) -> Result<Applied, Refusal> {
        let group = self.group(name)?.clone();
        let members: Vec<Conversation> = self
            .entries
            .iter()
            .filter(|(_, entry)| {
                entry.after.as_ref().is_some_and(|kept| kept.group_ids.contains(&group.id))
            })
            .map(|(conversation, _)| conversation.clone())
            .collect();
        for conversation in &members {
            self.change(&app.limits, conversation, now, |kept, _| {
                kept.group_ids.retain(|id| *id != group.id);
                Ok(())
            })?;
        }
        self.groups.retain(|other| other.id != group.id);
        self.note_groups_edit();
        Ok(Applied { group: Some(group), ..Applied::default() })
    }

    pub(super) fn group(&self, name: &ContactGroupName) -> Result<&ContactGroup, Refusal> {
        self.groups.iter().find(|group| group.name == *name).ok_or(Refusal::UnknownContactGroup)
    }

    fn change_member(
        &mut self,
        app: &App,
        group: &ContactGroup,
        conversation: &Conversation,
        member: bool,
        now: u64,
    ) -> Result<(), Refusal> {
        self.check_peer(app, conversation)?;
        self.change(&app.limits, conversation, now, |kept, _| {
            kept.group_ids.retain(|id| *id != group.id);
            if member {
                kept.group_ids.push(group.id);
                kept.group_ids.sort_unstable();
            }
            Ok(())
        })
        .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::user_state::tests::{app, peer, state};
    use crate::domain::{Change, Directory, Entry, Presence};
    use crate::limits::Limits;

    fn name(text: &str) -> ContactGroupName {
        ContactGroupName::parse(text).unwrap()
    }

    fn small_app() -> App {
        let limits = Limits { groups: 2, grouped: 2, ..Limits::default() };
        App { limits, ..app(Directory::Open, 10) }
    }

    fn create(text: &str, peers: &[usize]) -> Change {
        Change::CreateGroup(name(text), peers.iter().map(|nr| peer(*nr)).collect())
    }

    fn add(text: &str, nr: usize) -> Change {
        let change = MemberChange { conversation: peer(nr), member: true };
        Change::ChangeMembers(name(text), vec![change])
    }

    fn edit(text: &str, new_name: Option<&str>, index: Option<u32>) -> Change {
        Change::EditGroup { name: name(text), new_name: new_name.map(name), index }
    }

    /// Compares each outcome: the contact group's number and its items, or the refusal.
    #[track_caller]
    fn check(changes: &[Change], expected: &[&str]) -> UserState {
        let (app, mut state) = (small_app(), state(0, 0, Presence::Unknown));
        let shown: Vec<String> = changes
            .iter()
            .map(|change| match change.apply(&mut state, &app, 7) {
                Err(refusal) => format!("{refusal:?}"),
                Ok(applied) => {
                    let items: Vec<_> = applied
                        .items
                        .iter()
                        .map(|item| {
                            item.map_or_else(|refusal| format!("{refusal:?}"), |()| "ok".into())
                        })
                        .collect();
                    format!("{}: {}", applied.group.unwrap().id, items.join(", "))
                }
            })
            .collect();
        assert_eq!(shown, expected);
        state
    }

    #[test]
    fn the_number_of_a_deleted_contact_group_is_not_reused() {
        check(
            &[create("a", &[]), Change::DeleteGroup(name("a")), create("a", &[])],
            &["1: ", "1: ", "2: "],
        );
    }

    #[test]
    fn a_user_can_have_as_many_contact_groups_as_the_limit() {
        check(
            &[create("a", &[]), create("b", &[]), create("c", &[]), create("a", &[])],
            &["1: ", "2: ", "TooManyContactGroups { max: 2 }", "ContactGroupNameTaken"],
        );
    }

    #[test]
    fn a_conversation_counts_once_even_in_several_contact_groups() {
        check(
            &[create("a", &[0, 1]), create("b", &[0, 1, 2]), add("a", 0)],
            &["1: ok, ok", "2: ok, ok, TooManyGrouped { max: 2 }", "1: ok"],
        );
    }

    #[test]
    fn deleting_a_contact_group_frees_places_of_conversations_in_no_other() {
        let state = check(
            &[create("a", &[0, 1]), create("b", &[1]), Change::DeleteGroup(name("a")), add("b", 2)],
            &["1: ok, ok", "2: ok", "1: ", "2: ok"],
        );
        assert_eq!(state.numbers.counts.grouped, 2);
        let kept = |nr| state.entries[&peer(nr)].after.clone().unwrap();
        assert!(kept(0).is_empty());
        assert_eq!(kept(1).group_ids, [2]);
    }

    #[test]
    fn a_contact_group_can_be_renamed_to_its_own_name_but_not_to_a_taken_one() {
        let rename = |old, new| edit(old, Some(new), None);
        check(
            &[
                create("a", &[]),
                create("b", &[]),
                rename("a", "a"),
                rename("a", "b"),
                rename("x", "y"),
            ],
            &["1: ", "2: ", "1: ", "ContactGroupNameTaken", "UnknownContactGroup"],
        );
    }

    #[track_caller]
    fn assert_order(state: &UserState, expected: &[(&str, Option<u32>)]) {
        let shown = state.groups.iter().map(|group| (group.name.as_str(), group.rank));
        assert_eq!(shown.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn moving_a_contact_group_ranks_all_of_them() {
        let state = check(
            &[create("a", &[]), create("b", &[]), edit("b", Some("c"), Some(0))],
            &["1: ", "2: ", "2: "],
        );
        assert_order(&state, &[("c", Some(1)), ("a", Some(2))]);
    }

    #[test]
    fn a_move_beyond_the_end_is_one_to_the_end() {
        let state = check(
            &[create("a", &[]), create("b", &[]), edit("a", None, Some(u32::MAX))],
            &["1: ", "2: ", "1: "],
        );
        assert_order(&state, &[("b", Some(1)), ("a", Some(2))]);
    }

    #[test]
    fn a_move_to_its_own_place_and_a_put_of_what_is_there_change_nothing() {
        let before = check(&[create("a", &[]), create("b", &[])], &["1: ", "2: "]);
        let mut after = before.clone();
        for change in
            [edit("b", Some("b"), Some(1)), edit("a", None, None), Change::PutGroup(name("a"))]
        {
            let applied = change.apply(&mut after, &small_app(), 7).unwrap();
            assert!(!applied.is_new);
        }
        assert_eq!((after.edits(), &after.groups), (before.edits(), &before.groups));
    }

    #[test]
    fn a_put_of_a_new_name_creates_and_obeys_the_limit() {
        let put = |text| Change::PutGroup(name(text));
        check(&[put("a"), put("b"), put("c")], &["1: ", "2: ", "TooManyContactGroups { max: 2 }"]);
    }

    /// A client was told that its change was made, so the undone change must reach it.
    #[test]
    fn a_change_that_the_same_commit_undoes_is_saved() {
        let mut state = state(0, 0, Presence::Unknown);
        let group = |id, text| ContactGroup { id, name: name(text), rank: None };
        state.load_groups(vec![group(1, "a"), group(2, "b")]);
        for change in [edit("a", Some("c"), None), edit("c", Some("a"), None)] {
            change.apply(&mut state, &small_app(), 7).unwrap();
        }
        let names = |groups: Vec<&ContactGroup>| -> Vec<_> {
            groups.iter().map(|group| group.name.as_str().to_owned()).collect()
        };
        assert!(state.is_changed() && state.changes_groups());
        assert_eq!(names(state.groups_to_delete().collect()), ["a"]);
        assert_eq!(names(state.groups_to_insert().collect()), ["a"]);
        assert_eq!(state.groups_to_rank().count(), 0);
    }

    #[test]
    fn a_contact_group_whose_rank_alone_has_changed_keeps_its_row() {
        let mut state = state(0, 0, Presence::Unknown);
        let group = |id, text| ContactGroup { id, name: name(text), rank: None };
        state.load_groups(vec![group(1, "a"), group(2, "b")]);
        edit("b", Some("c"), Some(0)).apply(&mut state, &small_app(), 7).unwrap();
        let ids =
            |groups: Vec<&ContactGroup>| groups.iter().map(|group| group.id).collect::<Vec<_>>();
        assert_eq!(ids(state.groups_to_delete().collect()), [2]);
        assert_eq!(ids(state.groups_to_insert().collect()), [2]);
        assert_eq!(ids(state.groups_to_rank().collect()), [1]);
    }

    /// Two writes in one commit may cancel out. The client still gets the number, so it must not be reused.
    #[test]
    fn the_number_of_a_contact_group_deleted_in_the_same_commit_is_not_reused() {
        let state = check(&[create("a", &[]), Change::DeleteGroup(name("a"))], &["1: ", "1: "]);
        assert!(!state.entries.values().any(Entry::is_changed));
        assert!(state.is_changed());
        assert_eq!(state.numbers.next_group_id, 2);
    }
}
