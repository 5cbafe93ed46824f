//! The state of one user, and what each call does to it.

use std::collections::BTreeSet;

use super::{
    Answer, Call, ConversationView, DELETABLE, GROUPED_MAX, GROUPS_MAX, MARKED_MAX, Mark, PEERS,
    PINNED_MAX, Patch,
};

/// The marks and contact groups of a conversation.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
struct Conversation {
    mark: u64,
    custom: String,
    groups: BTreeSet<u64>,
}

impl Conversation {
    fn is_marked(&self) -> bool {
        self.mark != 0 || !self.custom.is_empty()
    }

    fn is_grouped(&self) -> bool {
        !self.groups.is_empty()
    }

    fn is_marked_or_grouped(&self) -> bool {
        self.is_marked() || self.is_grouped()
    }
}

/// The state of a user.
///
/// # The order of a page
///
/// A page shows conversations in the order in which they were first marked or put into a contact group. A conversation
/// that has become empty (no mark, no contact group, no pin) keeps its place as long as the service keeps its row. When
/// the service removes that row depends on which writes share a commit, so the model cannot know it. It therefore promises
/// an order only among conversations that were never empty since they were first marked or grouped. The others may stand
/// anywhere in a page, but must be there.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub struct User {
    imported: bool,
    conversations: [Conversation; PEERS as usize],
    /// Conversations that were marked or grouped and were never empty since, in the order of a page.
    order: Vec<u8>,
    /// Conversations that were marked or grouped and were empty since then. The model does not know their place.
    unordered: BTreeSet<u8>,
    /// Pinned conversations, oldest pin first.
    pins: Vec<u8>,
    /// Names and ids of contact groups, in the user's order.
    groups: Vec<(u8, u64)>,
    /// How many contact groups were ever created. An id is never used again.
    groups_ever: u64,
}

/// Which of [`DELETABLE`] are deleted from the directory: when the service looks up the other ends of conversations, and when
/// it counts conversations against a limit. The directory is not part of a user's state, so it may change between the two.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Deleted {
    pub at_look_up: [bool; 2],
    pub at_count: [bool; 2],
}

fn is_among(deleted: [bool; 2], peer: u8) -> bool {
    DELETABLE.iter().zip(deleted).any(|(other, deleted)| deleted && *other == peer)
}

impl Deleted {
    /// The service asks the directory only once about a peer that the call has looked up.
    fn as_seen_by(self, call: &Call) -> Self {
        let mut seen = self;
        for (nr, peer) in DELETABLE.into_iter().enumerate() {
            if call.looks_up(peer) {
                seen.at_count[nr] = self.at_look_up[nr];
            }
        }
        seen
    }
}

/// The code that refuses a write to a deleted peer.
fn deleted_code(peer: u8) -> u64 {
    if peer < super::FIRST_CHAT_GROUP { 50001 } else { 51007 }
}

impl User {
    /// Applies a call, and returns the answer that the service must give.
    pub fn apply(&mut self, call: &Call, deleted: Deleted) -> Answer {
        let deleted = deleted.as_seen_by(call);
        match call {
            Call::Import => {
                self.imported = true;
                Answer::default()
            }
            Call::DeleteAccount if !self.imported => Answer::items(vec![70107]),
            _ if !self.imported => Answer::failure(50001),
            Call::DeleteAccount => {
                *self = Self { groups_ever: self.groups_ever, ..Self::default() };
                Answer::items(vec![0])
            }
            Call::Mark(marks) => {
                Answer::items(marks.iter().map(|mark| self.mark(mark, deleted)).collect())
            }
            Call::Create(name, peers) => self.create(*name, peers, deleted),
            Call::Rename(old, new) => self.rename(*old, *new),
            Call::Update(name, changes) => {
                let Some(id) = self.id(*name) else { return Answer::failure(51009) };
                let item = |(peer, member): &(u8, bool)| self.member(id, *peer, *member, deleted);
                Answer::items(changes.iter().map(item).collect())
            }
            Call::Del(name) => {
                let Some(id) = self.id(*name) else { return Answer::failure(51009) };
                for peer in 0..PEERS {
                    self.change(peer, deleted, |one| _ = one.groups.remove(&id));
                }
                self.groups.retain(|(other, _)| other != name);
                Answer::default()
            }
            Call::Top(pin, peers) => {
                Answer::items(peers.iter().map(|peer| self.pin(*peer, *pin, deleted)).collect())
            }
            Call::Forget(peer) => {
                self.change(*peer, deleted, |one| *one = Conversation::default());
                self.pins.retain(|other| other != peer);
                self.update_order(*peer);
                Answer::default()
            }
            Call::Patch(patches) => {
                Answer::items(patches.iter().map(|patch| self.patch(patch, deleted)).collect())
            }
            Call::Put(name) => match self.id(*name) {
                Some(id) => Answer { groups: vec![(*name, id)], ..Answer::default() },
                None => self.create(*name, &[], deleted),
            },
            Call::Edit(name, new_name, index) => self.edit(*name, *new_name, *index),
            Call::Get => self.page(deleted),
            Call::Search(peers) => self.search(peers, deleted),
            Call::List => self.list(deleted),
        }
    }

