//! A primary is lost and a standby takes over: for each level of `synchronous_commit`, for each way in which services find
//! the primary, and with an old primary that comes back.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::thread;
use std::time::Duration;

use earmark::deadline::Deadline;
use earmark::domain::{UserId, UserKey};
use earmark::store::{Database, Reader, Store, reading};
use nix::sys::signal::Signal;
use testkit::postgres::Postgres;
use testkit::proxy::Proxy;
use testkit::{APP, Program, Scratch, Service, not_tested, text, wait_until};
use tokio::runtime::Runtime;

use crate::EARMARK;
use crate::load::{Load, Plan};
use crate::stand::{addresses, prepare, quiet, round, seeds, start};

const CALLS: usize = 150;
/// Settings of a server that can be primary and standby.
const SETTINGS: [&str; 2] = ["cluster_name=primary", "wal_level=replica"];

fn plan(seed: u64) -> Plan {
    Plan { seed, users: 6, clients: 6, calls: usize::MAX }
}

/// Lets commits on `primary` wait for the standby `name`.
fn wait_for_standby(primary: &Postgres, name: &str) {
    primary.alter_system(&format!("SET synchronous_standby_names = '{name}'"));
    let synchronous = "SELECT count(*) FROM pg_stat_replication WHERE sync_state = 'sync'";
    wait_until("commits wait for the standby", || primary.sql("postgres").number(synchronous) == 1);
}

/// If commits on the primary wait for the standby, no acknowledged call is lost.
#[test]
fn a_synchronous_standby_has_every_acknowledged_call() {
    for level in ["on", "remote_write", "remote_apply"] {
        let (first, second) = (Scratch::create(), Scratch::create());
        let commit = format!("synchronous_commit={level}");
        let settings = [&SETTINGS[..], &[&commit]].concat();
        let Some(mut primary) = Postgres::start(first.path(), &settings) else { return };
        let mut standby = primary.start_standby(second.path(), "standby");
        wait_for_standby(&primary, "standby");
        prepare(&primary.url());
        let proxy = Proxy::start(primary.port());
        let seed = seeds(1)[0];
        let services = start(&proxy.url(), 2);
        let name = format!("fail-over, synchronous_commit = {level}");
        round(&name, &standby.url(), plan(seed), addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            primary.lose_machine();
            standby.promote();
            standby.alter_system("RESET synchronous_standby_names");
            proxy.forward_to(standby.port());
            let recovery = load.time_to_recover();
            load.wait_for_calls(CALLS);
            recovery
        })
        .unwrap();
        standby.end(Signal::SIGINT);
    }
}

/// A primary with a synchronous and an asynchronous standby.
struct Servers {
    primary: Postgres,
    synchronous: Postgres,
    asynchronous: Postgres,
    _folders: [Scratch; 3],
}

impl Servers {
    fn start() -> Option<Self> {
        let folders = [Scratch::create(), Scratch::create(), Scratch::create()];
        let primary = Postgres::start(folders[0].path(), &SETTINGS)?;
        let synchronous = primary.start_standby(folders[1].path(), "synchronous");
        let asynchronous = primary.start_standby(folders[2].path(), "asynchronous");
        wait_for_standby(&primary, "synchronous");
        prepare(&primary.url());
        Some(Self { primary, synchronous, asynchronous, _folders: folders })
    }

    /// The synchronous standby becomes the primary, and the other one its synchronous standby. That one starts from a new copy:
    /// it may have received more than the new primary, and then it cannot follow it.
    fn fail_over(&mut self) {
        self.synchronous.promote();
        self.asynchronous.end(Signal::SIGINT);
        self.asynchronous.rejoin(&self.synchronous);
        wait_for_standby(&self.synchronous, "asynchronous");
    }
}

/// How a service finds the primary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Address {
    /// An address that an operator moves to another server.
    Fixed,
    /// A host name that an operator points to another address.
    Name,
    /// The URL lists all servers.
    List,
}

