//! Random calls of `mark_contact` and of the directory. The test compares the answers with a model, which is simple
//! enough to be obviously right.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use earmark::service::{AppChange, AppSettings};
use futures_util::future::join_all;
use proptest::prelude::*;
use proptest::test_runner::TestCaseError;
use serde_json::{Value, json};

use crate::support::Outcome::{Done, Refused};
use crate::support::*;

const USERS: usize = 3;
const PLACES: usize = 3;

/// The call of one user in a round.
#[derive(Debug, Clone)]
enum Call {
    Nothing,
    Import,
    Check,
    Mark(Vec<Item>),
}

/// A `MarkItem`.
#[derive(Debug, Clone)]
struct Item {
    peer: u8,
    opt_type: u8,
    set: Option<Vec<u8>>,
    clear: Option<Vec<u8>>,
    custom: Option<String>,
}

/// The state of a user.
#[derive(Debug, Default)]
struct User {
    imported: bool,
    /// The bits and the custom mark of each marked conversation.
    marks: BTreeMap<u8, (u64, String)>,
}

fn bits() -> impl Strategy<Value = Option<Vec<u8>>> {
    let bit = prop_oneof![Just(63_u8), 0..3_u8, 0..64_u8];
    prop::option::of(prop::collection::vec(bit, 0..4))
}

fn item() -> impl Strategy<Value = Item> {
    let custom = prop::option::of(prop_oneof![Just(String::new()), "[a-c]{1,2}|中"]);
    (0..5_u8, 1..=3_u8, bits(), bits(), custom)
        .prop_map(|(peer, opt_type, set, clear, custom)| Item {
            peer,
            opt_type,
            set,
            clear,
            custom,
        })
        .prop_filter("the service refuses an item without a change", |item| {
            let bits = item.set.is_some() || item.clear.is_some();
            match item.opt_type {
                1 => bits,
                2 => item.custom.is_some(),
                _ => bits || item.custom.is_some(),
            }
        })
}

fn call() -> impl Strategy<Value = Call> {
    prop_oneof![
        1 => Just(Call::Nothing),
        1 => Just(Call::Import),
        1 => Just(Call::Check),
        6 => prop::collection::vec(item(), 1..6).prop_map(Call::Mark),
    ]
}

impl Item {
    fn json(&self) -> Value {
        let contact_item =
            if self.peer == 4 { chat_group("4") } else { user(&self.peer.to_string()) };
        json!({
            "OptType": self.opt_type, "ContactItem": contact_item,
            "SetMark": self.set, "ClearMark": self.clear, "CustomMark": self.custom,
        })
    }
}

impl User {
    /// Applies an item, and returns the `ResultCode` that the service must answer.
    fn mark(&mut self, item: &Item) -> Code {
        let mask =
            |bits: &Option<Vec<u8>>| bits.iter().flatten().fold(0, |mask, bit| mask | 1_u64 << bit);
        let (mut standard, mut custom) = self.marks.get(&item.peer).cloned().unwrap_or_default();
        if item.opt_type != 2 {
            standard = (standard | mask(&item.set)) & !mask(&item.clear);
        }
        if let (2 | 3, Some(text)) = (item.opt_type, &item.custom) {
            custom.clone_from(text);
        }
        if standard == 0 && custom.is_empty() {
            self.marks.remove(&item.peer);
        } else if self.marks.contains_key(&item.peer) || self.marks.len() < PLACES {
            self.marks.insert(item.peer, (standard, custom));
        } else {
            return ConversationsFull;
        }
        Code::Ok
    }

    /// Applies a call, and returns the outcome that the service must answer.
    fn expect(&mut self, call: &Call) -> Outcome {
        match call {
            Call::Nothing => {}
            Call::Import => self.imported = true,
            Call::Check => return Done(vec![Code::Ok]),
            Call::Mark(_) if !self.imported => return Refused(UnknownUser),
            Call::Mark(items) => return Done(items.iter().map(|item| self.mark(item)).collect()),
        }
        Done(Vec::new())
    }
}

async fn run(app: &TestApp, at: SocketAddr, name: &str, call: &Call) -> Outcome {
    let answer = match call {
        Call::Nothing => return Done(Vec::new()),
        Call::Import => app.call_at(at, ACCOUNT_IMPORT, json!({ "UserID": name })).await,
        Call::Check => {
            let body = json!({ "CheckItem": [{ "UserID": name }] });
            app.call_at(at, ACCOUNT_CHECK, body).await
        }
        Call::Mark(items) => app.mark_at(at, name, items.iter().map(Item::json)).await,
    };
    answer.outcome()
}

/// Runs rounds. In each, all users call at the same time, and switch to the other process.
async fn compare(
    app: &TestApp,
    both: [SocketAddr; 2],
    case: usize,
    rounds: &[[Call; USERS]],
) -> Result<(), TestCaseError> {
    let mut users: [User; USERS] = Default::default();
    let names: [String; USERS] = std::array::from_fn(|nr| format!("case{case}-user{nr}"));
    for (round, calls) in rounds.iter().enumerate() {
        let answers = calls
            .iter()
            .enumerate()
            .map(|(nr, call)| run(app, both[(round + nr) % 2], &names[nr], call));
        for ((user, call), answer) in users.iter_mut().zip(calls).zip(join_all(answers).await) {
            prop_assert_eq!(answer, user.expect(call), "round {}: {:?}", round, call);
        }
    }
    for (user, name) in users.iter().zip(&names) {
        let mut found: Vec<_> = app.marks(name).await;
        found.sort_by(|a, b| a.peer.cmp(&b.peer));
        let expected: Vec<_> = user
            .marks
            .iter()
            .map(|(peer, (standard, custom))| Mark {
                kind: if *peer == 4 { 2 } else { 1 },
                ..marked(&peer.to_string(), *standard, custom)
            })
            .collect();
        prop_assert_eq!(found, expected);
        prop_assert_eq!(app.marked_count(name).await, user.marks.len());
    }
    Result::Ok(())
}

#[test]
fn any_sequence_of_marks_gives_the_answers_and_the_state_of_the_model() {
    let world = async {
        let limits = ["calls-per-second=0".to_owned(), format!("marked={PLACES}")];
        let mut app = TestApp::with_limits(&limits.each_ref().map(String::as_str)).await;
        let directory = Some(earmark::domain::Directory::Owners);
        let settings = AppSettings { directory, ..AppSettings::default() };
        app.change(AppChange::Set(settings)).await;
        let both = [app.addresses.api, app.start_another().await];
        (app, both)
    };
    let rounds = prop::collection::vec(prop::array::uniform3(call()), 1..12);
    check_histories((30, file!()), world, &rounds, &async |(app, both), case, rounds| {
        compare(app, *both, case, rounds).await
    });
}
