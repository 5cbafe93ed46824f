//! Several partitions, in one database and on two servers.

mod creating;
mod doctor;
mod shared_server;

use std::path::PathBuf;

use earmark::domain::{SdkAppId, UserId, UserKey, partition_of};
use nix::sys::signal::Signal;
use serde_json::{Value, json};
use testkit::postgres::{Database, TwoServers};
use testkit::{APP, Client, Program, SECRET_KEY, Service, between, request, text, wait_until};

use crate::EARMARK;

const COUNT: u16 = TwoServers::PARTITIONS;

/// Creates the schema with four partitions, and the app.
fn prepare(url: &str, map: Option<&PathBuf>) {
    with_map(EARMARK.on(url, ["migrate", "--partitions", "4"]), map).run().expect_success();
    let create = ["app", "create", APP, "--directory", "open", "--secret-key", SECRET_KEY];
    let create = EARMARK.on(url, create).args(["--limit", "calls-per-second=0"]);
    with_map(create, map).run().expect_success();
}

fn with_map(program: Program, map: Option<&PathBuf>) -> Program {
    match map {
        Some(map) => program.env("EARMARK_PARTITION_MAP", text(map)),
        None => program,
    }
}

fn divided() -> (Database, Service) {
    let database = Database::create();
    prepare(&database.url, None);
    let service = EARMARK.start(EARMARK.serve(&database.url));
    (database, service)
}

/// A user of the partition.
fn user_in(partition: u16) -> String {
    let sdk_app_id: SdkAppId = APP.parse().unwrap();
    let is_there = |name: &String| {
        let user_id = UserId::parse(name.as_str(), 32).unwrap();
        partition_of(&UserKey { sdk_app_id, user_id }, COUNT) == partition
    };
    (0..1000).map(|number| format!("user{number}")).find(is_there).unwrap()
}

fn delete(client: &Client, user: &str) {
    let body = json!({ "DeleteItem": [{ "UserID": user }] }).to_string();
    let answer = client.must_call("im_open_login_svc/account_delete", &body).json();
    assert_eq!(answer["ResultItem"][0]["ResultCode"], 0, "{answer}");
}

fn partition_up(service: &Service, number: u16) -> bool {
    let metrics = request(service.admin, "GET", "/metrics", "").unwrap().body;
    let name = format!("earmark_partition_up{{partition=\"{number}\"}} ");
    between(&metrics, &name, "\n") == "1"
}

#[test]
fn each_user_is_in_one_partition_and_all_of_them_are_one_app() {
    let (database, service) = divided();
    let client = service.client();
    let mut sql = database.connect();
    for partition in 0..COUNT {
        let user = user_in(partition);
        client.must_mark(&user, "friend");
        let rows = format!("SELECT count(*) FROM partition_{partition}.conversations");
        assert_eq!(sql.number(&rows), 1, "{user}");
        assert!(client.marks(&user).contains("friend"));
    }
    assert_eq!(sql.number("SELECT count(*) FROM users"), 0, "the shared tables have no users");

    client.must_import("friend");
    delete(&client, "friend");

    for partition in 0..COUNT {
        assert!(!client.marks(&user_in(partition)).contains("friend"), "{partition}");
    }
    client.must_import("friend");
    for partition in 0..COUNT {
        assert!(client.marks(&user_in(partition)).contains("friend"), "{partition}");
    }
    let verified = EARMARK.verify(&database.url).expect_success();
    // One of them is the friend, who had an account.
    assert!(verified.contains("5 users, 4 conversations"), "{verified}");
    let listed = EARMARK.on(&database.url, ["partitions", "list", "--output", "json"]).run();
    let listed: Value = serde_json::from_str(&listed.expect_success()).unwrap();
    let numbers: Vec<_> = listed["partitions"].as_array().unwrap().iter().collect();
    assert_eq!(numbers.len(), 4, "{listed}");
    assert!(numbers.iter().all(|one| one["bytes"].as_i64().unwrap() > 0), "{listed}");
    assert!(numbers.iter().all(|one| one["changes_per_second"].is_number()), "{listed}");
    let checked = EARMARK.on(&database.url, ["partitions", "check"]).run().expect_success();
    assert_eq!(checked, "4 partitions, problems: 0\n");
}

#[test]
fn a_move_without_citus_is_refused_in_words() {
    let (database, _service) = divided();
    let move_to = |partition, node| {
        EARMARK.on(&database.url, ["partitions", "move", partition, "--to", node]).run()
    };
    move_to("0", "worker:5432").expect_failure(&["only Citus can move a partition"]);
    move_to("4", "worker:5432").expect_failure(&["there is no partition 4: expected 0 to 3"]);
    for wrong in ["worker", "worker:", "worker:port", ":5432", "worker:65536"] {
        move_to("0", wrong).expect_failure(&["expected a host and a port"]);
    }
}

