//! Any sequence of changes to one user's state, some of which share a commit. The rules must give the answers of the model, and
//! the stored rows must match its state. Both paths that commit marks must store the same.

use arbitrary::{Result, Unstructured};

use super::stored::{Batch, Removal, Stored};
use earmark::domain::{
    App, Applied, BitChange, Change, ChatGroupId, ContactGroupName, Conversation,
    ConversationState, CustomMark, MarkBit, MarkChange, MemberChange, Patch, Presence, Refusal,
    UserId, UserState,
};
use earmark::http::failure::Failure;
use earmark::http::tencent::codes::Family;
use earmark::limits::Limits;
use testkit::model::{
    self, Answer, Call, ConversationView, DELETABLE, Deleted, FIRST_CHAT_GROUP, GROUPED_MAX,
    GROUPS_MAX, MARKED_MAX, Mark, PEERS, PINNED_MAX, User, peer_id,
};

const NAMES: u8 = 3;

type Outcome = std::result::Result<Applied, Refusal>;

/// Reads `input` as calls, and applies them.
pub fn run(input: &[u8]) {
    let limit = |max: usize| u32::try_from(max).unwrap();
    let limits = Limits {
        marked: limit(MARKED_MAX),
        grouped: limit(GROUPED_MAX),
        groups: limit(GROUPS_MAX),
        pinned: limit(PINNED_MAX),
        ..Limits::default()
    };
    let mut comparison = Comparison {
        app: super::app(limits),
        stored: Stored::default(),
        model: User::default(),
        dead: [false; 2],
        now: 0,
    };
    let mut input = Unstructured::new(input);
    while !input.is_empty() {
        if comparison.step(&mut input).is_err() {
            return;
        }
    }
}

/// The rules with the rows that they have stored, and the model.
struct Comparison {
    app: App,
    stored: Stored,
    model: User,
    dead: [bool; 2],
    now: u64,
}

