//! Random histories over both APIs. After every call, a fresh read of the native API is compared with the model of
//! `crates/testkit`.

use std::net::SocketAddr;

use actix_web::http::Method;
use earmark::domain::{Directory, Edition};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};
use testkit::model::{
    self, Answer, Call, DELETABLE, Deleted, FIRST_CHAT_GROUP, GROUPED_MAX, GROUPS_MAX, MARKED_MAX,
    PEERS, PINNED_MAX, User, peer_id,
};

use super::Ask;
use crate::support::*;

const USERS: usize = 3;

/// The call of one user in a round.
#[derive(Debug, Clone)]
enum Step {
    Original(Call),
    Native(Call),
}

impl Step {
    fn any() -> impl Strategy<Value = Self> {
        prop_oneof![
            2 => Call::any().prop_map(Self::Original),
            1 => Just(Self::Original(Call::Import)),
            3 => Call::native().prop_map(Self::Native),
        ]
    }
}

/// What happens in a round: every user calls, and then another end may be deleted or come back.
#[derive(Debug, Clone)]
struct Round {
    steps: [Step; USERS],
    toggled: Option<usize>,
}

impl Round {
    fn any() -> impl Strategy<Value = Self> {
        let toggled = prop_oneof![4 => Just(None), 1 => (0..2_usize).prop_map(Some)];
        (prop::array::uniform3(Step::any()), toggled)
            .prop_map(|(steps, toggled)| Self { steps, toggled })
    }
}

async fn call(app: &TestApp, address: SocketAddr, owner: &str, step: &Step) -> Answer {
    match step {
        Step::Original(call) => {
            let (command, body) = model::request(owner, call);
            let answer = app.call_at(address, command, body).await;
            model::read_answer(call, &answer).unwrap_or_else(|| panic!("{call:?}: {answer}"))
        }
        Step::Native(call) => {
            let (method, path, body) = model::native_request(call);
            let method: Method = method.parse().unwrap();
            let mut ask = Ask::new(method, format!("/users/{owner}{path}"));
            ask.body = body;
            let reply = ask.send_at(app, address).await;
            let answer = model::read_native_answer(call, reply.status, &reply.json);
            answer.unwrap_or_else(|| panic!("{call:?}: {reply:?}"))
        }
    }
}

/// Applies the call to the model, and returns the answer that the service must give.
fn expect(user: &mut User, step: &Step, deleted: Deleted) -> Answer {
    match step {
        Step::Native(call @ Call::Del(_)) => match user.apply(call, deleted) {
            // A contact group that is not there is deleted already.
            answer if answer.code == UnknownContactGroup.number() => Answer::default(),
            answer => answer,
        },
        Step::Original(call) | Step::Native(call) => user.apply(call, deleted),
    }
}

