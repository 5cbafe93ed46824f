//! A signal to stop: what was begun is finished, nothing new is let in, nobody holds the exit.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{
    Client, Connection, Database, Service, eventually, is_marked, mark_body, prepare, request,
    serve,
};

/// How long the exit may take where there is nothing to finish.
const PROMPT: Duration = Duration::from_secs(4);

#[test]
fn a_request_in_flight_is_answered_and_durable_before_the_exit() {
    let database = Database::new();
    let service = Service::on(&database);
    let client = service.client();
    client.must_mark("user", "earlier");
    let mut holder = database.connect();
    holder.run("BEGIN; SELECT FROM users WHERE user_id = 'user' FOR UPDATE");

    let mut connection = Connection::open(service.api).unwrap();
    client.send_mark(&mut connection, "user", "in-flight");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut observer = database.connect();
    eventually("the request waits", || (observer.number(waiting) == 1).then_some(()));

    service.process.send(Signal::SIGTERM);
    service.process.stderr.line("stopping");
    eventually("new connections are refused", || TcpStream::connect(service.api).err());
    holder.run("COMMIT");
    let answer = connection.answer().unwrap();
    assert!(is_marked(&answer), "{answer:?}");
    let ended = service.process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert!(ended.stderr.contains("stopped"), "{ended:?}");
    let stored = "SELECT count(*) FROM conversations WHERE peer_id = 'in-flight'";
    assert_eq!(observer.number(stored), 1);
    let connections = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    drop(holder);
    eventually("its connections are gone", || (observer.number(connections) == 0).then_some(()));
}

