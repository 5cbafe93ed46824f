//! `earmark import`.

use serde_json::{Value, json};
use testkit::{APP, Scratch};

use super::{empty, exported, filled, import_lines, lines_of};
use crate::EARMARK;

#[test]
fn an_import_that_is_repeated_changes_nothing() {
    let (source, service) = filled();
    let file = exported(&source);
    service.process.stop();
    let target = empty();
    EARMARK.app(&target.url, &["set", APP, "--feed", "on"]).expect_success();
    let mut sql = target.connect();
    sql.run("UPDATE feed_head SET on_since = on_since - INTERVAL '1 minute'");
    import_lines(&target, &file, &[]).expect_success();
    let fed = sql.number("SELECT next_number - 1 FROM feed_head");
    assert_eq!(fed, 9, "five users with state, and four changes of the directory");

    let again = import_lines(&target, &file, &[]).expect_success();

    assert!(again.contains("users: 0 new, 0 changed, 6 unchanged; 0 conversations"), "{again}");
    assert!(again.contains("chat groups: 0 new, 0 changed, 2 unchanged"), "{again}");
    assert!(again.contains("deletions: 0 new, 0 changed, 4 unchanged"), "{again}");
    assert!(again.contains("names of marks: 0 new or changed"), "{again}");
    assert_eq!(sql.number("SELECT next_number - 1 FROM feed_head"), fed);
    assert_eq!(exported(&target), file);
    // A third time into the app that it came from.
    let report = import_lines(&source, &file, &["--output", "json"]).expect_success();
    let report: Value = serde_json::from_str(&report).unwrap();
    let users = json!({ "new": 0, "changed": 0, "unchanged": 6, "refused": 0 });
    assert_eq!((&report["users"], &report["problems"]), (&users, &json!([])));
}

