//! `earmark app` and `earmark sig`, beside a running service.

use std::time::{Duration, Instant};

use testkit::postgres::Database;
use testkit::{APP, Client, Program, SECRET_KEY, between, request, wait_until};

use crate::EARMARK;

/// A change takes effect on every process within this time.
const TAKES_EFFECT: Duration = Duration::from_secs(5);

/// What `app show` or `app list` printed, without the lines about keys: these contain ages.
fn without_keys(shown: &str) -> String {
    shown.split_inclusive('\n').filter(|line| !line.starts_with("  key ")).collect()
}

/// Checks that marks are answered with this code within [`TAKES_EFFECT`].
#[track_caller]
fn check_soon(client: &Client, expected: u64) {
    let changed = Instant::now();
    wait_until(&format!("marks are answered {expected}"), || client.mark_code() == expected);
    let took = changed.elapsed();
    assert!(took < TAKES_EFFECT, "{took:?}");
}

#[test]
fn a_generated_key_is_printed_once_and_signs() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let created =
        EARMARK.app(&database.url, &["create", "42", "--directory", "open"]).expect_success();
    let key = between(&created, "secret key: ", "\n").to_owned();
    assert_eq!(key.len(), 64, "{created}");
    assert!(!EARMARK.app(&database.url, &["show", "42"]).expect_success().contains(&key));

    let signed = |program: Program| program.run().expect_success().trim().to_owned();
    let given = signed(EARMARK.command(["sig", "42"]).env("EARMARK_SECRET_KEY", &key));
    let stored = signed(EARMARK.on(&database.url, ["sig", "42"]));
    let service = EARMARK.start(EARMARK.serve(&database.url));
    for sig in [given, stored] {
        let path = format!(
            "/v4/recentcontact/get_contact_group?sdkappid=42&identifier=administrator&usersig={sig}"
        );
        let answer = request(service.api, "POST", &path, r#"{"From_Account":"user"}"#).unwrap();
        assert_eq!(answer.code(), 0, "{answer:?}");
    }
    service.process.stop();
}

#[test]
fn apps_are_created_once_listed_shown_and_changed() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let app = |arguments: &[&str]| EARMARK.app(&database.url, arguments);
    let key = ["--secret-key", SECRET_KEY];
    app(&[&["create", "1"][..], &key].concat()).expect_success();
    let twice = app(&[&["create", "1", "--edition", "trial"][..], &key].concat());
    twice.expect_failure(&["there is an app 1 already"]);
    let changed = ["create", "2", "--edition", "pro", "--directory", "strict", "--admin", "a"];
    let more = ["--admin", "b", "--limit", "marked=7", "--limit", "calls-per-second=0"];
    app(&[&changed[..], &more, &key].concat()).expect_success();

    let first = "app 1: edition premium, directory open, enabled, 1 key good, \
        admins: administrator\n  native API: user access none, allowed origins: none\n  \
        limits: marked=1000 grouped=1000 groups=20 group-name-bytes=32 \
        custom-mark-bytes=256 mark-items=100 group-items=100 search-items=300 page-items=100 \
        pinned=50 user-id-bytes=32 chat-group-id-bytes=48 calls-per-second=200\n";
    let second = "app 2: edition pro, directory strict, enabled, 1 key good, admins: a, b\n  \
        native API: user access none, allowed origins: none\n  limits: marked=7 grouped=1000 groups=20 group-name-bytes=32 custom-mark-bytes=256 \
        mark-items=100 group-items=100 search-items=300 page-items=100 pinned=50 \
        user-id-bytes=32 chat-group-id-bytes=48 calls-per-second=0\n";
    assert_eq!(without_keys(&app(&["show", "1"]).expect_success()), first);
    let listed = app(&["list"]).expect_success();
    assert_eq!(without_keys(&listed), format!("{first}{second}"));
    for id in ["1", "2"] {
        let line = between(&listed, &format!("  key {id}: created "), "\n");
        assert!(line.ends_with(" ago, never used"), "{listed}");
    }

    app(&["set", "2", "--edition", "trial", "--directory", "open", "--limit", "pinned=1"])
        .expect_success();
    app(&["add-admin", "2", "c"]).expect_success();
    app(&["add-admin", "2", "c"]).expect_success();
    app(&["remove-admin", "2", "a"]).expect_success();
    app(&["remove-admin", "2", "a"]).expect_success();
    app(&["disable", "2"]).expect_success();
    let shown = app(&["show", "2"]).expect_success();
    let expected = "app 2: edition trial, directory open, disabled, 1 key good, admins: b, c\n";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("marked=7") && shown.contains("pinned=1"), "{shown}");
    app(&["enable", "2"]).expect_success();
    assert!(app(&["show", "2"]).expect_success().contains("enabled"));
    let other = without_keys(&app(&["show", "1"]).expect_success());
    assert_eq!(other, first, "the other app is unchanged");
}

