//! The audit trail and the tokens of operators, as commands show them.

use serde_json::{Value, json};
use testkit::postgres::Database;
use testkit::{APP, SECRET_KEY, Scratch, between, request_with, text, wait_until};

use crate::EARMARK;

fn run(database: &Database, arguments: &[&str]) -> String {
    EARMARK.on(&database.url, arguments).run().expect_success()
}

#[track_caller]
fn document(database: &Database, arguments: &[&str]) -> Value {
    let printed = EARMARK.on(&database.url, arguments).args(["--output", "json"]).run();
    serde_json::from_str(&printed.expect_success()).unwrap()
}

/// The actions of the trail, oldest first, each with its app and its target.
fn actions(database: &Database) -> Vec<String> {
    let trail = document(database, &["audit"]);
    let entries = trail["entries"].as_array().unwrap().iter().rev();
    let described = entries.map(|entry| {
        let app = entry["sdkappid"].as_i64().map(|app| format!(" {app}")).unwrap_or_default();
        let target = entry["target"].as_str().map(|it| format!(" {it}")).unwrap_or_default();
        format!("{}{app}{target}", entry["action"].as_str().unwrap())
    });
    described.collect()
}

/// Runs each command that changes something, and some that do not. `file` is for an export.
fn change_everything(database: &Database, file: &str) {
    for arguments in [
        &["app", "create", APP, "--secret-key", SECRET_KEY][..],
        &["app", "set", APP, "--edition", "pro"],
        &["app", "rename", APP, "Shop"],
        &["app", "disable", APP],
        &["app", "enable", APP],
        &["app", "add-admin", APP, "second"],
        &["app", "remove-admin", APP, "second"],
        &["app", "rotate-key", APP],
        &["app", "retire-key", APP, "1"],
        &["export", APP, "--out", file],
        &["import", APP, file, "--dry-run"],
        &["import", APP, file],
        &["user", "erase", APP, "user0", "--yes"],
        &["app", "reset", APP, "--yes"],
        &["app", "delete", APP, "--yes"],
        &["epoch", "bump", "--yes"],
        &["prune"],
        &["token", "create", "support"],
        &["token", "revoke", "support"],
        // None of these changes anything.
        &["migrate"],
        &["app", "list"],
        &["verify"],
        &["epoch", "show"],
        &["token", "list"],
        &["audit"],
    ] {
        run(database, arguments);
    }
}

#[test]
fn every_command_that_changes_something_leaves_an_entry() {
    let (database, scratch) = (Database::create(), Scratch::create());
    run(&database, &["migrate"]);
    let file = text(&scratch.path().join("app.jsonl"));
    change_everything(&database, &file);
    let of_app = |action: &str| format!("{action} {APP}");
    assert_eq!(
        actions(&database),
        [
            "migrate".to_owned(),
            of_app("app create"),
            of_app("app set"),
            of_app("app set"),
            of_app("app set"),
            of_app("app set"),
            of_app("app add-admin") + " second",
            of_app("app remove-admin") + " second",
            of_app("app rotate-key"),
            of_app("app retire-key") + " 1",
            of_app("import"),
            of_app("user erase") + " user0",
            of_app("app reset"),
            of_app("app delete"),
            "epoch bump".to_owned(),
            "prune".to_owned(),
            "token create support".to_owned(),
            "token revoke support".to_owned(),
        ]
    );
    let trail = document(&database, &["audit"]);
    assert!(!trail.to_string().contains(SECRET_KEY), "{trail}");
    let bumped =
        trail["entries"].as_array().unwrap().iter().find(|one| one["action"] == "epoch bump");
    let [before, after] = ["before", "after"].map(|when| bumped.unwrap()[when]["epoch"].as_u64());
    assert!(before < after && before.is_some(), "{bumped:?}");
    for entry in trail["entries"].as_array().unwrap() {
        assert_eq!((&entry["from"], &entry["request_id"]), (&json!("command line"), &Value::Null));
        let user = nix::unistd::User::from_uid(nix::unistd::getuid()).unwrap().unwrap();
        assert_eq!(entry["operator"], user.name);
        assert_eq!(entry["role"], database.connect().text("SELECT session_user::text"));
    }
}

#[test]
fn the_trail_is_shown_for_people_by_app_and_since() {
    let database = Database::create();
    run(&database, &["migrate"]);
    run(&database, &["app", "create", "7"]);
    run(&database, &["app", "create", APP]);
    run(&database, &["app", "set", APP, "--limit", "pinned=3", "--edition", "pro"]);
    let shown = run(&database, &["audit", "--app", APP, "--limit", "1"]);
    let lines: Vec<_> = shown.lines().collect();
    assert!(
        lines[0].starts_with('#') && lines[0].contains(&format!("Z app set {APP}, by ")),
        "{shown}"
    );
    assert!(lines[0].contains(" from command line, role "), "{shown}");
    assert_eq!(lines[1..3], ["  limits.pinned: 50 -> 3", "  edition: \"premium\" -> \"pro\""]);
    let before = lines[3].strip_prefix("there are more: add --before ").unwrap();
    let rest = run(&database, &["audit", "--app", APP, "--before", before]);
    assert!(rest.contains("app create") && !rest.contains("app set"), "{rest}");

    let old = "UPDATE audit SET at = at - INTERVAL '2 days' WHERE action <> 'app set'";
    database.connect().run(old);
    let since = document(&database, &["audit", "--since", "1d"]);
    assert_eq!(since["entries"].as_array().unwrap().len(), 1, "{since}");
    assert_eq!(run(&database, &["audit", "--since", "2100-01-01"]), "no changes\n");
    EARMARK
        .on(&database.url, ["audit", "--since", "yesterday"])
        .run()
        .expect_failure(&["--since", "7d"]);
}

