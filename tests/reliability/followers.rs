//! Clients of the native API follow the users of a load, by `changes` and by `events`, while services and databases die. Each
//! answer of `changes` is checked like a read of the original's API. In the end, every client must know what a fresh read
//! shows: a write that was acknowledged and that a client never sees is a violation.

use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::model::{Answer, Call, Known, PEERS};
use testkit::postgres::{Database, Postgres};
use testkit::{APP, Connection, Scratch, Service, TIMEOUT};

use crate::EARMARK;
use crate::load::{Load, PATIENCE, PAUSE, Plan};
use crate::stand::{addresses, prepare, quiet, run_in_partitions, seeds, start, verify};

/// Calls between two faults.
const CALLS: usize = 150;
/// How long a client reads from a stream before it looks whether the load is over.
const LOOK: Duration = Duration::from_millis(100);
/// When a stream must have shown everything.
const EVENTS_MAX: Duration = Duration::from_secs(10);
/// The user does not exist.
const NO_USER: u64 = 50001;

/// A client that follows a user.
struct Follower<'l> {
    load: &'l Load,
    user: usize,
    /// `None` before the first read, and when its cursor is not known any more.
    known: Option<Known>,
}

impl<'l> Follower<'l> {
    fn new(load: &'l Load, user: usize) -> Self {
        Self { load, user, known: None }
    }

    /// Reads below the user's path: the status and the body.
    fn get(&self, target: SocketAddr, path: &str) -> io::Result<(u16, Value)> {
        let mut connection = Connection::open_with_timeout(target, PATIENCE)?;
        let path = format!("/v1/apps/{APP}/users/{}{path}", self.load.users.name(self.user));
        let headers = format!("host: test\r\nauthorization: Bearer {}\r\n", self.load.user_sig);
        connection.send_with("GET", &path, &headers, "")?;
        let answer = connection.answer()?;
        Ok((answer.status, serde_json::from_str(&answer.body).map_err(io::Error::other)?))
    }

    /// What a fresh read shows. What changes between its two calls is in `changes` since its cursor.
    fn read(&self, target: SocketAddr) -> io::Result<Option<Known>> {
        let (status, user) = self.get(target, "")?;
        let (listed_status, listed) = self.get(target, "/conversations")?;
        match (status, listed_status) {
            (200, 200) => {
                let conversations = listed["conversations"].as_array().unwrap().clone();
                Ok(Some(Known::new(&user, conversations)))
            }
            (404, _) | (_, 404) => Ok(None),
            (503, _) | (_, 503) => Err(io::ErrorKind::ResourceBusy.into()),
            other => panic!("a read was answered {other:?}: {user}, {listed}"),
        }
    }

    /// Asks once for what has changed, and records that as a read of all conversations.
    fn ask_for_changes(&mut self, target: SocketAddr) -> io::Result<()> {
        let Some(mut known) = self.known.take() else {
            self.known = self.read(target)?;
            return Ok(());
        };
        let (called, everything) = (self.load.history.now(), Call::Search((0..PEERS).collect()));
        let asked = self.get(target, &format!("/changes?since={}", known.cursor));
        let record = |answer| self.load.history.record(self.user, called, everything, Some(answer));
        match &asked {
            Ok((200, changes)) => {
                known.apply(changes);
                record(known.search());
            }
            Ok((404, _)) => {
                record(Answer::failure(NO_USER));
                return Ok(());
            }
            // Read anew.
            Ok((410, _)) => return Ok(()),
            Ok((503, _)) | Err(_) => {}
            Ok(other) => panic!("changes were answered {other:?}"),
        }
        self.known = Some(known);
        asked.map(drop)
    }

    fn follow_by_changes(mut self, is_over: &AtomicBool) -> Option<Known> {
        for target in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            if let Some(target) = self.load.target(target) {
                // It asks the next one.
                drop(self.ask_for_changes(target));
            }
            self.load.pause(PAUSE);
        }
        self.known
    }

    fn follow_by_events(mut self, is_over: &AtomicBool) -> Option<Known> {
        for target in 0.. {
            if is_over.load(Ordering::SeqCst) {
                break;
            }
            if let Some(target) = self.load.target(target) {
                // A stream that breaks off is resumed.
                drop(self.follow_one_stream(target, |_| is_over.load(Ordering::SeqCst)));
            }
            self.load.pause(PAUSE);
        }
        self.known
    }

    /// Opens a stream, and applies its events until it breaks off or `is_enough`.
    fn follow_one_stream(
        &mut self,
        target: SocketAddr,
        is_enough: impl Fn(&Known) -> bool,
    ) -> io::Result<()> {
        let mut known = match self.known.take() {
            Some(known) => known,
            None => match self.read(target)? {
                Some(known) => known,
                None => return Ok(()),
            },
        };
        let done = Stream::open(self, target, &known.cursor).and_then(|stream| {
            let Some(mut stream) = stream else { return Ok(false) };
            while !is_enough(&known) {
                match stream.event()? {
                    Some((kind, _)) if kind == "resync" => return Ok(false),
                    Some((_, changes)) => known.apply(&changes),
                    None => {}
                }
            }
            Ok(true)
        });
        let is_unknown = matches!(done, Ok(false));
        self.known = Some(known).filter(|_| !is_unknown);
        done.map(drop)
    }
}

