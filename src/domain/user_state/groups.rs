//! Contact groups.

use super::{UserState, take};
use crate::domain::{App, Applied, ContactGroup, ContactGroupName, Conversation, MemberChange};
use crate::error::Error;

impl UserState {
    /// Makes a group. Conversations that are refused do not spoil it.
    pub(in crate::domain) fn create_group(
        &mut self,
        app: &App,
        name: &ContactGroupName,
        conversations: &[Conversation],
        now: u64,
    ) -> Result<Applied, Error> {
        if self.group(name).is_ok() {
            return Err(Error::GroupNameTaken { path: "GroupName" });
        }
        let max = app.limits.groups;
        if u32::try_from(self.groups.len()).is_ok_and(|count| count >= max) {
            return Err(Error::TooManyGroups { path: "GroupName", max });
        }
        let group = ContactGroup { id: take(&mut self.numbers.next_group_id)?, name: name.clone() };
        self.groups.push(group.clone());
        let items = conversations
            .iter()
            .map(|conversation| self.change_member(app, &group, conversation, true, now))
            .collect();
        Ok(Applied { items, group: Some(group) })
    }

    /// Gives a group another name, which may be the one it has.
    pub(in crate::domain) fn rename_group(
        &mut self,
        old: &ContactGroupName,
        new: &ContactGroupName,
    ) -> Result<Applied, Error> {
        let group = ContactGroup { id: self.group(old)?.id, name: new.clone() };
        if self.group(new).is_ok_and(|taken| taken.id != group.id) {
            return Err(Error::GroupNameTaken { path: "GroupName" });
        }
        for other in self.groups.iter_mut().filter(|other| other.id == group.id) {
            other.name = new.clone();
        }
        Ok(Applied { items: Vec::new(), group: Some(group) })
    }

    /// Puts conversations into a group and takes others out, in order. To be in or out already is fine.
    pub(in crate::domain) fn change_members(
        &mut self,
        app: &App,
        name: &ContactGroupName,
        changes: &[MemberChange],
        now: u64,
    ) -> Result<Applied, Error> {
        let group = self.group(name)?.clone();
        let items = changes
            .iter()
            .map(|MemberChange { conversation, member }| {
                self.change_member(app, &group, conversation, *member, now)
            })
            .collect();
        Ok(Applied { items, group: Some(group) })
    }

    /// Ends a group. Its conversations stay, those with the dead included: only the membership goes.
    pub(in crate::domain) fn delete_group(
        &mut self,
        app: &App,
        name: &ContactGroupName,
        now: u64,
    ) -> Result<Applied, Error> {
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

    fn group(&self, name: &ContactGroupName) -> Result<&ContactGroup, Error> {
        self.groups
            .iter()
            .find(|group| group.name == *name)
            .ok_or(Error::UnknownGroup { path: "GroupName" })
    }

    fn change_member(
        &mut self,
        app: &App,
        group: &ContactGroup,
        conversation: &Conversation,
        member: bool,
        now: u64,
    ) -> Result<(), Error> {
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
    use crate::domain::{Change, Directory, Entry, Standing};
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

    /// Applies changes and shows each outcome: the group's number and its items, or the error.
    #[track_caller]
    fn check(changes: &[Change], expected: &[&str]) -> UserState {
        let (app, mut state) = (small_app(), state(0, 0, Standing::Unknown));
        let shown: Vec<String> = changes
            .iter()
            .map(|change| match change.apply(&mut state, &app, 7) {
                Err(error) => error.to_string(),
                Ok(applied) => {
                    let items: Vec<_> = applied
                        .items
                        .iter()
                        .map(|item| {
                            item.as_ref().map_or_else(ToString::to_string, |()| "ok".into())
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
    fn a_number_is_never_used_again() {
        check(
            &[create("a", &[]), Change::DeleteGroup(name("a")), create("a", &[])],
            &["1: ", "1: ", "2: "],
        );
    }

    #[test]
    fn there_are_as_many_groups_as_the_limit_says() {
        check(
            &[create("a", &[]), create("b", &[]), create("c", &[]), create("a", &[])],
            &[
                "1: ",
                "2: ",
                "GroupName: at most 2 conversation groups",
                "GroupName: the user has a conversation group of that name",
            ],
        );
    }

    #[test]
    fn conversations_count_once_however_many_groups_they_are_in() {
        check(
            &[create("a", &[0, 1]), create("b", &[0, 1, 2]), add("a", 0)],
            &[
                "1: ok, ok",
                "2: ok, ok, ContactItem: at most 2 conversations can be in conversation groups",
                "1: ok",
            ],
        );
    }

    #[test]
    fn deleting_a_group_frees_the_places_of_those_in_no_other() {
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
    fn a_group_may_be_renamed_to_itself_but_not_to_another() {
        let rename = |old, new| Change::RenameGroup { old: name(old), new: name(new) };
        check(
            &[
                create("a", &[]),
                create("b", &[]),
                rename("a", "a"),
                rename("a", "b"),
                rename("x", "y"),
            ],
            &[
                "1: ",
                "2: ",
                "1: ",
                "GroupName: the user has a conversation group of that name",
                "GroupName: no such conversation group",
            ],
        );
    }

    /// Writes that share a commit may undo one another; the number that was answered is used up all the same.
    #[test]
    fn the_number_of_a_group_that_came_and_went_is_saved_as_used() {
        let state = check(&[create("a", &[]), Change::DeleteGroup(name("a"))], &["1: ", "1: "]);
        assert!(!state.entries.values().any(Entry::is_changed));
        assert!(state.is_changed());
        assert_eq!(state.numbers.next_group_id, 2);
    }
}
