//! `earmark compare`.

use serde_json::Value;
use testkit::Scratch;

use super::{compare, empty, exported, filled, import_lines};

#[test]
fn two_sides_that_hold_the_same_have_no_difference() {
    let (source, service) = filled();
    service.process.stop();
    let scratch = Scratch::create();
    let file = scratch.write("source.ndjson", exported(&source));
    let target = empty();
    import_lines(&target, &exported(&source), &[]).expect_success();
    let same = scratch.write("target.ndjson", exported(&target));
    let expected = "6 users, 11 conversations: no difference\n";
    assert_eq!(compare(None, &[&file, &same], &[]).expect_success(), expected);
    assert_eq!(compare(Some(&target), &[&file], &[]).expect_success(), expected);
}

/// Compares a file with the same file after a replacement.
#[track_caller]
fn check(file: &str, (from, to): (&str, &str), ignored: &[&str], expected: &[&str]) {
    let changed = file.replacen(from, to, 1);
    assert_ne!(file, changed, "{from}");
    let scratch = Scratch::create();
    let (first, second) = (scratch.write("first", file), scratch.write("second", changed));
    let exit = compare(None, &[&first, &second], ignored);
    let found: Vec<_> = exit.stdout.lines().skip(1).collect();
    assert_eq!(found, expected, "{exit:?}");
    assert_eq!(exit.code, Some(i32::from(!expected.is_empty())));
}

#[test]
fn each_difference_is_named() {
    let (source, service) = filled();
    service.process.stop();
    let file = &exported(&source);
    let alice = |difference: &str| format!("user \"alice\": {difference}");
    let bob = |difference: &str| alice(&format!("conversation with user \"bob\", {difference}"));
    for (from, to, expected) in [
        (r#""marks":[0,63]"#, r#""marks":[0]"#, bob("marks: [0, 63] and [0]")),
        (r#""nick":"Ällice""#, r#""nick":"A""#, alice(r#"nick: "Ällice" and "A""#)),
        (r#","groups":[1]"#, "", bob(r#"groups: {"work"} and {}"#)),
        (
            r#""pin_position":9,"#,
            "",
            alice("conversation in chat group \"team\" is only in the first"),
        ),
        (r#""pin_position":8,"#, r#""pin_position":12,"#, alice("the order of pins")),
        (r#""position":4,"#, r#""position":11,"#, alice("the order of conversations")),
        (r#""rank":1"#, r#""rank":3"#, alice("the order of contact groups")),
        (r#""revision":14"#, r#""revision":15"#, alice("revisions or counters")),
        (
            r#""is_gone":true"#,
            r#""is_gone":false"#,
            r#"user "leaves": is deleted only in the first"#.to_owned(),
        ),
        (
            r#""name":"n team""#,
            r#""name":"t""#,
            r#"chat group "team": its type or its name differs"#.to_owned(),
        ),
        (r#""name":"vip""#, r#""name":"x""#, "marks: their names or colors differ".to_owned()),
        (
            r#"{"user":{"id":"only-account","account":{"nick":"","face_url":""}"#,
            r#"{"user":{"id":"only-account""#,
            r#"user "only-account": has an account only in the first"#.to_owned(),
        ),
    ] {
        check(file, (from, to), &[], &[&expected]);
    }
    let users = [r#"user "zoe": is only in the first"#, r#"user "zzz": is only in the second"#];
    check(file, (r#""id":"zoe""#, r#""id":"zzz""#), &[], &users);
}

#[test]
fn what_is_ignored_makes_no_difference() {
    let (source, service) = filled();
    service.process.stop();
    let file = &exported(&source);
    for (from, to, ignored) in [
        (r#""position":4,"#, r#""position":11,"#, &["order"][..]),
        (r#""rank":1"#, r#""rank":3"#, &["order"]),
        (r#""revision":14"#, r#""revision":15"#, &["revisions"]),
        (r#""changed_at":1"#, r#""changed_at":2"#, &["times"]),
    ] {
        let ignored: Vec<&str> =
            ignored.iter().chain(&["revisions"]).flat_map(|what| ["--ignore", *what]).collect();
        check(file, (from, to), &ignored, &[]);
    }
    let renumbered = file.replace(r#""groups":[3]"#, r#""groups":[2]"#);
    let ids = (r#""id":3,"name":"close"#, r#""id":2,"name":"close"#);
    let changed = renumbered.replacen(ids.0, ids.1, 1);
    let scratch = Scratch::create();
    let (first, second) = (scratch.write("first", file), scratch.write("second", changed));
    let differ = r#"user "alice": contact group "close friends", id: 3 and 2"#;
    let exit = compare(None, &[&first, &second], &[]);
    assert_eq!(exit.stdout.lines().nth(1), Some(differ));
    let ignored = ["--ignore", "ids", "--ignore", "revisions"];
    compare(None, &[&first, &second], &ignored).expect_success();
}

#[test]
fn a_database_is_compared_with_the_app_of_the_file_and_a_damaged_file_proves_nothing() {
    let (source, service) = filled();
    let scratch = Scratch::create();
    let file = exported(&source);
    let path = scratch.write("source.ndjson", &file);
    service.client().must_mark("zoe", "new");
    let exit = compare(Some(&source), &[&path], &["--output", "json"]);
    exit.expect_failure(&["differences"]);
    let document: Value = serde_json::from_str(&exit.stdout).unwrap();
    let difference = &document["differences"][0];
    assert_eq!(difference["about"], "user \"zoe\"");
    assert_eq!(difference["difference"], "conversation with user \"new\" is only in the second");
    compare(Some(&source), &[&path], &["--app", "7"]).expect_failure(&["there is no app 7"]);

    let cut = scratch.write("cut.ndjson", &file[..file.len() - 20]);
    compare(None, &[&path, &cut], &[]).expect_failure(&["cut.ndjson: line", "end"]);
    let other = scratch.write("other.ndjson", "{}\n");
    compare(None, &[&path, &other], &[]).expect_failure(&["other.ndjson", "no file of earmark"]);
    service.process.stop();
}
