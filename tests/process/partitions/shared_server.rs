//! The server that has the shared tables is lost. Users of partitions on other servers must not notice.

use std::time::{Duration, Instant};

use earmark::audit::Operator;
use earmark::deadline::Deadline;
use earmark::domain::SdkAppId;
use earmark::error::Error;
use earmark::service::{self, AppChange, AppSettings, Settings};
use earmark::store::{Database, Partitions};
use nix::sys::signal::Signal;
use testkit::postgres::TwoServers;
use testkit::proxy::{Network, Proxy};
use testkit::{APP, Client, Service, between, eventually, request, wait_until};
use tokio::runtime::Runtime;

use super::{partition_up, two_servers, user_in};
use crate::EARMARK;

/// The deadline of the API, with an allowance for a busy machine.
const DEADLINE: Duration = Duration::from_secs(5);
/// A change of an app takes effect within this time, with an allowance for a busy machine.
const EFFECT: Duration = Duration::from_secs(7);
/// Longer than two lives of an entry in a thread's cache of apps.
const SOME_TIME: Duration = Duration::from_secs(5);
/// An app that was disabled before the loss.
const DISABLED: &str = "1400000002";
const UNKNOWN: &str = "1400000003";

const UNAVAILABLE: u64 = 50005;
const APP_DISABLED: u64 = 60016;
const UNKNOWN_APP: u64 = 70020;

/// A service that reaches the first server at this URL, with what the tests here need.
fn serve_at(servers: &TwoServers, url: &str) -> Service {
    operate(servers, &["app", "create", DISABLED]);
    operate(servers, &["app", "disable", DISABLED]);
    let service = EARMARK.start(servers.with_map(EARMARK.serve(url).env("EARMARK_WORKERS", "2")));
    service.wait_until_ready();
    let client = service.client();
    client.must_mark(&user_in(0), "friend");
    client.must_mark(&user_in(2), "friend");
    assert_eq!(code_of(&client, DISABLED), APP_DISABLED);
    service
}

/// Runs a command that reaches all servers.
fn operate(servers: &TwoServers, arguments: &[&str]) {
    let program = EARMARK.on(&servers.first.url(), arguments);
    servers.with_map(program).run().expect_success();
}