impl Comparison {
    /// Changes the directory, or commits a few calls together.
    fn step(&mut self, input: &mut Unstructured<'_>) -> Result<()> {
        // Each batch has a second of its own, so that the times of its changes are known.
        self.now += 1;
        match below(input, 8)? {
            0 => {
                self.stored.owner = Presence::Present;
                self.model.apply(&Call::Import, Deleted::default());
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
        let presence = |conversation: &Conversation| {
            let is = |peer: u8| conversation.peer_id() == peer_id(peer);
            let is_dead = DELETABLE.iter().zip(dead).any(|(peer, dead)| dead && is(*peer));
            if is_dead { Presence::Gone } else { Presence::Unknown }
        };
        let (app, now) = (&self.app, self.now);
        let batch = Batch { app, changes: &changes, presence: &presence, now };

        let marked = self.stored.mark(&batch);
        if let Some(marked) = &marked {
            let mut other = self.stored.clone();
            let outcomes = commit_locked(&mut other, &batch, Removal::Forbidden);
            assert_eq!(*marked, other, "the two paths store something else: {calls:?}");
            assert!(outcomes.iter().all(is_done), "{calls:?}: {outcomes:?}");
        }
        // The locking path also gets batches that the fast path could commit: it retries them after an error.
        let outcomes = match marked {
            Some(marked) if now % 2 == 0 => {
                self.stored = marked;
                changes.iter().map(|change| Ok(done(change))).collect()
            }
            _ => commit_locked(&mut self.stored, &batch, Removal::Allowed),
        };
        let dead = Deleted { at_look_up: dead, at_count: dead };
        for (call, outcome) in calls.iter().zip(outcomes) {
            assert_eq!(answer(call, outcome), self.model.apply(call, dead), "{call:?}");
        }
    }

    /// Checks that the stored rows match the model.
    fn compare(&mut self) {
        let dead = Deleted::default();
        if self.stored.owner != Presence::Present {
            assert!(self.stored.conversations.is_empty() && self.stored.groups.is_empty());
            assert_eq!(self.model.apply(&Call::Get, dead), Answer::failure(50001));
            return;
        }
        let position = |kept: &ConversationState| {
            kept.position.filter(|_| kept.is_marked() || kept.is_grouped())
        };
        let mut groups: Vec<_> = self.stored.groups.iter().collect();
        groups.sort_by_key(|group| group.id);
        let groups =
            groups.iter().map(|group| (group.name.as_str().parse().unwrap(), group.id.into()));
        let in_page = self.views(position).into_iter();
        let conversations =
            in_page.map(|view| ConversationView { pinned: false, ..view }).collect();
        let page = Answer { conversations, groups: groups.collect(), ..Answer::default() };
        let mut in_order: Vec<_> = self.stored.groups.iter().collect();
        in_order.sort_by_key(|group| (group.rank.is_none(), group.rank, group.id));
        let in_order = in_order.iter().map(|group| u64::from(group.id));
        assert!(in_order.eq(self.model.groups().iter().map(|(_, id)| *id)), "the user's order");
        let page = self.model.normalize(&Call::Get, page);
        assert_eq!(page, self.model.apply(&Call::Get, dead));

        let mut conversations = self.views(|kept| kept.pin_position);
        conversations.reverse();
        let mut others = self.views(|kept| position(kept).filter(|_| !kept.is_pinned()));
        others.sort_by_key(|view| view.peer);
        conversations.extend(others);
        let list = Answer { conversations, ..Answer::default() };
        assert_eq!(list, self.model.apply(&Call::List, dead));
    }

    /// The conversations that have a position, in its order.
    fn views(&self, position: impl Fn(&ConversationState) -> Option<u32>) -> Vec<ConversationView> {
        let row = |peer: u8| self.stored.conversations.get(&conversation(peer));
        let mut all: Vec<_> = (0..PEERS)
            .filter_map(|peer| Some((peer, &row(peer)?.kept)))
            .filter(|(_, kept)| position(kept).is_some())
            .collect();
        all.sort_by_key(|(_, kept)| position(kept));
        let view = |(peer, kept): (u8, &ConversationState)| ConversationView {
            peer,
            mark: kept.standard.bits(),
            custom: kept.custom.as_str().to_owned(),
            groups: kept.group_ids.iter().copied().map(Into::into).collect(),
            pinned: kept.is_pinned(),
        };
        all.into_iter().map(view).collect()
    }
}

/// Commits a batch on the locking path, and returns the outcome of each change.
fn commit_locked(stored: &mut Stored, batch: &Batch<'_>, removal: Removal) -> Vec<Outcome> {
    let before = stored.clone();
    let mut state = stored.load(batch, removal);
    let apply = |change: &Change| {
        let before = state.clone();
        let outcome = change.apply(&mut state, batch.app, batch.now);
        if is_refused_altogether(change, &outcome) {
            assert_same(&before, &state);
        }
        outcome
    };
    let outcomes = batch.changes.iter().map(apply).collect();
    if state.is_changed() {
        stored.save(&state, batch);
    } else {
        assert_eq!(*stored, before, "a rollback would bring removed rows back");
    }
    outcomes
}

/// What the fast path answers.
fn done(change: &Change) -> Applied {
    Applied { items: change.touched().map(|_| Ok(())).collect(), ..Applied::default() }
}

fn is_done(outcome: &Outcome) -> bool {
    outcome.as_ref().is_ok_and(|applied| applied.items.iter().all(std::result::Result::is_ok))
}

/// No part of the change was applied.
fn is_refused_altogether(change: &Change, outcome: &Outcome) -> bool {
    let Ok(applied) = outcome else { return true };
    let changes_groups = matches!(
        change,
        Change::CreateGroup(..)
            | Change::PutGroup(_)
            | Change::EditGroup { .. }
            | Change::DeleteGroup(_)
    );
    !changes_groups && applied.items.iter().all(std::result::Result::is_err)
}

fn assert_same(before: &UserState, after: &UserState) {
    let own = |state: &UserState| (state.owner, state.numbers, state.exempt, state.deleted);
    assert_eq!(own(before), own(after));
    assert_eq!(before.groups, after.groups);
    for (conversation, entry) in &before.entries {
        assert_eq!(entry.after, after.entries[conversation].after);
    }
}

fn conversation(peer: u8) -> Conversation {
    let id = peer_id(peer);
    if peer < FIRST_CHAT_GROUP {
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
        Call::Rename(old, new) => {
            Change::EditGroup { name: name(*old), new_name: Some(name(*new)), index: None }
        }
        Call::Patch(patches) => Change::of_patches(patches.iter().map(patch).collect()),
        Call::Put(group) => Change::PutGroup(name(*group)),
        Call::Edit(group, new_name, index) => {
            Change::EditGroup { name: name(*group), new_name: new_name.map(name), index: *index }
        }
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
        Call::Import | Call::Get | Call::Search(_) | Call::List => {
            panic!("{call:?} changes no state")
        }
    }
}

fn patch(patch: &model::Patch) -> Patch {
    let bits =
        |bits: &[u8]| bits.iter().map(|bit| MarkBit::parse((*bit).into()).unwrap()).collect();
    let names = |names: &[u8]| {
        names.iter().map(|name| ContactGroupName::parse(&name.to_string()).unwrap()).collect()
    };
    let custom = patch.custom.as_deref();
    Patch {
        conversation: conversation(patch.peer),
        bits: BitChange { set: bits(&patch.set), clear: bits(&patch.clear) },
        custom: custom.map(|text| CustomMark::parse(text, 256).unwrap()),
        add_to: names(&patch.add_to),
        remove_from: names(&patch.remove_from),
        pinned: patch.pinned,
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

/// The outcome as an answer of the model.
fn answer(call: &Call, outcome: Outcome) -> Answer {
    let code =
        |refusal: Refusal| u64::from(Failure::from(refusal).code(Family::RecentContact).number());
    let applied = match (call, outcome) {
        (_, Ok(applied)) => applied,
        (Call::DeleteAccount, Err(refusal)) => return Answer::items(vec![code(refusal)]),
        (_, Err(refusal)) => return Answer::failure(code(refusal)),
    };
    let items = applied.items.iter().map(|item| item.map_or_else(code, |()| 0)).collect();
    match (call, &applied.group) {
        (Call::Create(name, _), Some(group)) => {
            Answer { groups: vec![(*name, group.id.into())], ..Answer::items(items) }
        }
        (Call::Put(_) | Call::Edit(..), Some(group)) => {
            let name = group.name.as_str().parse().unwrap();
            Answer { groups: vec![(name, group.id.into())], ..Answer::default() }
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
    // The calls of the native API came later. Inputs that had a meaning before keep it.
    let kind: u8 = input.arbitrary()?;
    if kind >= 216 {
        return native_call(input, kind - 216);
    }
    Ok(match kind % 12 {
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

fn native_call(input: &mut Unstructured<'_>, kind: u8) -> Result<Call> {
    Ok(match kind {
        0..=23 => Call::Patch(several(input, 3, any_patch)?),
        24..=29 => Call::Put(below(input, NAMES)?),
        _ => {
            let new_name = if input.arbitrary()? { Some(below(input, NAMES)?) } else { None };
            let index = if input.arbitrary()? { Some(below(input, 4)?.into()) } else { None };
            Call::Edit(below(input, NAMES)?, new_name, index)
        }
    })
}

fn any_patch(input: &mut Unstructured<'_>) -> Result<model::Patch> {
    let few = |input: &mut Unstructured<'_>, one: fn(&mut Unstructured<'_>) -> Result<u8>| {
        let count = input.int_in_range(0..=2)?;
        (0..count).map(|_| one(input)).collect::<Result<Vec<u8>>>()
    };
    let name = |input: &mut Unstructured<'_>| below(input, NAMES);
    let texts = [None, Some(""), Some("a"), Some("中")];
    let mut patch = model::Patch { peer: below(input, PEERS)?, ..model::Patch::default() };
    let parts: u8 = input.arbitrary()?;
    if parts & 1 != 0 {
        (patch.set, patch.clear) = (few(input, bit)?, few(input, bit)?);
    }
    if parts & 2 != 0 {
        patch.custom = texts[usize::from(below(input, 4)?)].map(ToOwned::to_owned);
    }
    if parts & 4 != 0 {
        (patch.add_to, patch.remove_from) = (few(input, name)?, few(input, name)?);
    }
    if parts & 8 != 0 {
        patch.pinned = Some(input.arbitrary()?);
    }
    Ok(patch.without_opposites())
}

fn mark(input: &mut Unstructured<'_>) -> Result<Mark> {
    let bits = |input: &mut Unstructured<'_>| -> Result<_> {
        if input.arbitrary()? { several(input, 2, bit).map(Some) } else { Ok(None) }
    };
    let texts = [None, Some(""), Some("a"), Some("中")];
    let opt_type = input.int_in_range(1..=3)?;
    let (peer, set, clear) = (below(input, PEERS)?, bits(input)?, bits(input)?);
    let custom = texts[usize::from(below(input, 4)?)].map(ToOwned::to_owned);
    Ok(Mark { peer, opt_type, set, clear, custom })
}

/// Any bit, but mostly one of four, so that several changes use the same bit.
fn bit(input: &mut Unstructured<'_>) -> Result<u8> {
    let bit = below(input, 64)?;
    Ok(if bit < 48 { [0, 1, 2, 63][usize::from(bit % 4)] } else { bit })
}
