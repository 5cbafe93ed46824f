//! Clients that send random calls over keep-alive connections. A test may change the addresses of the services meanwhile.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use proptest::prop_oneof;
use proptest::strategy::{Strategy, ValueTree as _};
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};
use serde_json::{Value, json};
use testkit::history::History;
use testkit::model::{
    Call, DELETABLE, FIRST_CHAT_GROUP, Mark, PEERS, peer_id, read_answer, request,
};
use testkit::{APP, Connection, SECRET_KEY, TIMEOUT};

use crate::EARMARK;
use crate::users::Users;

/// How long a client waits for an answer. It is longer than the service's deadline.
pub(crate) const PATIENCE: Duration = Duration::from_secs(6);
/// How long a client pauses after a call without an answer, and the directory's client after each call.
pub(crate) const PAUSE: Duration = Duration::from_millis(10);
/// A client doubles its pause after each further call without an answer, up to this. The checker has to try each such call
/// both as done and as not done, so thousands of them would take it too long.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// How many threads of a service [`Load::time_to_recover`] waits for.
const THREADS: usize = 4;

/// How many clients call, about how many users.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) users: usize,
    pub(crate) clients: usize,
    /// The load ends after this many calls, or when the test ends it.
    pub(crate) calls: usize,
}

/// Clients that call in the background, and what they have seen.
pub(crate) struct Load {
    pub(crate) plan: Plan,
    pub(crate) user_sig: String,
    pub(crate) history: History,
    pub(crate) users: Users,
    targets: Mutex<Vec<SocketAddr>>,
    news: Condvar,
    calls: AtomicUsize,
    answers: Mutex<Answers>,
    is_over: AtomicBool,
}

/// How requests were answered.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Answers {
    /// The service had accepted the request, and has not answered it.
    pub(crate) broken: usize,
    /// The request was sent on a new connection, which was closed without an answer.
    pub(crate) not_accepted: usize,
    /// With 50005: the database did not answer in time.
    pub(crate) late: usize,
    pub(crate) slowest: Duration,
}

/// The result of a request.
enum Outcome {
    Answered(Value),
    /// The request was not sent.
    NotDone,
    Unknown,
}

/// A random source that depends on the seed and the client's number only.
fn random(seed: u64, client: usize) -> TestRunner {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    bytes[8..16].copy_from_slice(&client.to_le_bytes());
    let source = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(Config::default(), source)
}

/// Marks one of two conversations. It usually holds a place already, so the service takes its fast path. Calls from
/// [`Call::any`] rarely take that path, because there are more conversations than places. Most of these marks commute, so
/// the checker has few orders to try.
fn mark_again() -> impl Strategy<Value = Call> {
    (0..2_u8, 0..16_u8, 0..16_u8).prop_map(|(peer, set, clear)| {
        let (set, clear) = (Some(vec![set]), Some(vec![clear]));
        Call::Mark(vec![Mark { peer, opt_type: 1, set, clear, custom: None }])
    })
}

impl Load {
    /// Runs the load against these services until `meanwhile` returns. Then reads everything once more.
    pub(crate) fn run<T>(
        plan: Plan,
        targets: Vec<SocketAddr>,
        meanwhile: impl FnOnce(&Self) -> T,
    ) -> (Self, T) {
        let load = Self {
            plan,
            user_sig: EARMARK.user_sig(SECRET_KEY),
            history: History::of(plan.users),
            users: Users::of(plan.seed, plan.users),
            targets: Mutex::new(targets),
            news: Condvar::new(),
            calls: AtomicUsize::new(0),
            answers: Mutex::default(),
            is_over: AtomicBool::new(false),
        };
        for entry in 0..DELETABLE.len() {
            assert!(
                load.call_directory(&mut None, entry, false),
                "both entries exist at the beginning"
            );
        }
        assert!(load.imports_watchers(), "all accounts can be imported at the beginning");
        let done = thread::scope(|scope| {
            for client in 0..plan.clients {
                let load = &load;
                scope.spawn(move || load.run_client(client));
            }
            for entry in 0..DELETABLE.len() {
                let load = &load;
                scope.spawn(move || load.run_directory_client(entry));
            }
            let end = EndOnDrop(&load);
            let done = meanwhile(&load);
            drop(end);
            done
        });
        load.read_everything();
        (load, done)
    }

    /// Reads the whole state of every user.
    pub(crate) fn read_everything(&self) {
        for user in 0..self.plan.users {
            self.read_all(user);
        }
    }

    /// Sets the addresses of the services that clients call from now on.
    pub(crate) fn set_targets(&self, targets: Vec<SocketAddr>) {
        *self.targets.lock().unwrap() = targets;
        self.news.notify_all();
    }

