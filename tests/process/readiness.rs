//! `/readyz`, the gauges and the log say whether the service can serve, also without traffic.

use std::time::{Duration, Instant};

use testkit::postgres::{Database, PrivateServer};
use testkit::{Service, between, request, wait_until};

use crate::EARMARK;

/// The value of a gauge without labels.
#[track_caller]
fn gauge(service: &Service, name: &str) -> i64 {
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    between(&metrics, &format!("\n{name} "), "\n").parse().unwrap()
}

#[test]
fn a_table_that_cannot_be_written_makes_the_service_not_ready() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.wait_until_ready();
    let mut holder = database.connect();
    holder.run("BEGIN; LOCK TABLE users IN SHARE MODE");
    service.wait_until_not_ready();
    // Reads work, and so does the database.
    service.client().marks("user");
    assert_eq!(gauge(&service, "earmark_database_up"), 1);
    holder.run("COMMIT");
    service.wait_until_ready();
    service.process.stop();
}

#[test]
fn a_lock_that_is_held_for_a_moment_does_not_make_the_service_not_ready() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.wait_until_ready();
    let (mut holder, mut observer) = (database.connect(), database.connect());
    holder.run("BEGIN; LOCK TABLE users IN SHARE MODE");
    let mut blocked = || {
        observer.number(
            "SELECT count(*) FROM pg_stat_activity
             WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
    };
    wait_until("the lanes wait for the lock", || blocked() > 0);
    wait_until("PostgreSQL has ended their statements", || blocked() == 0);
    holder.run("COMMIT");
    // Two checks begin in this time.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(2) {
        assert_eq!(service.admin_status("/readyz"), 200);
    }
    let exit = service.process.stop();
    assert!(!exit.stderr.contains("not ready"), "{exit:?}");
}

#[test]
fn a_database_that_becomes_read_only_makes_the_service_not_ready() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.wait_until_ready();
    let name = database.name();
    let mut operator = database.connect();
    let mut set = |value: &str| {
        operator.run(&format!("ALTER DATABASE {name} SET default_transaction_read_only = {value}"));
        operator.run(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
             WHERE datname = current_database() AND pid <> pg_backend_pid()",
        );
    };
    set("on");
    service.wait_until_not_ready();
    set("off");
    service.wait_until_ready();
    service.process.stop();
}

#[test]
fn without_traffic_the_gauges_and_the_log_tell_of_an_outage() {
    let mut server = PrivateServer::start();
    let service = EARMARK.start_on(&Database::create_on(&server.options()));
    let gauges = || ["earmark_ready", "earmark_database_up"].map(|name| gauge(&service, name));
    for round in 1..=2 {
        wait_until("the gauges say that it serves", || gauges() == [1, 1]);
        server.stop();
        wait_until("the gauges say that the database is down", || gauges() == [0, 0]);
        for _ in 0..50 {
            assert_eq!(service.admin_status("/readyz"), 503);
        }
        server.start_again();
        service.wait_until_ready();
        // Each change is one line, however many checks there were. The log is written by another thread.
        let log = || service.process.stderr.so_far();
        let count = |words: &str| log().lines().filter(|line| line.contains(words)).count();
        wait_until("the recovery is logged", || count(" ready again") == round);
        assert_eq!(count("not ready cause="), round, "{}", log());
    }
    service.process.stop();
}

#[test]
fn many_probes_do_not_become_many_transactions() {
    const PROBES: i64 = 1000;
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.wait_until_ready();
    let mut observer = database.connect();
    let transactions = "SELECT (xact_commit + xact_rollback)::bigint FROM pg_stat_database WHERE datname = current_database()";
    let before = observer.number(transactions);
    let begun = Instant::now();
    for _ in 0..PROBES {
        assert_eq!(service.admin_status("/readyz"), 200);
    }
    let seconds = i64::try_from(begun.elapsed().as_secs()).unwrap() + 1;
    let after = observer.number(transactions);
    // A check is 3 transactions for each of 2 workers, and 2 for the process.
    assert!(after - before < 20 * seconds, "{} in {seconds} s", after - before);
    service.process.stop();
}

#[test]
fn the_gauges_name_the_schema_and_the_age_of_the_oldest_snapshot() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.wait_until_ready();
    let names = ["earmark_database_schema_version", "earmark_database_schema_version_required"];
    let [found, required] = names.map(|name| gauge(&service, name));
    assert!(found > 0 && found == required, "{found}, {required}");

    let mut holder = database.connect();
    holder.run("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT 1");
    let age = || gauge(&service, "earmark_database_oldest_snapshot_seconds");
    wait_until("the snapshot becomes old", || age() >= 2);
    holder.run("COMMIT");
    wait_until("the snapshot is gone", || age() < 2);

    database.connect().run("DELETE FROM refinery_schema_history");
    service.wait_until_not_ready();
    assert_eq!(names.map(|name| gauge(&service, name)), [0, required]);
    service.process.stop();
}
