//! Any sequence of changes to one user's state, some in one commit: every answer and all that is kept then are the model's.

use arbitrary::{Result, Unstructured};

use super::model::{
    Answer, Call, Dead, FIRST_GROUP, GROUPED_MAX, GROUPS_MAX, MARKED_MAX, MORTAL, Mark, PEERS,
    PINNED_MAX, Shown, User, peer_id,
};
use super::stored::Stored;
use crate::domain::{
    App, Applied, BitChange, Change, ChatGroupId, ContactGroupName, Conversation, CustomMark, Kept,
    MarkBit, MarkChange, MemberChange, Standing, UserId, UserState,
};
use crate::error::{Error, Family};
use crate::limits::Limits;

const NAMES: u8 = 3;

/// Reads `input` as calls, and does them.
pub fn run(input: &[u8]) {
    let limit = |max: usize| u32::try_from(max).unwrap();
    let limits = Limits {
        marked: limit(MARKED_MAX),
        grouped: limit(GROUPED_MAX),
        groups: limit(GROUPS_MAX),
        pinned: limit(PINNED_MAX),
        ..Limits::default()
    };
    let mut both = Both {
        app: super::app(limits),
        stored: Stored::new(),
        model: User::default(),
        dead: [false; 2],
        now: 0,
    };
    let mut input = Unstructured::new(input);
    while !input.is_empty() {
        if both.step(&mut input).is_err() {
            return;
        }
    }
}

/// The rules with what they keep, and the model.
struct Both {
    app: App,
    stored: Stored,
    model: User,
    dead: [bool; 2],
    now: u64,
}

impl Both {
    /// Something happens to the directory, or a few calls share a commit.
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        self.now += 1;
        match below(input, 8)? {
            0 => {
                self.stored.owner = Standing::Alive;
                self.model.apply(&Call::Import, Dead::default());
            }
            1 => {
                let nr = usize::from(below(input, 2)?);
                self.dead[nr] = !self.dead[nr];
            }
            calls => self.commit(&several(input, calls / 2, call)?),
        }
        self.compare();
        Ok(())
    }

    fn commit(&mut self, calls: &[Call]) {
        let changes: Vec<_> = calls.iter().map(change).collect();
        let dead = self.dead;
        let standing = |conversation: &Conversation| {
            let is = |peer: u8| conversation.peer_id() == peer_id(peer);
            let is_dead = MORTAL.iter().zip(dead).any(|(peer, dead)| dead && is(*peer));
            if is_dead { Standing::Dead } else { Standing::Unknown }
        };
        let mut state = self.stored.load(&changes, &self.app, standing);
        if changes.iter().all(Change::is_about_conversations) {
            self.check_without_the_row(&changes, state.clone());
        }
        for (call, change) in calls.iter().zip(&changes) {
            let before = state.clone();
            let outcome = change.apply(&mut state, &self.app, self.now);
            if refused_altogether(change, &outcome) {
                assert_same(&before, &state);
            }
            let dead = Dead { at_look_up: self.dead, at_count: self.dead };
            assert_eq!(answer(call, outcome), self.model.apply(call, dead), "{call:?}");
        }
        self.stored.save(&state, self.now);
    }

    /// Without the user's row, the same comes of changes as with it, or what comes of them cannot be saved.
    fn check_without_the_row(&self, changes: &[Change], mut state: UserState) {
        let mut without = UserState::of(state.owner);
        without.entries.clone_from(&state.entries);
        let apply = |state: &mut UserState| -> Vec<_> {
            let apply = |change: &Change| format!("{:?}", change.apply(state, &self.app, self.now));
            changes.iter().map(apply).collect()
        };
        let (outcomes, others) = (apply(&mut state), apply(&mut without));
        if !without.lacks_counts() {
            assert_eq!(outcomes, others, "{changes:?}");
            assert!(!state.changes_row(), "{changes:?}");
            let after = |state: &UserState| -> Vec<_> {
                state.entries.values().map(|entry| entry.after.clone()).collect()
            };
            assert_eq!(after(&state), after(&without), "{changes:?}");
        }
    }

    /// All that is kept is what the model shows.
    fn compare(&mut self) {
        let dead = Dead::default();
        if self.stored.owner != Standing::Alive {
            assert!(self.stored.conversations.is_empty() && self.stored.groups.is_empty());
            assert_eq!(self.model.apply(&Call::Get, dead), Answer::failure(50001));
            return;
        }
        let mut groups: Vec<_> = self.stored.groups.iter().collect();
        groups.sort_by_key(|group| group.id);
        let groups =
            groups.iter().map(|group| (group.name.as_str().parse().unwrap(), group.id.into()));
        let marked = self.shown(|kept| kept.position).into_iter();
        let shown = marked.map(|one| Shown { pinned: false, ..one }).collect();
        let page = Answer { shown, groups: groups.collect(), ..Answer::default() };
        assert_eq!(page, self.model.apply(&Call::Get, dead));

        let mut shown = self.shown(|kept| kept.pin_position);
        shown.reverse();
        let mut rest = self.shown(|kept| kept.position.filter(|_| !kept.is_pinned()));
        rest.sort_by_key(|one| one.peer);
        shown.extend(rest);
        assert_eq!(Answer { shown, ..Answer::default() }, self.model.apply(&Call::List, dead));
    }

    /// The conversations that have such a position, in its order.
    fn shown(&self, position: fn(&Kept) -> Option<u32>) -> Vec<Shown> {
        let mut all: Vec<_> = (0..PEERS)
            .filter_map(|peer| Some((peer, self.stored.conversations.get(&conversation(peer))?)))
            .filter(|(_, kept)| position(kept).is_some())
            .collect();
        all.sort_by_key(|(_, kept)| position(kept));
        let show = |(peer, kept): (u8, &Kept)| Shown {
            peer,
            mark: kept.standard.bits(),
            custom: kept.custom.as_str().to_owned(),
            groups: kept.group_ids.iter().copied().map(Into::into).collect(),
            pinned: kept.is_pinned(),
        };
        all.into_iter().map(show).collect()
    }
}