/// Compares everything that the native API shows of a user with the model.
async fn compare(
    app: &TestApp,
    owner: &str,
    user: &User,
    gone: [bool; 2],
) -> Result<(), TestCaseError> {
    let reply = Ask::get(format!("/users/{owner}")).send(app).await;
    if !user.is_imported() {
        reply.assert_refused(404, "not-found", UnknownUser);
        return Result::Ok(());
    }
    let shown = reply.ok();
    let is_gone = |peer: u8| DELETABLE.iter().zip(gone).any(|(other, gone)| gone && *other == peer);
    let views: Vec<_> = (0..PEERS)
        .map(|peer| {
            if is_gone(peer) {
                model::ConversationView { peer, ..Default::default() }
            } else {
                user.view(peer)
            }
        })
        .collect();
    let size = |id: &u64| views.iter().filter(|view| view.groups.contains(id)).count();
    let groups: Value = user
        .groups()
        .iter()
        .map(|(name, id)| json!({ "name": name.to_string(), "id": id, "conversations": size(id) }))
        .collect();
    prop_assert_eq!(&shown["groups"], &groups);
    let [marked, grouped, pinned] = user.used(gone);
    let limits = json!({
        "marked": { "used": marked, "max": MARKED_MAX },
        "grouped": { "used": grouped, "max": GROUPED_MAX },
        "pinned": { "used": pinned, "max": PINNED_MAX },
        "groups": { "used": user.groups().len(), "max": GROUPS_MAX },
    });
    prop_assert_eq!(&shown["limits"], &limits);
    for view in views {
        let kind = if view.peer < FIRST_CHAT_GROUP { "user" } else { "group" };
        let path = format!("/users/{owner}/conversations/{kind}/{}", peer_id(view.peer));
        let shown = Ask::get(path).send(app).await.ok();
        let standard = ["favorite", "unread", "collapsed", "hidden"];
        let mark = |bit: usize| standard.get(bit).map_or(json!(bit), |name| json!(name));
        let marks: Value = (0..64).filter(|bit| view.mark >> bit & 1 == 1).map(mark).collect();
        let name = |id: &u64| user.groups().iter().find(|(_, other)| other == id).unwrap().0;
        let names: Value = view.groups.iter().map(|id| name(id).to_string()).collect();
        let custom = if view.custom.is_empty() { Value::Null } else { json!(view.custom) };
        let found = ["marks", "custom", "groups", "pinned"].map(|name| shown[name].clone());
        prop_assert_eq!(found, [marks, custom, names, json!(view.pinned)], "{:?}", shown);
    }
    Result::Ok(())
}

/// Deletes one of the other ends from the directory, or creates it again.
async fn toggle(app: &TestApp, nr: usize, gone: bool) {
    let id = peer_id(DELETABLE[nr]);
    match (DELETABLE[nr] < FIRST_CHAT_GROUP, gone) {
        (true, false) => app.import(&id).await,
        (true, true) => app.delete_account(&id).await,
        (false, false) => app.create_chat_group(&id).await,
        (false, true) => app.destroy_chat_group(&id).await,
    }
}

/// In each round, all users call at the same time, and switch to the other process.
async fn run(
    app: &TestApp,
    both: [SocketAddr; 2],
    case: usize,
    rounds: &[Round],
) -> Result<(), TestCaseError> {
    let mut users: [User; USERS] = Default::default();
    let names: [String; USERS] = std::array::from_fn(|nr| format!("case{case}-user{nr}"));
    let mut gone = [false; 2];
    for (round, Round { steps, toggled }) in rounds.iter().enumerate() {
        let calls = steps
            .iter()
            .enumerate()
            .map(|(nr, step)| call(app, both[(round + nr) % 2], &names[nr], step));
        let answers = join_all(calls).await;
        let deleted = Deleted { at_look_up: gone, at_count: gone };
        for ((user, step), answer) in users.iter_mut().zip(steps).zip(answers) {
            let expected = expect(user, step, deleted);
            let answer = match step {
                Step::Original(call) => user.normalize(call, answer),
                Step::Native(_) => answer,
            };
            prop_assert_eq!(answer, expected, "round {}: {:?}", round, step);
        }
        if let Some(nr) = *toggled {
            gone[nr] = !gone[nr];
            toggle(app, nr, gone[nr]).await;
        }
        let reads = users.iter().zip(&names).map(|(user, name)| compare(app, name, user, gone));
        join_all(reads).await.into_iter().collect::<Result<(), _>>()?;
    }
    for (nr, gone) in gone.into_iter().enumerate().filter(|(_, gone)| *gone) {
        toggle(app, nr, !gone).await;
    }
    Result::Ok(())
}

#[test]
fn any_history_over_both_apis_shows_the_state_of_the_model() {
    let world = async {
        let mut app = TestApp::with(Edition::Premium, Directory::Owners).await;
        app.change(set_limits(&model::limits().each_ref().map(String::as_str))).await;
        let both = [app.start_another().await, app.start_another().await];
        for nr in 0..DELETABLE.len() {
            toggle(&app, nr, false).await;
        }
        (app, both)
    };
    let rounds = prop::collection::vec(Round::any(), 1..20);
    check_histories((20, file!()), world, &rounds, &async |(app, both), case, rounds| {
        run(app, *both, case, rounds).await
    });
}
