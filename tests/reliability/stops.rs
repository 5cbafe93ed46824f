//! A service is told to stop under load while something else goes wrong. It still answers each request that it has accepted,
//! and exits in time.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use testkit::postgres::{Database, Postgres};
use testkit::proxy::{Network, Proxy};
use testkit::{Scratch, Service};

use crate::EARMARK;
use crate::load::{Load, Plan};
use crate::stand::{addresses, prepare, quiet, round, seeds, sleep, start};

const CALLS: usize = 100;
/// `EARMARK_SHUTDOWN_DELAY_S` and `EARMARK_SHUTDOWN_S`.
const DELAY: Duration = Duration::from_secs(1);
const STOP: Duration = Duration::from_secs(5);
/// The longest time in which a request is answered: its deadline, and what a busy machine needs.
const ANSWERED: Duration = Duration::from_millis(3900);
/// Between the fault and the signal, so that requests wait for the database when it comes.
const MOMENT: Duration = Duration::from_millis(200);

fn plan(seed: u64) -> Plan {
    Plan { seed, users: 6, clients: 8, calls: usize::MAX }
}

fn start_stoppable(url: &str) -> Service {
    let program = quiet(url)
        .env("EARMARK_SHUTDOWN_DELAY_S", DELAY.as_secs().to_string())
        .env("EARMARK_SHUTDOWN_S", STOP.as_secs().to_string());
    EARMARK.start(program)
}

/// Waits until the service exits, which was told to stop at `told`.
#[track_caller]
fn wait_for_exit(name: &str, service: Service, told: Instant) {
    let exit = service.process.wait();
    let took = told.elapsed();
    assert_eq!(exit.code, Some(0), "{exit:?}");
    println!("{name}: the stop took {took:.1?}");
    assert!(took < DELAY + STOP, "the stop took {took:?}");
}

#[track_caller]
fn check_answers(name: &str, load: &Load) {
    let answers = load.answers();
    println!("{name}: {answers:?}");
    assert_eq!(answers.broken, 0, "{answers:?}");
    assert!(answers.slowest < ANSWERED, "{answers:?}");
}

/// A fault of the database, which begins before the service is told to stop and ends later.
struct Fault {
    name: &'static str,
    begin: fn(&mut Postgres, &Proxy),
    end: fn(&mut Postgres, &Proxy),
    /// Whether the service has to exit before the fault ends.
    outlasts_the_stop: bool,
}

fn check_stop_during(fault: &Fault) {
    let scratch = Scratch::create();
    let Some(mut postgres) = Postgres::start(scratch.path(), &[]) else { return };
    let url = postgres.url();
    prepare(&url);
    let proxy = Proxy::start(postgres.port());
    let service = start_stoppable(&proxy.url());
    let successor = start(&url, 1);
    round(fault.name, &url, plan(seeds(1)[0]), vec![service.api], |load| {
        load.wait_for_calls(CALLS);
        (fault.begin)(&mut postgres, &proxy);
        sleep(MOMENT);
        let told = Instant::now();
        service.process.send(Signal::SIGTERM);
        if fault.outlasts_the_stop {
            wait_for_exit(fault.name, service, told);
            (fault.end)(&mut postgres, &proxy);
        } else {
            sleep(DELAY + MOMENT);
            (fault.end)(&mut postgres, &proxy);
            wait_for_exit(fault.name, service, told);
        }
        check_answers(fault.name, load);
        load.set_targets(addresses(&successor));
        let recovery = load.time_to_recover();
        load.wait_for_calls(CALLS);
        recovery
    })
    .unwrap();
}

#[test]
fn a_stop_while_postgresql_hangs_breaks_no_request() {
    check_stop_during(&Fault {
        name: "SIGTERM while PostgreSQL is frozen",
        begin: |postgres, _| postgres.signal_all(Signal::SIGSTOP),
        end: |postgres, _| postgres.signal_all(Signal::SIGCONT),
        outlasts_the_stop: false,
    });
}

#[test]
fn a_stop_while_postgresql_restarts_breaks_no_request() {
    check_stop_during(&Fault {
        name: "SIGTERM while PostgreSQL restarts",
        begin: |postgres, _| postgres.end(Signal::SIGINT),
        end: |postgres, _| postgres.start_again(),
        outlasts_the_stop: false,
    });
}

#[test]
fn a_stop_while_the_network_to_postgresql_is_cut_breaks_no_request() {
    check_stop_during(&Fault {
        name: "SIGTERM while the network to PostgreSQL is cut",
        begin: |_, proxy| proxy.set(Network::Silent),
        end: |_, proxy| proxy.set(Network::Normal),
        outlasts_the_stop: true,
    });
}

/// The load balancer follows `/readyz`. So clients do not even notice the stop.
#[test]
fn a_stop_behind_a_load_balancer_is_not_noticed() {
    let name = "SIGTERM of one of two services behind a load balancer";
    let database = Database::create();
    prepare(&database.url);
    let (leaving, staying) = (start_stoppable(&database.url), start_stoppable(&database.url));
    let ports = [leaving.api.port(), staying.api.port()];
    let balancer = Proxy::start(ports[0]);
    balancer.balance(&ports);
    round(name, &database.url, plan(seeds(1)[0]), vec![balancer.address()], |load| {
        load.wait_for_calls(CALLS);
        let told = Instant::now();
        leaving.process.send(Signal::SIGTERM);
        leaving.wait_until_not_ready();
        balancer.forward_to(ports[1]);
        wait_for_exit(name, leaving, told);
        load.wait_for_calls(CALLS);
        check_answers(name, load);
        let answers = load.answers();
        assert_eq!((answers.not_accepted, answers.late), (0, 0), "{answers:?}");
        Duration::ZERO
    })
    .unwrap();
}