/// Nothing of the change was done.
fn refused_altogether(change: &Change, outcome: &std::result::Result<Applied, Error>) -> bool {
    match outcome {
        Err(_) => true,
        Ok(applied) => {
            let makes_a_group =
                matches!(change, Change::CreateGroup(..) | Change::RenameGroup { .. });
            let goes_alone = matches!(change, Change::DeleteGroup(_));
            !makes_a_group && !goes_alone && applied.items.iter().all(std::result::Result::is_err)
        }
    }
}

fn assert_same(before: &UserState, after: &UserState) {
    let numbers = |state: &UserState| {
        (state.owner, state.counts, state.next_position, state.next_group_id, state.deleted)
    };
    assert_eq!(numbers(before), numbers(after));
    assert_eq!(before.groups, after.groups);
    for (conversation, entry) in &before.entries {
        let other = &after.entries[conversation];
        assert_eq!(&entry.after, &other.after);
    }
}

fn conversation(peer: u8) -> Conversation {
    let id = peer_id(peer);
    if peer < FIRST_GROUP {
        Conversation::OneToOne(UserId::parse(id, 32).unwrap())
    } else {
        Conversation::Group(ChatGroupId::parse(id, 48).unwrap())
    }
}

fn change(call: &Call) -> Change {
    let name = |name: u8| ContactGroupName::parse(&name.to_string()).unwrap();
    let conversations = |peers: &[u8]| peers.iter().copied().map(conversation).collect::<Vec<_>>();
    match call {
        Call::Mark(marks) => Change::Mark(marks.iter().map(mark_change).collect()),
        Call::Create(group, peers) => Change::CreateGroup(name(*group), conversations(peers)),
        Call::Rename(old, new) => Change::RenameGroup { old: name(*old), new: name(*new) },
        Call::Update(group, changes) => {
            let change = |(peer, member): &(u8, bool)| MemberChange {
                conversation: conversation(*peer),
                member: *member,
            };
            Change::ChangeMembers(name(*group), changes.iter().map(change).collect())
        }
        Call::Del(group) => Change::DeleteGroup(name(*group)),
        Call::Top(true, peers) => Change::Pin(conversations(peers)),
        Call::Top(false, peers) => Change::Unpin(conversations(peers)),
        Call::Forget(peer) => Change::Forget(conversation(*peer)),
        Call::DeleteAccount => Change::DeleteAccount,
        Call::Import | Call::Get | Call::Search(_) | Call::List => panic!("{call:?} is no change"),
    }
}

