//! Network faults between the service and its database: a proxy closes connections at every stage of a batch, and delays,
//! throttles and silences them.

use std::fs;
use std::time::{Duration, Instant};

use earmark::deadline::Deadline;
use earmark::domain::{UserId, UserKey};
use earmark::store::{Database, Store, reading};
use testkit::postgres::{Postgres, TERMINATE_SESSIONS};
use testkit::proxy::{Break, Network, Proxy, Side};
use testkit::{APP, Connection, Scratch, TIMEOUT, eventually};
use tokio::runtime::Runtime;

use crate::load::{Load, Plan};
use crate::stand::{addresses, prepare, round, seeds, sleep, start};

/// The most messages that the service sends to the database for one user's batch: begin; lock, add the user, lock again;
/// load conversations, groups and members; remove empty rows, count; save the user, two for groups, conversations; three to
/// delete an account, two to note it; commit.
const STAGES: usize = 19;
const CALLS: usize = 80;

/// Runs a load through a proxy while `change` changes the proxy's network.
fn through_a_proxy(name: &str, change: impl Fn(&Load, &Proxy) -> Duration) {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &["max_connections=300"]) else {
        return;
    };
    let proxy = Proxy::start(postgres.port());
    prepare(&postgres.url());
    for seed in seeds(1) {
        let services = start(&proxy.url(), 2);
        let plan = Plan { seed, users: 6, clients: 6, calls: usize::MAX };
        round(name, &postgres.url(), plan, addresses(&services), |load| {
            load.wait_for_calls(CALLS);
            let took = change(load, &proxy);
            proxy.set(Network::Normal);
            let recovery = load.time_to_recover();
            load.wait_for_calls(CALLS);
            took.max(recovery)
        })
        .unwrap();
    }
}

/// The service sends one message for a page. Besides, once a second it checks a connection and each worker, and every other
/// second it reloads apps. It does not use a connection that was idle for a second and was closed meanwhile.
#[test]
fn a_page_takes_one_message_to_the_database() {
    const PAGES: usize = 400;
    /// Most messages per second for everything else. The check of a worker takes about twelve.
    const OTHERS: usize = 40;
    /// Most messages of the tasks that begin with the service: they count apps and remove what is old.
    const AT_THE_START: usize = 100;
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &[]) else { return };
    let proxy = Proxy::start(postgres.port());
    prepare(&postgres.url());
    let services = start(&proxy.url(), 1);
    let client = services[0].client();
    let page = |connection: &mut Connection| {
        let body = r#"{"From_Account":"user"}"#;
        connection.send("POST", &client.path("recentcontact/get_contact_group"), body).unwrap();
        let answer = connection.answer().unwrap();
        assert_eq!(answer.code(), 0, "{answer:?}");
    };
    client.must_import("user");
    let mut connection = Connection::open(client.address).unwrap();
    page(&mut connection);
    proxy.set(Network::Normal);
    let begin = Instant::now();
    for _ in 0..PAGES {
        page(&mut connection);
    }
    let seconds = 1 + usize::try_from(begin.elapsed().as_secs()).unwrap();
    let others = AT_THE_START + OTHERS * seconds;
    let messages = proxy.messages();
    assert!((PAGES..=PAGES + others).contains(&messages), "{messages} messages for {PAGES} pages");

    postgres.sql("postgres").run(TERMINATE_SESSIONS);
    sleep(Duration::from_millis(1100));
    page(&mut connection);
}

/// One reader passes an idle connection directly to the next. Once a second the service asks the server whether it still
/// accepts writes.
#[test]
fn a_passed_on_connection_is_checked_once_a_second() {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &[]) else { return };
    let proxy = Proxy::start(postgres.port());
    prepare(&postgres.url());
    let database = Database::from_url(&proxy.url()).unwrap().connections(1);
    let user_id = UserId::parse("user", 32).unwrap();
    let key = UserKey { sdk_app_id: APP.parse().unwrap(), user_id };
    Runtime::new().unwrap().block_on(async {
        let store = Store::connect(&database).await.unwrap();
        let page = async || {
            let deadline = Deadline::of_a_request();
            store
                .clone()
                .read(deadline, async |reader| reading::read_page(reader, &key, 0, 1).await)
                .await
        };
        page().await.unwrap();
        proxy.set(Network::Normal);
        let begun = Instant::now();
        let mut pages = 0;
        while proxy.messages() == pages {
            assert!(
                begun.elapsed() < TIMEOUT,
                "the connection was not checked within {pages} pages"
            );
            page().await.unwrap();
            pages += 1;
        }
        assert!(pages > 1, "the connection was checked for each page");
        store.close().await;
    });
}

