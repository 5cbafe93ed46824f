//! Processes end in the middle of everything: the service's, the database's, both.

use std::time::Duration;

use nix::sys::signal::Signal;

use crate::load::{Load, Plan};
use crate::postgres::{Postgres, folder};
use crate::stand::{addresses, last, prepare, quiet, round, seeds, start, verify};
use crate::support::{Database, Program, Service};

/// Calls between two faults.
const CALLS: usize = 150;

fn plan(seed: u64) -> Plan {
    Plan { seed, users: 6, clients: 6, calls: usize::MAX }
}

/// Kills a service, and starts another in its place.
fn replace(load: &Load, url: &str, services: &mut Vec<Service>, nr: usize) {
    services.remove(nr).process.kill();
    load.set_targets(addresses(services));
    services.push(Service::start(quiet(url)));
    load.set_targets(addresses(services));
}

#[test]
fn a_service_that_is_killed_has_lost_nothing() {
    let database = Database::new();
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
fn of_three_services_on_one_database_one_dies() {
    let database = Database::new();
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
fn a_database_that_is_killed_has_lost_nothing() {
    // `pg_ctl -m immediate` sends SIGQUIT.
    for (name, signal) in [
        ("pg_ctl -m immediate", Signal::SIGQUIT),
        ("kill -9 of the postmaster", Signal::SIGKILL),
        ("pg_ctl -m fast", Signal::SIGINT),
    ] {
        let scratch = folder();
        let Some(mut postgres) = Postgres::start(&scratch.join(""), &[]) else { return };
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
fn a_power_cut_that_takes_everything_has_lost_nothing() {
    let scratch = folder();
    let Some(mut postgres) = Postgres::start(&scratch.join(""), &[]) else { return };
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

/// Migrations happen whole or not at all, and whoever comes next goes on.
#[test]
fn a_migration_that_is_killed_is_done_by_the_next() {
    for patience_ms in [0, 20, 40, 80, 160] {
        let database = Database::new();
        let process =
            Program::earmark(["migrate"]).env("EARMARK_DATABASE_URL", &database.url).start();
        // Any moment is as good as another.
        last(Duration::from_millis(patience_ms));
        process.send(Signal::SIGKILL);
        process.ended();
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname = 'public'";
        let count = database.connect().number(tables);
        let services: Vec<_> =
            (0..2).map(|_| quiet(&database.url).args(["--migrate"]).start()).collect();
        for service in services {
            Service::listening(service).process.stop();
        }
        let whole = database.connect().number(tables);
        assert!(count == 0 || count == whole, "{count} of {whole} tables after {patience_ms} ms");
        verify(&database.url).unwrap();
    }
}
