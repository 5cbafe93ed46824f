//! Two faults meet: while the first still acts, the second begins. Most defects were found where one of them was survived.

use std::time::Duration;

use crate::load::Plan;
use crate::postgres::{END_SESSIONS, Postgres, folder};
use crate::proxy::{End, Proxy, Side, Weather};
use crate::stand::{addresses, last, prepare, quiet, round, seeds};
use crate::support::{Service, Sql, eventually};

const CALLS: usize = 60;
/// Connections to the database that the workers of a service share.
const CONNECTIONS: i64 = 6;
/// Connections of a service for health checks and the like.
const BESIDE: i64 = 4;

/// What can go wrong between the service and its database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    /// Another session holds the lock of every user for longer than a statement waits for one, so that batches fail and
    /// each of their requests is tried again alone.
    Lock,
    /// Open connections are never answered any more, and never closed.
    Silence,
    /// The answer of a statement or a commit is lost together with its connection, so that requests are tried again or in
    /// doubt.
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
                sql.run("BEGIN; SELECT FROM users FOR UPDATE");
                *locker = Some(sql);
            }
            Self::Silence => proxy.silence_all(),
            Self::LostAnswer => proxy.set(Weather::EndAt(3, Side::After, End::Cut)),
            Self::Kill => postgres.sql("postgres").run(END_SESSIONS),
        }
    }
}

/// The sessions of services, those that they have given up included.
fn sessions(postgres: &Postgres) -> i64 {
    postgres.sql("postgres").number(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = 'earmark' AND backend_type = 'client backend'",
    )
}

/// Sessions that were given up do not pile up on the server, and those that are left serve.
fn check_no_session_is_lost(postgres: &Postgres, services: &[Service], faults: [Fault; 2]) {
    let most = (CONNECTIONS + BESIDE) * i64::try_from(services.len()).unwrap();
    // PostgreSQL finds out by itself, and late, that a connection is silent. Until then its session stays.
    let silenced = if faults.contains(&Fault::Silence) { most } else { 0 };
    let what = format!("{faults:?}: no more than {most} + {silenced} sessions");
    eventually(&what, || (sessions(postgres) <= most + silenced).then_some(()));
    let busy = "SELECT count(*) FROM pg_stat_activity
        WHERE datname = 'earmark' AND state <> 'idle' AND pid <> pg_backend_pid()
            AND now() - query_start > interval '3 seconds'";
    let what = format!("{faults:?}: nothing goes on for longer than a request may");
    eventually(&what, || (postgres.sql("earmark").number(busy) == 0).then_some(()));
}

#[test]
fn two_faults_that_meet_leave_nothing_behind() {
    let scratch = folder();
    let Some(postgres) = Postgres::start(&scratch.join(""), &["max_connections=300"]) else {
        return;
    };
    prepare(&postgres.url());
    let pairs = FAULTS.into_iter().flat_map(|first| FAULTS.map(|second| [first, second]));
    for seed in seeds(1) {
        for (nr, faults) in (0..).zip(pairs.clone().filter(|[first, second]| first != second)) {
            // Those that the last pair has silenced are still there.
            postgres.sql("postgres").run(END_SESSIONS);
            let proxy = Proxy::start(postgres.port());
            let services: Vec<_> = start_with(&proxy.url(), 2);
            // Users are named by the seed, and each pair begins with new ones.
            let plan = Plan { seed: seed + nr, users: 4, clients: 6, calls: usize::MAX };
            let name = format!("{:?}, then {:?}", faults[0], faults[1]);
            round(&name, &postgres.url(), plan, addresses(&services), |load| {
                load.wait_for_calls(CALLS);
                let mut locker = None;
                for fault in faults {
                    fault.begin(&postgres, &proxy, &mut locker);
                    // Longer than a statement waits for a lock, and shorter than a request may take.
                    last(Duration::from_millis(1200));
                }
                proxy.set(Weather::Fine);
                drop(locker);
                let recovery = load.time_to_recover();
                load.wait_for_calls(CALLS);
                assert!(recovery < Duration::from_secs(10), "{name}: back after {recovery:?}");
                recovery
            })
            .unwrap();
            check_no_session_is_lost(&postgres, &services, faults);
        }
    }
}

fn start_with(url: &str, count: usize) -> Vec<Service> {
    let connections = CONNECTIONS.to_string();
    (0..count)
        .map(|_| {
            let program = quiet(url);
            Service::start(program.args(["--workers", "2", "--database-connections", &connections]))
        })
        .collect()
}
