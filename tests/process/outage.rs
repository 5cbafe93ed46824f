//! The database stops or freezes while the service runs, and then works again.

use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use testkit::postgres::{Database, PrivateServer};
use testkit::{Service, not_tested};

use crate::EARMARK;

/// The deadline of the API, with an allowance for a busy machine.
const DEADLINE: Duration = Duration::from_secs(5);

/// The time limit of `/readyz`, with an allowance for a busy machine.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// Checks that a mark is answered with 50005 in time, and that the service notices that it is not ready.
#[track_caller]
fn check_no_database(service: &Service) {
    let asked = Instant::now();
    let code = service.client().mark_code();
    let took = asked.elapsed();
    assert_eq!(code, 50005);
    assert!(took < DEADLINE, "{took:?}");
    service.wait_until_not_ready();
    let asked = Instant::now();
    assert_eq!((service.admin_status("/livez"), service.admin_status("/readyz")), (200, 503));
    let took = asked.elapsed();
    assert!(took < PROBE_TIME, "{took:?}");
}

#[track_caller]
fn check_works(service: &Service, peer: &str) {
    service.client().must_mark("user", peer);
    service.wait_until_ready();
}

#[test]
fn while_the_database_is_stopped_calls_get_50005_and_no_restart_is_needed() {
    let mut server = PrivateServer::start();
    let service = EARMARK.start_on(&Database::create_on(&server.options()));
    check_works(&service, "before");
    for round in 0..2 {
        server.stop();
        check_no_database(&service);
        check_no_database(&service);
        server.start_again();
        check_works(&service, &format!("after-{round}"));
    }
    let marks = service.client().marks("user");
    for peer in ["before", "after-0", "after-1"] {
        assert!(marks.contains(peer), "{peer} in {marks}");
    }
    service.process.stop();
}

#[test]
fn while_the_database_is_frozen_calls_get_50005_within_the_deadline() {
    let server = PrivateServer::start();
    let service = EARMARK.start_on(&Database::create_on(&server.options()));
    check_works(&service, "before");
    let processes = server.processes();
    if processes.is_empty() {
        not_tested("this needs /proc and PostgreSQL's own programs");
        return;
    }
    let all = |signal| processes.iter().for_each(|process| kill(*process, signal).unwrap());
    all(Signal::SIGSTOP);
    let checked = std::panic::catch_unwind(|| {
        check_no_database(&service);
        check_no_database(&service);
        // By now no thread has read the app within the last two seconds.
        let read =
            service.client().call("recentcontact/get_contact_group", r#"{"From_Account":"user"}"#);
        let answer = read.unwrap();
        assert!(answer.body.contains("not begun, safe to send again"), "{answer:?}");
    });
    all(Signal::SIGCONT);
    checked.unwrap();
    check_works(&service, "after");
    service.process.stop();
}
