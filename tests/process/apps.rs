//! `earmark app` and `earmark sig`, against a service that runs.

use std::time::{Duration, Instant};

use crate::support::{
    APP, Client, Database, KEY, Program, Service, app, between, code, migrate, request, sig,
};

/// Within this a change counts on every process.
const TAKES_EFFECT: Duration = Duration::from_secs(5);

/// Waits until a mark is answered with this code, which must be soon.
#[track_caller]
fn check_soon(client: &Client, expected: u64) {
    let changed = Instant::now();
    loop {
        let found = client.mark_code();
        let took = changed.elapsed();
        if found == expected {
            return;
        }
        assert!(took < TAKES_EFFECT, "{found} instead of {expected} after {took:?}");
        std::thread::yield_now();
    }
}

#[test]
fn a_key_that_is_made_here_is_printed_once_and_signs() {
    let database = Database::new();
    migrate(&database.url).printed();
    let created = app(&database.url, &["create", "42", "--directory", "open"]).printed();
    let key = between(&created, "secret key: ", "\n").to_owned();
    assert_eq!(key.len(), 64, "{created}");
    assert!(!app(&database.url, &["show", "42"]).printed().contains(&key));

    let signed = |program: Program| program.run().printed().trim().to_owned();
    let given = signed(Program::earmark(["sig", "42"]).env("EARMARK_SECRET_KEY", &key));
    let stored = signed(Program::earmark(["sig", "42"]).env("EARMARK_DATABASE_URL", &database.url));
    let service = Service::start(crate::support::serve(&database.url));
    for sig in [given, stored] {
        let path = format!(
            "/v4/recentcontact/get_contact_group?sdkappid=42&identifier=administrator&usersig={sig}"
        );
        let answer = request(service.api, "POST", &path, r#"{"From_Account":"user"}"#).unwrap();
        assert_eq!(code(&answer), 0, "{answer:?}");
    }
    service.process.stop();
}

#[test]
fn apps_are_created_once_listed_shown_and_changed() {
    let database = Database::new();
    migrate(&database.url).printed();
    let app = |arguments: &[&str]| app(&database.url, arguments);
    let key = ["--secret-key", KEY];
    app(&[&["create", "1"][..], &key].concat()).printed();
    let twice = app(&[&["create", "1", "--edition", "trial"][..], &key].concat());
    twice.refused(&["there is an app 1 already"]);
    let changed = ["create", "2", "--edition", "pro", "--directory", "strict", "--admin", "a"];
    let more = ["--admin", "b", "--limit", "marked=7", "--limit", "calls-per-second=0"];
    app(&[&changed[..], &more, &key].concat()).printed();

    let first = "app 1: edition premium, directory owners, enabled, 1 key good, \
        admins: administrator\n  limits: marked=1000 grouped=1000 groups=20 group-name-bytes=32 \
        custom-mark-bytes=256 mark-items=100 group-items=100 search-items=300 page-items=100 \
        pinned=50 user-id-bytes=32 chat-group-id-bytes=48 calls-per-second=200\n";
    let second = "app 2: edition pro, directory strict, enabled, 1 key good, admins: a, b\n  \
        limits: marked=7 grouped=1000 groups=20 group-name-bytes=32 custom-mark-bytes=256 \
        mark-items=100 group-items=100 search-items=300 page-items=100 pinned=50 \
        user-id-bytes=32 chat-group-id-bytes=48 calls-per-second=0\n";
    assert_eq!(app(&["show", "1"]).printed(), first);
    assert_eq!(app(&["list"]).printed(), format!("{first}{second}"));

    app(&["set", "2", "--edition", "trial", "--directory", "open", "--limit", "pinned=1"])
        .printed();
    app(&["add-admin", "2", "c"]).printed();
    app(&["add-admin", "2", "c"]).printed();
    app(&["remove-admin", "2", "a"]).printed();
    app(&["remove-admin", "2", "a"]).printed();
    app(&["disable", "2"]).printed();
    let shown = app(&["show", "2"]).printed();
    let expected = "app 2: edition trial, directory open, disabled, 1 key good, admins: b, c\n";
    assert!(shown.starts_with(expected), "{shown}");
    assert!(shown.contains("marked=7") && shown.contains("pinned=1"), "{shown}");
    app(&["disable", "2", "--undo"]).printed();
    assert!(app(&["show", "2"]).printed().contains("enabled"));
    assert_eq!(app(&["show", "1"]).printed(), first, "the other one is untouched");
}

#[test]
fn what_cannot_be_done_is_said_and_changes_nothing() {
    let database = Database::new();
    migrate(&database.url).printed();
    app(&database.url, &["create", "1", "--secret-key", KEY]).printed();
    let before = app(&database.url, &["show", "1"]).printed();
    for (arguments, words) in [
        (&["show", "2"][..], &["there is no app 2"][..]),
        (&["set", "2", "--edition", "pro"], &["there is no app 2"]),
        (&["rotate-key", "2"], &["there is no app 2"]),
        (&["rotate-key", "2", "--retire"], &["there is no app 2"]),
        (&["disable", "2"], &["there is no app 2"]),
        (&["add-admin", "2", "x"], &["there is no app 2"]),
        (&["add-admin", "1", ""], &["IDENTIFIER", "1 to 255 bytes"]),
        (&["show", "0"], &["SDKAPPID"]),
        (&["show", "-1"], &["-1"]),
        (&["show", "x"], &["SDKAPPID"]),
        (&["set", "1", "--edition", "gold"], &["--edition", "trial", "premium"]),
        (&["set", "1", "--directory", "closed"], &["--directory", "open", "strict"]),
        (&["set", "1", "--limit", "sky=1"], &["--limit", "sky is not a limit", "calls-per-second"]),
        (&["set", "1", "--limit", "marked"], &["--limit", "NAME=NUMBER"]),
        (&["set", "1", "--limit", "marked=0"], &["--limit", "marked must be a number from 1"]),
        (&["set", "1", "--limit", "marked=-1"], &["--limit", "from 1 to 2147483647"]),
        (&["set", "1", "--limit", "marked=2147483648"], &["--limit", "from 1 to 2147483647"]),
        (&["set", "1", "--limit", "calls-per-second=x"], &["--limit", "from 0 to 2147483647"]),
        (&["rotate-key", "1", "--secret-key", "short"], &["--secret-key", "16 bytes"]),
        (&["rotate-key", "1", "--retire", "--secret-key", KEY], &["--retire", "--secret-key"]),
        (&["create", "3", "--secret-key", "short"], &["--secret-key", "16 bytes"]),
        (&["create", "3", "--limit", "pinned=none"], &["--limit", "pinned must be a number"]),
    ] {
        app(&database.url, arguments).refused(words);
    }
    assert_eq!(app(&database.url, &["list"]).printed(), before);
}

#[test]
fn app_commands_need_the_schema_and_say_so() {
    let database = Database::new();
    app(&database.url, &["list"]).refused(&["schema", "earmark migrate"]);
    app(&database.url, &["create", "1"]).refused(&["schema", "earmark migrate"]);
}

#[test]
fn changes_take_effect_on_a_running_service_within_5_seconds() {
    let database = Database::new();
    let service = Service::on(&database);
    let app = |arguments: &[&str]| app(&database.url, arguments).printed();
    let old = service.client();
    check_soon(&old, 0);

    app(&["disable", APP]);
    check_soon(&old, 60016);
    app(&["disable", APP, "--undo"]);
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
fn a_rotated_key_is_good_beside_the_old_one_until_that_is_retired() {
    let database = Database::new();
    let service = Service::on(&database);
    let old = service.client();
    let rotated = app(&database.url, &["rotate-key", APP]).printed();
    assert!(rotated.contains("2 keys good"), "{rotated}");
    let new_key = between(&rotated, "secret key: ", "\n");
    let new = Client { sig: sig(new_key), ..old.clone() };
    check_soon(&new, 0);
    check_soon(&old, 0);
    let stored = Program::earmark(["sig", APP]).env("EARMARK_DATABASE_URL", &database.url).run();
    let stored = Client { sig: stored.printed().trim().to_owned(), ..old.clone() };

    let retired = app(&database.url, &["rotate-key", APP, "--retire"]).printed();
    assert!(retired.contains("1 key good") && !retired.contains("secret key"), "{retired}");
    check_soon(&old, 70009);
    check_soon(&new, 0);
    check_soon(&stored, 0);
    service.process.stop();
}

#[test]
fn a_usersig_is_good_for_as_long_as_was_asked() {
    let database = Database::new();
    let service = Service::on(&database);
    let signed = Program::earmark(["sig", APP, "--lifetime-s", "0"]).env("EARMARK_SECRET_KEY", KEY);
    let over = Client { sig: signed.run().printed().trim().to_owned(), ..service.client() };
    assert_eq!(over.mark_code(), 70001);
    let signed = Program::earmark(["sig", APP, "--identifier", "x"]).env("EARMARK_SECRET_KEY", KEY);
    let others = Client { sig: signed.run().printed().trim().to_owned(), ..service.client() };
    assert_eq!(others.mark_code(), 70013);
    service.process.stop();
}