#[test]
fn the_number_of_partitions_is_chosen_before_the_first_app() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    // There is no app yet.
    prepare(&database.url, None);
    let migrate = |number| EARMARK.on(&database.url, ["migrate", "--partitions", number]).run();
    migrate("4").expect_success();
    migrate("2").expect_failure(&["the database has 4 partitions, not 2", "docs/scale-out.md"]);
    let again = EARMARK.migrate(&database.url).expect_success();
    assert_eq!(again, "the schema is up to date\n");
    let plan = EARMARK.on(&database.url, ["migrate", "--plan"]).run().expect_success();
    assert!(plan.contains("V7__add_partitions in partition_3"), "{plan}");
}

#[test]
fn a_user_in_the_wrong_partition_is_found() {
    let (database, service) = divided();
    service.client().must_mark(&user_in(2), "friend");
    let mut sql = database.connect();
    sql.run("INSERT INTO partition_1.users (sdk_app_id, user_id) SELECT sdk_app_id, user_id FROM partition_2.users");
    let verified = EARMARK.verify(&database.url);
    assert!(verified.stdout.contains("has a row in partition 1"), "{verified:?}");
    verified.expect_failure(&[]);
}

/// A crash between the commit in one partition and the copies in the others.
#[test]
fn a_copy_that_a_crash_has_prevented_is_made_later() {
    let (database, service) = divided();
    let client = service.client();
    let (reader, friend) = (user_in(0), user_in(1));
    client.must_import(&friend);
    client.must_mark(&reader, &friend);
    let mut sql = database.connect();
    sql.run(&format!(
        "BEGIN;
        UPDATE partition_1.apps SET directory_revision = directory_revision + 1;
        DELETE FROM partition_1.accounts WHERE user_id = '{friend}';
        INSERT INTO partition_1.gone (sdk_app_id, kind, id, is_gone, directory_revision)
            SELECT sdk_app_id, 1, '{friend}', TRUE, directory_revision FROM partition_1.apps;
        COMMIT"
    ));
    wait_until("the deletion is copied", || !client.marks(&reader).contains(&friend));
    // So is an app that one partition lacks, and a copy that is not like the others.
    sql.run(
        "UPDATE partition_3.apps SET disabled = TRUE; DELETE FROM partition_2.gone; DELETE FROM partition_2.apps",
    );
    let check = || EARMARK.on(&database.url, ["partitions", "check"]).run();
    wait_until("the app is copied", || check().stdout == "4 partitions, problems: 0\n");
    client.must_mark(&user_in(2), "other");
}

/// As by two processes, or by a request and the task that makes missing copies.
#[test]
fn a_copy_that_is_made_twice_changes_nothing() {
    let (database, service) = divided();
    let client = service.client();
    let friend = user_in(1);
    client.must_import(&friend);
    delete(&client, &friend);
    let mut sql = database.connect();
    let copied = "SELECT count(*) FROM partition_1.apps WHERE copied_revision = directory_revision";
    assert_eq!(sql.number(copied), 1);
    let sum = (0..COUNT)
        .map(|number| format!("(SELECT directory_revision FROM partition_{number}.apps)"));
    let revisions = format!("SELECT {}", sum.collect::<Vec<_>>().join(" + "));
    let before = sql.number(&revisions);

    sql.run("UPDATE partition_1.apps SET copied_revision = 0");

    wait_until("it is copied again", || sql.number(copied) == 1);
    assert_eq!(sql.number(&revisions), before);
}

#[test]
fn the_feeds_of_all_partitions_are_one_feed() {
    let (database, service) = divided();
    let client = service.client();
    EARMARK.app(&database.url, &["set", APP, "--feed", "on"]).expect_success();
    let mut sql = database.connect();
    for schema in ["public", "partition_0", "partition_1", "partition_2", "partition_3"] {
        sql.run(&format!(
            "UPDATE {schema}.feed_head SET on_since = on_since - INTERVAL '1 minute'"
        ));
    }
    let cursor = client.read("/changes").json()["cursor"].as_str().unwrap().to_owned();
    for partition in 0..COUNT {
        client.must_mark(&user_in(partition), "friend");
    }
    let (mut seen, mut after) = (Vec::new(), cursor);
    while seen.len() < usize::from(COUNT) {
        let page = client.read(&format!("/changes?after={after}&limit=5&wait=30"));
        assert_eq!(page.status, 200, "{page:?}");
        let page = page.json();
        after = page["cursor"].as_str().unwrap().to_owned();
        let users = page["changes"].as_array().unwrap().iter();
        seen.extend(users.map(|change| change["user"].as_str().unwrap().to_owned()));
    }
    seen.sort_unstable();
    let mut expected: Vec<_> = (0..COUNT).map(user_in).collect();
    expected.sort_unstable();
    assert_eq!(seen, expected);
}

