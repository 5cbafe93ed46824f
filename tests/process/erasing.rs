//! `earmark user`, `earmark app reset` and `earmark app delete`, beside a running service.

use serde_json::{Value, json};
use testkit::postgres::Database;
use testkit::{APP, between, wait_until};

use crate::EARMARK;

/// Users who each have one conversation, with the user `peer`.
fn fill(database: &Database, users: u32) {
    database.connect().run(&format!(
        "INSERT INTO users (sdk_app_id, user_id, revision, next_position, row_count, marked, marked_max)
        SELECT {APP}, 'user' || nr, 1, 2, 1, 1, 1000 FROM generate_series(1, {users}) AS nr;
        INSERT INTO conversations (sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at,
            changed_revision)
        SELECT {APP}, 'user' || nr, 1, 'peer', 1, TRUE, 1, 1, 1 FROM generate_series(1, {users}) AS nr"
    ));
}

#[track_caller]
fn check_verified(database: &Database) {
    let verified = EARMARK.verify(&database.url).expect_success();
    assert!(verified.ends_with(": nothing is broken\n"), "{verified}");
}

#[test]
fn a_user_is_shown_exported_and_erased_with_a_receipt() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = service.client();
    client.must_mark("user0", "friend");
    client.must_mark("friend", "user0");
    let user = |arguments: &[&str]| EARMARK.on(&database.url, ["user"]).args(arguments).run();
    let shown = user(&["show", APP, "user0"]).expect_success();
    let expected = "user \"user0\" of app 1400000001: never imported\n  \
        revision 1, conversations: 1 marked, 0 in contact groups, 0 pinned\n  contact groups: none\n";
    assert_eq!(shown, expected);

    let exported = user(&["export", APP, "user0"]).expect_success();
    let whole = EARMARK.on(&database.url, ["export", APP, "--user", "user0"]).run();
    assert_eq!(exported, whole.expect_success());
    let line: Value = serde_json::from_str(exported.lines().nth(1).unwrap()).unwrap();
    assert_eq!(line["user"]["conversations"][0]["id"], "friend");
    user(&["export", APP, "user0", "--output", "json"]).expect_failure(&["--out FILE"]);

    let asked = user(&["erase", APP, "user0"]);
    asked.expect_failure(&[
        "everything about user \"user0\" of app 1400000001",
        "confirm it with --yes",
    ]);
    assert_eq!(user(&["show", APP, "user0"]).expect_success(), expected);
    let receipt = user(&["erase", APP, "user0", "--yes"]).expect_success();
    assert_eq!(
        receipt,
        "user \"user0\" of app 1400000001 is erased: no account, 1 conversations, 0 contact groups, and the user in the \
         lists of 1 others\n"
    );
    assert!(user(&["show", APP, "user0"]).expect_success().contains("deleted"));
    let again = user(&["erase", APP, "user0", "--yes", "--output", "json"]).expect_success();
    assert_eq!(
        serde_json::from_str::<Value>(&again).unwrap(),
        json!({ "sdkappid": 1_400_000_001, "user": "user0", "account": false, "conversations": 0, "contact_groups": 0,
            "lists": 0, "complete": true })
    );
    for (arguments, words) in [
        (&["export", "7", "user0"][..], &["there is no app 7"][..]),
        (&["show", "7", "user0"], &["there is no app 7"]),
        (&["erase", "7", "user0", "--yes"], &["there is no app 7"]),
        (&["show", APP, ""], &["USER"]),
        (&["show", "x", "user0"], &["SDKAPPID"]),
    ] {
        user(arguments).expect_failure(words);
    }
    check_verified(&database);
    service.process.stop();
}

#[test]
fn an_app_is_reset_and_deleted_only_when_confirmed() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    fill(&database, 3);
    let app = |arguments: &[&str]| EARMARK.app(&database.url, arguments);
    for (command, words) in
        [("reset", "the state of all users of app"), ("delete", "removes app 1400000001")]
    {
        app(&[command, APP]).expect_failure(&[words, "confirm it with --yes"]);
        app(&[command, "7", "--yes"]).expect_failure(&["there is no app 7"]);
    }
    assert_eq!(database.connect().number("SELECT count(*) FROM users"), 3);
    let counts = "3 users, 3 conversations, 0 contact groups, 0 accounts, 0 chat groups, 0 changes of the feed\n";
    assert_eq!(
        app(&["reset", APP, "--yes"]).expect_success(),
        format!("app {APP} is reset: {counts}")
    );
    assert!(app(&["show", APP]).expect_success().contains("enabled"));
    fill(&database, 3);
    assert_eq!(
        app(&["delete", APP, "--yes"]).expect_success(),
        format!("app {APP} is deleted: {counts}")
    );
    app(&["show", APP]).expect_failure(&["there is no app 1400000001"]);
    app(&["delete", APP, "--yes"]).expect_failure(&["there is no app 1400000001"]);
}

#[test]
fn an_erasure_that_was_killed_is_finished_by_the_next() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    fill(&database, 20_000);
    let about = || database.connect().number("SELECT count(*) FROM conversations");
    let erase = || EARMARK.on(&database.url, ["user", "erase", APP, "peer", "--yes"]);
    let first = erase().start();
    wait_until("some lists are done", || about() < 20_000);
    first.kill();
    let left = about();
    assert!(left > 0, "it was killed too late");
    check_verified(&database);
    let receipt = erase().run().expect_success();
    let lists: i64 = between(&receipt, "the lists of ", " others").parse().unwrap();
    // PostgreSQL may have finished the step that the first command had begun.
    assert!((left - 100..=left).contains(&lists), "{left}: {receipt}");
    assert_eq!(about(), 0);
    check_verified(&database);
    service.client().must_mark("user1", "friend");
    service.process.stop();
}

#[test]
fn a_deletion_that_was_killed_is_finished_by_the_next() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    fill(&database, 100_000);
    let users = || database.connect().number("SELECT count(*) FROM users");
    let delete = || EARMARK.on(&database.url, ["app", "delete", APP, "--yes"]);
    let first = delete().start();
    wait_until("some users are gone", || users() < 100_000);
    first.kill();
    let left = users();
    assert!(left > 0, "it was killed too late");
    check_verified(&database);
    wait_until("calls are refused", || service.client().mark_code() == 60016);
    let receipt = delete().run().expect_success();
    let removed: i64 = between(&receipt, "is deleted: ", " users").parse().unwrap();
    assert!(removed > 0 && removed <= left, "{left}: {receipt}");
    wait_until("the app is unknown", || service.client().mark_code() == 70020);
    assert_eq!(database.connect().number("SELECT count(*) FROM apps"), 0);
    check_verified(&database);
    service.process.stop();
}
