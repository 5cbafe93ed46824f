//! Rounds: the database, the services, the seeds, the load with a fault, and the checks.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use testkit::model;
use testkit::{APP, Program, SECRET_KEY, Service};

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

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "settings of these tests are read here")]
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: a number, got {value}")))
}

/// Creates the schema, and an app with the limits of the model.
pub(crate) fn prepare(url: &str) {
    EARMARK.migrate(url).expect_success();
    EARMARK
        .app(url, &["create", APP, "--directory", "owners", "--secret-key", SECRET_KEY])
        .expect_success();
    let mut set = vec!["set", APP, "--edition", "premium"];
    let limits = model::limits();
    set.extend(limits.iter().flat_map(|limit| ["--limit", limit]));
    EARMARK.app(url, &set).expect_success();
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
    let exit = EARMARK.verify(url);
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
    let start = Instant::now();
    let (load, recovery) = Load::run(plan, targets, fault);
    let ran = start.elapsed();
    let (known, unknown) = load.history.counts();
    load.history.explain().map_err(|why| format!("{name}, seed {}: {why}", plan.seed))?;
    let checked = start.elapsed().saturating_sub(ran);
    verify(url)?;
    println!(
        "{name}: seed {}, {} users, {} clients, {known} calls explained, {unknown} never answered, \
         recovered after {recovery:.1?}, ran {ran:.1?}, checked in {checked:.1?}",
        plan.seed, plan.users, plan.clients,
    );
    Ok(())
}
