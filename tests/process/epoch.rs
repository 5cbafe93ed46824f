//! `earmark epoch`.

use testkit::postgres::Database;

use crate::EARMARK;

#[test]
fn the_epoch_is_shown_and_ended() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    client.must_mark("user", "friend");
    let cursor = client.cursor("user");
    assert_eq!(client.changes("user", &cursor).status, 200);

    let shown = EARMARK.on(&database.url, ["epoch", "show"]).run().expect_success();
    assert!(shown.starts_with("epoch 1, system identifier "), "{shown}");
    let json = EARMARK.on(&database.url, ["epoch", "show", "--output", "json"]).run();
    let json: serde_json::Value = serde_json::from_str(&json.expect_success()).unwrap();
    assert_eq!((&json["epoch"], &json["timeline"]), (&1.into(), &1.into()));
    assert!(json["system_identifier"].is_i64(), "{json}");

    let asked = EARMARK.on(&database.url, ["epoch", "bump"]).run();
    asked.expect_failure(&["confirm it with --yes"]);
    assert_eq!(client.changes("user", &cursor).status, 200);

    let bumped = EARMARK.on(&database.url, ["epoch", "bump", "--yes"]).run();
    assert!(bumped.stderr.contains("an operator has ended the epoch"), "{bumped:?}");
    let bumped = bumped.expect_success();
    assert!(bumped.starts_with("epoch "), "{bumped}");
    let answer = client.changes("user", &cursor);
    assert_eq!(answer.status, 410, "{answer:?}");
    assert_eq!(answer.json()["resync"], true);
    let fresh = client.cursor("user");
    assert_eq!(client.changes("user", &fresh).status, 200);

    // Nothing was restored, so later sessions leave it.
    let again = EARMARK.on(&database.url, ["epoch", "show"]).run().expect_success();
    assert!(again.starts_with(bumped.trim_end()), "{again} {bumped}");
}

/// A backup that was restored into another server: the noted system identifier is another one.
#[test]
fn a_new_session_on_another_server_ends_the_epoch_once() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    let cursor = client.cursor("user");
    let show = || EARMARK.on(&database.url, ["epoch", "show"]).run().expect_success();
    let before = show();
    database.connect().run("UPDATE database_epoch SET system_identifier = system_identifier + 1");
    let raised = show();
    assert_ne!(raised, before);
    assert_eq!(show(), raised, "once");
    assert_eq!(client.changes("user", &cursor).status, 410);

    // Promoted, and the setting says that nothing was lost.
    let cursor = client.cursor("user");
    database.connect().run("UPDATE database_epoch SET timeline = timeline + 1");
    let quiet = ["epoch", "show", "--epoch-after-failover", "false"];
    assert_eq!(EARMARK.on(&database.url, quiet).run().expect_success(), raised);
    assert_eq!(client.changes("user", &cursor).status, 200);
    database.connect().run("UPDATE database_epoch SET timeline = timeline + 1");
    assert_ne!(show(), raised);
    assert_eq!(client.changes("user", &cursor).status, 410);
}
