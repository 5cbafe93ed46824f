//! The service, the database, or both are killed under load.

use std::time::Duration;

use nix::sys::signal::Signal;
use testkit::postgres::{Database, Postgres};
use testkit::{Program, Scratch, Service};

use crate::EARMARK;
use crate::load::{Load, Plan};
use crate::stand::{
    addresses, partitions, prepare, quiet, round, schemas, seeds, sleep, start, verify,
};

/// Calls between two faults.
const CALLS: usize = 150;

fn plan(seed: u64) -> Plan {
    Plan { seed, users: 6, clients: 6, calls: usize::MAX }
}

/// Kills a service, and starts another one.
fn replace(load: &Load, url: &str, services: &mut Vec<Service>, nr: usize) {
    services.remove(nr).process.kill();
    load.set_targets(addresses(services));
    services.push(EARMARK.start(quiet(url)));
    load.set_targets(addresses(services));
}

#[test]
fn a_killed_service_loses_no_acknowledged_call() {
    let database = Database::create();
    prepare(&database.url);
    for seed in seeds(1) {
        let mut services = start(&database.url, 1);
        let targets = addresses(&services);
        round("kill -9 of the service", &database.url, plan(seed), targets, |load| {
            let mut longest = Duration::ZERO;
            for _ in 0..3 {
                load.wait_for_calls(CALLS);
                replace(load, &database.url, &mut services, 0);
                longest = longest.max(load.time_to_recover());
            }
            load.wait_for_calls(CALLS);
            longest
        })
        .unwrap();
    }
}

#[test]
fn two_services_continue_after_the_third_is_killed() {
    let database = Database::create();
    prepare(&database.url);
    for seed in seeds(1) {
        let mut services = start(&database.url, 3);
        let targets = addresses(&services);
        round("kill -9 of one service of three", &database.url, plan(seed), targets, |load| {
            let mut longest = Duration::ZERO;
            for _ in 0..2 {
                load.wait_for_calls(CALLS);
                services.remove(0).process.kill();
                load.set_targets(addresses(&services));
                longest = longest.max(load.time_to_recover());
            }
            load.wait_for_calls(CALLS);
            longest
        })
        .unwrap();
    }
}

#[test]
fn a_killed_database_loses_no_acknowledged_call() {
    // `pg_ctl -m immediate` sends SIGQUIT.
    for (name, signal) in [
        ("pg_ctl -m immediate", Signal::SIGQUIT),
        ("kill -9 of the postmaster", Signal::SIGKILL),
        ("pg_ctl -m fast", Signal::SIGINT),
    ] {
        let scratch = Scratch::create();
        let Some(mut postgres) = Postgres::start(scratch.path(), &[]) else { return };
        let url = postgres.url();
        prepare(&url);
        for seed in seeds(1) {
            let services = start(&url, 2);
            round(name, &url, plan(seed), addresses(&services), |load| {
                load.wait_for_calls(CALLS);
                postgres.end(signal);
                postgres.start_again();
                let recovery = load.time_to_recover();
                load.wait_for_calls(CALLS);
                recovery
            })
            .unwrap();
        }
    }
}

#[test]
fn killing_service_and_database_loses_no_acknowledged_call() {
    let scratch = Scratch::create();
    let Some(mut postgres) = Postgres::start(scratch.path(), &[]) else { return };
    let url = postgres.url();
    prepare(&url);
    for seed in seeds(1) {
        let mut services = start(&url, 1);
        round("kill -9 of both", &url, plan(seed), addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            services.remove(0).process.kill();
            postgres.end(Signal::SIGKILL);
            load.set_targets(Vec::new());
            postgres.start_again();
            services = start(&url, 1);
            load.set_targets(addresses(&services));
            let recovery = load.time_to_recover();
            load.wait_for_calls(CALLS);
            recovery
        })
        .unwrap();
    }
}

/// How many tables a schema has after each migration, the history included.
const TABLES: [i64; 9] = [0, 9, 10, 13, 31, 33, 35, 36, 38];

/// Checks how many tables each schema has: `is_fine` is asked about each number.
#[track_caller]
fn check_tables(database: &Database, is_fine: impl Fn(i64) -> bool) {
    let mut sql = database.connect();
    for schema in schemas() {
        let tables = format!("SELECT count(*) FROM pg_tables WHERE schemaname = '{schema}'");
        let found = sql.number(&tables);
        assert!(is_fine(found), "{found} tables in {schema}");
    }
}

/// Each migration is atomic, and the next start completes them.
#[test]
fn a_killed_migration_is_completed_by_the_next_start() {
    for patience_ms in [0, 20, 40, 80, 160] {
        let database = Database::create();
        let count = partitions().to_string();
        let with_partitions = |program: Program| program.env("EARMARK_PARTITIONS", &count);
        let process = with_partitions(EARMARK.on(&database.url, ["migrate"])).start();
        // The test kills the migration at five different moments.
        sleep(Duration::from_millis(patience_ms));
        process.send(Signal::SIGKILL);
        process.wait();
        check_tables(&database, |found| TABLES.contains(&found));
        let serve = || with_partitions(quiet(&database.url).args(["--migrate"])).start();
        let services = [serve(), serve()];
        for service in services {
            EARMARK.listening(service).process.stop();
        }
        check_tables(&database, |found| found == TABLES[TABLES.len() - 1]);
        verify(&database.url).unwrap();
    }
}