/// The address of the primary, which can be moved.
struct Moving {
    address: Address,
    /// A proxy for each of two servers, on the same port of two addresses of this machine.
    proxies: [Proxy; 2],
    /// These addresses, and the ports of the servers.
    places: [(&'static str, u16); 2],
    /// Replaces `/etc/hosts` for the services.
    hosts: PathBuf,
    list: String,
    _folder: Scratch,
}

const NAME: &str = "earmark-primary.test";

impl Moving {
    fn to(address: Address, servers: &Servers) -> Self {
        let folder = Scratch::create();
        let places =
            [("127.0.0.1", servers.primary.port()), ("127.0.0.2", servers.synchronous.port())];
        let [(_, first), (address_of_second, second)] = places;
        let first = Proxy::start(first);
        let second = Proxy::start_at((address_of_second, first.port()), second);
        let hosts = folder.write("hosts", format!("127.0.0.1 {NAME}\n"));
        let ports =
            [&servers.primary, &servers.synchronous, &servers.asynchronous].map(Postgres::port);
        let list = ports.map(|port| format!("127.0.0.1:{port}")).join(",");
        let list = format!("postgres://earmark@{list}/earmark?sslmode=disable");
        Self { address, proxies: [first, second], places, hosts, list, _folder: folder }
    }

    /// A service that finds the primary in this way.
    fn service(&self) -> Program {
        match self.address {
            Address::Fixed => quiet(&self.proxies[0].url()),
            Address::List => quiet(&self.list),
            Address::Name => {
                let port = self.proxies[0].port();
                let mut command = Command::new("unshare");
                let mount = r#"mount --bind "$0" /etc/hosts && exec "$@""#;
                command.args(["--mount", "sh", "-c", mount, &text(&self.hosts)]);
                quiet(&format!("postgres://earmark@{NAME}:{port}/earmark?sslmode=disable"))
                    .wrapped_by(command)
            }
        }
    }

    /// Moves to the first primary or to its successor.
    fn lead_to(&self, server: &Postgres) {
        match self.address {
            Address::Fixed => self.proxies[0].forward_to(server.port()),
            Address::Name => {
                let place = self.places.iter().find(|(_, port)| *port == server.port());
                let (address, _) = place.unwrap();
                // Not a new file: the services have mounted this one.
                fs::write(&self.hosts, format!("{address} {NAME}\n")).unwrap();
            }
            Address::List => {}
        }
    }
}

/// Only root can give a process its own `/etc/hosts`.
fn can_replace_hosts() -> bool {
    let unshared = Command::new("unshare").args(["--mount", "true"]).status();
    unshared.is_ok_and(|status| status.success())
}

/// How long the services take until they write to the new primary.
fn time_to_be_ready(load: &Load, services: &[Service]) -> Duration {
    let recovery = load.time_to_recover();
    services.iter().for_each(Service::wait_until_ready);
    recovery
}

/// The primary is lost, comes back as a standby, and becomes the primary again when its successor is lost.
#[test]
fn a_fail_over_and_its_way_back_lose_no_acknowledged_call() {
    for address in [Address::Fixed, Address::Name, Address::List] {
        if address == Address::Name && !can_replace_hosts() {
            not_tested("this needs the right to mount");
            continue;
        }
        let Some(mut servers) = Servers::start() else { return };
        let moving = Moving::to(address, &servers);
        let services: Vec<_> = (0..2).map(|_| EARMARK.start(moving.service())).collect();
        let name = format!("fail-over and back, {address:?}");
        let url = servers.primary.url();
        round(&name, &url, plan(seeds(1)[0]), addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            servers.primary.lose_machine();
            servers.fail_over();
            moving.lead_to(&servers.synchronous);
            let there = time_to_be_ready(load, &services);
            load.wait_for_calls(CALLS);

            servers.primary.rejoin(&servers.synchronous);
            wait_for_standby(&servers.synchronous, "primary");
            load.wait_for_calls(CALLS);
            servers.synchronous.lose_machine();
            servers.primary.promote();
            servers.primary.alter_system("RESET synchronous_standby_names");
            moving.lead_to(&servers.primary);
            let back = time_to_be_ready(load, &services);
            load.wait_for_calls(CALLS);
            there.max(back)
        })
        .unwrap();
    }
}

/// The primary hangs, and a standby takes over. Then the old primary goes on as if nothing had happened.
#[test]
fn an_old_primary_that_wakes_up_answers_no_call() {
    let Some(mut servers) = Servers::start() else { return };
    let moving = Moving::to(Address::Fixed, &servers);
    let services: Vec<_> = (0..2).map(|_| EARMARK.start(moving.service())).collect();
    let url = servers.synchronous.url();
    let name = "fail-over, the old primary wakes up";
    round(name, &url, plan(seeds(1)[0]), addresses(&services), |load| {
        load.wait_for_calls(CALLS);
        servers.primary.signal_all(Signal::SIGSTOP);
        servers.fail_over();
        moving.lead_to(&servers.synchronous);
        let recovery = time_to_be_ready(load, &services);
        load.wait_for_calls(CALLS);
        servers.primary.signal_all(Signal::SIGCONT);
        load.wait_for_calls(2 * CALLS);
        recovery
    })
    .unwrap();
}

/// A worker's session with the old primary is idle while that server hangs and another worker finds its successor. When the
/// old primary wakes up, no read may go to it.
#[test]
fn an_idle_session_of_an_old_primary_is_not_used() {
    let Some(mut servers) = Servers::start() else { return };
    let proxy = Proxy::start(servers.primary.port());
    let database = Database::from_url(&proxy.url()).unwrap();
    let user_id = UserId::parse("user", 32).unwrap();
    let key = UserKey { sdk_app_id: APP.parse().unwrap(), user_id };
    let runtime = Runtime::new().unwrap();
    let store = runtime.block_on(Store::connect(&database)).unwrap();
    let workers = [0, 1].map(|_| runtime.block_on(async { store.share(2) }));
    let reads_a_page = |worker: &Store| {
        let read = async |reader: &mut Reader<'_>| reading::read_page(reader, &key, 0, 1).await;
        runtime.block_on(worker.clone().read(Deadline::of_a_request(), read)).is_ok()
    };
    assert!(workers.iter().all(reads_a_page));

    servers.primary.signal_all(Signal::SIGSTOP);
    servers.fail_over();
    proxy.forward_to(servers.synchronous.port());
    // The session was checked a moment ago, so the first read may use it in vain.
    wait_until("a worker finds the successor", || reads_a_page(&workers[0]));
    servers.primary.signal_all(Signal::SIGCONT);

    assert!(reads_a_page(&workers[1]));
    let on_successor = servers.synchronous.sessions();
    assert_eq!(on_successor, 2, "each worker has a session with the new primary");
}

/// The address moves to a promoted standby while the old primary goes on, so no session breaks. There is no traffic either.
#[test]
fn a_moved_address_is_followed_although_no_session_breaks() {
    let Some(mut servers) = Servers::start() else { return };
    let moving = Moving::to(Address::Fixed, &servers);
    let service = EARMARK.start(moving.service());
    let client = service.client();
    client.must_import("user");
    // So many calls at once that the checks find all sessions that they need, and open none.
    thread::scope(|scope| {
        for number in 0..8 {
            let client = &client;
            scope.spawn(move || {
                let user = format!("user-{number}");
                client.must_import(&user);
                for _ in 0..20 {
                    client.must_mark(&user, "before");
                    client.marks(&user);
                }
            });
        }
    });
    service.wait_until_ready();

    servers.fail_over();
    moving.lead_to(&servers.synchronous);

    wait_until("no session with the old primary is left", || servers.primary.sessions() == 0);
    client.must_mark("user", "after");
    assert!(client.marks("user").contains("after"));
    assert!(servers.synchronous.sessions() > 0);
}
