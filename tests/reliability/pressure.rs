//! Nothing ends, but something is missing: time, locks, connections, room on the disk.

use std::fs;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::chown;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::load::{Load, Plan};
use crate::postgres::{END_SESSIONS, Postgres, folder, is_root};
use crate::stand::{addresses, last, prepare, round, seeds, start};
use crate::support::{
    Connection, Database, Service, code, eventually, is_marked, mark_body, request,
};

const CALLS: usize = 150;

/// Runs a load on a server with these settings while something is missing.
fn under_pressure(
    name: &str,
    settings: &[&str],
    press: impl Fn(&Load, &Postgres, &[Service]) -> Duration,
) {
    let scratch = folder();
    let Some(postgres) = Postgres::start(&scratch.join(""), settings) else { return };
    let url = postgres.url();
    prepare(&url);
    for seed in seeds(1) {
        let services = start(&url, 2);
        let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
        round(name, &url, plan, addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            let recovery = press(load, &postgres, &services);
            load.wait_for_calls(CALLS);
            recovery
        })
        .unwrap();
    }
}

#[test]
fn processes_that_stand_still() {
    under_pressure("SIGSTOP of a service for 4 s", &[], |load, _, services| {
        services[0].process.send(Signal::SIGSTOP);
        last(Duration::from_secs(4));
        services[0].process.send(Signal::SIGCONT);
        load.time_to_recover()
    });
    under_pressure("SIGSTOP of PostgreSQL for 4 s", &[], |load, postgres, _| {
        postgres.signal_all(Signal::SIGSTOP);
        last(Duration::from_secs(4));
        postgres.signal_all(Signal::SIGCONT);
        load.time_to_recover()
    });
}

#[test]
fn locks_that_others_hold() {
    under_pressure("a table locked for 1 s", &[], |load, postgres, _| {
        let mut other = postgres.sql("earmark");
        other.run("BEGIN; LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE");
        last(Duration::from_secs(1));
        other.run("COMMIT");
        load.time_to_recover()
    });
    under_pressure("all users locked for 1 s", &[], |load, postgres, _| {
        let mut other = postgres.sql("earmark");
        other.run("BEGIN; SELECT FROM users FOR UPDATE");
        last(Duration::from_secs(1));
        other.run("COMMIT");
        load.time_to_recover()
    });
}

