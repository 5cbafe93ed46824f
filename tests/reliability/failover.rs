//! The primary is lost and its standby takes over, for each level of `synchronous_commit`.

use nix::sys::signal::Signal;
use testkit::postgres::Postgres;
use testkit::proxy::Proxy;
use testkit::{Scratch, text, wait_until};

use crate::load::Plan;
use crate::stand::{addresses, prepare, round, seeds, start};

const CALLS: usize = 150;

/// If commits on the primary wait for the standby, no acknowledged call is lost.
#[test]
fn a_synchronous_standby_has_every_acknowledged_call() {
    for level in ["on", "remote_write", "remote_apply"] {
        let (first, second) = (Scratch::create(), Scratch::create());
        let commit = format!("synchronous_commit={level}");
        let settings = ["wal_level=replica", "hot_standby=on", "max_wal_senders=4", &commit];
        let Some(mut primary) = Postgres::start(first.path(), &settings) else { return };
        let mut standby = primary.start_standby(second.path());
        primary.sql("postgres").run("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.sql("postgres").run("SELECT pg_reload_conf()");
        let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        wait_until("commits wait for the standby", || {
            primary.sql("postgres").number(synchronous) == 1
        });
        prepare(&primary.url());
        let proxy = Proxy::start(primary.port());
        let seed = seeds(1)[0];
        let services = start(&proxy.url(), 2);
        let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
        let name = format!("fail-over, synchronous_commit = {level}");
        round(&name, &standby.url(), plan, addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            primary.lose_machine();
            standby.run("pg_ctl", &["promote", "-D", &text(standby.data())]);
            standby.sql("postgres").run("ALTER SYSTEM RESET synchronous_standby_names");
            standby.sql("postgres").run("SELECT pg_reload_conf()");
            proxy.forward_to(standby.port());
            let recovery = load.time_to_recover();
            load.wait_for_calls(CALLS);
            recovery
        })
        .unwrap();
        standby.end(Signal::SIGINT);
    }
}
