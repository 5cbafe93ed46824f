//! What the service needs of its machine: an address of either family, any user, and its share of the processors.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::process::Command;
use std::thread::available_parallelism;

use nix::sched::{CpuSet, sched_getaffinity, sched_setaffinity};
use nix::unistd::Pid;
use testkit::postgres::{Database, Postgres, is_root};
use testkit::{Client, Program, Scratch, not_tested, request, text};

use crate::EARMARK;

fn has_ipv6() -> bool {
    let has = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)).is_ok();
    if !has {
        not_tested("this machine has no IPv6");
    }
    has
}

/// `earmark serve` with both listeners on this address.
fn serve_on(url: &str, address: &str) -> Program {
    EARMARK.on(url, ["serve", "--listen", address, "--admin-listen", address])
}

#[test]
fn on_an_ipv6_address_the_service_serves_and_its_health_check_works() {
    if !has_ipv6() {
        return;
    }
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(serve_on(&database.url, "[::1]:0"));
    assert_eq!(service.api.ip(), Ipv6Addr::LOCALHOST);
    service.client().must_mark("user", "friend");
    service.wait_until_ready();
    let url = format!("http://{}/readyz", service.admin);
    EARMARK.command(["healthcheck", "--url", &url]).run().expect_success();
    service.process.stop();
}

#[test]
fn on_the_ipv6_wildcard_the_service_answers_both_families() {
    if !has_ipv6() {
        return;
    }
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let service = EARMARK.start(serve_on(&database.url, "[::]:0"));
    let both = [Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()];
    for ip in both {
        let address = SocketAddr::new(ip, service.api.port());
        Client { address, ..service.client() }.must_mark("user", "friend");
        let admin = SocketAddr::new(ip, service.admin.port());
        assert_eq!(request(admin, "GET", "/livez", "").unwrap().status, 200);
    }
    service.process.stop();
}

#[test]
fn an_address_can_be_a_name_or_a_port() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    for address in ["localhost:0", ":0"] {
        let service = EARMARK.start(serve_on(&database.url, address));
        let local = SocketAddr::new(Ipv4Addr::LOCALHOST.into(), service.api.port());
        Client { address: local, ..service.client() }.must_mark("user", "friend");
        service.process.stop();
    }
}

#[test]
fn the_service_runs_as_any_user() {
    // OpenShift gives each namespace a range of user ids, and runs its pods in the group 0.
    if !is_root() {
        not_tested("only root can run a program as another user");
        return;
    }
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &[]) else { return };
    EARMARK.prepare(&postgres.url());
    let url = text(&scratch.write("url", postgres.url()));
    let serve = ["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"];
    let program = EARMARK.command(serve).args(["--database-url-file", &url]);
    let service = EARMARK.start(program.user(1_000_670_000));
    service.client().must_mark("user", "friend");
    service.wait_until_ready();
    service.process.stop();
}

/// Starts a program in a control group of version 2 whose files are stand-ins: the kernel of this machine may have version 1.
/// `$0` is the content of `/proc/self/cgroup`, `$1` the quota of the group, and `$2` that of its parent.
const IN_A_CONTROL_GROUP: &str = r#"set -e
root=/sys/fs/cgroup group=$0 quota=$1 parent=$2; shift 2
mount -t tmpfs tmpfs $root
mkdir -p $root/pods/one
touch $root/pods/one/cgroup.controllers
echo "$quota" >$root/pods/one/cpu.max
echo "$parent" >$root/pods/cpu.max
mount --bind "$group" /proc/$$/cgroup
exec "$@"
"#;

#[test]
fn a_cpu_quota_of_cgroup_v2_bounds_workers_and_connections() {
    let unshared = Command::new("unshare").args(["--mount", "true"]).status();
    if !unshared.is_ok_and(|status| status.success()) {
        not_tested("this needs the right to mount");
        return;
    }
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let scratch = Scratch::create();
    let group = text(&scratch.write("cgroup", "0::/pods/one\n"));
    let all = available_parallelism().unwrap().get().min(8);
    let connections = (3 * all).max(10);
    for (quota, parent, workers, connections) in [
        ("100000 100000", "max 100000", 1, 10),
        ("max 100000", "150000 100000", 1, 10),
        ("max 100000", "max 100000", all, connections),
    ] {
        let mut outer = Command::new("unshare");
        outer.args(["--mount", "sh", "-c", IN_A_CONTROL_GROUP, &group, quota, parent]);

        let service = EARMARK.start(EARMARK.serve(&database.url).wrapped_by(outer));

        let line = service.process.stderr.line("listening on");
        let expected = format!("workers={workers} connections={connections}");
        assert!(line.contains(&expected), "{quota}, {parent}: {line}");
        service.process.stop();
    }
}

#[test]
fn the_first_line_states_what_runs_and_what_is_on() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let postgresql = database.connect().text("SHOW server_version");
    let schema =
        database.connect().number("SELECT max(version)::bigint FROM refinery_schema_history");
    let line = |serve: Program| {
        let service = EARMARK.start(serve);
        let line = service.process.stderr.line("listening on");
        service.process.stop();
        line
    };
    let version = format!(r#"version="{}""#, env!("CARGO_PKG_VERSION"));
    let postgresql = format!(r#"postgresql="{postgresql}""#);
    let schema = format!("schema={schema}");
    let given = EARMARK.serve(&database.url).args(["--workers", "4", "--console"]);
    let given = given.args(["--tls-self-signed", "--webhooks=off"]);
    let given = given.env("EARMARK_OPERATOR_TOKEN", "an-operator-token");
    // The program inherits the processors of this thread.
    let all = sched_getaffinity(Pid::from_raw(0)).unwrap();
    let first = (0..CpuSet::count()).find(|cpu| all.is_set(*cpu).unwrap()).unwrap();
    let mut one = CpuSet::new();
    one.set(first).unwrap();
    let given = line(given);
    sched_setaffinity(Pid::from_raw(0), &one).unwrap();
    let bound = line(EARMARK.serve(&database.url));
    let on = "https=true console=true admin_api=true webhooks=\"off\" traces=false";
    let off = "https=false console=false admin_api=false webhooks=\"public\" traces=false";
    for (line, words) in
        [(given, ["workers=4 connections=12", on]), (bound, ["workers=1 connections=10", off])]
    {
        for words in words.iter().chain([&*version, "commit=", &*postgresql, &*schema].iter()) {
            assert!(line.contains(words), "{words}: {line}");
        }
    }
}
