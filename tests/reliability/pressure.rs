//! Nothing crashes, but a resource is missing: CPU time, locks, connections, disk space.

use std::fs;
use std::io::Write as _;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use testkit::postgres::{Database, Postgres, TERMINATE_SESSIONS, is_root};
use testkit::{
    Connection, MARK_CONTACT, RawConnection, Scratch, Service, eventually, mark_body, not_tested,
    wait_until,
};

use crate::EARMARK;
use crate::load::{Load, Plan};
use crate::stand::{addresses, prepare, round, run_in_partitions, seeds, sleep, start};

const CALLS: usize = 150;

/// Runs a load on a server with these settings while `press` takes a resource away.
fn under_pressure(
    name: &str,
    settings: &[&str],
    press: impl Fn(&Load, &Postgres, &[Service]) -> Duration,
) {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), settings) else { return };
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
fn frozen_processes() {
    under_pressure("SIGSTOP of a service for 4 s", &[], |load, _, services| {
        services[0].process.send(Signal::SIGSTOP);
        sleep(Duration::from_secs(4));
        services[0].process.send(Signal::SIGCONT);
        load.time_to_recover()
    });
    under_pressure("SIGSTOP of PostgreSQL for 4 s", &[], |load, postgres, _| {
        postgres.signal_all(Signal::SIGSTOP);
        sleep(Duration::from_secs(4));
        postgres.signal_all(Signal::SIGCONT);
        load.time_to_recover()
    });
}

#[test]
fn locks_of_other_sessions() {
    under_pressure("a table locked for 1 s", &[], |load, postgres, _| {
        let mut other = postgres.sql("earmark");
        other.run("BEGIN");
        run_in_partitions(&mut other, "LOCK TABLE conversations IN ACCESS EXCLUSIVE MODE");
        sleep(Duration::from_secs(1));
        other.run("COMMIT");
        load.time_to_recover()
    });
    under_pressure("all users locked for 1 s", &[], |load, postgres, _| {
        let mut other = postgres.sql("earmark");
        other.run("BEGIN");
        run_in_partitions(&mut other, "SELECT FROM users FOR UPDATE");
        sleep(Duration::from_secs(1));
        other.run("COMMIT");
        load.time_to_recover()
    });
}

