//! After a signal to stop, the service answers the requests it has received, accepts no others, and exits in time.

use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testkit::postgres::Database;
use testkit::{Client, Connection, MARK_CONTACT, RawConnection, eventually, mark_body, wait_until};

use crate::EARMARK;

/// The longest time that a stop may take if no request is being handled.
const PROMPT: Duration = Duration::from_secs(4);

#[test]
fn a_request_in_flight_is_stored_and_answered_before_the_exit() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    client.must_mark("user", "earlier");
    let mut holder = database.connect();
    holder.run("BEGIN; SELECT FROM users WHERE user_id = 'user' FOR UPDATE");

    let mut connection = Connection::open(service.api).unwrap();
    client.send_mark(&mut connection, "user", "in-flight");
    let waiting = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let mut observer = database.connect();
    wait_until("the request waits for the lock", || observer.number(waiting) == 1);

    service.process.send(Signal::SIGTERM);
    service.process.stderr.line("stopping");
    eventually("new connections are refused", || TcpStream::connect(service.api).err());
    holder.run("COMMIT");
    let answer = connection.answer().unwrap();
    assert!(answer.is_marked(), "{answer:?}");
    let exit = service.process.wait();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    assert!(exit.stderr.contains("stopped"), "{exit:?}");
    let stored = "SELECT count(*) FROM conversations WHERE peer_id = 'in-flight'";
    assert_eq!(observer.number(stored), 1);
    let connections = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = current_database() AND pid <> pg_backend_pid()";
    drop(holder);
    wait_until("its connections are closed", || observer.number(connections) == 0);
}

#[test]
fn sigint_stops_the_service() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.process.send(Signal::SIGINT);
    let exit = service.process.wait();
    assert_eq!(exit.code, Some(0), "{exit:?}");
}

#[test]
fn idle_connections_do_not_delay_the_exit() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    let mut idle: Vec<_> = (0..20).map(|_| Connection::open(service.api).unwrap()).collect();
    for (number, connection) in idle.iter_mut().enumerate() {
        client.send_mark(connection, "user", &format!("friend-{number}"));
        assert!(connection.answer().unwrap().is_marked());
    }
    // Connections on which nothing was ever sent.
    idle.push(Connection::open(service.api).unwrap());
    idle.push(Connection::open(service.admin).unwrap());
    service.wait_until_ready();

    let asked = Instant::now();
    service.process.stop();
    let took = asked.elapsed();
    println!("with idle connections the stop took {took:?}");
    assert!(took < PROMPT, "{took:?}");
    idle.iter_mut().for_each(Connection::wait_until_closed);
}

#[test]
fn a_stalled_request_delays_the_exit_only_for_the_configured_time() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(EARMARK.serve(&database.url).env("EARMARK_SHUTDOWN_S", "1"));
    let client = service.client();
    let mut stalled = RawConnection::open(service.api).unwrap();
    stalled.send_head("POST", &client.path(MARK_CONTACT), 100).unwrap();
    client.must_mark("user", "friend");

    let asked = Instant::now();
    service.process.stop();
    let took = asked.elapsed();
    println!("with a stalled request the stop took {took:?}");
    assert!(took < PROMPT, "{took:?}");
}

#[test]
fn during_the_shutdown_delay_the_service_is_not_ready_but_answers() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service =
        EARMARK.start(EARMARK.serve(&database.url).env("EARMARK_SHUTDOWN_DELAY_S", "3600"));
    let client = service.client();
    service.wait_until_ready();
    assert_eq!(service.admin_status("/livez"), 200);
    service.process.send(Signal::SIGTERM);
    service.process.stderr.line("stopping");
    service.wait_until_not_ready();
    assert_eq!(service.admin_status("/livez"), 200);
    // The service still answers, and closes each connection after its answer.
    let mut connection = Connection::open(service.api).unwrap();
    client.send_mark(&mut connection, "user", "friend");
    let answer = connection.answer().unwrap();
    assert!(answer.is_marked() && answer.closes(), "{answer:?}");
    connection.wait_until_closed();
    // A second signal stops the service at once.
    service.process.stop();
}

/// The results of one client's marks.
#[derive(Default)]
struct Marked {
    acknowledged: Vec<String>,
    /// Sent on a new connection that was closed without an answer. They must not be stored.
    not_accepted: Vec<String>,
    /// Sent on a connection that was open for more requests, and never answered. There must be none.
    lost: Vec<String>,
}