#[test]
fn access_and_origins_of_the_native_api_are_set_and_shown() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let shown = |arguments: &[&str]| {
        let shown = EARMARK.app(&database.url, arguments).expect_success();
        between(&shown, "  native API: ", "\n").to_owned()
    };
    let origin = "--allowed-origin";
    let both = [origin, "https://b.example", origin, "http://a.example:3000"];
    let created = shown(&[&["create", "1", "--user-access", "read"], &both[..]].concat());
    let origins = "allowed origins: http://a.example:3000, https://b.example";
    assert_eq!(created, format!("user access read, {origins}"));
    let set = |arguments: &[&str]| shown(&[&["set", "1"], arguments].concat());
    assert_eq!(set(&["--user-access", "write"]), format!("user access write, {origins}"));
    let replaced = set(&[origin, "https://c.example"]);
    assert_eq!(replaced, "user access write, allowed origins: https://c.example");
    let none = "user access none, allowed origins: none";
    assert_eq!(set(&["--no-allowed-origins", "--user-access", "none"]), none);

    let twenty: Vec<_> = (0..20).map(|nr| format!("--allowed-origin=https://{nr}")).collect();
    let mut most: Vec<&str> = twenty.iter().map(String::as_str).collect();
    assert!(set(&most).ends_with("https://9"));
    most.extend([origin, "https://20"]);
    let refused = EARMARK.app(&database.url, &[&["set", "1"], &most[..]].concat());
    refused.expect_failure(&["--allowed-origin", "at most 20"]);
}

#[test]
fn a_failed_command_explains_itself_and_changes_nothing() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    EARMARK.app(&database.url, &["create", "1", "--secret-key", SECRET_KEY]).expect_success();
    let before = without_keys(&EARMARK.app(&database.url, &["show", "1"]).expect_success());
    for (arguments, words) in [
        (&["show", "2"][..], &["there is no app 2"][..]),
        (&["set", "2", "--edition", "pro"], &["there is no app 2"]),
        (&["rotate-key", "2"], &["there is no app 2"]),
        (&["retire-key", "2", "1"], &["there is no app 2"]),
        (&["retire-key", "1", "1"], &["only valid key of app 1"]),
        (&["retire-key", "1", "7"], &["no valid key", "earmark app show 1"]),
        (&["retire-key", "1", "x"], &["KEY_ID"]),
        (&["rotate-key", "1", "--secret-key", SECRET_KEY], &["this is key 1 of app 1"]),
        (&["disable", "2"], &["there is no app 2"]),
        (&["enable", "2"], &["there is no app 2"]),
        (&["add-admin", "2", "x"], &["there is no app 2"]),
        (&["add-admin", "1", ""], &["IDENTIFIER", "1 to 255 bytes"]),
        (&["show", "0"], &["SDKAPPID"]),
        (&["show", "-1"], &["-1"]),
        (&["show", "x"], &["SDKAPPID"]),
        (&["set", "1", "--edition", "gold"], &["--edition", "trial", "premium"]),
        (&["set", "1", "--directory", "closed"], &["--directory", "open", "strict"]),
        (&["set", "1", "--user-access", "all"], &["--user-access", "none", "read", "write"]),
        (&["set", "1", "--allowed-origin", "*"], &["--allowed-origin", "https://"]),
        (&["set", "1", "--allowed-origin", "https://a/b"], &["--allowed-origin", "https://"]),
        (
            &["set", "1", "--allowed-origin", "https://a", "--no-allowed-origins"],
            &["--no-allowed-origins", "--allowed-origin"],
        ),
        (&["set", "1", "--limit", "sky=1"], &["--limit", "sky is not a limit", "calls-per-second"]),
        (&["set", "1", "--limit", "marked"], &["--limit", "NAME=NUMBER"]),
        (&["set", "1", "--limit", "marked=0"], &["--limit", "marked must be a number from 1"]),
        (&["set", "1", "--limit", "marked=-1"], &["--limit", "from 1 to 2147483647"]),
        (&["set", "1", "--limit", "marked=2147483648"], &["--limit", "from 1 to 2147483647"]),
        (&["set", "1", "--limit", "calls-per-second=x"], &["--limit", "from 0 to 2147483647"]),
        (&["rotate-key", "1", "--secret-key", "short"], &["--secret-key", "16 bytes"]),
        (&["create", "3", "--secret-key", "short"], &["--secret-key", "16 bytes"]),
        (&["create", "3", "--limit", "pinned=none"], &["--limit", "pinned must be a number"]),
    ] {
        EARMARK.app(&database.url, arguments).expect_failure(words);
    }
    let after = EARMARK.app(&database.url, &["list"]).expect_success();
    assert_eq!(without_keys(&after), before);
}

