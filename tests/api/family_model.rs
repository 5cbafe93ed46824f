//! Random sequences of everything that changes a user's state, read back after every step and compared with a model that
//! is too simple to be wrong. Users call at the same time, each one's calls follow one another.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use earmark::domain::{Directory, Edition};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use serde_json::{Value, json};

use crate::support::*;

const USERS: usize = 3;
const PEERS: u8 = 5;
const MARKED: usize = 3;
const GROUPED: usize = 3;
const GROUPS: usize = 2;
const PINNED: usize = 2;

/// What one user does in a round. Groups are named by a number.
#[derive(Debug, Clone)]
enum Call {
    Import,
    DeleteAccount,
    Mark(Vec<(u8, u8, bool)>),
    Create(u8, Vec<u8>),
    Rename(u8, u8),
    Update(u8, Vec<(u8, bool)>),
    Del(u8),
    Top(bool, Vec<u8>),
    Forget(u8),
}

fn call() -> impl Strategy<Value = Call> {
    let peers = || prop::collection::vec(0..PEERS, 1..4);
    let changes = prop::collection::vec((0..PEERS, any::<bool>()), 1..4);
    let bit = prop_oneof![Just(63_u8), Just(0_u8)];
    let marks = prop::collection::vec((0..PEERS, bit, any::<bool>()), 1..4);
    prop_oneof![
        3 => Just(Call::Import),
        1 => Just(Call::DeleteAccount),
        5 => marks.prop_map(Call::Mark),
        4 => (0..3_u8, peers()).prop_map(|(name, peers)| Call::Create(name, peers)),
        2 => (0..3_u8, 0..3_u8).prop_map(|(old, new)| Call::Rename(old, new)),
        5 => (0..3_u8, changes).prop_map(|(name, changes)| Call::Update(name, changes)),
        2 => (0..3_u8).prop_map(Call::Del),
        4 => (any::<bool>(), peers()).prop_map(|(pin, peers)| Call::Top(pin, peers)),
        2 => (0..PEERS).prop_map(Call::Forget),
    ]
}

/// What is kept about a conversation.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Kept {
    mark: u64,
    groups: BTreeSet<u64>,
}

/// What is known of a user.
#[derive(Debug, Default)]
struct User {
    imported: bool,
    kept: [Kept; PEERS as usize],
    /// In the order in which they were marked or grouped.
    order: Vec<u8>,
    /// Oldest first.
    pins: Vec<u8>,
    groups: Vec<(u8, u64)>,
    groups_ever: u64,
}

impl User {
    /// Keeps something else about a conversation, unless that would be one too many.
    fn keep(&mut self, peer: u8, edit: impl FnOnce(&mut Kept)) -> u64 {
        let mut kept = self.kept.clone();
        edit(&mut kept[usize::from(peer)]);
        let count =
            |all: &[Kept], has: fn(&Kept) -> bool| all.iter().filter(|one| has(one)).count();
        let is_marked = |one: &Kept| one.mark != 0;
        let is_grouped = |one: &Kept| !one.groups.is_empty();
        if count(&kept, is_marked) > MARKED || count(&kept, is_grouped) > GROUPED {
            return 51008;
        }
        self.kept = kept;
        if self.kept[usize::from(peer)] == Kept::default() {
            self.order.retain(|other| *other != peer);
        } else if !self.order.contains(&peer) {
            self.order.push(peer);
        }
        0
    }

    fn id(&self, name: u8) -> Option<u64> {
        self.groups.iter().find(|(other, _)| *other == name).map(|(_, id)| *id)
    }

    fn change_member(&mut self, id: u64, peer: u8, member: bool) -> u64 {
        self.keep(peer, |kept| {
            if member {
                kept.groups.insert(id);
            } else {
                kept.groups.remove(&id);
            }
        })
    }

    fn pin(&mut self, peer: u8, pin: bool) -> u64 {
        if !pin {
            self.pins.retain(|other| *other != peer);
        } else if !self.pins.contains(&peer) {
            if self.pins.len() == PINNED {
                return 51012;
            }
            self.pins.push(peer);
        }
        0
    }

    /// The codes for a call of somebody who is not imported.
    fn expect_of_a_stranger(&mut self, call: &Call) -> (u64, Vec<u64>) {
        if matches!(call, Call::Import) {
            self.imported = true;
            (0, Vec::new())
        } else if matches!(call, Call::DeleteAccount) {
            (0, vec![70107])
        } else {
            (50001, Vec::new())
        }
    }

