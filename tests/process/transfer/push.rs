//! `earmark push` makes users of a second earmark the same as those of a file.

use serde_json::Value;
use testkit::postgres::Database;
use testkit::{APP, Client, Exit, SECRET_KEY, Scratch, Service, text};

use super::source::{Reply, Source, failed, marked};
use super::{compare, empty, exported, filled, lines_of};
use crate::EARMARK;

fn push(url: &str, lines: &str) -> Exit {
    let scratch = Scratch::create();
    let file = text(&scratch.write("app.ndjson", lines));
    EARMARK
        .command(["push", "--to", url, "--sdkappid", APP, "--rate", "2000", &file])
        .env("EARMARK_SECRET_KEY", SECRET_KEY)
        .run()
}

fn target() -> (Database, Service, String) {
    let database = empty();
    let service = EARMARK.start(EARMARK.serve(&database.url));
    let url = format!("http://{}", service.api);
    (database, service, url)
}

/// The users of an export, without deletions, chat groups and names of marks.
fn users_of(file: &str) -> String {
    let mut header: Value = serde_json::from_str(file.lines().next().unwrap()).unwrap();
    header["marks"] = Value::Array(Vec::new());
    (header["counts"]["gone"], header["counts"]["chat_groups"]) = (0.into(), 0.into());
    let end = format!("{{\"end\":{}}}\n", header["counts"]);
    let users = file.lines().filter(|line| line.starts_with(r#"{"user":"#));
    let lines: Vec<_> =
        [header.to_string()].into_iter().chain(users.map(ToOwned::to_owned)).chain([end]).collect();
    lines.join("\n")
}

#[track_caller]
fn assert_same(file: &str, target: &Database) {
    let scratch = Scratch::create();
    let first = scratch.write("first", users_of(file));
    let second = scratch.write("second", users_of(&exported(target)));
    let ignored = ["times", "order", "ids", "revisions"].map(|what| ["--ignore", what]);
    compare(None, &[&first, &second], &ignored.concat()).expect_success();
}

/// Without users who have no account: the service would have to make one.
fn accounts_only(client: &Client) {
    for user in ["zoe", "\\u4e2d\\u6587"] {
        client.must_import(user);
    }
    client.must_call("im_open_login_svc/account_import", r#"{"UserID":"leaves"}"#);
}

#[test]
fn a_pushed_app_has_the_same_users_and_a_second_push_sends_nothing() {
    let (source, service) = filled();
    accounts_only(&service.client());
    for nr in 0..250 {
        service.client().must_mark("zoe", &format!("peer{nr}"));
    }
    let file = exported(&source);
    let (database, pushed, url) = target();

    let report = push(&url, &file).expect_success();

    let expected = "3 users changed, 3 unchanged; 1 contact groups have another id; 6 chat groups and deletions \
        are not pushed; 0 missing\n";
    assert_eq!(report, expected);
    assert_same(&file, &database);
    let again = push(&url, &file).expect_success();
    assert!(again.starts_with("0 users changed, 6 unchanged"), "{again}");
    let client = pushed.client();
    let list = r#"{"From_Account":"alice"}"#;
    let pins = client.must_call("recentcontact/get_list", list).body;
    assert!(pins.find("team") < pins.find("pinned"), "the newest pin comes first: {pins}");
    service.process.stop();
    pushed.process.stop();
}

#[test]
fn a_push_changes_back_what_the_target_has_otherwise() {
    let (source, service) = filled();
    accounts_only(&service.client());
    let file = exported(&source);
    let (database, pushed, url) = target();
    push(&url, &file).expect_success();
    let client = pushed.client();
    client.must_mark("alice", "more");
    for (command, body) in [
        (
            "mark_contact",
            r#""MarkItem":[{"OptType":3,"ContactItem":{"Type":1,"To_Account":"bob"},"ClearMark":[63],"SetMark":[5],"CustomMark":""}]"#,
        ),
        (
            "update_contact_group",
            r#""UpdateType":1,"UpdateGroup":{"UpdateGroupType":1,"OldGroupName":"work","NewGroupName":"play"}"#,
        ),
        (
            "update_contact_group",
            r#""UpdateType":1,"UpdateGroup":{"UpdateGroupType":2,"OldGroupName":"close friends","ContactUpdateItem":[{"ContactOptType":1,"ContactItem":{"Type":1,"To_Account":"new"}},{"ContactOptType":2,"ContactItem":{"Type":1,"To_Account":"carol"}}]}"#,
        ),
        (
            "create_contact_group",
            r#""GroupContactItem":[{"GroupName":"more","ContactItem":[{"Type":1,"To_Account":"bob"}]}]"#,
        ),
        ("top", r#""OperationType":1,"RecentContactItem":[{"Type":1,"To_Account":"more"}]"#),
        ("top", r#""OperationType":2,"RecentContactItem":[{"Type":1,"To_Account":"pinned"}]"#),
    ] {
        let body = format!(r#"{{"From_Account":"alice",{body}}}"#);
        client.must_call(&format!("recentcontact/{command}"), &body);
    }

    let report = push(&url, &file).expect_success();

    assert!(report.starts_with("1 users changed, 5 unchanged; 1 contact groups"), "{report}");
    assert_same(&file, &database);
    service.process.stop();
    pushed.process.stop();
}

#[test]
fn what_the_target_refuses_is_named_and_the_rest_is_pushed() {
    let (database, pushed, url) = target();
    let small = ["set", APP, "--limit", "marked=3", "--limit", "user-id-bytes=10"];
    EARMARK.app(&database.url, &small).expect_success();
    let client = pushed.client();
    testkit::wait_until("the limits are small", || {
        client.mark("a-long-name", "x").unwrap().code() == 50002
    });
    let lines = lines_of(&[("a-long-name", 1), ("four", 4), ("three", 3)]);
    let exit = push(&url, &lines);
    exit.expect_failure(&["2 problems: what they name was not pushed"]);
    let full = r#"missing: user "four": conversation "peer000004" is refused with 51008"#;
    assert!(exit.stdout.contains(full), "{exit:?}");
    assert!(exit.stdout.contains(r#"missing: user "a-long-name": refused with 50002"#), "{exit:?}");
    assert!(client.marks("three").contains("peer000003"));
    pushed.process.stop();
}

#[test]
fn a_target_that_dies_or_answers_garbage_ends_the_push() {
    let users: Vec<_> = (0..40).map(|nr| format!("user{nr:02}")).collect();
    let users: Vec<_> = users.iter().map(|user| (user.as_str(), 1)).collect();
    let lines = lines_of(&users);
    let dead = Source::start(|_, _| Reply::Cut);
    push(&dead.url, &lines).expect_failure(&[
        "the push has stopped at user \"user09\"",
        "run it again",
        "10 users in a row failed",
        "broke off",
    ]);
    let strict = Source::start(|command, _| match command {
        "recentcontact/mark_contact" => failed(51013, "edition"),
        other => marked(other),
    });
    let other_marks = lines.replace(r#""marks":[0]"#, r#""marks":[1]"#);
    push(&strict.url, &other_marks).expect_failure(&["at user \"user00\"", "51013: edition"]);
    let unchanged = push(&strict.url, &lines_of(&[])).expect_success();
    assert!(unchanged.starts_with("0 users changed, 0 unchanged"), "{unchanged}");
}