#[test]
fn a_command_that_changes_nothing_says_so() {
    let database = Database::create();
    run(&database, &["migrate"]);
    run(&database, &["app", "create", APP, "--name", "Shop"]);
    for arguments in [
        &["app", "rename", APP, "Shop"][..],
        &["app", "enable", APP],
        &["app", "set", APP, "--edition", "premium", "--limit", "pinned=50"],
        &["app", "set", APP],
        &["app", "add-admin", APP, "administrator"],
        &["app", "remove-admin", APP, "user9"],
    ] {
        let printed = run(&database, arguments);
        assert!(printed.starts_with(&format!("unchanged\napp {APP} \"Shop\": ")), "{printed}");
        assert_eq!(document(&database, arguments)["changed"], false, "{arguments:?}");
    }
    assert_eq!(actions(&database).len(), 2, "migrate and app create");
    let printed = run(&database, &["app", "rename", APP, "Other shop"]);
    assert!(printed.starts_with(&format!("app {APP} \"Other shop\": ")), "{printed}");
    assert_eq!(document(&database, &["app", "rename", APP, ""])["changed"], true);
    assert_eq!(document(&database, &["app", "show", APP])["name"], "");
    assert!(run(&database, &["app", "list"]).starts_with(&format!("app {APP}: ")));
    let long = "x".repeat(65);
    EARMARK.app(&database.url, &["rename", APP, &long]).expect_failure(&["at most 64 characters"]);
}

#[test]
fn a_token_is_shown_once_and_opens_the_admin_api_until_it_is_revoked() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let created =
        run(&database, &["token", "create", "support", "--scope", "users", "--scope", "read"]);
    assert!(created.starts_with("token support: scopes read, users\n"), "{created}");
    let token = between(&created, "\ntoken: ", "\n").to_owned();
    let listed = run(&database, &["token", "list"]);
    assert!(listed.starts_with("token support: scopes read, users, created "), "{listed}");
    assert!(listed.ends_with("never used\n") && !listed.contains(&token), "{listed}");
    let again = EARMARK.on(&database.url, ["token", "create", "support"]).run();
    again.expect_failure(&["there is a token support already"]);
    let of_setting = EARMARK.on(&database.url, ["token", "create", "operator-token"]).run();
    of_setting.expect_failure(&["--operator-token"]);

    let service = EARMARK.start(EARMARK.serve(&database.url).env("EARMARK_LOG", "trace"));
    let ask = |method: &str, path: &str| {
        let headers = format!("host: localhost\r\nauthorization: Bearer {token}\r\n");
        request_with(service.admin, method, path, &headers, "").unwrap()
    };
    assert_eq!(ask("GET", "/admin/v1/apps").status, 200);
    let erased = ask("DELETE", &format!("/admin/v1/apps/{APP}/users/user0?confirm=user0"));
    assert_eq!(erased.status, 200, "{erased:?}");
    let refused = ask("DELETE", &format!("/admin/v1/apps/{APP}?confirm={APP}"));
    assert_eq!(refused.status, 403, "{refused:?}");
    wait_until("the use is stored", || run(&database, &["token", "list"]).contains(", last used "));
    let by = document(&database, &["audit"])["entries"][0].clone();
    assert_eq!((&by["operator"], &by["action"]), (&json!("support"), &json!("user erase")));

    assert_eq!(run(&database, &["token", "revoke", "support"]), "token support is revoked\n");
    assert_eq!(ask("GET", "/admin/v1/apps").status, 401);
    assert_eq!(run(&database, &["token", "list"]), "");
    let unknown = EARMARK.on(&database.url, ["token", "revoke", "support"]).run();
    unknown.expect_failure(&["there is no token support"]);
    let exit = service.process.stop();
    assert!(!(exit.stdout + &exit.stderr).contains(&token), "a token was logged");
}

#[test]
fn old_entries_are_removed_by_prune_and_by_the_service() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let age = |days: u32| {
        let sql = format!(
            "UPDATE audit SET at = now() - INTERVAL '{days} days' WHERE action = 'app create'"
        );
        database.connect().run(&sql);
    };
    let is_there = || actions(&database).contains(&format!("app create {APP}"));
    age(399);
    run(&database, &["prune"]);
    assert!(is_there());
    let pruned = run(&database, &["prune", "--audit-days", "398"]);
    assert!(pruned.ends_with(", and 1 entries of the audit trail\n"), "{pruned}");
    assert!(!is_there());

    run(&database, &["app", "create", "7"]);
    age(11);
    let service = EARMARK.start(EARMARK.serve(&database.url).args(["--audit-days", "10"]));
    wait_until("the service removes it", || {
        !actions(&database).contains(&"app create 7".to_owned())
    });
    service.process.stop();
}
