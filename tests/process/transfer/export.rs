//! `earmark export`.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use serde_json::{Value, json};
use testkit::{APP, Scratch, text};

use super::{exported, filled, read};
use crate::EARMARK;

fn lines(file: &str) -> Vec<Value> {
    file.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_file_has_a_header_a_line_per_user_and_an_end() {
    let (database, service) = filled();
    let file = exported(&database);
    let lines = lines(&file);
    let counts = json!({ "gone": 4, "chat_groups": 2, "users": 6, "conversations": 11 });
    let header = json!({
        "format": "earmark", "version": 1, "app": 1_400_000_001, "directory_revision": 6,
        "marks": [{ "bit": 40, "name": "vip", "color": "#c00" }, { "bit": 63, "name": "last" }],
        "counts": counts,
    });
    assert_eq!(lines[0], header);
    assert_eq!(lines.last().unwrap(), &json!({ "end": counts }));
    let gone: Vec<_> = lines.iter().filter_map(|line| line.get("gone")).collect();
    assert_eq!(
        gone[0],
        &json!({ "type": "user", "id": "leaves", "is_gone": true, "directory_revision": 1 })
    );
    let users: Vec<_> = lines.iter().filter_map(|line| line["user"]["id"].as_str()).collect();
    assert_eq!(users, ["alice", "leaves", "only-account", "returns", "zoe", "中文"]);
    let alice = &lines.iter().find(|line| line["user"]["id"] == "alice").unwrap()["user"];
    assert_eq!(alice["account"], json!({ "nick": "Ällice", "face_url": "https://a/b" }));
    assert_eq!(alice["contact_groups"][1]["name"], "close friends");
    assert_eq!(
        (&alice["contact_groups"][1]["id"], &alice["contact_groups"][1]["rank"]),
        (&json!(3), &json!(1))
    );
    let bob = &alice["conversations"][0];
    assert_eq!((&bob["id"], &bob["marks"]), (&json!("bob"), &json!([0, 63])));
    assert_eq!((&bob["custom"], &bob["groups"]), (&json!("a \"text\"\n中"), &json!([1])));
    assert!(!file.contains("secret"), "no key: {file}");
    service.process.stop();
}

#[test]
fn one_user_is_exported_with_an_own_header() {
    let (database, service) = filled();
    let whole = exported(&database);
    let one = EARMARK.on(&database.url, ["export", APP, "--user", "zoe"]).run().expect_success();
    let zoe = whole.lines().find(|line| line.contains(r#""id":"zoe""#)).unwrap();
    let counts = r#"{"gone":0,"chat_groups":0,"users":1,"conversations":1}"#;
    assert!(one.lines().next().unwrap().contains(counts), "{one}");
    assert_eq!(one.lines().nth(1), Some(zoe));
    assert_eq!(one.lines().nth(2), Some(&*format!(r#"{{"end":{counts}}}"#)));
    let unknown = EARMARK.on(&database.url, ["export", APP, "--user", "stranger"]).run();
    assert_eq!(unknown.expect_success().lines().count(), 2);
    service.process.stop();
}

#[test]
fn an_interrupted_export_goes_on_where_it_was_cut() {
    let (database, service) = filled();
    let scratch = Scratch::create();
    let path = scratch.join("app.ndjson");
    let out = ["export", APP, "--out", &text(&path)];
    let export = |more: &[&str]| EARMARK.on(&database.url, out).args(more).run();
    export(&[]).expect_success();
    let whole = read(&path);
    assert_eq!(whole, exported(&database));
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    export(&[]).expect_failure(&["cannot create", "--resume"]);

    let header = whole.lines().next().unwrap().len() + 1;
    for cut in (header..=whole.len()).step_by(97).chain([header, whole.len() - 1, whole.len()]) {
        fs::write(&path, &whole.as_bytes()[..cut]).unwrap();
        export(&["--resume"]).expect_success();
        assert_eq!(read(&path), whole, "cut at {cut}");
    }
    for (content, words) in [
        (&whole[..header - 1], "only a part of the header"),
        ("", "the file is empty"),
        ("{\"format\":\"other\"}\n", "format"),
        (&whole.replacen("1400000001", "7", 1), "the file is of app 7"),
        (&whole.replacen("is_gone", "is_lost", 1), "line 2, gone.is_lost: unknown field"),
    ] {
        fs::write(&path, content).unwrap();
        export(&["--resume"]).expect_failure(&[words]);
        assert_eq!(read(&path), content, "nothing was changed");
    }
    service.process.stop();
}

#[test]
fn an_export_says_what_it_needs() {
    let (database, service) = filled();
    let run = |arguments: &[&str]| EARMARK.on(&database.url, ["export"]).args(arguments).run();
    run(&["7"]).expect_failure(&["there is no app 7"]);
    run(&[APP, "--output", "json"]).expect_failure(&["--out"]);
    run(&[APP, "--resume"]).expect_failure(&["--out"]);
    run(&[APP, "--user", ""]).expect_failure(&["--user", "must be 1 to"]);
    service.process.stop();
}