/// Two servers with the schema and the app. `None` on a machine without PostgreSQL's programs.
fn two_servers() -> Option<TwoServers> {
    let servers = TwoServers::start()?;
    prepare(&servers.first.url(), Some(&servers.map));
    Some(servers)
}

fn serve(servers: &TwoServers) -> Service {
    EARMARK.start(servers.with_map(EARMARK.serve(&servers.first.url())))
}

#[test]
fn partitions_on_two_servers_are_one_app() {
    let Some(servers) = two_servers() else { return };
    let service = serve(&servers);
    let client = service.client();
    client.must_import("friend");
    for partition in 0..COUNT {
        client.must_mark(&user_in(partition), "friend");
    }
    assert_eq!(
        servers.second.sql("earmark").number("SELECT count(*) FROM partition_3.conversations"),
        1
    );
    delete(&client, "friend");
    for partition in 0..COUNT {
        assert!(!client.marks(&user_in(partition)).contains("friend"), "{partition}");
    }
    let command = |arguments: &[&str]| {
        with_map(EARMARK.on(&servers.first.url(), arguments), Some(&servers.map)).run()
    };
    command(&["verify"]).expect_success();
    let listed = command(&["partitions", "list"]).expect_success();
    let port = servers.second.port().to_string();
    assert_eq!(listed.matches(&port).count(), 2, "{listed}");
    command(&["app", "delete", APP, "--yes"]).expect_success();
    assert_eq!(servers.second.sql("earmark").number("SELECT count(*) FROM partition_3.apps"), 0);
}

#[test]
fn a_server_that_is_lost_takes_only_its_own_users_away() {
    let Some(mut servers) = two_servers() else { return };
    let service = serve(&servers);
    let client = service.client();
    let (here, there) = (user_in(0), user_in(2));
    client.must_mark(&here, "friend");
    client.must_mark(&there, "friend");
    service.wait_until_ready();

    servers.second.end(Signal::SIGKILL);

    wait_until("the partition is seen to be down", || !partition_up(&service, 2));
    assert_eq!(service.admin_status("/readyz"), 200);
    assert!(partition_up(&service, 0));
    client.must_mark(&here, "other");
    assert_eq!(client.mark(&there, "other").unwrap().code(), 50005);
    // A deletion must reach all partitions before it is acknowledged.
    let account = user_in(1);
    client.must_mark(&here, &account);
    let imported = json!({ "UserID": account }).to_string();
    client.call("im_open_login_svc/account_import", &imported).unwrap();
    let body = json!({ "DeleteItem": [{ "UserID": account }] }).to_string();
    let deleted = client.call("im_open_login_svc/account_delete", &body).unwrap();
    assert_eq!(deleted.code(), 50005, "{deleted:?}");

    servers.second.start_again();

    wait_until("the partition is up again", || partition_up(&service, 2));
    client.must_mark(&there, "other");
    wait_until("the deletion is copied", || {
        servers.second.sql("earmark").number("SELECT count(*) FROM partition_2.gone WHERE is_gone")
            == 1
    });
}

#[test]
fn an_address_that_leads_to_another_database_is_refused() {
    let Some(servers) = two_servers() else { return };
    let other = Database::create();
    prepare(&other.url, None);
    let wrong = servers.map_to(&other.url);
    let check = ["partitions", "check"];
    let checked = with_map(EARMARK.on(&servers.first.url(), check), Some(&wrong)).run();
    let words = "the address of partition 2 leads to another database";
    assert!(checked.stdout.contains(words), "{checked:?}");
    checked.expect_failure(&[]);
    let (found, _) = doctor::diagnose(&servers.first.url(), Some(&wrong), &[]);
    let addresses = found.iter().filter(|check| check.contains("address"));
    assert_eq!(addresses.collect::<Vec<_>>(), ["failure 2 address", "failure 3 address"]);
    let service = EARMARK.start(with_map(EARMARK.serve(&servers.first.url()), Some(&wrong)));
    let client = service.client();
    client.must_mark(&user_in(0), "friend");
    assert_eq!(client.mark(&user_in(2), "friend").unwrap().code(), 50005);
    let mut sql = other.connect();
    assert_eq!(sql.number("SELECT count(*) FROM partition_2.users"), 0);
}