    /// Brings the service's answer into the form of [`Self::apply`], so that the two are equal if the service is right. In
    /// a page, moves the conversations whose place is unknown to the end, sorted by peer. Changes nothing else.
    pub fn normalize(&self, call: &Call, mut answer: Answer) -> Answer {
        if matches!(call, Call::Get) {
            // `None` comes first, and the sort is stable.
            let place = |peer: u8| self.unordered.contains(&peer).then_some(peer);
            answer.conversations.sort_by_key(|one| place(one.peer));
        }
        answer
    }

    fn mark(&mut self, item: &Mark, deleted: Deleted) -> u64 {
        if is_among(deleted.at_look_up, item.peer) {
            return deleted_code(item.peer);
        }
        let mask =
            |bits: &Option<Vec<u8>>| bits.iter().flatten().fold(0, |mask, bit| mask | 1_u64 << bit);
        self.change(item.peer, deleted, |one| {
            if item.opt_type != 2 {
                one.mark = (one.mark | mask(&item.set)) & !mask(&item.clear);
            }
            if let (2 | 3, Some(text)) = (item.opt_type, &item.custom) {
                one.custom.clone_from(text);
            }
        })
    }

    fn create(&mut self, name: u8, peers: &[u8], deleted: Deleted) -> Answer {
        if self.id(name).is_some() {
            return Answer::failure(50002);
        }
        if self.groups.len() >= GROUPS_MAX {
            return Answer::failure(51010);
        }
        self.groups_ever += 1;
        let id = self.groups_ever;
        self.groups.push((name, id));
        let items = peers.iter().map(|peer| self.member(id, *peer, true, deleted)).collect();
        Answer { groups: vec![(name, id)], ..Answer::items(items) }
    }

    fn rename(&mut self, old: u8, new: u8) -> Answer {
        if self.id(old).is_none() {
            return Answer::failure(51009);
        }
        if old != new && self.id(new).is_some() {
            return Answer::failure(50002);
        }
        for group in self.groups.iter_mut().filter(|(name, _)| *name == old) {
            group.0 = new;
        }
        Answer::default()
    }

    fn edit(&mut self, name: u8, new_name: Option<u8>, index: Option<u32>) -> Answer {
        let new_name = new_name.unwrap_or(name);
        let renamed = self.rename(name, new_name);
        let Some(old) = self.groups.iter().position(|(other, _)| *other == new_name) else {
            return renamed;
        };
        if renamed.code != 0 {
            return renamed;
        }
        let group = self.groups.remove(old);
        let new = index.map_or(old, |index| self.groups.len().min(index as usize));
        self.groups.insert(new, group);
        Answer { groups: vec![group], ..Answer::default() }
    }

    /// All of a patch is applied, or nothing.
    fn patch(&mut self, patch: &Patch, deleted: Deleted) -> u64 {
        if is_among(deleted.at_look_up, patch.peer) {
            return deleted_code(patch.peer);
        }
        let ids =
            |names: &[u8]| names.iter().map(|name| self.id(*name)).collect::<Option<Vec<_>>>();
        let (Some(added), Some(removed)) = (ids(&patch.add_to), ids(&patch.remove_from)) else {
            return 51009;
        };
        let before = self.clone();
        let mut code = self.change(patch.peer, deleted, |one| {
            let mask = |bits: &[u8]| bits.iter().fold(0, |mask, bit| mask | 1_u64 << bit);
            one.mark = (one.mark | mask(&patch.set)) & !mask(&patch.clear);
            one.custom = patch.custom.clone().unwrap_or(std::mem::take(&mut one.custom));
            one.groups.extend(added);
            one.groups.retain(|id| !removed.contains(id));
        });
        if let (0, Some(pin)) = (code, patch.pinned) {
            code = self.pin(patch.peer, pin, deleted);
        }
        if code != 0 {
            *self = before;
        }
        code
    }

    /// Edits a conversation. If a limit refuses the edit, returns the code of the refusal. A conversation does not count
    /// against a limit while its peer is deleted.
    fn change(&mut self, peer: u8, deleted: Deleted, edit: impl FnOnce(&mut Conversation)) -> u64 {
        let nr = usize::from(peer);
        let before = self.conversations[nr].clone();
        edit(&mut self.conversations[nr]);
        let is_marked: fn(&Conversation) -> bool = Conversation::is_marked;
        for (has, max) in [(is_marked, MARKED_MAX), (Conversation::is_grouped, GROUPED_MAX)] {
            let grows = has(&self.conversations[nr]) && !has(&before);
            let counts = |other: &u8| {
                has(&self.conversations[usize::from(*other)]) && !is_among(deleted.at_count, *other)
            };
            if grows && (0..PEERS).filter(counts).count() > max {
                self.conversations[nr] = before;
                return 51008;
            }
        }
        self.update_order(peer);
        0
    }

