//! Random sequences of all calls that change a user's state. After every call, the test reads the state and compares it
//! with a model, which is simple enough to be obviously right. Several users call at the same time; the calls of each
//! user are sequential.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use earmark::domain::{Directory, Edition};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::support::Outcome::{Done, Refused};
use crate::support::*;

const USERS: usize = 3;
const PEERS: u8 = 5;
const MARKED: usize = 3;
const GROUPED: usize = 3;
const GROUPS: usize = 2;
const PINNED: usize = 2;

/// The call of one user in a round. The name of a contact group is a number.
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
    Delete(u8),
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
        2 => (0..PEERS).prop_map(Call::Delete),
    ]
}

/// The mark and the contact groups of a conversation.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct State {
    mark: u64,
    groups: BTreeSet<u64>,
}

/// The state of a user.
#[derive(Debug, Default)]
struct User {
    imported: bool,
    conversations: [State; PEERS as usize],
    /// Conversations that were marked or grouped, and were never empty since (no mark, no contact group, no pin): in the
    /// order of a page.
    order: Vec<u8>,
    /// Conversations that were marked or grouped, and were empty since then. The service keeps their place as long as it
    /// keeps their row, which the model cannot know: they may stand anywhere in a page.
    unordered: BTreeSet<u8>,
    /// Pinned conversations, oldest pin first.
    pins: Vec<u8>,
    /// Names and ids of contact groups.
    groups: Vec<(u8, u64)>,
    /// How many contact groups were ever created: ids are never used again.
    groups_ever: u64,
}

impl User {
    /// Edits a conversation, or returns the code of the limit that forbids it.
    fn change(&mut self, peer: u8, edit: impl FnOnce(&mut State)) -> Code {
        let mut after = self.conversations.clone();
        edit(&mut after[usize::from(peer)]);
        let count =
            |all: &[State], has: fn(&State) -> bool| all.iter().filter(|one| has(one)).count();
        let is_marked = |one: &State| one.mark != 0;
        let is_grouped = |one: &State| !one.groups.is_empty();
        if count(&after, is_marked) > MARKED || count(&after, is_grouped) > GROUPED {
            return ConversationsFull;
        }
        self.conversations = after;
        self.update_order(peer);
        Code::Ok
    }

    /// The conversation is marked or grouped: pages show it.
    fn is_in_page(&self, peer: u8) -> bool {
        self.conversations[usize::from(peer)] != State::default()
    }

    /// Notes that a conversation has got a place in pages, or has become empty.
    fn update_order(&mut self, peer: u8) {
        let is_in_order = self.order.contains(&peer);
        if self.is_in_page(peer) && !is_in_order && !self.unordered.contains(&peer) {
            self.order.push(peer);
        } else if is_in_order && !self.is_in_page(peer) && !self.pins.contains(&peer) {
            self.order.retain(|other| *other != peer);
            self.unordered.insert(peer);
        }
    }

    /// The conversations of all pages: first those of known place in their order, then the others sorted by peer.
    fn page(&self) -> Vec<u8> {
        let all = self.order.iter().chain(&self.unordered).copied();
        all.filter(|peer| self.is_in_page(*peer)).collect()
    }

    fn id(&self, name: u8) -> Option<u64> {
        self.groups.iter().find(|(other, _)| *other == name).map(|(_, id)| *id)
    }

    fn change_member(&mut self, id: u64, peer: u8, member: bool) -> Code {
        self.change(peer, |one| {
            if member {
                one.groups.insert(id);
            } else {
                one.groups.remove(&id);
            }
        })
    }

    fn pin(&mut self, peer: u8, pin: bool) -> Code {
        if !pin {
            self.pins.retain(|other| *other != peer);
            self.update_order(peer);
        } else if !self.pins.contains(&peer) {
            if self.pins.len() == PINNED {
                return PinsFull;
            }
            self.pins.push(peer);
        }
        Code::Ok
    }

    /// Applies a call of a user who is not imported, and returns its outcome.
    fn expect_without_account(&mut self, call: &Call) -> Outcome {
        if matches!(call, Call::Import) {
            self.imported = true;
            Done(Vec::new())
        } else if matches!(call, Call::DeleteAccount) {
            Done(vec![AccountMissing])
        } else {
            Refused(UnknownUser)
        }
    }

