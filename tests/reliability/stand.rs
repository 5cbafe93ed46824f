//! Where rounds take place: a database, services on it, seeds, and what is looked at in the end.

use std::net::SocketAddr;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::load::{Load, Plan};
use crate::model;
use crate::support::{APP, KEY, Program, Service, app, migrate, serve};

/// How often each test is to be repeated, with other seeds.
pub(crate) fn rounds(usual: u64) -> u64 {
    setting("EARMARK_TEST_ROUNDS").unwrap_or(usual)
}

/// The seeds of a test: the one that was asked for; or a fixed one for every round but the last, which gets a fresh one.
pub(crate) fn seeds(usual_rounds: u64) -> Vec<u64> {
    if let Some(seed) = setting("EARMARK_TEST_SEED") {
        return vec![seed];
    }
    #[expect(clippy::disallowed_methods, reason = "a seed that nobody has had before")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let fresh = u64::from(now.subsec_nanos()) + now.as_secs() * 1_000_000_000;
    (1..rounds(usual_rounds)).chain([fresh]).collect()
}

fn setting(name: &str) -> Option<u64> {
    #[expect(clippy::disallowed_methods, reason = "settings of these tests are read here")]
    let value = std::env::var(name).ok().filter(|value| !value.is_empty())?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name}: a number, got {value}")))
}

/// The schema, and the app with the model's limits.
pub(crate) fn prepare(url: &str) {
    migrate(url).printed();
    app(url, &["create", APP, "--directory", "owners", "--secret-key", KEY]).printed();
    let mut set = vec!["set", APP, "--edition", "premium"];
    let limits = model::limits();
    set.extend(limits.iter().flat_map(|limit| ["--limit", limit]));
    app(url, &set).printed();
}

/// Services on one database.
pub(crate) fn start(url: &str, count: usize) -> Vec<Service> {
    (0..count).map(|_| Service::start(quiet(url))).collect()
}

/// A service that says little: what faults make it warn of would fill memory.
pub(crate) fn quiet(url: &str) -> Program {
    serve(url).env("EARMARK_LOG", "info")
}

pub(crate) fn addresses(services: &[Service]) -> Vec<SocketAddr> {
    services.iter().map(|service| service.api).collect()
}

/// For as long as a fault lasts. Nothing is waited for here.
pub(crate) fn last(time: Duration) {
    std::thread::sleep(time);
}

/// Nothing in the database is broken, says `earmark verify`.
pub(crate) fn verify(url: &str) -> Result<(), String> {
    let ended = Program::earmark(["verify"]).env("EARMARK_DATABASE_URL", url).run();
    if ended.code == Some(0) { Ok(()) } else { Err(format!("verify: {ended:?}")) }
}

/// A round without a fault; what is kept is looked at in the middle of it, too.
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

/// Runs a load while a fault happens, then checks everything that was seen, and what the database holds. The fault says
/// how long it took until the service was back.
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
         back after {recovery:.1?}, ran {ran:.1?}, checked in {checked:.1?}",
        plan.seed, plan.users, plan.clients,
    );
    Ok(())
}
