//! Applying `changes` to what a client had gives exactly what a fresh read shows, for every cursor that is still known: random
//! histories, in which a client goes on from any earlier cursor.

use std::net::SocketAddr;

use earmark::domain::{Directory, Edition};
use earmark::store::forgetting;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use testkit::model::Known;

use super::Ask;
use crate::support::*;

const PEERS: u8 = 5;

/// What happens between two reads. Even peers are users, odd ones are chat groups. The name of a contact group is a number.
#[derive(Debug, Clone)]
enum Step {
    Mark(Vec<(u8, u8, bool)>),
    Custom(u8, bool),
    Create(u8, Vec<u8>),
    Rename(u8, u8),
    Update(u8, Vec<(u8, bool)>),
    Del(u8),
    Top(bool, Vec<u8>),
    Delete(u8),
    /// A peer leaves the directory, or comes back.
    Peer(u8, bool),
    /// The user does.
    Owner(bool),
    /// Rows of empty conversations are removed.
    Forget,
    Limits(u8),
    Native(Native),
}

/// A call of the native API.
#[derive(Debug, Clone)]
enum Native {
    Batch(Vec<Patch>),
    /// Makes a contact group.
    Put(u8),
    /// Renames a contact group, moves it, or both.
    Edit(u8, Option<u8>, Option<u8>),
}

/// Of a peer: a bit that is set or cleared, a contact group that it is added to or removed from, its pin.
type Patch = (u8, (u8, bool), Option<(u8, bool)>, Option<bool>);

fn step() -> impl Strategy<Value = Step> {
    let peers = || prop::collection::vec(0..PEERS, 1..4);
    let changes = prop::collection::vec((0..PEERS, any::<bool>()), 1..4);
    let bit = prop_oneof![Just(63_u8), Just(0_u8)];
    let marks = prop::collection::vec((0..PEERS, bit.clone(), any::<bool>()), 1..4);
    let member = prop::option::of((0..3_u8, any::<bool>()));
    let patch = (0..PEERS, (bit, any::<bool>()), member, any::<Option<bool>>());
    prop_oneof![
        6 => marks.prop_map(Step::Mark),
        2 => (0..PEERS, any::<bool>()).prop_map(|(peer, has)| Step::Custom(peer, has)),
        4 => (0..3_u8, peers()).prop_map(|(name, peers)| Step::Create(name, peers)),
        2 => (0..3_u8, 0..3_u8).prop_map(|(old, new)| Step::Rename(old, new)),
        5 => (0..3_u8, changes).prop_map(|(name, changes)| Step::Update(name, changes)),
        2 => (0..3_u8).prop_map(Step::Del),
        3 => (any::<bool>(), peers()).prop_map(|(pin, peers)| Step::Top(pin, peers)),
        2 => (0..PEERS).prop_map(Step::Delete),
        5 => (0..PEERS, any::<bool>()).prop_map(|(peer, comes)| Step::Peer(peer, comes)),
        1 => any::<bool>().prop_map(Step::Owner),
        1 => Just(Step::Forget),
        1 => (1..4_u8).prop_map(Step::Limits),
        6 => prop::collection::vec(patch, 1..4).prop_map(|patches| Step::Native(Native::Batch(patches))),
        3 => (0..3_u8).prop_map(|name| Step::Native(Native::Put(name))),
        3 => (0..3_u8, prop::option::of(0..3_u8), prop::option::of(0..3_u8))
            .prop_map(|(name, new_name, position)| Step::Native(Native::Edit(name, new_name, position))),
    ]
}

/// Clients that go on from earlier cursors after each step: one from any of them, one from the last.
fn history() -> impl Strategy<Value = Vec<(Step, prop::sample::Index)>> {
    prop::collection::vec((step(), any::<prop::sample::Index>()), 1..40)
}

struct World {
    app: TestApp,
    both: [SocketAddr; 2],
}