    /// The codes that the call must be answered with.
    fn expect(&mut self, call: &Call) -> (u64, Vec<u64>) {
        if !self.imported {
            return self.expect_of_a_stranger(call);
        }
        match call {
            Call::Import => (0, Vec::new()),
            Call::DeleteAccount => {
                *self = Self { groups_ever: self.groups_ever, ..Self::default() };
                (0, vec![0])
            }
            Call::Mark(items) => {
                let mark = |&(peer, bit, on): &(u8, u8, bool)| {
                    let bit = 1_u64 << bit;
                    self.keep(peer, |kept| if on { kept.mark |= bit } else { kept.mark &= !bit })
                };
                (0, items.iter().map(mark).collect())
            }
            Call::Create(name, _) if self.id(*name).is_some() => (50002, Vec::new()),
            Call::Create(..) if self.groups.len() == GROUPS => (51010, Vec::new()),
            Call::Create(name, peers) => {
                self.groups_ever += 1;
                let id = self.groups_ever;
                self.groups.push((*name, id));
                (0, peers.iter().map(|peer| self.change_member(id, *peer, true)).collect())
            }
            Call::Rename(old, _) | Call::Update(old, _) | Call::Del(old)
                if self.id(*old).is_none() =>
            {
                (51009, Vec::new())
            }
            Call::Rename(old, new) if old != new && self.id(*new).is_some() => (50002, Vec::new()),
            Call::Rename(old, new) => {
                for group in self.groups.iter_mut().filter(|(name, _)| name == old) {
                    group.0 = *new;
                }
                (0, Vec::new())
            }
            Call::Update(name, changes) => {
                let id = self.id(*name).unwrap();
                let items = changes.iter();
                (0, items.map(|(peer, member)| self.change_member(id, *peer, *member)).collect())
            }
            Call::Del(name) => {
                let id = self.id(*name).unwrap();
                for peer in 0..PEERS {
                    self.change_member(id, peer, false);
                }
                self.groups.retain(|(other, _)| other != name);
                (0, Vec::new())
            }
            Call::Top(pin, peers) => (0, peers.iter().map(|peer| self.pin(*peer, *pin)).collect()),
            Call::Forget(peer) => {
                self.keep(*peer, |kept| *kept = Kept::default());
                self.pin(*peer, false);
                (0, Vec::new())
            }
        }
    }
}

fn contact_item(peer: u8) -> Value {
    if peer == 4 { group("4") } else { user(&peer.to_string()) }
}

