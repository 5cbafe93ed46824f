//! Rounds: the database, the services, the seeds, the load with a fault, and the checks.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use testkit::model;
use testkit::postgres::Sql;
use testkit::{APP, Exit, Program, SECRET_KEY, Service};

use crate::EARMARK;
use crate::load::{Load, Plan};

/// The number of rounds of each test.
pub(crate) fn rounds(usual: u64) -> u64 {
    setting("EARMARK_TEST_ROUNDS").unwrap_or(usual)
}

/// The seeds of a test. Each round has a fixed seed, except the last, which has a new one. `EARMARK_TEST_SEED` replaces them.
pub(crate) fn seeds(usual_rounds: u64) -> Vec<u64> {
    if let Some(seed) = setting("EARMARK_TEST_SEED") {
        return vec![seed];
    }
    #[expect(clippy::disallowed_methods, reason = "each run needs a new seed")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let fresh = u64::from(now.subsec_nanos()) + now.as_secs() * 1_000_000_000;
    (1..rounds(usual_rounds)).chain([fresh]).collect()
}

/// Between the seeds of two rounds of one test on the same database. The names of users contain the seed, so no two rounds may
/// have the same.
pub(crate) const BETWEEN_SEEDS: u64 = 1_000_000;

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "settings of these tests are read here")]
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: a number, got {value}")))
}

/// The number of partitions of each database: `EARMARK_TEST_PARTITIONS`, or one.
pub(crate) fn partitions() -> u16 {
    setting("EARMARK_TEST_PARTITIONS").map_or(1, |number| number.try_into().unwrap())
}

/// The schema of the shared tables, and those of the partitions, if there are several.
pub(crate) fn schemas() -> Vec<String> {
    let count = Some(partitions()).filter(|count| *count > 1).unwrap_or_default();
    let partitions = (0..count).map(|number| format!("partition_{number}"));
    ["public".to_owned()].into_iter().chain(partitions).collect()
}

/// Runs statements in each partition. The schema of the last one stays the session's.
#[track_caller]
pub(crate) fn run_in_partitions(sql: &mut Sql, statements: &str) {
    // With several partitions, the shared tables have no rows of users.
    for schema in schemas().iter().rev().take(partitions().into()) {
        sql.run(&format!("SET search_path = {schema}; {statements}"));
    }
}

/// Creates the schema, and an app with the limits of the model.
pub(crate) fn prepare(url: &str) {
    prepare_with(partitions(), |arguments| EARMARK.on(url, arguments));
}

/// As [`prepare`], with this number of partitions. `command` is `earmark` with these arguments on the database.
pub(crate) fn prepare_with(partitions: u16, command: impl Fn(&[&str]) -> Program) {
    command(&["migrate", "--partitions", &partitions.to_string()]).run().expect_success();
    let create = ["app", "create", APP, "--directory", "owners", "--secret-key", SECRET_KEY];
    command(&create).run().expect_success();
    let mut set = vec!["app", "set", APP, "--edition", "premium"];
    let limits = model::limits();
    set.extend(limits.iter().flat_map(|limit| ["--limit", limit]));
    command(&set).run().expect_success();
}

/// Starts services on one database.
pub(crate) fn start(url: &str, count: usize) -> Vec<Service> {
    (0..count).map(|_| EARMARK.start(quiet(url))).collect()
}

/// A service with a short log. Faults cause so many warnings that the test would run out of memory.
pub(crate) fn quiet(url: &str) -> Program {
    EARMARK.serve(url).env("EARMARK_LOG", "info")
}

pub(crate) fn addresses(services: &[Service]) -> Vec<SocketAddr> {
    services.iter().map(|service| service.api).collect()
}

/// Lets a fault last for this time. Use [`testkit::wait_until`] to wait for a condition.
pub(crate) fn sleep(time: Duration) {
    std::thread::sleep(time);
}

/// Checks the database with `earmark verify`.
pub(crate) fn verify(url: &str) -> Result<(), String> {
    succeeded(&EARMARK.verify(url))
}

/// The result of `earmark verify`.
pub(crate) fn succeeded(exit: &Exit) -> Result<(), String> {
    if exit.code == Some(0) { Ok(()) } else { Err(format!("verify: {exit:?}")) }
}

/// A round without a fault. Checks the database in the middle of the load, too.
pub(crate) fn calm_round(url: &str, services: &[Service], plan: Plan) -> Result<(), String> {
    let mut midway = Ok(());
    round("calm", url, plan, addresses(services), |load| {
        load.wait_for_calls(plan.calls / 2);
        midway = verify(url);
        load.wait_for_calls(plan.calls);
        Duration::ZERO
    })?;
    midway
}

/// Runs a load while `fault` happens, then checks all answers and the database. `fault` returns how long the service took to
/// recover.
pub(crate) fn round(
    name: &str,
    url: &str,
    plan: Plan,
    targets: Vec<SocketAddr>,
    fault: impl FnOnce(&Load) -> Duration,
) -> Result<(), String> {
    round_with(name, || verify(url), plan, targets, fault)
}

/// As [`round`], with another check of the database.
pub(crate) fn round_with(
    name: &str,
    verify: impl FnOnce() -> Result<(), String>,
    plan: Plan,
    targets: Vec<SocketAddr>,
    fault: impl FnOnce(&Load) -> Duration,
) -> Result<(), String> {
    let start = Instant::now();
    let (load, recovery) = Load::run(plan, targets, fault);
    let ran = start.elapsed();
    let (known, unknown) = load.history.counts();
    load.history.explain().map_err(|why| format!("{name}, seed {}: {why}", plan.seed))?;
    let checked = start.elapsed().saturating_sub(ran);
    verify()?;
    println!(
        "{name}: seed {}, {} users, {} clients, {known} calls explained, {unknown} never answered, \
         recovered after {recovery:.1?}, ran {ran:.1?}, checked in {checked:.1?}",
        plan.seed, plan.users, plan.clients,
    );
    Ok(())
}