impl World {
    async fn start() -> Self {
        let mut app = TestApp::with(Edition::Premium, Directory::Open).await;
        let limits =
            ["calls-per-second=0", "page-items=2", "marked=3", "grouped=3", "groups=2", "pinned=2"];
        app.change(set_limits(&limits)).await;
        let both = [app.start_another().await, app.start_another().await];
        Self { app, both }
    }

    /// What a fresh read shows; `None` if the user is deleted.
    async fn fresh(&self, owner: &str) -> Option<Known> {
        let user = Ask::get(format!("/users/{owner}")).send(&self.app).await;
        if user.status == 404 {
            return None;
        }
        let user = user.ok();
        let mut known = None;
        for order in ["first_marked", "last_changed", "pinned"] {
            let (mut listed, mut page) = (Vec::new(), String::new());
            loop {
                let path = format!("/users/{owner}/conversations?order={order}{page}");
                let shown = Ask::get(path).send(&self.app).await.ok();
                assert_eq!(shown["cursor"], user["cursor"]);
                listed.extend(shown["conversations"].as_array().unwrap().clone());
                let Some(next) = shown["next"].as_str() else { break };
                page = format!("&page={next}");
            }
            let count = listed.len();
            let read = Known::new(&user, listed);
            assert_eq!(read.conversations.len(), count, "a conversation is listed twice");
            known = Some(read);
        }
        known
    }

    /// A client with this knowledge asks for changes, and must know the same as `fresh`.
    async fn check(
        &self,
        owner: &str,
        nr: usize,
        before: &Known,
        fresh: &Known,
    ) -> Result<(), TestCaseError> {
        let path = format!("/users/{owner}/changes?since={}", before.cursor);
        let reply = Ask::get(path).send_at(&self.app, self.both[nr % 2]).await;
        let forgotten: Option<i64> =
            sqlx::query_scalar("SELECT forgotten_revision FROM users WHERE user_id = $1")
                .bind(owner)
                .fetch_optional(&self.app.db)
                .await
                .unwrap();
        let is_known = before.revision() >= forgotten.unwrap_or(0);
        prop_assert_eq!(reply.status, if is_known { 200 } else { 410 }, "{:?}", reply);
        if is_known {
            let mut known = before.clone();
            known.apply(&reply.json);
            prop_assert_eq!(&known, fresh, "{}", reply.json);
        }
        Result::Ok(())
    }

    async fn call(&self, nr: usize, command: &str, body: Value) {
        // It may be refused, which changes nothing.
        self.app.call_at(self.both[nr % 2], command, body).await;
    }

    async fn take(&self, nr: usize, owner: &str, step: &Step) {
        let peer = |nr: &u8| format!("{owner}-peer{nr}");
        let item = |nr: &u8| {
            if nr.is_multiple_of(2) { user(&peer(nr)) } else { chat_group(&peer(nr)) }
        };
        let items = |peers: &[u8]| peers.iter().map(item).collect::<Vec<_>>();
        let (command, body) = match step {
            Step::Mark(marks) => {
                let change = |(peer, bit, on): &(u8, u8, bool)| {
                    let (set, clear) =
                        if *on { (vec![*bit], vec![]) } else { (vec![], vec![*bit]) };
                    change_bits(&item(peer), &set, &clear)
                };
                let marks: Vec<_> = marks.iter().map(change).collect();
                (MARK_CONTACT, mark_contact(owner, marks))
            }
            Step::Custom(peer, has) => {
                let text = if *has { "text" } else { "" };
                let mark = json!({ "OptType": 2, "ContactItem": item(peer), "CustomMark": text });
                (MARK_CONTACT, mark_contact(owner, [mark]))
            }
            Step::Create(name, peers) => (CREATE, create(owner, &name.to_string(), items(peers))),
            Step::Rename(old, new) => (UPDATE, rename(owner, &old.to_string(), &new.to_string())),
            Step::Update(name, changes) => {
                let change = |(peer, member): &(u8, bool)| {
                    if *member { add(&item(peer)) } else { remove(&item(peer)) }
                };
                let changes: Vec<_> = changes.iter().map(change).collect();
                (UPDATE, update(owner, &name.to_string(), changes))
            }
            Step::Del(name) => (DEL, del(owner, &name.to_string())),
            Step::Top(pin, peers) => (TOP, top(owner, if *pin { 1 } else { 2 }, items(peers))),
            Step::Delete(peer) => {
                let mut body = item(peer);
                body["From_Account"] = owner.into();
                (DELETE, body)
            }
            Step::Peer(id, comes) => move_peer(&peer(id), id.is_multiple_of(2), *comes),
            Step::Owner(comes) => move_peer(owner, true, *comes),
            Step::Forget | Step::Limits(_) => return self.disturb(step).await,
            Step::Native(call) => return self.ask(nr, owner, call).await,
        };
        self.call(nr, command, body).await;
    }

