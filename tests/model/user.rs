//! The state of one user, and how calls change it.

use std::collections::BTreeSet;

use super::{
    Answer, Call, GROUPED_MAX, GROUPS_MAX, MARKED_MAX, MORTAL, Mark, PEERS, PINNED_MAX, Shown,
};

/// What is kept about a conversation.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
struct Kept {
    mark: u64,
    custom: String,
    groups: BTreeSet<u64>,
}

/// What is known of a user.
#[derive(Debug, Default, Clone, PartialEq, Eq, Hash)]
pub(crate) struct User {
    imported: bool,
    kept: [Kept; PEERS as usize],
    /// In the order in which they were marked or grouped.
    order: Vec<u8>,
    /// Oldest first.
    pins: Vec<u8>,
    groups: Vec<(u8, u64)>,
    groups_ever: u64,
}

/// Who of the mortal is dead: when the other ends of conversations were looked up, and when the places that others take were
/// counted. The directory is no part of a user's state, so it may change in between.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Dead {
    pub(crate) at_look_up: [bool; 2],
    pub(crate) at_count: [bool; 2],
}

fn is_among(dead: [bool; 2], peer: u8) -> bool {
    MORTAL.iter().zip(dead).any(|(mortal, dead)| dead && *mortal == peer)
}

impl Dead {
    /// What was looked up is not asked for again when places are counted.
    fn as_seen_by(self, call: &Call) -> Self {
        let mut seen = self;
        for (nr, mortal) in MORTAL.into_iter().enumerate() {
            if call.looks_up(mortal) {
                seen.at_count[nr] = self.at_look_up[nr];
            }
        }
        seen
    }
}

fn gone(peer: u8) -> u64 {
    if peer < super::FIRST_GROUP { 50001 } else { 51007 }
}

