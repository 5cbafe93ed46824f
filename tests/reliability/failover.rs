//! The primary is gone for good and its standby takes over: what each `synchronous_commit` keeps.

use nix::sys::signal::Signal;

use crate::load::Plan;
use crate::postgres::{Postgres, folder};
use crate::proxy::Proxy;
use crate::stand::{addresses, prepare, round, seeds, start};
use crate::support::eventually;

const CALLS: usize = 150;

/// Nothing acknowledged is lost when the primary's commits wait for the standby.
#[test]
fn a_standby_that_commits_wait_for_has_everything() {
    for level in ["on", "remote_write", "remote_apply"] {
        let (first, second) = (folder(), folder());
        let commit = format!("synchronous_commit={level}");
        let settings = ["wal_level=replica", "hot_standby=on", "max_wal_senders=4", &commit];
        let Some(mut primary) = Postgres::start(&first.join(""), &settings) else { return };
        let mut standby = primary.follow(&second.join(""));
        primary.sql("postgres").run("ALTER SYSTEM SET synchronous_standby_names = '*'");
        primary.sql("postgres").run("SELECT pg_reload_conf()");
        let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
        eventually("the standby is waited for", || {
            (primary.sql("postgres").number(synchronous) == 1).then_some(())
        });
        prepare(&primary.url());
        let proxy = Proxy::start(primary.port());
        let seed = seeds(1)[0];
        let services = start(&proxy.url(), 2);
        let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
        let name = format!("fail-over, synchronous_commit = {level}");
        round(&name, &standby.url(), plan, addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            primary.vanish();
            let data = standby.data().to_str().unwrap().to_owned();
            standby.run("pg_ctl", &["promote", "-D", &data]);
            standby.sql("postgres").run("ALTER SYSTEM RESET synchronous_standby_names");
            standby.sql("postgres").run("SELECT pg_reload_conf()");
            proxy.lead_to(standby.port());
            let recovery = load.time_to_recover();
            load.wait_for_calls(CALLS);
            recovery
        })
        .unwrap();
        standby.end(Signal::SIGINT);
    }
}