/// A stream of `events`.
struct Stream {
    lines: BufReader<TcpStream>,
    line: Vec<u8>,
    kind: String,
}

impl Stream {
    /// `None` if the cursor is not known, or the user does not exist.
    fn open(follower: &Follower<'_>, target: SocketAddr, cursor: &str) -> io::Result<Option<Self>> {
        let mut socket = TcpStream::connect_timeout(&target, PATIENCE)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        let Load { user_sig, .. } = follower.load;
        let user = follower.load.users.name(follower.user);
        let ask = format!(
            "GET /v1/apps/{APP}/users/{user}/events HTTP/1.1\r\nhost: test\r\nlast-event-id: {cursor}\r\nauthorization: Bearer {user_sig}\r\n\r\n"
        );
        socket.write_all(ask.as_bytes())?;
        let mut lines = BufReader::new(socket);
        let mut status = String::new();
        lines.read_line(&mut status)?;
        match status.split(' ').nth(1) {
            Some("200") => {}
            Some("404" | "410") => return Ok(None),
            Some("503") | None => return Err(io::ErrorKind::ResourceBusy.into()),
            other => panic!("a stream was answered {other:?}"),
        }
        lines.get_ref().set_read_timeout(Some(LOOK))?;
        Ok(Some(Self { lines, line: Vec::new(), kind: String::new() }))
    }

    /// The next event, if it comes soon: its kind and its data.
    fn event(&mut self) -> io::Result<Option<(String, Value)>> {
        loop {
            match self.lines.read_until(b'\n', &mut self.line) {
                Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(None),
                Err(error) => return Err(error),
            }
            let line = String::from_utf8(std::mem::take(&mut self.line)).unwrap();
            if let Some(kind) = line.strip_prefix("event: ") {
                kind.trim_end().clone_into(&mut self.kind);
            } else if let Some(data) = line.strip_prefix("data: ") {
                return Ok(Some((self.kind.clone(), serde_json::from_str(data).unwrap())));
            }
        }
    }
}

/// What the clients of a user knew when the load ended.
struct Copies {
    by_changes: Option<Known>,
    by_events: Option<Known>,
}

/// Runs a load during which `fault` happens, with two clients that follow each user. Then checks all answers, and that the
/// clients learn of everything.
fn round(
    name: &str,
    url: &str,
    plan: Plan,
    targets: Vec<SocketAddr>,
    fault: impl FnOnce(&Load),
) -> Result<(), String> {
    let is_over = AtomicBool::new(false);
    let (load, copies) = Load::run(plan, targets, |load| {
        thread::scope(|scope| {
            let is_over = &is_over;
            let start = |user| {
                let by_changes =
                    scope.spawn(move || Follower::new(load, user).follow_by_changes(is_over));
                let by_events =
                    scope.spawn(move || Follower::new(load, user).follow_by_events(is_over));
                (by_changes, by_events)
            };
            let running: Vec<_> = (0..plan.users).map(start).collect();
            fault(load);
            is_over.store(true, Ordering::SeqCst);
            let ended = running.into_iter().map(|(by_changes, by_events)| Copies {
                by_changes: by_changes.join().unwrap(),
                by_events: by_events.join().unwrap(),
            });
            ended.collect::<Vec<_>>()
        })
    });
    for (user, copies) in copies.into_iter().enumerate() {
        catch_up(&load, user, copies)?;
    }
    let (known, unknown) = load.history.counts();
    load.history.explain().map_err(|why| format!("{name}, seed {}: {why}", plan.seed))?;
    println!("{name}: seed {}, {known} calls explained, {unknown} never answered", plan.seed);
    verify(url)
}