/// One of the service's own sessions stops in the middle of a commit, with its user locked: that user has to wait until it
/// goes on, and nobody else. Who shares the commit is locked as well, so it is made by a process that has no other work.
#[test]
fn a_session_that_freezes_with_a_users_lock() {
    under_pressure("SIGSTOP of one session, its user locked", &[], |load, postgres, services| {
        let client = services[0].client();
        let account = |command: &str, body| {
            let command = format!("im_open_login_svc/{command}");
            let path = client.path("x").replace("recentcontact/x", &command);
            let answer = request(client.address, "POST", &path, body).unwrap();
            assert_eq!(code(&answer), 0, "{answer:?}");
        };
        account("account_import", r#"{"UserID":"frozen"}"#);
        let mut operator = postgres.sql("earmark");
        operator.run(
            "CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS
                $$ BEGIN PERFORM pg_sleep(2); RETURN NEW; END $$;
            CREATE TRIGGER dawdle BEFORE INSERT ON conversations FOR EACH ROW
                WHEN (NEW.user_id = 'frozen' AND NEW.peer_id = 'slow') EXECUTE FUNCTION dawdle()",
        );
        let alone = start(&postgres.url(), 1);
        let first = std::thread::spawn({
            let client = alone[0].client();
            move || client.mark("frozen", "slow").unwrap()
        });
        let asleep = "SELECT COALESCE(max(pid), 0)::bigint FROM pg_stat_activity WHERE wait_event = 'PgSleep'";
        let session = eventually("the session sleeps", || {
            i32::try_from(operator.number(asleep)).ok().filter(|pid| *pid > 0).map(Pid::from_raw)
        });
        kill(session, Signal::SIGSTOP).unwrap();
        assert_eq!(code(&first.join().unwrap()), 50005);
        let recovery = load.time_to_recover();
        let before = load.history.counts();
        assert_eq!(code(&client.mark("frozen", "other").unwrap()), 50005);
        load.wait_for_calls(CALLS);
        assert_eq!(load.history.counts().1, before.1, "others were not answered");
        kill(session, Signal::SIGCONT).unwrap();
        eventually("the user is served again", || {
            let answer = client.mark("frozen", "other").unwrap();
            is_marked(&answer).then_some(())
        });
        // The next round begins as this one did.
        account("account_delete", r#"{"DeleteItem":[{"UserID":"frozen"}]}"#);
        operator.run("DROP FUNCTION dawdle() CASCADE");
        recovery
    });
}

#[test]
fn sessions_that_an_operator_ends() {
    under_pressure("pg_terminate_backend, 20 times", &[], |load, postgres, _| {
        let mut other = postgres.sql("postgres");
        for _ in 0..20 {
            other.run(END_SESSIONS);
            load.wait_for_calls(20);
        }
        load.time_to_recover()
    });
    under_pressure("statements cancelled, 50 times", &[], |load, postgres, _| {
        let mut other = postgres.sql("postgres");
        for _ in 0..50 {
            other.run(
                "SELECT pg_cancel_backend(pid) FROM pg_stat_activity
                WHERE datname = 'earmark' AND state = 'active'",
            );
            load.wait_for_calls(5);
        }
        load.time_to_recover()
    });
}

#[test]
fn connections_that_others_have_taken() {
    let few = ["max_connections=24", "superuser_reserved_connections=0"];
    under_pressure("no connections left for 2 s", &few, |load, postgres, _| {
        let mut operator = postgres.sql("postgres");
        let mut others = Vec::new();
        // Whatever the services let go of is taken by others.
        let taken = Instant::now();
        while taken.elapsed() < Duration::from_secs(2) {
            operator.run(END_SESSIONS);
            while let Some(other) = postgres.try_sql("postgres") {
                others.push(other);
            }
        }
        assert!(others.len() > 10, "{} were taken", others.len());
        drop(others);
        load.time_to_recover()
    });
}

#[test]
fn a_disk_without_room() {
    if !is_root() {
        println!("skipped: only root can mount a small disk");
        return;
    }
    let scratch = folder();
    let disk = scratch.join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs"];
    if !Command::new("mount").args(mount).arg(&disk).status().is_ok_and(|done| done.success()) {
        println!("skipped: no small disk can be mounted here");
        return;
    }
    let _unmounted = Unmounted(&disk);
    let settings = ["max_wal_size=32MB", "min_wal_size=32MB"];
    let Some(mut postgres) = Postgres::start(&disk, &settings) else { return };
    let url = postgres.url();
    prepare(&url);
    for seed in seeds(1) {
        let services = start(&url, 2);
        let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
        round("a disk without room for 3 s", &url, plan, addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            let ballast = postgres.data().join("ballast");
            let mut file = fs::File::create(&ballast).unwrap();
            let (uid, gid) = postgres.owner();
            chown(&ballast, Some(uid), Some(gid)).unwrap();
            let full = Instant::now();
            while full.elapsed() < Duration::from_secs(3) {
                _ = file.write_all(&[0; 4096]);
            }
            drop(file);
            fs::remove_file(&ballast).unwrap();
            // A server that could not write its log has ended itself; else it goes on.
            if postgres.has_ended() {
                postgres.start_again();
            }
            let recovery = load.time_to_recover();
            load.wait_for_calls(CALLS);
            recovery
        })
        .unwrap();
    }
    postgres.end(Signal::SIGINT);
}

/// Unmounts a disk when it is dropped.
struct Unmounted<'d>(&'d std::path::Path);

impl Drop for Unmounted<'_> {
    fn drop(&mut self) {
        _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}

/// Idle connections of clients, if the machine allows so many descriptors to a process.
const IDLE: usize = 5000;

/// This process, and the services that it starts from now on, may open as many files as they like; how many those are.
fn raise_descriptor_limit() -> usize {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    usize::try_from(most).unwrap_or(usize::MAX)
}

