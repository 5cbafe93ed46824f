//! What stands between the service and its database fails: connections are cut at every stage of a batch, delayed,
//! throttled, and fall silent.

use std::time::{Duration, Instant};

use crate::load::{Load, Plan};
use crate::postgres::{Postgres, folder};
use crate::proxy::{Proxy, Side, Weather};
use crate::stand::{addresses, last, prepare, round, seeds, start};

/// Messages to the database that a write is made of, at most: begin, lock, load, groups, members, count, four to save, commit.
const STAGES: usize = 12;
const CALLS: usize = 80;

/// Runs a load through a proxy whose weather changes.
fn through_a_proxy(name: &str, change: impl Fn(&Load, &Proxy) -> Duration) {
    let scratch = folder();
    let Some(postgres) = Postgres::start(&scratch.join(""), &[]) else { return };
    let proxy = Proxy::start(postgres.port());
    prepare(&postgres.url());
    for seed in seeds(1) {
        let services = start(&proxy.url(), 2);
        let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
        round(name, &postgres.url(), plan, addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            let took = change(load, &proxy);
            proxy.set(Weather::Fine);
            let recovery = load.time_to_recover();
            load.wait_for_calls(CALLS);
            took.max(recovery)
        })
        .unwrap();
    }
}

#[test]
fn connections_that_are_cut_at_every_stage_of_a_batch() {
    for side in [Side::Before, Side::After] {
        let name = format!("connections cut at each of {STAGES} stages, {side:?}");
        through_a_proxy(&name, |load, proxy| {
            for stage in 1..=STAGES {
                // Twice as many as a batch has, so that the count meets each stage of some.
                proxy.set(Weather::CutAt(stage + STAGES, side));
                load.wait_for_calls(CALLS / 4);
            }
            assert!(proxy.cuts() >= STAGES, "only {} connections were cut", proxy.cuts());
            Duration::ZERO
        });
    }
}

#[test]
fn a_network_that_is_slow() {
    through_a_proxy("20 ms each way", |load, proxy| {
        proxy.set(Weather::Delay(Duration::from_millis(20)));
        load.wait_for_calls(CALLS);
        Duration::ZERO
    });
    through_a_proxy("64 bytes a millisecond", |load, proxy| {
        proxy.set(Weather::Throttle(64));
        load.wait_for_calls(CALLS);
        Duration::ZERO
    });
}

#[test]
fn a_network_that_falls_silent() {
    through_a_proxy("4 seconds of silence", |load, proxy| {
        proxy.set(Weather::Silence);
        last(Duration::from_secs(4));
        let start = Instant::now();
        proxy.set(Weather::Fine);
        load.time_to_recover();
        start.elapsed()
    });
}