/// After the load, nothing changes any more.
fn catch_up(load: &Load, user: usize, copies: Copies) -> Result<(), String> {
    let Some(fresh) = read_now(load, user) else { return Ok(()) };
    // The cursor of a stream says nothing of changes of the directory that do not concern the user.
    let is_fresh = |known: &Known| {
        (&known.conversations, &known.groups) == (&fresh.conversations, &fresh.groups)
    };
    let target = load.target(0).unwrap();
    let mut by_changes = Follower { load, user, known: copies.by_changes };
    let mut by_events = Follower { load, user, known: copies.by_events };
    let end = Instant::now() + TIMEOUT;
    while by_changes.ask_for_changes(target).is_err() || by_changes.known.is_none() {
        assert!(Instant::now() < end, "the service did not recover within a minute");
        load.pause(PAUSE);
    }
    let end = Instant::now() + EVENTS_MAX;
    let is_enough = |known: &Known| is_fresh(known) || Instant::now() > end;
    while !by_events.known.as_ref().is_some_and(is_enough) {
        drop(by_events.follow_one_stream(target, is_enough));
    }
    for (follower, means) in [(by_changes, "changes"), (by_events, "events")] {
        let known = follower.known.unwrap();
        if !is_fresh(&known) {
            return Err(format!("user {user}: by {means} a client knows {known:?}, not {fresh:?}"));
        }
    }
    Ok(())
}

/// What a fresh read shows when nothing is written. `None` if the user does not exist.
fn read_now(load: &Load, user: usize) -> Option<Known> {
    let (follower, end) = (Follower::new(load, user), Instant::now() + TIMEOUT);
    loop {
        if let Ok(fresh) = follower.read(load.target(0).unwrap()) {
            return fresh;
        }
        assert!(Instant::now() < end, "the service did not recover within a minute");
        load.pause(PAUSE);
    }
}

fn plan(seed: u64) -> Plan {
    Plan { seed, users: 3, clients: 6, calls: usize::MAX }
}

#[test]
fn followers_see_every_write_of_two_services() {
    let database = Database::create();
    prepare(&database.url);
    let services = start(&database.url, 2);
    for seed in seeds(1) {
        let targets = addresses(&services);
        let wait = |load: &Load| load.wait_for_calls(4 * CALLS);
        round("calm", &database.url, plan(seed), targets, wait).unwrap();
    }
}

#[test]
fn followers_see_every_acknowledged_write_of_services_that_are_killed() {
    let database = Database::create();
    prepare(&database.url);
    for seed in seeds(1) {
        let mut services = start(&database.url, 2);
        round("kill -9 of services", &database.url, plan(seed), addresses(&services), |load| {
            for _ in 0..3 {
                load.wait_for_calls(CALLS);
                services.remove(0).process.kill();
                load.set_targets(addresses(&services));
                services.push(EARMARK.start(quiet(&database.url)));
                load.set_targets(addresses(&services));
            }
            load.wait_for_calls(CALLS);
        })
        .unwrap();
    }
}

#[test]
fn followers_see_every_acknowledged_write_of_a_database_that_is_killed() {
    let scratch = Scratch::create();
    let Some(mut postgres) = Postgres::start(scratch.path(), &[]) else { return };
    let url = postgres.url();
    prepare(&url);
    for seed in seeds(1) {
        let services: Vec<Service> = start(&url, 2);
        round("kill -9 of the postmaster", &url, plan(seed), addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            postgres.end(Signal::SIGKILL);
            postgres.start_again();
            load.time_to_recover();
            load.wait_for_calls(CALLS);
        })
        .unwrap();
    }
}

/// Every fifth change of bits leaves the revision with which a conversation changed last, so no client hears of it.
const HIDE_CHANGES: &str = "
    CREATE SEQUENCE turn;
    CREATE FUNCTION hide_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('turn') % 5 = 0 THEN
            NEW.changed_revision := OLD.changed_revision;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER hide_change BEFORE UPDATE ON conversations
        FOR EACH ROW WHEN (NEW.standard_mark <> OLD.standard_mark) EXECUTE FUNCTION hide_change();";

/// The test can fail.
#[test]
fn a_write_that_followers_never_see_is_found() {
    let database = Database::create();
    prepare(&database.url);
    run_in_partitions(&mut database.connect(), HIDE_CHANGES);
    let services = start(&database.url, 2);
    let seed = seeds(1)[0];
    let wait = |load: &Load| load.wait_for_calls(8 * CALLS);
    let finding = round("hidden changes", &database.url, plan(seed), addresses(&services), wait);
    let finding = finding.unwrap_err();
    let is_found = finding.contains("nothing explains") || finding.contains("a client knows");
    assert!(is_found, "{finding}");
}
