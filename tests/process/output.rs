//! `--output json`: the result of each command is one JSON document.

use serde_json::{Value, json};
use testkit::APP;
use testkit::postgres::Database;

use crate::EARMARK;

/// Runs a command that succeeds, and returns its document.
#[track_caller]
fn document(database: &Database, arguments: &[&str]) -> Value {
    let printed = EARMARK.on(&database.url, arguments).args(["--output", "json"]).run();
    serde_json::from_str(&printed.expect_success()).unwrap()
}

#[test]
fn apps_are_documents_as_in_the_admin_api() {
    let database = Database::create();
    document(&database, &["migrate"]);
    assert_eq!(document(&database, &["app", "list"]), json!({ "apps": [] }));
    assert_eq!(EARMARK.app(&database.url, &["list"]).expect_success(), "");

    let created = document(&database, &["app", "create", APP, "--edition", "pro", "--admin", "a"]);
    let key = created["secret_key"].as_str().unwrap();
    assert_eq!(key.len(), 64);
    assert_eq!((&created["sdkappid"], &created["edition"]), (&json!(1_400_000_001), &json!("pro")));
    assert_eq!((&created["admins"], &created["limits"]["pinned"]), (&json!(["a"]), &json!(50)));
    assert_eq!((&created["directory"], &created["disabled"]), (&json!("open"), &json!(false)));

    let shown = document(&database, &["app", "show", APP]);
    assert_eq!(shown["secret_key"], Value::Null, "a key is shown once");
    assert_eq!(document(&database, &["app", "list"]), json!({ "apps": [shown] }));
    let rotated = document(&database, &["app", "rotate-key", APP]);
    assert_ne!(rotated["secret_key"], Value::Null);
    assert_ne!(rotated["secret_key"], key);
    assert_eq!(document(&database, &["app", "disable", APP])["disabled"], true);

    let signed = document(&database, &["sig", APP]);
    assert!(signed["user_sig"].as_str().unwrap().len() > 100, "{signed}");
}

#[test]
fn verify_and_prune_print_their_counts_and_findings() {
    let database = Database::create();
    let service = EARMARK.start_on(&database);
    service.client().must_mark("user", "friend");
    service.process.stop();
    let verified = document(&database, &["verify"]);
    assert_eq!(verified, json!({ "users": 1, "conversations": 1, "findings": [] }));
    assert_eq!(
        document(&database, &["prune"]),
        json!({ "conversations": 0, "users": 0, "audit_entries": 0 })
    );

    database.connect().run("UPDATE users SET marked = 0");
    let exit = EARMARK.on(&database.url, ["verify", "--output=json"]).run();
    exit.expect_failure(&["1 problems found"]);
    let verified: Value = serde_json::from_str(&exit.stdout).unwrap();
    let problem = "marked: counted are 0, there are 1, room was for 1000";
    let finding = json!({ "sdkappid": 1_400_000_001, "user": "user", "problem": problem });
    assert_eq!(verified["findings"], json!([finding]));
}

#[test]
fn settings_are_a_list() {
    let printed = EARMARK.command(["settings", "--output", "json"]).run().expect_success();
    let document: Value = serde_json::from_str(&printed).unwrap();
    let settings = document["settings"].as_array().unwrap();
    let format = settings.iter().find(|one| one["variable"] == "EARMARK_LOG_FORMAT").unwrap();
    assert_eq!((&format["flag"], &format["default"]), (&json!("--log-format"), &json!("human")));
    assert_eq!(format["commands"], json!(["all"]));
    let url = settings.iter().find(|one| one["variable"] == "EARMARK_DATABASE_URL").unwrap();
    assert_eq!(url["default"], Value::Null);
    assert!(url["commands"].as_array().unwrap().contains(&json!("doctor")), "{url}");
}

#[test]
fn an_error_prints_no_document() {
    let database = Database::create();
    let exit = EARMARK.on(&database.url, ["app", "list", "--output", "json"]).run();
    assert_eq!(exit.stdout, "");
    exit.expect_failure(&["earmark migrate"]);
}

#[test]
fn the_service_says_in_json_where_it_listens_and_what_is_on() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let serve = EARMARK.serve(&database.url).args(["--output", "json", "--console"]);
    let service = EARMARK.start(serve.env("EARMARK_OPERATOR_TOKEN", "an-operator-token"));
    let line = service.process.stdout.line("{");
    let started: Value = serde_json::from_str(&line).unwrap();
    assert_eq!(started["api"], service.api.to_string());
    assert_eq!(started["admin"], service.admin.to_string());
    for (name, value) in [
        ("version", json!(env!("CARGO_PKG_VERSION"))),
        ("https", json!(false)),
        ("console", json!(true)),
        ("admin_api", json!(true)),
        ("webhooks", json!("public")),
        ("traces", json!(false)),
        ("config", Value::Null),
    ] {
        assert_eq!(started[name], value, "{name}");
    }
    service.wait_until_ready();
    let check = ["healthcheck", "--output", "json", "--url"];
    let url = format!("http://{}/readyz", service.admin);
    let ready = EARMARK.command(check).args([&url]).run().expect_success();
    assert_eq!(serde_json::from_str::<Value>(&ready).unwrap()["ready"], true);
    let missing = EARMARK.command(check).args([format!("http://{}/no", service.admin)]).run();
    missing.expect_failure(&["404"]);
    assert_eq!(serde_json::from_str::<Value>(&missing.stdout).unwrap()["ready"], false);
    assert_eq!(service.process.stop().stdout.lines().count(), 1);
}

#[test]
fn an_unknown_format_is_refused() {
    let unknown = EARMARK.command(["settings", "--output", "yaml"]).run();
    unknown.expect_failure(&["--output", "text", "json"]);
}
