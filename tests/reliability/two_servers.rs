//! Four partitions on two servers, one of which is killed under load. The first server has the shared tables and the partitions
//! 0 and 1, the second has 2 and 3.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testkit::postgres::TwoServers;
use testkit::proxy::{Network, Proxy};
use testkit::{Service, between, request, text, wait_until};

use crate::EARMARK;
use crate::load::{Load, Plan};
use crate::stand::{BETWEEN_SEEDS, addresses, prepare_with, quiet, round_with, seeds, succeeded};

const CALLS: usize = 80;
const CLIENTS: usize = 8;
/// So many answers show that some users are served while others are not: more than the calls that were in progress before.
const ANSWERS: usize = 2 * CLIENTS;
/// How long the service may take after the end of a fault.
const RECOVERY_MAX: Duration = Duration::from_secs(10);

/// Two servers, and a proxy before the second.
struct Stand {
    servers: TwoServers,
    proxy: Proxy,
}

impl Stand {
    /// `None` on a machine without PostgreSQL's programs.
    fn start() -> Option<Self> {
        let servers = TwoServers::start()?;
        let proxy = Proxy::start(servers.second.port());
        let url = servers.first.url();
        let command = |arguments: &[&str]| servers.with_map(EARMARK.on(&url, arguments));
        prepare_with(TwoServers::PARTITIONS, command);
        Some(Self { servers, proxy })
    }

    /// Services that reach the second server through the proxy.
    fn serve(&self) -> [Service; 2] {
        let map = text(&self.servers.map_to(&self.proxy.url()));
        let url = self.servers.first.url();
        [(), ()].map(|()| {
            let few = ["--workers", "2", "--database-connections", "8"];
            EARMARK.start(quiet(&url).args(few).env("EARMARK_PARTITION_MAP", &map))
        })
    }

    /// Checks the database.
    fn verify(&self) -> impl Fn() -> Result<(), String> + use<> {
        let (url, map) = (self.servers.first.url(), text(&self.servers.map));
        move || {
            let verify = EARMARK.on(&url, ["verify"]).env("EARMARK_PARTITION_MAP", &map);
            succeeded(&verify.run())
        }
    }

    /// Runs a load during a fault, and checks that nothing is lost. Soon after the fault, all services must be healthy in every
    /// partition.
    #[track_caller]
    fn check(&mut self, seed: u64, services: &[Service], (name, fault): Fault) {
        let verify = self.verify();
        let plan = Plan { seed, users: 8, clients: CLIENTS, calls: usize::MAX };
        round_with(name, verify, plan, addresses(services), |load| {
            load.wait_for_calls(CALLS);
            fault(self, load);
            let begun = Instant::now();
            load.time_to_recover();
            wait_until("all services are healthy", || services.iter().all(is_healthy));
            let recovery = begun.elapsed();
            assert!(recovery < RECOVERY_MAX, "{name}: recovered after {recovery:?}");
            load.wait_for_calls(CALLS);
            recovery
        })
        .unwrap();
    }
}

/// A name, and what happens.
type Fault = (&'static str, fn(&mut Stand, &Load));

const FAULTS: [Fault; 3] = [
    ("kill -9 of the second server", kill_the_second),
    ("kill -9 of the first server", kill_the_first),
    ("kill -9 of the first server, the second silent", kill_the_first_while_the_second_is_silent),
];

/// Waits until many calls are answered.
fn wait_for_answers(load: &Load, what: &str) {
    let (before, _) = load.history.counts();
    wait_until(what, || load.history.counts().0 >= before + ANSWERS);
}

/// Calls about users on the first server without an answer. Calls that change the directory do not count, because they wait for
/// both servers.
fn unanswered_on_the_first(load: &Load) -> usize {
    load.users.unanswered_in(|partition| partition < 2, TwoServers::PARTITIONS)
}

fn is_healthy(service: &Service) -> bool {
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    let is_up = |number| {
        let name = format!("earmark_partition_up{{partition=\"{number}\"}} ");
        between(&metrics, &name, "\n") == "1"
    };
    service.admin_status("/readyz") == 200 && (0..TwoServers::PARTITIONS).all(is_up)
}

/// The users of the other partitions go on.
fn kill_the_second(stand: &mut Stand, load: &Load) {
    stand.servers.second.end(Signal::SIGKILL);
    wait_for_answers(load, "the users of the first server are served");
    stand.servers.second.start_again();
    assert_eq!(unanswered_on_the_first(load), 0);
}

fn kill_the_first(stand: &mut Stand, load: &Load) {
    stand.servers.first.end(Signal::SIGKILL);
    load.wait_for_calls(CLIENTS);
    stand.servers.first.start_again();
    assert!(unanswered_on_the_first(load) > 0);
}

/// The second server is silent. The first is killed and comes back meanwhile, and so do its users.
fn kill_the_first_while_the_second_is_silent(stand: &mut Stand, load: &Load) {
    stand.proxy.set(Network::Silent);
    load.wait_for_calls(CLIENTS);
    stand.servers.first.end(Signal::SIGKILL);
    load.wait_for_calls(CLIENTS);
    stand.servers.first.start_again();
    wait_for_answers(load, "the users of the first server are served again");
    stand.proxy.set(Network::Normal);
}

#[test]
fn a_killed_server_loses_no_call_and_takes_only_its_own_users_away() {
    let Some(mut stand) = Stand::start() else { return };
    let services = stand.serve();
    for seed in seeds(1) {
        for (nr, fault) in (0..).zip(FAULTS) {
            stand.check(seed + nr * BETWEEN_SEEDS, &services, fault);
        }
    }
}
