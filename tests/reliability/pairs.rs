//! Two faults at once: the second begins while the first still acts.

use std::time::Duration;

use testkit::postgres::{Postgres, Sql, TERMINATE_SESSIONS};
use testkit::proxy::{Break, Network, Proxy, Side};
use testkit::{Scratch, Service, wait_until};

use crate::EARMARK;
use crate::load::Plan;
use crate::stand::{
    BETWEEN_SEEDS, addresses, partitions, prepare, quiet, round, run_in_partitions, seeds, sleep,
};

const CALLS: usize = 60;
/// Threads of a service.
const WORKERS: i64 = 2;
/// Connections to the database that the workers of a service share.
const CONNECTIONS: i64 = 6;
/// Connections of a service for health checks and the like, to each schema.
const BESIDE: i64 = 4;

/// A fault between the service and its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Another session locks all users for longer than a statement waits for a lock. Batches fail, and the service retries
    /// each of their requests alone.
    Lock,
    /// Open connections are neither answered nor closed.
    Silence,
    /// A connection is closed before the answer to a statement or a commit arrives. The service retries requests, or cannot
    /// know their result.
    LostAnswer,
    /// PostgreSQL ends all sessions.
    Kill,
}

const FAULTS: [Fault; 4] = [Fault::Lock, Fault::Silence, Fault::LostAnswer, Fault::Kill];

impl Fault {
    fn begin(self, postgres: &Postgres, proxy: &Proxy, locker: &mut Option<Sql>) {
        match self {
            Self::Lock => {
                let mut sql = postgres.sql("earmark");
                sql.run("BEGIN");
                run_in_partitions(&mut sql, "SELECT FROM users FOR UPDATE");
                *locker = Some(sql);
            }
            Self::Silence => proxy.silence_open_connections(),
            Self::LostAnswer => proxy.set(Network::BreakAt(3, Side::After, Break::Close)),
            Self::Kill => postgres.sql("postgres").run(TERMINATE_SESSIONS),
        }
    }
}

/// Checks that abandoned sessions do not accumulate on the server, and that no session hangs.
fn check_sessions(postgres: &Postgres, services: &[Service], faults: [Fault; 2]) {
    // With several partitions, each worker has two connections to each of them, and its share of those to the shared tables.
    let to_a_partition = if partitions() > 1 { 2 * WORKERS + BESIDE } else { 0 };
    let of_a_service = CONNECTIONS + BESIDE + to_a_partition * i64::from(partitions());
    let most = of_a_service * i64::try_from(services.len()).unwrap();
    // PostgreSQL notices a silent connection late. Until then its session stays.
    let silenced = if faults.contains(&Fault::Silence) { most } else { 0 };
    let what = format!("{faults:?}: no more than {most} + {silenced} sessions");
    wait_until(&what, || postgres.sessions() <= most + silenced);
    let busy = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = 'earmark' AND state <> 'idle' AND pid <> pg_backend_pid()
            AND now() - query_start > interval '3 seconds'";
    let what = format!("{faults:?}: no statement runs longer than a request may");
    wait_until(&what, || postgres.sql("earmark").number(busy) == 0);
}

#[test]
fn two_faults_at_once_lose_no_call_and_no_session() {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &["max_connections=300"]) else {
        return;
    };
    prepare(&postgres.url());
    let pairs = FAULTS.into_iter().flat_map(|first| FAULTS.map(|second| [first, second]));
    for seed in seeds(1) {
        for (nr, faults) in (0..).zip(pairs.clone().filter(|[first, second]| first != second)) {
            // The sessions that the previous pair has silenced are still open.
            postgres.sql("postgres").run(TERMINATE_SESSIONS);
            let proxy = Proxy::start(postgres.port());
            let services: Vec<_> = start_with(&proxy.url(), 2);
            let seed = seed + nr * BETWEEN_SEEDS;
            let plan = Plan { seed, users: 4, clients: 6, calls: usize::MAX };
            let name = format!("{:?}, then {:?}", faults[0], faults[1]);
            round(&name, &postgres.url(), plan, addresses(&services), |load| {
                load.wait_for_calls(CALLS);
                let mut locker = None;
                for fault in faults {
                    fault.begin(&postgres, &proxy, &mut locker);
                    // Longer than a statement waits for a lock, and shorter than the deadline of a request.
                    sleep(Duration::from_millis(1200));
                }
                proxy.set(Network::Normal);
                drop(locker);
                let recovery = load.time_to_recover();
                load.wait_for_calls(CALLS);
                assert!(recovery < Duration::from_secs(10), "{name}: recovered after {recovery:?}");
                recovery
            })
            .unwrap();
            check_sessions(&postgres, &services, faults);
        }
    }
}

fn start_with(url: &str, count: usize) -> Vec<Service> {
    let [workers, connections] = [WORKERS, CONNECTIONS].map(|number| number.to_string());
    (0..count)
        .map(|_| {
            let program = quiet(url);
            EARMARK.start(program.args([
                "--workers",
                &workers,
                "--database-connections",
                &connections,
            ]))
        })
        .collect()
}