    /// One of the services, if there are any.
    pub(crate) fn target(&self, nr: usize) -> Option<SocketAddr> {
        let targets = self.targets.lock().unwrap();
        targets.get(nr % targets.len().max(1)).copied()
    }

    /// Waits until the clients have made this many more calls, or all calls of the plan.
    pub(crate) fn wait_for_calls(&self, more: usize) {
        let mut made = self.calls.load(Ordering::SeqCst);
        let (wanted, mut end) = ((made + more).min(self.plan.calls), Instant::now() + TIMEOUT);
        let mut targets = self.targets.lock().unwrap();
        while made < wanted {
            assert!(Instant::now() < end, "no call was made for a minute");
            let before = std::mem::replace(&mut made, self.calls.load(Ordering::SeqCst));
            if made > before {
                end = Instant::now() + TIMEOUT;
            }
            targets = self.news.wait_timeout(targets, PAUSE).unwrap().0;
        }
    }

    /// Waits until writes and reads succeed at every target, in every partition. Returns how long that took.
    #[track_caller]
    pub(crate) fn time_to_recover(&self) -> Duration {
        let start = Instant::now();
        let targets = self.targets.lock().unwrap().clone();
        // A service gives new connections to its threads in turn, and the lane of each thread has to recover.
        for target in targets.into_iter().flat_map(|target| [target; THREADS]) {
            while !self.is_served(target) {
                assert!(start.elapsed() < TIMEOUT, "the service did not recover within a minute");
                self.pause(PAUSE);
            }
        }
        start.elapsed()
    }

    /// How requests were answered so far.
    pub(crate) fn answers(&self) -> Answers {
        *self.answers.lock().unwrap()
    }

    fn imports_watchers(&self) -> bool {
        let items = self.users.watchers.iter().map(|watcher| json!({ "UserID": watcher }));
        let body = json!({ "AccountList": items.collect::<Vec<_>>() });
        let import = "im_open_login_svc/multiaccount_import";
        let outcome = self.ask_any(&mut None, 0, import, &body);
        matches!(outcome, Outcome::Answered(answer) if answer["ErrorCode"] == 0)
    }

    fn is_served(&self, target: SocketAddr) -> bool {
        let item = json!({
            "OptType": 1, "ContactItem": { "Type": 1, "To_Account": "friend" }, "SetMark": [0],
        });
        let steps = |watcher: &String| {
            [
                (
                    "recentcontact/mark_contact",
                    json!({ "From_Account": watcher, "MarkItem": [item] }),
                ),
                ("recentcontact/get_contact_group", json!({ "From_Account": watcher })),
            ]
        };
        let mut connection = None;
        self.users.watchers.iter().flat_map(steps).all(|(command, body)| {
            let outcome = self.ask(&mut connection, target, command, &body);
            matches!(outcome, Outcome::Answered(answer) if answer["ErrorCode"] == 0)
        })
    }