#[test]
fn app_commands_name_the_missing_schema() {
    let database = Database::create();
    EARMARK.app(&database.url, &["list"]).expect_failure(&["schema", "earmark migrate"]);
    EARMARK.app(&database.url, &["create", "1"]).expect_failure(&["schema", "earmark migrate"]);
}

#[test]
fn changes_take_effect_on_a_running_service_within_5_seconds() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let app = |arguments: &[&str]| EARMARK.app(&database.url, arguments).expect_success();
    let old = service.client();
    check_soon(&old, 0);

    app(&["disable", APP]);
    check_soon(&old, 60016);
    app(&["enable", APP]);
    check_soon(&old, 0);
    app(&["remove-admin", APP, "administrator"]);
    check_soon(&old, 50003);
    app(&["add-admin", APP, "administrator"]);
    check_soon(&old, 0);
    app(&["set", APP, "--edition", "standard"]);
    check_soon(&old, 51013);
    app(&["set", APP, "--edition", "pro"]);
    check_soon(&old, 0);
    app(&["set", APP, "--directory", "owners"]);
    check_soon(&old, 50001);
    app(&["set", APP, "--directory", "open"]);
    check_soon(&old, 0);
    service.process.stop();
}

#[test]
fn the_old_key_stays_valid_until_it_is_retired() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let old = service.client();
    let rotated = EARMARK.app(&database.url, &["rotate-key", APP]).expect_success();
    assert!(rotated.contains("2 keys good"), "{rotated}");
    let new_key = between(&rotated, "secret key: ", "\n");
    let new = Client { user_sig: EARMARK.user_sig(new_key), ..old.clone() };
    check_soon(&new, 0);
    check_soon(&old, 0);
    let stored = EARMARK.on(&database.url, ["sig", APP]).run();
    let stored = Client { user_sig: stored.expect_success().trim().to_owned(), ..old.clone() };

    let third = EARMARK.app(&database.url, &["rotate-key", APP]);
    third.expect_failure(&["two valid keys", "earmark app retire-key 1400000001 1", "--force"]);
    check_soon(&old, 0);
    let retired = EARMARK.app(&database.url, &["retire-key", APP, "1"]).expect_success();
    assert!(retired.contains("1 key good") && !retired.contains("secret key"), "{retired}");
    check_soon(&old, 70009);
    check_soon(&new, 0);
    check_soon(&stored, 0);
    service.process.stop();
}

#[test]
fn a_user_sig_has_the_lifetime_and_identifier_that_were_asked_for() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    let client = |option: &str, value: &str| {
        let signed = EARMARK.command(["sig", APP, option, value]);
        let signed = signed.env("EARMARK_SECRET_KEY", SECRET_KEY).run().expect_success();
        Client { user_sig: signed.trim().to_owned(), ..service.client() }
    };
    assert_eq!(client("--lifetime-s", "0").mark_code(), 70001);
    assert_eq!(client("--identifier", "x").mark_code(), 70013);
    service.process.stop();
}