#[test]
fn connections_closed_at_every_stage_of_a_batch() {
    for side in [Side::Before, Side::After] {
        let name = format!("connections closed at each of {STAGES} stages, {side:?}");
        through_a_proxy(&name, |load, proxy| {
            for stage in 1..=STAGES {
                // More messages than a batch has, so each stage of some batch is hit.
                proxy.set(Network::BreakAt(stage + STAGES, side, Break::Close));
                load.wait_for_calls(CALLS / 4);
            }
            assert!(proxy.broken() >= STAGES, "only {} connections were closed", proxy.broken());
            Duration::ZERO
        });
    }
}

#[test]
fn a_slow_network() {
    through_a_proxy("20 ms each way", |load, proxy| {
        proxy.set(Network::Delay(Duration::from_millis(20)));
        load.wait_for_calls(CALLS);
        Duration::ZERO
    });
    through_a_proxy("64 bytes a millisecond", |load, proxy| {
        proxy.set(Network::Throttle(64));
        load.wait_for_calls(CALLS);
        Duration::ZERO
    });
}

#[test]
fn a_silent_network() {
    through_a_proxy("4 seconds of silence", |load, proxy| {
        proxy.set(Network::Silent);
        sleep(Duration::from_secs(4));
        let start = Instant::now();
        proxy.set(Network::Normal);
        load.time_to_recover();
        start.elapsed()
    });
}

/// A firewall that forgets connections: new ones work, and the old ones are neither answered nor closed.
#[test]
fn connections_silenced_one_after_the_other() {
    let name = format!("connections silenced at each of {STAGES} stages, before and after");
    through_a_proxy(&name, |load, proxy| {
        for stage in 1..=STAGES {
            for side in [Side::Before, Side::After] {
                proxy.set(Network::BreakAt(stage + STAGES, side, Break::Silence));
                load.wait_for_calls(CALLS / 16);
            }
        }
        assert!(proxy.broken() >= STAGES, "only {} connections were silenced", proxy.broken());
        Duration::ZERO
    });
}

#[test]
fn all_connections_silenced_at_once() {
    through_a_proxy("all connections silenced, three times", |load, proxy| {
        let mut longest = Duration::ZERO;
        for _ in 0..3 {
            proxy.silence_open_connections();
            longest = longest.max(load.time_to_recover());
            load.wait_for_calls(CALLS);
        }
        assert!(longest < Duration::from_secs(10), "recovered after {longest:?}");
        longest
    });
}

/// PostgreSQL probes idle connections, so it soon ends the session of a service that is gone. The probes also keep
/// firewalls from forgetting a connection that is only idle.
#[test]
fn the_server_probes_idle_connections() {
    let scratch = Scratch::create();
    let Some(postgres) = Postgres::start(scratch.path(), &[]) else { return };
    prepare(&postgres.url());
    let _services = start(&postgres.url(), 1);
    eventually("a probe is due within 30 seconds", || {
        let sockets = fs::read_to_string("/proc/net/tcp").unwrap();
        let next_probe = sockets.lines().filter_map(|line| {
            let words: Vec<_> = line.split_whitespace().collect();
            let (local, state, timer) = (words.get(1)?, *words.get(3)?, words.get(5)?);
            let port = u16::from_str_radix(local.split_once(':')?.1, 16).ok()?;
            // State 01: established. Timer 02: keep-alive, in hundredths of a second.
            let ticks = timer.strip_prefix("02:").filter(|_| state == "01")?;
            let ticks = u64::from_str_radix(ticks, 16).ok()?;
            (port == postgres.port()).then(|| Duration::from_millis(ticks * 10))
        });
        next_probe.max().filter(|longest| *longest <= Duration::from_secs(30))
    });
}