/// A session of the service freezes in the middle of a commit while it holds a user's lock. Only that user has to wait. The
/// users that share the commit are locked as well, so another service without load makes this commit.
#[test]
fn a_frozen_session_with_a_users_lock() {
    under_pressure("SIGSTOP of one session, its user locked", &[], |load, postgres, services| {
        let client = services[0].client();
        client.must_import("frozen");
        let mut operator = postgres.sql("earmark");
        run_in_partitions(
            &mut operator,
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
        assert_eq!(first.join().unwrap().code(), 50005);
        let recovery = load.time_to_recover();
        let before = load.history.counts();
        assert_eq!(client.mark("frozen", "other").unwrap().code(), 50005);
        load.wait_for_calls(CALLS);
        assert_eq!(load.history.counts().1, before.1, "other users were not served");
        kill(session, Signal::SIGCONT).unwrap();
        wait_until("the user is served", || client.mark("frozen", "other").unwrap().is_marked());
        // Clean up for the next round.
        let delete = r#"{"DeleteItem":[{"UserID":"frozen"}]}"#;
        client.must_call("im_open_login_svc/account_delete", delete);
        run_in_partitions(&mut operator, "DROP FUNCTION dawdle() CASCADE");
        recovery
    });
}

#[test]
fn sessions_and_statements_that_an_operator_cancels() {
    under_pressure("pg_terminate_backend, 20 times", &[], |load, postgres, _| {
        let mut other = postgres.sql("postgres");
        for _ in 0..20 {
            other.run(TERMINATE_SESSIONS);
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
fn no_free_database_connections() {
    let few = ["max_connections=24", "superuser_reserved_connections=0"];
    under_pressure("no connections left for 2 s", &few, |load, postgres, _| {
        let mut operator = postgres.sql("postgres");
        let mut others = Vec::new();
        // Other clients take each connection that the services give up.
        let taken = Instant::now();
        while taken.elapsed() < Duration::from_secs(2) {
            operator.run(TERMINATE_SESSIONS);
            while let Some(other) = postgres.try_sql("postgres") {
                others.push(other);
            }
        }
        assert!(others.len() > 10, "only {} connections were taken", others.len());
        drop(others);
        load.time_to_recover()
    });
}

#[test]
fn a_full_disk() {
    if !is_root() {
        not_tested("only root can mount a small disk");
        return;
    }
    let scratch = Scratch::create();
    let disk = scratch.join("disk");
    fs::create_dir(&disk).unwrap();
    let mount = ["-t", "tmpfs", "-o", "size=160m,mode=711", "tmpfs"];
    if !Command::new("mount").args(mount).arg(&disk).status().is_ok_and(|done| done.success()) {
        not_tested("no small disk can be mounted here");
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
        round("a full disk for 3 s", &url, plan, addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            let ballast = postgres.data().join("ballast");
            let mut file = fs::File::create(&ballast).unwrap();
            postgres.give(&ballast);
            let full = Instant::now();
            while full.elapsed() < Duration::from_secs(3) {
                _ = file.write_all(&[0; 4096]);
            }
            drop(file);
            fs::remove_file(&ballast).unwrap();
            // A server that could not write its log has exited. Otherwise it still runs.
            if postgres.processes().is_empty() {
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

/// The number of idle connections, if a process may open so many descriptors.
const IDLE: usize = 5000;

/// Raises the limit of open files to its maximum for this process and the services that it starts later. Returns the limit.
fn raise_descriptor_limit() -> usize {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    usize::try_from(most).unwrap_or(usize::MAX)
}

fn descriptors(service: &Service) -> usize {
    fs::read_dir(format!("/proc/{}/fd", service.process.pid())).unwrap().count()
}

/// While the service is busy, a burst of connections waits in the backlog. If the kernel dropped them, clients would have to
/// retry a second later.
#[test]
fn a_burst_of_connections_while_the_service_is_busy() {
    raise_descriptor_limit();
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.process.send(Signal::SIGSTOP);
    let patience = Duration::from_millis(900);
    let open = |_| Connection::open_with_timeout(service.api, patience).unwrap();
    let mut connections: Vec<_> = (0..1000).map(open).collect();
    service.process.send(Signal::SIGCONT);
    let (client, last) = (service.client(), connections.last_mut().unwrap());
    client.send_mark(last, "user", "friend");
    assert!(last.answer().unwrap().is_marked());
}

#[test]
fn idle_connections_and_stalled_requests() {
    let idle = IDLE.min(raise_descriptor_limit().saturating_sub(500));
    let name = format!("{idle} idle connections, a quarter with half-sent requests");
    under_pressure(&name, &[], |load, _, services| {
        let (service, client) = (&services[0], services[0].client());
        let before = descriptors(service);
        let open = || eventually("a connection", || RawConnection::open(service.api).ok());
        let mut connections: Vec<_> = (0..idle).map(|_| open()).collect();
        for (nr, connection) in connections.iter_mut().enumerate().filter(|(nr, _)| nr % 4 == 0) {
            // A head whose body never arrives.
            let length = if nr % 8 == 0 { 1000 } else { 1_000_000 };
            connection.send_head("POST", &client.path(MARK_CONTACT), length).unwrap();
        }
        wait_until("all connections are open", || descriptors(service) >= idle);
        load.wait_for_calls(CALLS);
        let recovery = load.time_to_recover();
        drop(connections);
        // The number of other connections varies: those of the load and of the database.
        wait_until("all connections are closed", || descriptors(service) < before + 50);
        recovery
    });
}

/// Clients that reset their connection while the service handles their request. The service closes all of them.
#[test]
fn clients_that_reset_the_connection_before_the_answer() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    client.must_mark("user", "friend");
    let before = descriptors(&service);
    for nr in 0..2000 {
        let mut connection = RawConnection::open(service.api).unwrap();
        connection.send(b"GET / HTTP/1.1\r\nhost: test\r\n\r\n").unwrap();
        connection.wait_for_bytes().unwrap();
        let body = mark_body(&format!("user{}", nr % 10), "friend");
        connection.send_head("POST", &client.path(MARK_CONTACT), body.len()).unwrap();
        connection.send(body.as_bytes()).unwrap();
        // The first answer is unread, so the kernel resets the connection instead of closing it.
        drop(connection);
    }
    // The number of connections to the database varies.
    wait_until("all connections are closed", || descriptors(&service) < before + 20);
    client.must_mark("user", "other");
}

/// The number of resident memory pages of the service.
fn resident_pages(service: &Service) -> usize {
    let statm = fs::read_to_string(format!("/proc/{}/statm", service.process.pid())).unwrap();
    statm.split_whitespace().nth(1).unwrap().parse().unwrap()
}

#[test]
fn memory_is_returned_after_a_burst() {
    raise_descriptor_limit();
    let database = Database::create();
    let service = EARMARK.start_on(&database);
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
    // The first burst takes memory that the service keeps: connections to the database, and the threads' own memory.
    drop(burst(300));
    let before = resident_pages(&service);
    let connections = burst(3000);
    let taken = resident_pages(&service) - before;
    drop(connections);
    wait_until("three quarters of the memory are returned", || {
        resident_pages(&service) < before + taken / 4
    });
    client.must_mark("user", "other");
}