#[test]
fn sigint_stops_as_well_as_sigterm() {
    let database = Database::new();
    let service = Service::on(&database);
    service.process.send(Signal::SIGINT);
    let ended = service.process.ended();
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn idle_connections_that_are_kept_do_not_hold_the_exit() {
    let database = Database::new();
    let service = Service::on(&database);
    let client = service.client();
    let mut kept: Vec<_> = (0..20).map(|_| Connection::open(service.api).unwrap()).collect();
    for (number, connection) in kept.iter_mut().enumerate() {
        client.send_mark(connection, "user", &format!("friend-{number}"));
        assert!(is_marked(&connection.answer().unwrap()));
    }
    // And one that never said a word, and one for health.
    kept.push(Connection::open(service.api).unwrap());
    kept.push(Connection::open(service.admin).unwrap());
    assert_eq!(request(service.admin, "GET", "/readyz", "").unwrap().status, 200);

    let asked = Instant::now();
    service.process.stop();
    let took = asked.elapsed();
    println!("with idle connections the exit took {took:?}");
    assert!(took < PROMPT, "{took:?}");
    kept.iter_mut().for_each(Connection::closed);
}

#[test]
fn a_caller_who_never_finishes_holds_the_exit_only_as_long_as_is_set() {
    let database = Database::new();
    prepare(&database.url);
    let service = Service::start(serve(&database.url).env("EARMARK_SHUTDOWN_S", "1"));
    let client = service.client();
    let mut stalled = Connection::open(service.api).unwrap();
    stalled.send_unfinished("POST", &client.path("mark_contact"), 100).unwrap();
    client.must_mark("user", "friend");

    let asked = Instant::now();
    service.process.stop();
    let took = asked.elapsed();
    println!("with a stalled request the exit took {took:?}");
    assert!(took < PROMPT, "{took:?}");
}

#[test]
fn a_service_that_is_told_to_stop_says_so_before_it_does() {
    let database = Database::new();
    prepare(&database.url);
    let service = Service::start(serve(&database.url).env("EARMARK_SHUTDOWN_DELAY_S", "3600"));
    let client = service.client();
    let status = |path| request(service.admin, "GET", path, "").unwrap().status;
    assert_eq!((status("/livez"), status("/readyz")), (200, 200));
    service.process.send(Signal::SIGTERM);
    service.process.stderr.line("stopping");
    eventually("it is not ready", || (status("/readyz") == 503).then_some(()));
    assert_eq!(status("/livez"), 200);
    // It still serves, and lets each connection go with its answer.
    let mut connection = Connection::open(service.api).unwrap();
    client.send_mark(&mut connection, "user", "friend");
    let (head, answer) = connection.head_and_answer().unwrap();
    assert!(is_marked(&answer) && head.contains("connection: close"), "{head}");
    connection.closed();
    // A second signal means now.
    service.process.stop();
}

/// What became of the marks of one caller.
#[derive(Default)]
struct Marked {
    acknowledged: Vec<String>,
    /// Sent on a new connection that was closed without an answer: nobody has taken them.
    not_taken: Vec<String>,
    /// Sent on a connection that had answered before, and did not say that it would close.
    lost: Vec<String>,
}

/// Marks until nobody listens any more.
fn mark_until_closed(client: &Client, name: usize, answers: &AtomicUsize) -> Marked {
    let (mut marked, mut number) = (Marked::default(), 0);
    while let Ok(mut connection) = Connection::open(client.address) {
        for is_new in std::iter::once(true).chain(std::iter::repeat(false)) {
            number += 1;
            let (user, peer) =
                (format!("user-{name}-{}", number / 500), format!("{name}-{number}"));
            let body = mark_body(&user, &peer);
            let sent = connection.send("POST", &client.path("mark_contact"), &body);
            let Ok((head, answer)) = sent.and_then(|()| connection.head_and_answer()) else {
                if is_new { &mut marked.not_taken } else { &mut marked.lost }.push(peer);
                break;
            };
            assert!(is_marked(&answer), "{answer:?}");
            marked.acknowledged.push(peer);
            answers.fetch_add(1, Ordering::Relaxed);
            if head.contains("connection: close") {
                break;
            }
        }
    }
    marked
}

#[test]
fn under_load_a_stop_loses_nothing_that_was_taken() {
    let database = Database::new();
    prepare(&database.url);
    let service = Service::start(serve(&database.url).env("EARMARK_SHUTDOWN_DELAY_S", "1"));
    let (client, answers) = (service.client(), AtomicUsize::new(0));
    let (marked, took) = std::thread::scope(|scope| {
        let callers: Vec<_> = (0..8)
            .map(|name| {
                let (client, answers) = (client.clone(), &answers);
                scope.spawn(move || mark_until_closed(&client, name, answers))
            })
            .collect();
        eventually("the load runs", || (answers.load(Ordering::Relaxed) > 500).then_some(()));
        let asked = Instant::now();
        service.process.stop();
        let took = asked.elapsed();
        let marked: Vec<_> = callers.into_iter().map(|caller| caller.join().unwrap()).collect();
        (marked, took)
    });
    let all = |list: fn(&Marked) -> &Vec<String>| {
        marked.iter().flat_map(list).map(|peer| format!("('{peer}')")).collect::<Vec<_>>()
    };
    let acknowledged = all(|marked| &marked.acknowledged);
    let not_taken = all(|marked| &marked.not_taken);
    assert_eq!(all(|marked| &marked.lost), Vec::<String>::new());
    println!(
        "{} marks acknowledged, {} requests not taken, the stop took {took:?} with a delay of 1 s",
        acknowledged.len(),
        not_taken.len()
    );
    let mut observer = database.connect();
    let mut stored = |peers: &[String]| {
        let peers = peers.join(", ");
        observer.number(&format!(
            "SELECT count(*) FROM conversations JOIN (VALUES {peers}) AS sent (peer) ON peer_id = peer"
        ))
    };
    assert_eq!(usize::try_from(stored(&acknowledged)).unwrap(), acknowledged.len());
    if !not_taken.is_empty() {
        assert_eq!(stored(&not_taken), 0);
    }
    assert!(took < PROMPT, "{took:?}");
}