    pub(crate) fn pause(&self, time: Duration) {
        drop(self.news.wait_timeout(self.targets.lock().unwrap(), time).unwrap());
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::SeqCst) || self.calls.load(Ordering::SeqCst) >= self.plan.calls
    }

    fn run_client(&self, client: usize) {
        let mut random = random(self.plan.seed, client);
        let call = prop_oneof![3 => Call::any(), 2 => mark_again()];
        let what = (0..self.plan.users, call, 0..usize::MAX);
        let (mut connection, mut pause) = (None, PAUSE);
        while !self.is_over() {
            let (user, call, target) = what.new_tree(&mut random).unwrap().current();
            if self.call(&mut connection, user, call, target) {
                pause = PAUSE;
            } else {
                self.pause(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            self.calls.fetch_add(1, Ordering::SeqCst);
        }
    }

    fn call(&self, idle: &mut Idle, user: usize, call: Call, target: usize) -> bool {
        let (command, body) = request(self.users.name(user), &call);
        let called = self.history.now();
        match self.ask_any(idle, target, command, &body) {
            Outcome::NotDone => false,
            Outcome::Unknown => {
                self.users.note_unanswered(user, &call);
                self.history.record(user, called, call, None);
                false
            }
            Outcome::Answered(json) => {
                if let Some(answer) = read_answer(&call, &json) {
                    self.history.record(user, called, call, Some(answer));
                } else {
                    self.history.record_unexpected(format!("{call:?} was answered {json}"));
                }
                true
            }
        }
    }

    /// Reads the whole state of a user. Repeats each read until it is answered.
    fn read_all(&self, user: usize) {
        let end = Instant::now() + TIMEOUT;
        for call in [Call::Get, Call::List, Call::Search((0..PEERS).collect())] {
            while !self.call(&mut None, user, call.clone(), 0) {
                assert!(Instant::now() < end, "the service did not recover within a minute");
                self.pause(PAUSE);
            }
        }
    }

    fn run_directory_client(&self, entry: usize) {
        let (mut deletes, mut connection) = (true, None);
        while !self.is_over() {
            if self.call_directory(&mut connection, entry, deletes) {
                deletes = !deletes;
            }
            self.pause(PAUSE);
        }
    }

    /// Deletes an entry of the directory or creates it again. Returns `false` if the test cannot know that this happened.
    fn call_directory(&self, idle: &mut Idle, entry: usize, deletes: bool) -> bool {
        let id = peer_id(DELETABLE[entry]);
        let (command, body) = match (DELETABLE[entry] < FIRST_CHAT_GROUP, deletes) {
            (true, true) => {
                ("im_open_login_svc/account_delete", json!({ "DeleteItem": [{ "UserID": id }] }))
            }
            (true, false) => ("im_open_login_svc/account_import", json!({ "UserID": id })),
            (false, true) => ("group_open_http_svc/destroy_group", json!({ "GroupId": id })),
            (false, false) => (
                "group_open_http_svc/create_group",
                json!({ "GroupId": id, "Type": "Public", "Name": "deletable" }),
            ),
        };
        let called = self.history.now();
        let is_known = match self.ask_any(idle, entry, command, &body) {
            Outcome::NotDone => return false,
            Outcome::Unknown => false,
            // 10010 and 10021: the chat group did not exist, or existed already. The result is the same.
            Outcome::Answered(answer) => {
                let code = answer["ErrorCode"].as_u64();
                let is_fine = matches!(code, Some(0 | 10010 | 10021));
                if !is_fine {
                    self.history
                        .record_unexpected(format!("{command} {body} was answered {answer}"));
                }
                is_fine
            }
        };
        self.history.record_directory_call(entry, called, deletes, is_known);
        is_known
    }

    fn ask_any(&self, idle: &mut Idle, target: usize, command: &str, body: &Value) -> Outcome {
        let targets = self.targets.lock().unwrap().clone();
        if targets.is_empty() {
            return Outcome::NotDone;
        }
        self.ask(idle, targets[target % targets.len()], command, body)
    }

    fn ask(&self, idle: &mut Idle, target: SocketAddr, command: &str, body: &Value) -> Outcome {
        let path = format!(
            "/v4/{command}?sdkappid={APP}&identifier=administrator&usersig={}",
            self.user_sig
        );
        let is_open = |(other, connection): &(_, Connection)| {
            *other == target && !connection.is_closed().unwrap_or(true)
        };
        let kept = idle.take().filter(is_open);
        let is_new = kept.is_none();
        let connection = kept.map_or_else(
            || Connection::open_with_timeout(target, PATIENCE),
            |(_, connection)| Ok(connection),
        );
        let Ok(mut connection) = connection else { return Outcome::NotDone };
        let begun = Instant::now();
        let exchanged = exchange(&mut connection, &path, &body.to_string());
        let mut answers = self.answers.lock().unwrap();
        match exchanged {
            Err(error) => {
                // A silent connection was accepted.
                if is_new && error.kind() != io::ErrorKind::WouldBlock {
                    answers.not_accepted += 1;
                } else {
                    answers.broken += 1;
                }
                Outcome::Unknown
            }
            Ok((answer, closes)) => {
                answers.slowest = answers.slowest.max(begun.elapsed());
                if !closes {
                    *idle = Some((target, connection));
                }
                match answer["ErrorCode"].as_u64() {
                    Some(50005) => {
                        answers.late += 1;
                        Outcome::Unknown
                    }
                    // The service must not answer an internal error or overload: there are few clients.
                    Some(50004 | 60007) | None => {
                        self.history
                            .record_unexpected(format!("{command} {body} was answered {answer}"));
                        Outcome::Unknown
                    }
                    Some(_) => Outcome::Answered(answer),
                }
            }
        }
    }
}

/// An idle connection for the next call, with its address.
type Idle = Option<(SocketAddr, Connection)>;

/// Returns the answer, and whether it is the last one of its connection.
fn exchange(connection: &mut Connection, path: &str, body: &str) -> io::Result<(Value, bool)> {
    connection.send("POST", path, body)?;
    let answer = connection.answer()?;
    let json = serde_json::from_str(&answer.body).map_err(io::Error::other)?;
    Ok((json, answer.closes()))
}

/// Ends the load when it is dropped, so that the clients of a test that panics stop.
struct EndOnDrop<'l>(&'l Load);

impl Drop for EndOnDrop<'_> {
    fn drop(&mut self) {
        self.0.is_over.store(true, Ordering::SeqCst);
        self.0.news.notify_all();
    }
}
