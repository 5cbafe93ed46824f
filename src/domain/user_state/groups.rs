//! Changes to contact groups.

use super::{UserState, take};
use crate::domain::{
    App, Applied, ContactGroup, ContactGroupName, Conversation, MemberChange, Refusal,
};

impl UserState {
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
        let items = conversations
            .iter()
            .map(|conversation| self.change_member(app, &group, conversation, true, now))
            .collect();
        Ok(Applied { items, group: Some(group) })
    }

    /// The new name may equal the old one.
    pub(in crate::domain) fn rename_group(
        &mut self,
        old: &ContactGroupName,
        new: &ContactGroupName,
    ) -> Result<Applied, Refusal> {
        let group = ContactGroup { name: new.clone(), ..self.group(old)?.clone() };
        if self.group(new).is_ok_and(|taken| taken.id != group.id) {
            return Err(Refusal::ContactGroupNameTaken);
        }
        for other in self.groups.iter_mut().filter(|other| other.id == group.id) {
            other.name = new.clone();
        }
        Ok(Applied { items: Vec::new(), group: Some(group) })
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
        Ok(Applied { items, group: Some(group) })
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
        Ok(Applied { items: Vec::new(), group: Some(group) })
    }

    fn group(&self, name: &ContactGroupName) -> Result<&ContactGroup, Refusal> {
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
        let rename = |old, new| Change::RenameGroup { old: name(old), new: name(new) };
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

    /// Two writes in one commit may cancel out. The client still gets the number, so it must not be reused.
    #[test]
    fn the_number_of_a_contact_group_deleted_in_the_same_commit_is_not_reused() {
        let state = check(&[create("a", &[]), Change::DeleteGroup(name("a"))], &["1: ", "1: "]);
        assert!(!state.entries.values().any(Entry::is_changed));
        assert!(state.is_changed());
        assert_eq!(state.numbers.next_group_id, 2);
    }
}