fn mark_change(mark: &Mark) -> MarkChange {
    let bits = |bits: &Option<Vec<u8>>| {
        bits.iter().flatten().map(|bit| MarkBit::parse((*bit).into()).unwrap()).collect()
    };
    let has_bits = mark.opt_type != 2 && (mark.set.is_some() || mark.clear.is_some());
    let change = BitChange { set: bits(&mark.set), clear: bits(&mark.clear) };
    let custom = mark.custom.as_deref().filter(|_| mark.opt_type != 1);
    MarkChange {
        conversation: conversation(mark.peer),
        standard: has_bits.then_some(change),
        custom: custom.map(|text| CustomMark::parse(text, 256).unwrap()),
    }
}

/// The outcome as the model has it.
fn answer(call: &Call, outcome: std::result::Result<Applied, Error>) -> Answer {
    let code = |error: &Error| u64::from(error.code(Family::RecentContact));
    let applied = match (call, outcome) {
        (_, Ok(applied)) => applied,
        (Call::DeleteAccount, Err(error)) => return Answer::items(vec![code(&error)]),
        (_, Err(error)) => return Answer::failure(code(&error)),
    };
    let items = applied.items.iter().map(|item| item.as_ref().map_or_else(code, |()| 0)).collect();
    match (call, &applied.group) {
        (Call::Create(name, _), Some(group)) => {
            Answer { groups: vec![(*name, group.id.into())], ..Answer::items(items) }
        }
        (Call::Forget(_), _) => Answer::default(),
        _ => Answer::items(items),
    }
}

fn below(input: &mut Unstructured<'_>, end: u8) -> Result<u8> {
    input.int_in_range(0..=end - 1)
}

fn several<T>(
    input: &mut Unstructured<'_>,
    most: u8,
    one: fn(&mut Unstructured<'_>) -> Result<T>,
) -> Result<Vec<T>> {
    let count = input.int_in_range(1..=most)?;
    (0..count).map(|_| one(input)).collect()
}

fn call(input: &mut Unstructured<'_>) -> Result<Call> {
    let peer = |input: &mut Unstructured<'_>| below(input, PEERS);
    Ok(match below(input, 12)? {
        0..=2 => Call::Mark(several(input, 3, mark)?),
        3 => Call::Create(below(input, NAMES)?, several(input, 3, peer)?),
        4 => Call::Rename(below(input, NAMES)?, below(input, NAMES)?),
        5 | 6 => {
            let item =
                |input: &mut Unstructured<'_>| Ok((below(input, PEERS)?, input.arbitrary()?));
            Call::Update(below(input, NAMES)?, several(input, 3, item)?)
        }
        7 => Call::Del(below(input, NAMES)?),
        8 | 9 => Call::Top(input.arbitrary()?, several(input, 3, peer)?),
        10 => Call::Forget(peer(input)?),
        _ => Call::DeleteAccount,
    })
}

fn mark(input: &mut Unstructured<'_>) -> Result<Mark> {
    let bits = |input: &mut Unstructured<'_>| -> Result<_> {
        if input.arbitrary()? {
            several(input, 2, |input| below(input, 64)).map(Some)
        } else {
            Ok(None)
        }
    };
    let texts = [None, Some(""), Some("a"), Some("中")];
    let opt_type = input.int_in_range(1..=3)?;
    let (peer, set, clear) = (below(input, PEERS)?, bits(input)?, bits(input)?);
    let custom = texts[usize::from(below(input, 4)?)].map(ToOwned::to_owned);
    Ok(Mark { peer, opt_type, set, clear, custom })
}