#[test]
fn a_dry_run_says_what_would_change_and_changes_nothing() {
    let (source, service) = filled();
    let file = exported(&source);
    service.process.stop();
    let target = empty();
    let nothing = exported(&target);
    let report = import_lines(&target, &file, &["--dry-run"]).expect_success();
    assert!(report.starts_with("nothing was stored; an import would have stored: "), "{report}");
    assert!(report.contains("users: 6 new, 0 changed"), "{report}");
    assert_eq!(exported(&target), nothing);

    import_lines(&target, &file, &[]).expect_success();
    let changed = file.replacen(r#""marks":[0,63]"#, r#""marks":[0]"#, 1);
    let exit = import_lines(&target, &changed, &["--dry-run"]);
    let what = r#"user "alice" would change: conversation with user "bob", marks: [0, 63] and [0]"#;
    assert!(exit.stderr.contains(what), "{exit:?}");
    assert!(exit.expect_success().contains("0 new, 1 changed, 5 unchanged"));
    assert_eq!(exported(&target), file);
}

#[test]
fn one_user_is_imported_and_nothing_else() {
    let (source, service) = filled();
    let file = exported(&source);
    service.process.stop();
    let target = empty();
    let report = import_lines(&target, &file, &["--user", "zoe"]).expect_success();
    assert!(
        report.starts_with("users: 1 new, 0 changed, 0 unchanged; 1 conversations"),
        "{report}"
    );
    let one = EARMARK.on(&source.url, ["export", APP, "--user", "zoe"]).run().expect_success();
    let all = exported(&target);
    assert_eq!(all.lines().skip(1).collect::<Vec<_>>(), one.lines().skip(1).collect::<Vec<_>>());
    assert!(all.contains(r#""directory_revision":0,"marks":[]"#), "{all}");
    let nobody = import_lines(&target, &file, &["--user", "nobody"]);
    nobody.expect_failure(&["the file has no user \"nobody\""]);
}

/// Changes a line of [`lines_of`], and checks what is said about it. The other users are imported.
#[track_caller]
fn check_refused(from: &str, to: &str, expected: &str) {
    let target = empty();
    let small = ["--limit", "marked=3", "--limit", "groups=1", "--limit", "user-id-bytes=10"];
    let small =
        [&["set", APP][..], &small, &["--limit", "pinned=1", "--limit", "grouped=1"]].concat();
    EARMARK.app(&target.url, &small).expect_success();
    let lines = lines_of(&[("first", 3), ("second", 2), ("third", 1)]);
    let changed = lines.replacen(from, to, 1);
    assert_ne!(changed, lines, "{from}");
    let exit = import_lines(&target, &changed, &[]);
    exit.expect_failure(&["problems: what they name was not imported"]);
    assert!(exit.stdout.contains(expected), "{expected} in: {}", exit.stdout);
    assert!(exit.stderr.contains(expected), "{expected} in the log: {}", exit.stderr);
    let users =
        target.connect().text("SELECT string_agg(user_id, ',' ORDER BY user_id) FROM users");
    assert_eq!(users, "first,third", "{expected}");
    EARMARK.verify(&target.url).expect_success();
}

/// The beginning of the second user's line.
const SECOND: &str = r#""id":"second","revision":1,"forgotten_revision":0,"groups_revision":0,"next_position":3,"next_group_id":1,"contact_groups":[],"conversations":[{"type":"user","id":"peer000001","marks":[0],"position":1,"#;

#[test]
fn what_does_not_fit_is_named_with_its_line_and_field() {
    let second = |from: &str, to: &str| (SECOND, SECOND.replacen(from, to, 1));
    for ((from, to), expected) in [
        (
            second("second", "second-long"),
            r#"line 3, user "second-long", id: must be 1 to 10 bytes of UTF-8, got 11"#,
        ),
        (second("peer000001", "peer0000001"), "conversations[0].id: must be 1 to 10 bytes"),
        (second("[0]", "[64]"), "conversations[0].marks: 64 is not a bit (0..63)"),
        (second("[0]", "[1,0]"), "conversations[0].marks: must be bits, lowest first"),
        (
            second("\"position\":1,", "\"position\":3,"),
            "conversations[0].position: must be at least 1 and below next_position, 3",
        ),
        (
            second("\"position\":1,", "\"position\":2,"),
            "conversations: position 2 stands at two of them",
        ),
        (second("\"position\":1,", ""), "conversations[0].position: must be there"),
        (
            second("\"position\":1,", "\"position\":1,\"groups\":[1],"),
            "conversations[0].groups: must be ids of the user's contact_groups",
        ),
        (
            second("[0]", "[0],\"custom\":\"a\\u0000\""),
            "conversations[0].custom: must not contain the NUL character",
        ),
        (second("\"revision\":1", "\"revision\":0"), "revision: must not be 0: there is state"),
    ] {
        check_refused(from, &to, expected);
    }
}

#[test]
fn a_number_or_a_line_that_is_wrong_is_named() {
    let second = |from: &str, to: &str| (SECOND, SECOND.replacen(from, to, 1));
    for ((from, to), expected) in [
        (
            second("forgotten_revision\":0", "forgotten_revision\":2"),
            "forgotten_revision: must not be beyond the user's revision, 1",
        ),
        (
            second(
                "\"contact_groups\":[]",
                r#""contact_groups":[{"id":1,"name":"a","name_revision":1}]"#,
            ),
            "contact_groups[0].id: must grow from 1 and be below next_group_id, 1",
        ),
        (
            second(
                "\"contact_groups\":[]",
                r#""contact_groups":[{"id":1,"name":"a","name_revision":1},{"id":2,"name":"b","name_revision":1}]"#,
            ),
            "contact_groups: must be at most 1 (limit `groups`), got 2",
        ),
        (
            second("\"revision\":1", "\"revision\":\"1\""),
            "line 3, user.revision: invalid type: string",
        ),
        (
            second("\"revision\":1", "\"revsion\":1"),
            "line 3, user.revsion: unknown field `revsion`",
        ),
        (second("\"marks\":[0]", "\"marks\":[0"), "line 3, user.conversations[0].marks"),
        (
            second("\"id\":\"second\"", "\"id\":\"first\""),
            r#"line 3, user "first": must not come after user "first""#,
        ),
    ] {
        check_refused(from, &to, expected);
    }
}

#[test]
fn caps_hold_at_their_last_place_and_do_not_count_who_is_gone() {
    let target = empty();
    EARMARK.app(&target.url, &["set", APP, "--limit", "marked=3"]).expect_success();
    let lines = lines_of(&[("least", 2), ("most", 3), ("over", 4)]);
    let exit = import_lines(&target, &lines, &[]);
    exit.expect_failure(&["1 problems"]);
    let expected =
        r#"line 4, user "over", conversations: 4 are marked, at most 3 may be (limit `marked`)"#;
    assert!(exit.stdout.contains(expected), "{}", exit.stdout);
    assert!(
        exit.stdout.contains("users: 2 new, 0 changed, 0 unchanged, 1 refused"),
        "{}",
        exit.stdout
    );
    let mut sql = target.connect();
    assert_eq!(sql.number("SELECT count(*) FROM users"), 2, "no row of the refused user");

    let gone =
        r#"{"gone":{"type":"user","id":"peer000002","is_gone":true,"directory_revision":1}}"#;
    let with_gone =
        lines.replacen('\n', &format!("\n{gone}\n"), 1).replace(r#""gone":0"#, r#""gone":1"#);
    import_lines(&target, &with_gone, &[]).expect_success();
    assert_eq!(sql.number("SELECT marked::bigint FROM users WHERE user_id = 'over'"), 4);
    EARMARK.verify(&target.url).expect_success();
}

#[test]
fn the_caps_for_contact_groups_and_pins_hold_as_well() {
    let with = |field: &str| {
        let mut lines = lines_of(&[("user", 2)]);
        for nr in 1..=2 {
            let peer = format!(r#""id":"peer{nr:06}","#);
            lines = lines.replacen(
                &peer,
                &format!("{peer}{},", field.replace('#', &nr.to_string())),
                1,
            );
        }
        let group = r#""next_group_id":2,"contact_groups":[{"id":1,"name":"a","name_revision":1}]"#;
        lines.replacen(r#""next_group_id":1,"contact_groups":[]"#, group, 1)
    };
    for (limit, lines, what) in [
        ("pinned", with(r#""pin_position":#"#), "pinned"),
        ("grouped", with(r#""groups":[1]"#), "in contact groups"),
    ] {
        let target = empty();
        let set = |most: &str| {
            let limit = format!("{limit}={most}");
            EARMARK.app(&target.url, &["set", APP, "--limit", &limit]).expect_success();
        };
        set("1");
        let exit = import_lines(&target, &lines, &[]);
        let expected = format!("conversations: 2 are {what}, at most 1 may be (limit `{limit}`)");
        exit.expect_failure(&[&expected]);
        set("2");
        import_lines(&target, &lines, &[]).expect_success();
        EARMARK.verify(&target.url).expect_success();
    }
}

#[test]
fn a_file_that_cannot_be_read_is_refused_at_once() {
    let target = empty();
    let good = lines_of(&[("user", 1)]);
    for (file, words) in [
        (String::new(), "the file is empty"),
        ("{}\n".to_owned(), "line 1, format: must be \"earmark\""),
        ("\u{1}\u{2}PNG".to_owned(), "line 1: expected value"),
        (
            good.replacen("\"version\":1", "\"version\":2", 1),
            "version: is 2, and this binary knows versions up to 1",
        ),
        (good.replacen("\"version\":1", "\"version\":\"x\"", 1), "version: must be 1"),
        (
            good.replacen("\"marks\":[]", "\"marks\":[],\"keys\":[]", 1),
            "keys: unknown field `keys`",
        ),
    ] {
        import_lines(&target, &file, &[]).expect_failure(&["this is no file of earmark", words]);
    }
    let nowhere = EARMARK.on(&target.url, ["import", APP, "/nowhere"]).run();
    nowhere.expect_failure(&["cannot open /nowhere"]);
    let scratch = Scratch::create();
    let file = scratch.write("app", &good);
    let no_app = EARMARK.on(&target.url, ["import", "7", file.to_str().unwrap()]).run();
    no_app.expect_failure(&["there is no app 7"]);
    assert_eq!(target.connect().number("SELECT count(*) FROM users"), 0);
}

#[test]
fn a_file_that_ends_too_early_imports_what_it_has_and_says_so() {
    let lines = lines_of(&[("first", 2), ("second", 2)]);
    let second = lines.find("\"second\"").unwrap();
    for (cut, users, words) in [
        (second + 100, 1, "line 3, user"),
        (lines.len() - 2, 2, "line 4: EOF while parsing an object"),
        (lines.rfind("\n{").unwrap() + 1, 2, "line 3: the file ends before its last line, `end`"),
    ] {
        let target = empty();
        let exit = import_lines(&target, &lines[..cut], &[]);
        exit.expect_failure(&[words]);
        let stored = target.connect().number("SELECT count(*) FROM users WHERE row_count = 2");
        assert_eq!(stored, users, "cut at {cut}: {exit:?}");
    }
    let target = empty();
    let wrong_end = lines.replacen("{\"end\":{\"gone\":0", "{\"end\":{\"gone\":1", 1);
    import_lines(&target, &wrong_end, &[]).expect_failure(&["the end, end: says"]);
    let more = format!("{lines}{}\n", lines.lines().nth(1).unwrap());
    import_lines(&target, &more, &[]).expect_failure(&["must not come after the end"]);
}

#[test]
fn a_user_who_has_other_state_is_replaced_and_clients_read_anew() {
    let (source, service) = filled();
    let file = exported(&source);
    service.process.stop();
    let target = empty();
    let service = EARMARK.start(EARMARK.serve(&target.url));
    let client = service.client();
    for peer in 0..20 {
        client.must_mark("alice", &format!("other{peer}"));
    }
    let body = r#"{"From_Account":"alice","GroupContactItem":[{"GroupName":"mine"}]}"#;
    for _ in 0..4 {
        client.must_call("recentcontact/create_contact_group", body);
        client.must_call(
            "recentcontact/del_contact_group",
            r#"{"From_Account":"alice","GroupName":["mine"]}"#,
        );
    }
    let (cursor, of_new) = (client.cursor("alice"), client.cursor("zoe"));

    let report = import_lines(&target, &file, &[]).expect_success();

    assert!(report.contains("users: 5 new, 1 changed, 0 unchanged"), "{report}");
    let stale = client.changes("alice", &cursor);
    assert_eq!(stale.status, 410, "{stale:?}");
    let told = client.changes("zoe", &of_new);
    assert_eq!((told.status, &told.json()["conversations"][0]["id"]), (200, &"alice".into()));
    assert!(!client.marks("alice").contains("other"), "{}", client.marks("alice"));
    let created = client.must_call("recentcontact/create_contact_group", body);
    assert!(created.body.contains(r#""GroupId":5"#), "no id is used again: {created:?}");
    let again = import_lines(&target, &file, &[]).expect_success();
    assert!(again.contains("0 new, 1 changed, 5 unchanged"), "the contact group goes: {again}");
    EARMARK.verify(&target.url).expect_success();
    service.process.stop();
}

#[test]
fn accounts_leave_and_return_as_the_file_says() {
    let (source, service) = filled();
    let file = exported(&source);
    service.process.stop();
    let target = empty();
    let service = EARMARK.start(EARMARK.serve(&target.url));
    let client = service.client();
    for user in ["leaves", "only-account"] {
        client.must_import(user);
        client.must_mark(user, "x");
    }
    client.must_call(
        "im_open_login_svc/account_delete",
        r#"{"DeleteItem":[{"UserID":"only-account"}]}"#,
    );
    client.must_call(
        "group_open_http_svc/create_group",
        r#"{"Type":"Public","GroupId":"closed","Name":"n"}"#,
    );
    let cursor = client.cursor("watcher");

    import_lines(&target, &file, &[]).expect_success();

    assert_eq!(client.mark("leaves", "x").unwrap().code(), 50001);
    assert_eq!(client.mark("only-account", "x").unwrap().code(), 0);
    let closed =
        client.call("group_open_http_svc/destroy_group", r#"{"GroupId":"closed"}"#).unwrap();
    assert_eq!(closed.code(), 10010);
    let after = client.cursor("watcher");
    assert_ne!(after, cursor, "the directory revision has grown");
    EARMARK.verify(&target.url).expect_success();
    // The file has no account that brings this user back.
    client.must_import("zoe");
    client.must_call("im_open_login_svc/account_delete", r#"{"DeleteItem":[{"UserID":"zoe"}]}"#);
    let refused = import_lines(&target, &file, &[]);
    refused.expect_failure(&[r#"user "zoe", account: the user is deleted in the app"#]);
    EARMARK.verify(&target.url).expect_success();
    service.process.stop();
}
