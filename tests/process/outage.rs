//! The database goes away while the service runs, and comes back.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::support::{Database, Scratch, Server, Service, request};

/// The deadline of the API, and what a busy machine adds.
const DEADLINE: Duration = Duration::from_secs(5);

/// What a probe gives /readyz, which has less time than the API; and what a busy machine adds.
const PROBE_TIME: Duration = Duration::from_secs(2);

/// A mark is answered with 50005, in time.
#[track_caller]
fn check_no_database(service: &Service) {
    let asked = Instant::now();
    let code = service.client().mark_code();
    let took = asked.elapsed();
    assert_eq!(code, 50005);
    assert!(took < DEADLINE, "{took:?}");
    let status = |path| request(service.admin, "GET", path, "").unwrap().status;
    let asked = Instant::now();
    assert_eq!((status("/livez"), status("/readyz")), (200, 503));
    let took = asked.elapsed();
    assert!(took < PROBE_TIME, "{took:?}");
}

#[track_caller]
fn check_works(service: &Service, peer: &str) {
    service.client().must_mark("user", peer);
    assert_eq!(request(service.admin, "GET", "/readyz", "").unwrap().status, 200);
}

#[test]
fn a_database_that_goes_away_is_50005_and_its_return_needs_no_restart() {
    let mut server = Server::start();
    let service = Service::on(&Database::on(&server.options()));
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
fn a_database_that_answers_no_more_is_50005_within_the_deadline() {
    let server = Server::start();
    let service = Service::on(&Database::on(&server.options()));
    check_works(&service, "before");
    let processes = processes_of(server.scratch());
    if processes.is_empty() {
        println!("skipped: without /proc or PostgreSQL's own programs nothing can be frozen");
        return;
    }
    let all = |signal| processes.iter().for_each(|process| kill(*process, signal).unwrap());
    all(Signal::SIGSTOP);
    let checked = std::panic::catch_unwind(|| {
        check_no_database(&service);
        check_no_database(&service);
    });
    all(Signal::SIGCONT);
    checked.unwrap();
    check_works(&service, "after");
    service.process.stop();
}

/// The server's processes that are there now.
fn processes_of(scratch: &Scratch) -> Vec<Pid> {
    let data = scratch.join("data/pgdata");
    fs::read_dir("/proc")
        .into_iter()
        .flatten()
        .filter_map(Result::ok)
        .filter(|process| fs::read_link(process.path().join("cwd")).is_ok_and(|cwd| cwd == data))
        .filter_map(|process| process.file_name().to_str()?.parse().ok().map(Pid::from_raw))
        .collect()
}