    /// Applies a call, and returns the outcome that the service must answer.
    fn expect(&mut self, call: &Call) -> Outcome {
        if !self.imported {
            return self.expect_without_account(call);
        }
        match call {
            Call::Import => Done(Vec::new()),
            Call::DeleteAccount => {
                *self = Self { groups_ever: self.groups_ever, ..Self::default() };
                Done(vec![Code::Ok])
            }
            Call::Mark(items) => {
                let mark = |&(peer, bit, on): &(u8, u8, bool)| {
                    let bit = 1_u64 << bit;
                    self.change(peer, |one| if on { one.mark |= bit } else { one.mark &= !bit })
                };
                Done(items.iter().map(mark).collect())
            }
            Call::Create(name, _) if self.id(*name).is_some() => Refused(BadParameter),
            Call::Create(..) if self.groups.len() == GROUPS => Refused(ContactGroupsFull),
            Call::Create(name, peers) => {
                self.groups_ever += 1;
                let id = self.groups_ever;
                self.groups.push((*name, id));
                Done(peers.iter().map(|peer| self.change_member(id, *peer, true)).collect())
            }
            Call::Rename(old, _) | Call::Update(old, _) | Call::Del(old)
                if self.id(*old).is_none() =>
            {
                Refused(UnknownContactGroup)
            }
            Call::Rename(old, new) if old != new && self.id(*new).is_some() => {
                Refused(BadParameter)
            }
            Call::Rename(old, new) => {
                for contact_group in self.groups.iter_mut().filter(|(name, _)| name == old) {
                    contact_group.0 = *new;
                }
                Done(Vec::new())
            }
            Call::Update(name, changes) => {
                let id = self.id(*name).unwrap();
                let items = changes.iter();
                Done(items.map(|(peer, member)| self.change_member(id, *peer, *member)).collect())
            }
            Call::Del(name) => {
                let id = self.id(*name).unwrap();
                for peer in 0..PEERS {
                    self.change_member(id, peer, false);
                }
                self.groups.retain(|(other, _)| other != name);
                Done(Vec::new())
            }
            Call::Top(pin, peers) => Done(peers.iter().map(|peer| self.pin(*peer, *pin)).collect()),
            Call::Delete(peer) => {
                self.change(*peer, |one| *one = State::default());
                self.pin(*peer, false);
                Done(Vec::new())
            }
        }
    }
}

fn contact_item(peer: u8) -> Value {
    if peer == 4 { chat_group("4") } else { user(&peer.to_string()) }
}

fn request(owner: &str, call: &Call) -> (&'static str, Value) {
    let items = |peers: &[u8]| peers.iter().copied().map(contact_item).collect::<Vec<_>>();
    match call {
        Call::Import => (ACCOUNT_IMPORT, json!({ "UserID": owner })),
        Call::DeleteAccount => (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": owner }] })),
        Call::Mark(marks) => {
            let item = |&(peer, bit, on): &(u8, u8, bool)| {
                let (set, clear) = if on { (vec![bit], vec![]) } else { (vec![], vec![bit]) };
                change_bits(&contact_item(peer), &set, &clear)
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
        Call::Delete(peer) => {
            let mut body = contact_item(*peer);
            body["From_Account"] = json!(owner);
            (DELETE, body)
        }
    }
}

/// Reads a conversation in an answer.
fn read(shown: &Value) -> (u8, State) {
    let mark = shown.get("StandardMark").and_then(Value::as_str).unwrap_or_default();
    let mark = if mark.is_empty() { 0 } else { u64::from_str_radix(mark, 2).unwrap() };
    let groups = shown.get("ContactGroupId").and_then(Value::as_array);
    let groups = groups.into_iter().flatten().map(|id| id.as_u64().unwrap()).collect();
    (peer_of(shown).parse().unwrap(), State { mark, groups })
}

/// Compares everything that can be read about a user with the model.
async fn compare(app: &TestApp, owner: &str, expected: &User) -> Result<(), TestCaseError> {
    let body = json!({ "From_Account": owner });
    if !expected.imported {
        prop_assert_eq!(app.call(GET, body).await.outcome(), Refused(UnknownUser));
        return Result::Ok(());
    }
    let state = |peer: u8| (peer, expected.conversations[usize::from(peer)].clone());
    let mut all: Vec<_> = app.all_pages(owner).await.iter().map(read).collect();
    // `None` comes first, and the sort is stable.
    all.sort_by_key(|(peer, _)| expected.unordered.contains(peer).then_some(*peer));
    prop_assert_eq!(all, expected.page().into_iter().map(state).collect::<Vec<_>>());
    let wanted: Vec<_> = (0..PEERS).map(contact_item).collect();
    let answer = app.call_ok(SEARCH, search(owner, wanted)).await;
    let found: Vec<_> = answer["ContactResultItem"].as_array().unwrap().iter().map(read).collect();
    prop_assert_eq!(found, (0..PEERS).map(state).collect::<Vec<_>>());
    let groups: Vec<_> = expected.groups.iter().map(|(name, id)| (name.to_string(), *id)).collect();
    prop_assert_eq!(app.contact_groups(owner).await, groups);

    let list = app.listed(owner).await;
    let pins: Vec<_> =
        list.iter().filter(|item| item["TopFlag"] == 1).map(|item| read(item).0).collect();
    prop_assert_eq!(&pins, &expected.pins.iter().rev().copied().collect::<Vec<_>>());
    let mut listed: Vec<_> = list.iter().map(read).collect();
    listed.sort_by_key(|(peer, _)| *peer);
    let is_listed = |peer: &u8| expected.pins.contains(peer) || expected.is_in_page(*peer);
    prop_assert_eq!(listed, (0..PEERS).filter(is_listed).map(state).collect::<Vec<_>>());
    Result::Ok(())
}

/// Runs rounds. In each, all users call at the same time, and switch to the other process.
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
            prop_assert_eq!(answer.outcome(), expected, "round {}: {:?}", round, call);
        }
        let reads = users.iter().zip(&names).map(|(user, name)| compare(app, name, user));
        join_all(reads).await.into_iter().collect::<Result<(), _>>()?;
    }
    Result::Ok(())
}

#[test]
fn any_sequence_of_calls_gives_the_answers_and_the_state_of_the_model() {
    let world = async {
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
    };
    let rounds = prop::collection::vec(prop::array::uniform3(call()), 1..14);
    check_histories((20, file!()), world, &rounds, &async |(app, both), case, rounds| {
        run(app, *both, case, rounds).await
    });
}