    /// Updates the order after a conversation has got a place in pages or has become empty.
    fn update_order(&mut self, peer: u8) {
        let is_shown = self.conversations[usize::from(peer)].is_marked_or_grouped();
        let is_in_order = self.order.contains(&peer);
        if is_shown && !is_in_order && !self.unordered.contains(&peer) {
            self.order.push(peer);
        } else if is_in_order && !is_shown && !self.pins.contains(&peer) {
            self.order.retain(|other| *other != peer);
            self.unordered.insert(peer);
        }
    }

    fn id(&self, name: u8) -> Option<u64> {
        self.groups.iter().find(|(other, _)| *other == name).map(|(_, id)| *id)
    }

    fn member(&mut self, id: u64, peer: u8, member: bool, deleted: Deleted) -> u64 {
        if is_among(deleted.at_look_up, peer) {
            return deleted_code(peer);
        }
        self.change(peer, deleted, |one| {
            if member {
                one.groups.insert(id);
            } else {
                one.groups.remove(&id);
            }
        })
    }

    fn pin(&mut self, peer: u8, pin: bool, deleted: Deleted) -> u64 {
        if is_among(deleted.at_look_up, peer) {
            return deleted_code(peer);
        }
        if !pin {
            self.pins.retain(|other| *other != peer);
            self.update_order(peer);
        } else if !self.pins.contains(&peer) {
            let counted = self.pins.iter().filter(|other| !is_among(deleted.at_count, **other));
            if counted.count() >= PINNED_MAX {
                return 51012;
            }
            self.pins.push(peer);
        }
        0
    }

    #[must_use]
    pub fn is_imported(&self) -> bool {
        self.imported
    }

    /// Names and ids of the contact groups, in the user's order.
    #[must_use]
    pub fn groups(&self) -> &[(u8, u64)] {
        &self.groups
    }

    /// How many conversations are marked, in contact groups, and pinned. Those with a deleted peer do not count.
    #[must_use]
    pub fn used(&self, deleted: [bool; 2]) -> [usize; 3] {
        let count = |has: &dyn Fn(u8) -> bool| {
            (0..PEERS).filter(|peer| has(*peer) && !is_among(deleted, *peer)).count()
        };
        let of = |peer: u8| &self.conversations[usize::from(peer)];
        [
            count(&|peer| of(peer).is_marked()),
            count(&|peer| of(peer).is_grouped()),
            count(&|peer| self.pins.contains(&peer)),
        ]
    }

    /// What is noted about a conversation.
    #[must_use]
    pub fn view(&self, peer: u8) -> ConversationView {
        let Conversation { mark, custom, groups } = self.conversations[usize::from(peer)].clone();
        let groups = groups.into_iter().collect();
        ConversationView { peer, mark, custom, groups, pinned: self.pins.contains(&peer) }
    }

    fn sorted_groups(&self) -> Vec<(u8, u64)> {
        let mut groups = self.groups.clone();
        groups.sort_by_key(|(_, id)| *id);
        groups
    }

    /// All marked or grouped conversations. Those whose place is unknown come last, sorted by peer.
    fn page(&self, deleted: Deleted) -> Answer {
        let is_shown = |peer: &u8| {
            let one = &self.conversations[usize::from(*peer)];
            one.is_marked_or_grouped() && !is_among(deleted.at_look_up, *peer)
        };
        let shown = self.order.iter().chain(&self.unordered).copied().filter(is_shown);
        let view = |peer| ConversationView { pinned: false, ..self.view(peer) };
        let conversations = shown.map(view).collect();
        Answer { conversations, groups: self.sorted_groups(), ..Answer::default() }
    }

    fn search(&self, peers: &[u8], deleted: Deleted) -> Answer {
        let look = |peer: &u8| {
            if is_among(deleted.at_look_up, *peer) {
                ConversationView { peer: *peer, ..ConversationView::default() }
            } else {
                ConversationView { pinned: false, ..self.view(*peer) }
            }
        };
        let conversations: Vec<_> = peers.iter().map(look).collect();
        let mut groups = self.sorted_groups();
        groups.retain(|(_, id)| conversations.iter().any(|one| one.groups.contains(id)));
        Answer { conversations, groups, ..Answer::default() }
    }

    /// Pinned conversations, newest pin first, then the others. The others are sorted by peer, because their order depends on
    /// the clock.
    fn list(&self, deleted: Deleted) -> Answer {
        let is_marked_or_grouped =
            |peer: &u8| self.conversations[usize::from(*peer)].is_marked_or_grouped();
        let others = (0..PEERS).filter(|peer| !self.pins.contains(peer));
        let all = self.pins.iter().rev().copied().chain(others.filter(is_marked_or_grouped));
        let shown = all.filter(|peer| !is_among(deleted.at_look_up, *peer));
        let conversations = shown.map(|peer| self.view(peer)).collect();
        Answer { conversations, ..Answer::default() }
    }
}