impl User {
    /// Does what the call asks for, and says what its answer must be.
    pub(crate) fn apply(&mut self, call: &Call, dead: Dead) -> Answer {
        let dead = dead.as_seen_by(call);
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
                Answer::items(marks.iter().map(|mark| self.mark(mark, dead)).collect())
            }
            Call::Create(name, peers) => self.create(*name, peers, dead),
            Call::Rename(old, new) => self.rename(*old, *new),
            Call::Update(name, changes) => {
                let Some(id) = self.id(*name) else { return Answer::failure(51009) };
                let item = |(peer, member): &(u8, bool)| self.member(id, *peer, *member, dead);
                Answer::items(changes.iter().map(item).collect())
            }
            Call::Del(name) => {
                let Some(id) = self.id(*name) else { return Answer::failure(51009) };
                for peer in 0..PEERS {
                    self.keep(peer, dead, |kept| _ = kept.groups.remove(&id));
                }
                self.groups.retain(|(other, _)| other != name);
                Answer::default()
            }
            Call::Top(pin, peers) => {
                Answer::items(peers.iter().map(|peer| self.pin(*peer, *pin, dead)).collect())
            }
            Call::Forget(peer) => {
                self.keep(*peer, dead, |kept| *kept = Kept::default());
                self.pins.retain(|other| other != peer);
                Answer::default()
            }
            Call::Get => self.page(dead),
            Call::Search(peers) => self.search(peers, dead),
            Call::List => self.list(dead),
        }
    }

    fn mark(&mut self, item: &Mark, dead: Dead) -> u64 {
        if is_among(dead.at_look_up, item.peer) {
            return gone(item.peer);
        }
        let mask =
            |bits: &Option<Vec<u8>>| bits.iter().flatten().fold(0, |mask, bit| mask | 1_u64 << bit);
        self.keep(item.peer, dead, |kept| {
            if item.opt_type != 2 {
                kept.mark = (kept.mark | mask(&item.set)) & !mask(&item.clear);
            }
            if let (2 | 3, Some(text)) = (item.opt_type, &item.custom) {
                kept.custom.clone_from(text);
            }
        })
    }

    fn create(&mut self, name: u8, peers: &[u8], dead: Dead) -> Answer {
        if self.id(name).is_some() {
            return Answer::failure(50002);
        }
        if self.groups.len() >= GROUPS_MAX {
            return Answer::failure(51010);
        }
        self.groups_ever += 1;
        let id = self.groups_ever;
        self.groups.push((name, id));
        let items = peers.iter().map(|peer| self.member(id, *peer, true, dead)).collect();
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

    /// Keeps something else about a conversation, unless that would be one too many.
    fn keep(&mut self, peer: u8, dead: Dead, edit: impl FnOnce(&mut Kept)) -> u64 {
        let mut kept = self.kept.clone();
        edit(&mut kept[usize::from(peer)]);
        let is_marked = |one: &Kept| one.mark != 0 || !one.custom.is_empty();
        let is_grouped = |one: &Kept| !one.groups.is_empty();
        for (has, max) in
            [(&is_marked as &dyn Fn(&Kept) -> bool, MARKED_MAX), (&is_grouped, GROUPED_MAX)]
        {
            let grows = has(&kept[usize::from(peer)]) && !has(&self.kept[usize::from(peer)]);
            let living = (0..PEERS).filter(|other| !is_among(dead.at_count, *other));
            if grows && living.filter(|other| has(&kept[usize::from(*other)])).count() > max {
                return 51008;
            }
        }
        self.kept = kept;
        let kept = &self.kept[usize::from(peer)];
        if !is_marked(kept) && !is_grouped(kept) {
            self.order.retain(|other| *other != peer);
        } else if !self.order.contains(&peer) {
            self.order.push(peer);
        }
        0
    }

    fn id(&self, name: u8) -> Option<u64> {
        self.groups.iter().find(|(other, _)| *other == name).map(|(_, id)| *id)
    }

    fn member(&mut self, id: u64, peer: u8, member: bool, dead: Dead) -> u64 {
        if is_among(dead.at_look_up, peer) {
            return gone(peer);
        }
        self.keep(peer, dead, |kept| {
            if member {
                kept.groups.insert(id);
            } else {
                kept.groups.remove(&id);
            }
        })
    }

    fn pin(&mut self, peer: u8, pin: bool, dead: Dead) -> u64 {
        if is_among(dead.at_look_up, peer) {
            return gone(peer);
        }
        if !pin {
            self.pins.retain(|other| *other != peer);
        } else if !self.pins.contains(&peer) {
            let living = self.pins.iter().filter(|other| !is_among(dead.at_count, **other));
            if living.count() >= PINNED_MAX {
                return 51012;
            }
            self.pins.push(peer);
        }
        0
    }

    fn shown(&self, peer: u8) -> Shown {
        let Kept { mark, custom, groups } = self.kept[usize::from(peer)].clone();
        let groups = groups.into_iter().collect();
        Shown { peer, mark, custom, groups, pinned: self.pins.contains(&peer) }
    }

    fn sorted_groups(&self) -> Vec<(u8, u64)> {
        let mut groups = self.groups.clone();
        groups.sort_by_key(|(_, id)| *id);
        groups
    }

    fn page(&self, dead: Dead) -> Answer {
        let living = self.order.iter().filter(|peer| !is_among(dead.at_look_up, **peer));
        let shown = living.map(|peer| Shown { pinned: false, ..self.shown(*peer) }).collect();
        Answer { shown, groups: self.sorted_groups(), ..Answer::default() }
    }

    fn search(&self, peers: &[u8], dead: Dead) -> Answer {
        let look = |peer: &u8| {
            if is_among(dead.at_look_up, *peer) {
                Shown { peer: *peer, ..Shown::default() }
            } else {
                Shown { pinned: false, ..self.shown(*peer) }
            }
        };
        let shown: Vec<_> = peers.iter().map(look).collect();
        let mut groups = self.sorted_groups();
        groups.retain(|(_, id)| shown.iter().any(|one| one.groups.contains(id)));
        Answer { shown, groups, ..Answer::default() }
    }

    /// Pinned ones first, newest pin first; the others in no particular order, since clocks have a say in it.
    fn list(&self, dead: Dead) -> Answer {
        let rest = (0..PEERS).filter(|peer| !self.pins.contains(peer) && self.order.contains(peer));
        let all = self.pins.iter().rev().copied().chain(rest);
        let shown = all.filter(|peer| !is_among(dead.at_look_up, *peer));
        Answer { shown: shown.map(|peer| self.shown(peer)).collect(), ..Answer::default() }
    }
}
