//! A signal to stop: what was begun is finished, nothing new is let in, nobody holds the exit.

use std::net::TcpStream;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use crate::support::{
    Connection, Database, Service, eventually, is_marked, prepare, request, serve,
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