fn descriptors(service: &Service) -> usize {
    fs::read_dir(format!("/proc/{}/fd", service.process.pid())).unwrap().count()
}

/// A burst of connections waits, rather than being ignored, which clients would notice a second later.
#[test]
fn connections_that_come_while_the_service_is_busy() {
    raise_descriptor_limit();
    let database = Database::new();
    let service = Service::on(&database);
    service.process.send(Signal::SIGSTOP);
    let patience = Duration::from_millis(900);
    let open = |_| Connection::open_patiently(service.api, patience).unwrap();
    let mut connections: Vec<_> = (0..1000).map(open).collect();
    service.process.send(Signal::SIGCONT);
    let (client, last) = (service.client(), connections.last_mut().unwrap());
    client.send_mark(last, "user", "friend");
    assert!(is_marked(&last.answer().unwrap()));
}

#[test]
fn clients_that_take_their_time() {
    let idle = IDLE.min(raise_descriptor_limit().saturating_sub(500));
    let name = format!("{idle} idle connections, a quarter with half-sent requests");
    under_pressure(&name, &[], |load, _, services| {
        let (service, client) = (&services[0], services[0].client());
        let before = descriptors(service);
        let open = || eventually("a connection", || Connection::open(service.api).ok());
        let mut connections: Vec<_> = (0..idle).map(|_| open()).collect();
        for (nr, connection) in connections.iter_mut().enumerate().filter(|(nr, _)| nr % 4 == 0) {
            // A head without a body, or with half of one.
            let length = if nr % 8 == 0 { 1000 } else { 1_000_000 };
            connection.send_unfinished("POST", &client.path("mark_contact"), length).unwrap();
        }
        eventually("all are open at once", || (descriptors(service) >= idle).then_some(()));
        load.wait_for_calls(CALLS);
        let recovery = load.time_to_recover();
        drop(connections);
        // Those of the load and of the database come and go.
        eventually("all are closed", || (descriptors(service) < before + 50).then_some(()));
        recovery
    });
}

/// Clients that leave with a reset while their request is being answered: nothing of theirs stays open.
#[test]
fn clients_that_reset_before_the_answer() {
    let database = Database::new();
    let service = Service::on(&database);
    let client = service.client();
    client.must_mark("user", "friend");
    let before = descriptors(&service);
    for nr in 0..2000 {
        let mut stream = TcpStream::connect(service.api).unwrap();
        stream.write_all(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        assert!(stream.peek(&mut [0]).unwrap() > 0, "the first answer is there");
        let (path, body) =
            (client.path("mark_contact"), mark_body(&format!("user{}", nr % 10), "friend"));
        let length = body.len();
        let mark =
            format!("POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{body}");
        stream.write_all(mark.as_bytes()).unwrap();
        // To close what still has something to be read is to reset it.
        drop(stream);
    }
    // Connections to the database come and go.
    eventually("all are closed", || (descriptors(&service) < before + 20).then_some(()));
    client.must_mark("user", "other");
}

/// Pages of the service's memory that are resident.
fn resident_pages(service: &Service) -> usize {
    let statm = fs::read_to_string(format!("/proc/{}/statm", service.process.pid())).unwrap();
    statm.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_is_given_back_after_a_burst() {
    raise_descriptor_limit();
    let database = Database::new();
    let service = Service::on(&database);
    let client = service.client();
    let burst = |size| {
        let open = |_| Connection::open(service.api).unwrap();
        let mut connections: Vec<_> = (0..size).map(open).collect();
        for (nr, connection) in connections.iter_mut().enumerate() {
            client.send_mark(connection, &format!("user{}", nr % 100), &format!("friend{nr}"));
        }
        for connection in &mut connections {
            connection.answer().unwrap();
        }
        connections
    };
    // What any load takes for good: connections to the database, threads' own memory.
    drop(burst(300));
    let before = resident_pages(&service);
    let connections = burst(3000);
    let taken = resident_pages(&service) - before;
    drop(connections);
    eventually("three quarters are given back", || {
        (resident_pages(&service) < before + taken / 4).then_some(())
    });
    client.must_mark("user", "other");
}