/// The code of a call that names this app.
fn code_of(client: &Client, app: &str) -> u64 {
    let path = client.path("recentcontact/get_contact_group").replace(APP, app);
    let body = format!(r#"{{"From_Account":"{}"}}"#, user_in(2));
    request(client.address, "POST", &path, &body).unwrap().code()
}

fn gauge(service: &Service, name: &str) -> i64 {
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    between(&metrics, &format!("\n{name} "), "\n").parse().unwrap()
}

fn count_in_log(service: &Service, words: &str) -> usize {
    service.process.stderr.so_far().lines().filter(|line| line.contains(words)).count()
}

/// Checks that users of the second server's partitions are served, for longer than any cache lasts.
fn check_others_are_served(service: &Service) {
    let (client, user) = (service.client(), user_in(2));
    let (begun, mut times) = (Instant::now(), Vec::new());
    while begun.elapsed() < SOME_TIME {
        let peer = format!("friend{}", times.len() % 10);
        let asked = Instant::now();
        client.must_mark(&user, &peer);
        times.push(asked.elapsed());
        assert!(client.marks(&user).contains(&peer));
        assert_eq!(service.admin_status("/readyz"), 200);
    }
    times.sort_unstable();
    let (longest, usual) = (times[times.len() - 1], times[times.len() * 9 / 10]);
    assert!(longest < DEADLINE, "{longest:?}");
    assert!(usual < Duration::from_millis(400), "{usual:?}: calls wait for the lost server");
    // Other calls than marks.
    let body = |rest: &str| format!(r#"{{"From_Account":"{user}",{rest}}}"#);
    let friend = r#"{"Type":1,"To_Account":"friend"}"#;
    let group =
        format!(r#""GroupContactItem":[{{"GroupName":"family","ContactItem":[{friend}]}}]"#);
    client.must_call("recentcontact/create_contact_group", &body(&group));
    client.must_call("recentcontact/del_contact_group", &body(r#""GroupName":["family"]"#));
    let pin = format!(r#""OperationType":1,"RecentContactItem":[{friend}]"#);
    client.must_call("recentcontact/top", &body(&pin));
    assert_eq!(client.read(&format!("/users/{user}")).status, 200);
}

/// Checks what is said while the shared tables are lost.
fn check_loss_is_told(service: &Service) {
    let client = service.client();
    wait_until("the gauge says so", || gauge(service, "earmark_apps_last_known_seconds") > 0);
    wait_until("the database is seen to be down", || gauge(service, "earmark_database_up") == 0);
    assert_eq!(gauge(service, "earmark_ready"), 1);
    assert_eq!(gauge(service, "earmark_database_schema_version"), 0);
    assert_eq!([0, 2].map(|number| partition_up(service, number)), [false, true]);
    assert_eq!(client.mark(&user_in(0), "other").unwrap().code(), UNAVAILABLE);
    let asked = Instant::now();
    assert_eq!(code_of(&client, UNKNOWN), UNAVAILABLE);
    assert!(asked.elapsed() < DEADLINE, "{:?}", asked.elapsed());
    assert_eq!(code_of(&client, DISABLED), APP_DISABLED);
}

/// Checks that all of it works again.
fn check_recovery(servers: &TwoServers, service: &Service) {
    let client = service.client();
    wait_until("the partition is up again", || partition_up(service, 0));
    wait_until("apps are loaded anew", || gauge(service, "earmark_apps_last_known_seconds") == 0);
    wait_until("marks work", || client.mark(&user_in(0), "other").unwrap().is_marked());
    assert_eq!(code_of(&client, UNKNOWN), UNKNOWN_APP);
    assert_eq!(gauge(service, "earmark_database_up"), 1);
    assert_eq!(service.admin_status("/readyz"), 200);
    operate(servers, &["verify"]);
}

#[test]
fn users_of_other_servers_are_served_while_the_server_with_the_shared_tables_is_stopped() {
    let Some(mut servers) = two_servers() else { return };
    let service = serve_at(&servers, &servers.first.url());

    servers.first.end(Signal::SIGQUIT);

    check_others_are_served(&service);
    check_loss_is_told(&service);
    servers.first.start_again();
    check_recovery(&servers, &service);
    operate(&servers, &["app", "disable", APP]);
    let disabled = Instant::now();
    let client = service.client();
    wait_until("the app is refused", || code_of(&client, APP) == APP_DISABLED);
    assert!(disabled.elapsed() < EFFECT, "{:?}", disabled.elapsed());
    let exit = service.process.stop();
    let count = |words: &str| exit.stderr.lines().filter(|line| line.contains(words)).count();
    assert_eq!(count("apps are served as they were last loaded"), 1, "{}", exit.stderr);
    assert_eq!(count("apps are loaded anew"), 1, "{}", exit.stderr);
    assert_eq!(count("not ready"), 0, "{}", exit.stderr);
    // Each of the tasks says once that it fails, and once that it works.
    assert!(count("cannot be co") <= 4, "{}", exit.stderr);
}

#[test]
fn users_of_other_servers_are_served_while_the_server_with_the_shared_tables_is_silent() {
    let Some(servers) = two_servers() else { return };
    let proxy = Proxy::start(servers.first.port());
    let service = serve_at(&servers, &proxy.url());

    proxy.set(Network::Silent);

    check_others_are_served(&service);
    check_loss_is_told(&service);
    // The service cannot know of it yet.
    operate(&servers, &["app", "disable", APP]);
    let client = service.client();
    assert_eq!(code_of(&client, APP), 0);
    proxy.set(Network::Normal);
    let back = Instant::now();
    wait_until("the app is refused", || code_of(&client, APP) == APP_DISABLED);
    assert!(back.elapsed() < EFFECT, "{:?}", back.elapsed());
    operate(&servers, &["app", "enable", APP]);
    check_recovery(&servers, &service);
    assert_eq!(count_in_log(&service, "not ready"), 0);
    service.process.stop();
}

#[test]
fn a_server_that_falls_silent_takes_only_its_own_users_away() {
    let Some(mut servers) = two_servers() else { return };
    let proxy = Proxy::start(servers.second.port());
    servers.map = servers.map_to(&proxy.url());
    let service = serve_at(&servers, &servers.first.url());
    let client = service.client();

    proxy.set(Network::Silent);

    wait_until("the partition is seen to be down", || !partition_up(&service, 2));
    let begun = Instant::now();
    while begun.elapsed() < SOME_TIME {
        client.must_mark(&user_in(0), "other");
        assert_eq!(service.admin_status("/readyz"), 200);
    }
    assert_eq!(client.mark(&user_in(2), "other").unwrap().code(), UNAVAILABLE);
    proxy.set(Network::Normal);
    wait_until("the partition is up again", || partition_up(&service, 2));
    client.must_mark(&user_in(2), "other");
    assert_eq!(count_in_log(&service, "not ready"), 0);
    service.process.stop();
}

#[test]
fn a_partition_comes_back_while_the_server_with_the_shared_tables_is_lost() {
    let Some(mut servers) = two_servers() else { return };
    let service = serve_at(&servers, &servers.first.url());
    let (client, user) = (service.client(), user_in(2));

    servers.first.end(Signal::SIGQUIT);
    wait_until("the partition is seen to be down", || !partition_up(&service, 0));
    client.must_mark(&user, "before");
    servers.second.end(Signal::SIGQUIT);
    service.wait_until_not_ready();
    assert_eq!(client.mark(&user, "meanwhile").unwrap().code(), UNAVAILABLE);
    servers.second.start_again();

    service.wait_until_ready();
    wait_until("marks work", || client.mark(&user, "after").unwrap().is_marked());
    assert!(client.marks(&user).contains("before"));
    check_others_are_served(&service);
    servers.first.start_again();
    check_recovery(&servers, &service);
    service.process.stop();
}

#[test]
fn a_service_that_starts_needs_the_server_with_the_shared_tables() {
    let Some(mut servers) = two_servers() else { return };
    let proxy = Proxy::start(servers.first.port());
    let service = serve_at(&servers, &proxy.url());
    let serve = || servers.with_map(EARMARK.serve(&proxy.url()));
    let words = &["cannot connect to the database of --database-url"];

    proxy.set(Network::Silent);
    service.process.stop();
    serve().run().expect_failure(words);
    proxy.set(Network::Normal);
    let service = EARMARK.start(serve());
    service.wait_until_ready();
    service.client().must_mark(&user_in(2), "other");
    service.process.stop();

    servers.first.end(Signal::SIGQUIT);
    let serve = || servers.with_map(EARMARK.serve(&servers.first.url()));
    serve().run().expect_failure(words);
    servers.first.start_again();
    let service = EARMARK.start(servers.with_map(EARMARK.serve(&servers.first.url())));
    service.wait_until_ready();
    service.client().must_mark(&user_in(2), "another");
    service.process.stop();
}

/// A service in this process, with its own settings.
struct Own {
    runtime: Runtime,
    service: service::Service,
}

impl Own {
    fn start(servers: &TwoServers, settings: Settings) -> Self {
        let runtime = Runtime::new().unwrap();
        let (url, map) = (servers.first.url(), servers.map.clone());
        let service = runtime.block_on(async move {
            let database = Database::from_url(&url).unwrap().partition_map(map);
            let partitions = Partitions::connect(&database).await.unwrap();
            service::Service::new(partitions, settings)
        });
        Self { runtime, service }
    }

    /// Whether the app is disabled, as a call finds it.
    fn is_disabled(&self) -> Result<bool, Error> {
        let app = self.service.app(app(), Deadline::of_a_request());
        self.runtime.block_on(app).map(|app| app.disabled)
    }

    fn disable(&self) -> Result<(), Error> {
        let settings = AppSettings { disabled: Some(true), ..AppSettings::default() };
        let change = AppChange::Set(settings);
        let operator =
            Operator { name: "test".to_owned(), origin: "test".to_owned(), request_id: None };
        let deadline = Deadline::of_a_request();
        let update = self.service.update_app(app(), change, Some(operator), deadline);
        self.runtime.block_on(update).map(drop)
    }
}

fn app() -> SdkAppId {
    APP.parse().unwrap()
}

#[test]
fn an_app_is_served_as_it_was_last_loaded_for_a_bounded_time() {
    const AGE_MAX: Duration = Duration::from_secs(3);
    let Some(mut servers) = two_servers() else { return };
    let app_age_max = Duration::from_millis(100);
    let settings = Settings { app_age_max, last_known_app_age_max: AGE_MAX, ..Settings::default() };
    let own = Own::start(&servers, settings);
    assert!(!own.is_disabled().unwrap());
    let loaded = Instant::now();

    servers.first.end(Signal::SIGQUIT);

    let lost = Instant::now();
    assert!(!own.is_disabled().unwrap());
    let failed = eventually("the app is not served any more", || own.is_disabled().err());
    assert!(matches!(failed, Error::Unavailable(_)), "{failed:?}");
    assert!(loaded.elapsed() >= AGE_MAX, "{:?}", loaded.elapsed());
    assert!(lost.elapsed() < AGE_MAX + DEADLINE, "{:?}", lost.elapsed());
    servers.first.start_again();
    eventually("the app is loaded", || own.is_disabled().ok());
    own.runtime.block_on(own.service.close());
}

#[test]
fn what_an_operator_has_changed_is_not_served_as_it_was_before() {
    let Some(mut servers) = two_servers() else { return };
    let own = Own::start(&servers, Settings::default());
    assert!(!own.is_disabled().unwrap());
    servers.first.end(Signal::SIGQUIT);
    // Nothing is written, so the app stays as it was.
    assert!(matches!(own.disable(), Err(Error::Unavailable(_))));
    assert!(!own.is_disabled().unwrap());
    servers.first.start_again();
    eventually("the app is disabled", || own.disable().ok());

    servers.first.end(Signal::SIGQUIT);

    let found = own.is_disabled();
    assert!(matches!(found, Ok(true) | Err(Error::Unavailable(_))), "{found:?}");
    own.runtime.block_on(own.service.close());
}