fn request(owner: &str, call: &Call) -> (&'static str, Value) {
    let items = |peers: &[u8]| peers.iter().copied().map(contact_item).collect::<Vec<_>>();
    match call {
        Call::Import => (ACCOUNT_IMPORT, json!({ "UserID": owner })),
        Call::DeleteAccount => (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": owner }] })),
        Call::Mark(marks) => {
            let item = |&(peer, bit, on): &(u8, u8, bool)| {
                let (set, clear) = if on { (vec![bit], vec![]) } else { (vec![], vec![bit]) };
                change(&contact_item(peer), &set, &clear)
            };
            (MARK_CONTACT, mark_contact(owner, marks.iter().map(item).collect::<Vec<_>>()))
        }
        Call::Create(name, peers) => (CREATE, create(owner, &name.to_string(), items(peers))),
        Call::Rename(old, new) => (UPDATE, rename(owner, &old.to_string(), &new.to_string())),
        Call::Update(name, changes) => {
            let item = |&(peer, member): &(u8, bool)| {
                if member { add(&contact_item(peer)) } else { remove(&contact_item(peer)) }
            };
            let changes: Vec<_> = changes.iter().map(item).collect();
            (UPDATE, update(owner, &name.to_string(), changes))
        }
        Call::Del(name) => (DEL, del(owner, &name.to_string())),
        Call::Top(pin, peers) => (TOP, top(owner, if *pin { 1 } else { 2 }, items(peers))),
        Call::Forget(peer) => {
            let mut body = contact_item(*peer);
            body["From_Account"] = json!(owner);
            (DELETE, body)
        }
    }
}

/// What an answer says of a conversation: its other end, its mark, its groups.
fn read(shown: &Value) -> (u8, Kept) {
    let mark = shown.get("StandardMark").and_then(Value::as_str).unwrap_or_default();
    let mark = if mark.is_empty() { 0 } else { u64::from_str_radix(mark, 2).unwrap() };
    let groups = shown.get("ContactGroupId").and_then(Value::as_array);
    let groups = groups.into_iter().flatten().map(|id| id.as_u64().unwrap()).collect();
    (peer_of(shown).parse().unwrap(), Kept { mark, groups })
}

/// Everything that can be read of a user is what the model knows.
async fn compare(app: &TestApp, owner: &str, expected: &User) -> Result<(), TestCaseError> {
    let body = json!({ "From_Account": owner });
    if !expected.imported {
        prop_assert_eq!(&app.call(GET, body).await["ErrorCode"], 50001);
        return Ok(());
    }
    let kept = |peer: &u8| (*peer, expected.kept[usize::from(*peer)].clone());
    let all: Vec<_> = app.everything(owner).await.iter().map(read).collect();
    prop_assert_eq!(all, expected.order.iter().map(kept).collect::<Vec<_>>());
    let wanted: Vec<_> = (0..PEERS).map(contact_item).collect();
    let answer = app.must(SEARCH, search(owner, wanted)).await;
    let found: Vec<_> = answer["ContactResultItem"].as_array().unwrap().iter().map(read).collect();
    prop_assert_eq!(found, (0..PEERS).map(|peer| kept(&peer)).collect::<Vec<_>>());
    let groups: Vec<_> = expected.groups.iter().map(|(name, id)| (name.to_string(), *id)).collect();
    prop_assert_eq!(app.groups(owner).await, groups);

    let list = app.listed(owner).await;
    let pins: Vec<_> =
        list.iter().filter(|item| item["TopFlag"] == 1).map(|item| read(item).0).collect();
    prop_assert_eq!(&pins, &expected.pins.iter().rev().copied().collect::<Vec<_>>());
    let mut listed: Vec<_> = list.iter().map(read).collect();
    listed.sort_by_key(|(peer, _)| *peer);
    let there = |peer: &u8| expected.pins.contains(peer) || expected.order.contains(peer);
    let there: Vec<_> = (0..PEERS).filter(there).map(|peer| kept(&peer)).collect();
    prop_assert_eq!(listed, there);
    Ok(())
}

/// Runs rounds in which all users call at the same time, in turn over both processes.
async fn run(
    app: &TestApp,
    both: [SocketAddr; 2],
    case: usize,
    rounds: &[[Call; USERS]],
) -> Result<(), TestCaseError> {
    let mut users: [User; USERS] = Default::default();
    let names: [String; USERS] = std::array::from_fn(|nr| format!("case{case}-user{nr}"));
    for (round, calls) in rounds.iter().enumerate() {
        let answers = calls.iter().enumerate().map(|(nr, call)| {
            let (command, body) = request(&names[nr], call);
            app.call_at(both[(round + nr) % 2], command, body)
        });
        for ((user, call), answer) in users.iter_mut().zip(calls).zip(join_all(answers).await) {
            let expected = user.expect(call);
            prop_assert_eq!(outcome(&answer), expected, "round {}: {:?}", round, call);
        }
        let reads = users.iter().zip(&names).map(|(user, name)| compare(app, name, user));
        join_all(reads).await.into_iter().collect::<Result<(), _>>()?;
    }
    Ok(())
}

#[test]
fn any_sequence_of_calls_leaves_what_the_model_says() {
    let system = actix_web::rt::System::new();
    let (app, both) = system.block_on(async {
        let mut app = TestApp::with(Edition::Premium, Directory::Owners).await;
        let limits = [
            "calls-per-second=0".to_owned(),
            "page-items=2".to_owned(),
            format!("marked={MARKED}"),
            format!("grouped={GROUPED}"),
            format!("groups={GROUPS}"),
            format!("pinned={PINNED}"),
        ];
        app.change(set_limits(&limits.each_ref().map(String::as_str))).await;
        let both = [app.start_another().await, app.start_another().await];
        (app, both)
    });
    let config = Config { cases: 20, source_file: Some(file!()), ..Config::default() };
    let rounds = prop::collection::vec(prop::array::uniform3(call()), 1..14);
    let case = std::cell::Cell::new(0);
    let outcome = TestRunner::new(config).run(&rounds, |rounds| {
        case.set(case.get() + 1);
        system.block_on(run(&app, both, case.get(), &rounds))
    });
    system.block_on(async { drop(app) });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}