/// Marks until the service refuses connections.
fn mark_until_closed(client: &Client, name: usize, answers: &AtomicUsize) -> Marked {
    let (mut marked, mut number) = (Marked::default(), 0);
    while let Ok(mut connection) = Connection::open(client.address) {
        for is_new in std::iter::once(true).chain(std::iter::repeat(false)) {
            number += 1;
            let (user, peer) =
                (format!("user-{name}-{}", number / 500), format!("{name}-{number}"));
            let body = mark_body(&user, &peer);
            let sent = connection.send("POST", &client.path(MARK_CONTACT), &body);
            let Ok(answer) = sent.and_then(|()| connection.answer()) else {
                if is_new { &mut marked.not_accepted } else { &mut marked.lost }.push(peer);
                break;
            };
            assert!(answer.is_marked(), "{answer:?}");
            marked.acknowledged.push(peer);
            answers.fetch_add(1, Ordering::Relaxed);
            if answer.closes() {
                break;
            }
        }
    }
    marked
}

#[test]
fn a_stop_under_load_loses_no_accepted_request() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(EARMARK.serve(&database.url).env("EARMARK_SHUTDOWN_DELAY_S", "1"));
    let (client, answers) = (service.client(), AtomicUsize::new(0));
    let (marked, took) = std::thread::scope(|scope| {
        let clients: Vec<_> = (0..8)
            .map(|name| {
                let (client, answers) = (client.clone(), &answers);
                scope.spawn(move || mark_until_closed(&client, name, answers))
            })
            .collect();
        for hundreds in 1..=100 {
            let enough = || answers.load(Ordering::Relaxed) >= hundreds * 100;
            wait_until("a hundred answers more", enough);
        }
        let asked = Instant::now();
        service.process.stop();
        let took = asked.elapsed();
        let marked: Vec<_> = clients.into_iter().map(|client| client.join().unwrap()).collect();
        (marked, took)
    });
    let all = |list: fn(&Marked) -> &Vec<String>| {
        marked.iter().flat_map(list).map(|peer| format!("('{peer}')")).collect::<Vec<_>>()
    };
    let acknowledged = all(|marked| &marked.acknowledged);
    let not_accepted = all(|marked| &marked.not_accepted);
    assert_eq!(all(|marked| &marked.lost), Vec::<String>::new());
    println!(
        "{} marks acknowledged, {} requests not accepted, the stop took {took:?} with a delay of 1 s",
        acknowledged.len(),
        not_accepted.len()
    );
    let mut observer = database.connect();
    let mut stored = |peers: &[String]| {
        let peers = peers.join(", ");
        observer.number(&format!(
            "SELECT count(*) FROM conversations JOIN (VALUES {peers}) AS sent (peer) ON peer_id = peer"
        ))
    };
    assert_eq!(usize::try_from(stored(&acknowledged)).unwrap(), acknowledged.len());
    if !not_accepted.is_empty() {
        assert_eq!(stored(&not_accepted), 0);
    }
    assert!(took < PROMPT, "{took:?}");
}

/// The requests and the signal arrive while the process is paused, so the service finds all of them at the same time.
#[test]
fn requests_that_arrived_before_the_stop_are_answered() {
    // given
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    let mut connections: Vec<_> =
        (0..500).map(|_| Connection::open(service.api).unwrap()).collect();
    for (nr, connection) in connections.iter_mut().enumerate() {
        client.send_mark(connection, &format!("user{nr}"), "first");
    }
    for connection in &mut connections {
        assert!(connection.answer().unwrap().is_marked());
    }
    // when
    service.process.send(Signal::SIGSTOP);
    for (nr, connection) in connections.iter_mut().enumerate() {
        client.send_mark(connection, &format!("user{nr}"), "second");
    }
    service.process.send(Signal::SIGTERM);
    service.process.send(Signal::SIGCONT);
    // then
    let answers: Vec<_> = connections.iter_mut().map(Connection::answer).collect();
    let unanswered = answers.iter().filter(|answer| answer.is_err()).count();
    assert_eq!(unanswered, 0, "of {} requests", answers.len());
    for answer in answers.into_iter().flatten() {
        assert!(answer.is_marked(), "{answer:?}");
    }
    assert_eq!(service.process.wait().code, Some(0));
}