    /// A call of the native API. It may be refused, or some of its patches, which changes nothing.
    async fn ask(&self, nr: usize, owner: &str, call: &Native) {
        let group = |name: &u8| format!("/users/{owner}/groups/{name}");
        let patch = |(peer, (bit, sets), member, pinned): &Patch| {
            let kind = if peer.is_multiple_of(2) { "user" } else { "group" };
            let mut patch =
                json!({ "type": kind, "id": format!("{owner}-peer{peer}"), "pinned": pinned });
            patch[if *sets { "set" } else { "clear" }] = json!([bit]);
            if let Some((name, joins)) = member {
                patch[if *joins { "add_to" } else { "remove_from" }] = json!([name.to_string()]);
            }
            patch
        };
        let ask = match call {
            Native::Batch(patches) => {
                Ask::batch(owner, patches.iter().map(patch).collect::<Vec<_>>())
            }
            Native::Put(name) => Ask::put(group(name)),
            Native::Edit(name, new_name, position) => {
                let name_text = new_name.map(|name| name.to_string());
                Ask::patch(group(name), json!({ "name": name_text, "position": position }))
            }
        };
        ask.send_at(&self.app, self.both[nr % 2]).await;
    }

    /// What does not go through the API.
    async fn disturb(&self, step: &Step) {
        if let Step::Forget = step {
            let (store, now) = (self.app.partitions.clone(), unix_now());
            on_runtime(async move { forgetting::prune(&store, now + 1).await.unwrap() }).await;
        }
        if let Step::Limits(marked) = step {
            self.app.change(set_limits(&[&format!("marked={marked}")])).await;
        }
    }

    async fn run(
        &self,
        case: usize,
        history: &[(Step, prop::sample::Index)],
    ) -> Result<(), TestCaseError> {
        let owner = format!("case{case}");
        let mut knowledge: Vec<Known> = self.fresh(&owner).await.into_iter().collect();
        for (nr, (step, earlier)) in history.iter().enumerate() {
            self.take(nr, &owner, step).await;
            let Some(fresh) = self.fresh(&owner).await else { continue };
            if let Some(last) = knowledge.last() {
                self.check(&owner, nr, last, &fresh).await?;
                self.check(&owner, nr, earlier.get(&knowledge), &fresh).await?;
            }
            knowledge.push(fresh);
        }
        Result::Ok(())
    }
}

#[test]
fn changes_applied_to_what_a_client_had_are_what_a_fresh_read_shows() {
    check_histories(
        (30, file!()),
        World::start(),
        &history(),
        &async |world: &World, case, history| world.run(case, history).await,
    );
}

/// The call with which a user or a chat group comes or goes.
fn move_peer(id: &str, is_user: bool, comes: bool) -> (&'static str, Value) {
    match (is_user, comes) {
        (true, true) => (ACCOUNT_IMPORT, json!({ "UserID": id })),
        (true, false) => (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": id }] })),
        (false, true) => {
            (CREATE_CHAT_GROUP, json!({ "Type": "Public", "Name": "room", "GroupId": id }))
        }
        (false, false) => (DESTROY_CHAT_GROUP, json!({ "GroupId": id })),
    }
}
