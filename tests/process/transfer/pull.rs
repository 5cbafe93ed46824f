//! `earmark pull` reads from a second earmark, and from services that do what they should not.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use serde_json::Value;
use testkit::{APP, Exit, SECRET_KEY, Scratch, text};

use super::source::{Reply, Source, failed, marked};
use super::{empty, filled, import, read};
use crate::EARMARK;

/// A run of `earmark pull` into `app.ndjson`.
struct Pull {
    scratch: Scratch,
    users: String,
}

impl Pull {
    fn of(users: &[&str]) -> Self {
        Self { scratch: Scratch::create(), users: users.join("\n") }
    }

    fn many(count: usize) -> Self {
        let mut users = String::new();
        (0..count).for_each(|nr| writeln!(users, "user{nr:03}").unwrap());
        Self { scratch: Scratch::create(), users }
    }

    fn out(&self) -> std::path::PathBuf {
        self.scratch.join("app.ndjson")
    }

    fn run(&self, url: &str, arguments: &[&str]) -> Exit {
        let users = text(&self.scratch.write("users", &self.users));
        EARMARK
            .command(["pull", "--from", url, "--sdkappid", APP, "--users", &users])
            .args(["--out", &text(&self.out())])
            .args(arguments)
            .env("EARMARK_SECRET_KEY", SECRET_KEY)
            .run()
    }

    fn lines(&self) -> Vec<Value> {
        read(&self.out()).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn users_of_a_second_earmark_are_the_same_after_a_pull() {
    let (source, service) = filled();
    let client = service.client();
    // More than a page.
    for nr in 0..250 {
        client.must_mark("many", &format!("peer{nr}"));
    }
    client.must_import("many");
    service.process.stop();
    EARMARK.app(&source.url, &["set", APP, "--directory", "owners"]).expect_success();
    let service = EARMARK.start(EARMARK.serve(&source.url));
    let (client, url) = (service.client(), format!("http://{}", service.api));
    let pull = Pull::of(&["alice", "many", "zoe", "only-account", "leaves", "nobody"]);

    let report = pull.run(&url, &[]).expect_success();

    let numbers = "3 users, 256 conversations; 3 users unknown to the source; 0 missing\n";
    assert!(report.starts_with(numbers), "{report}");
    for user in ["leaves", "nobody", "zoe"] {
        assert!(report.contains(&format!("unknown: {user:?}\n")), "{report}");
    }
    let target = empty();
    import(&target, &pull.out(), &[]).expect_success();
    EARMARK.verify(&target.url).expect_success();
    let moved = EARMARK.start(EARMARK.serve(&target.url));
    let new = moved.client();
    for user in ["alice", "many", "only-account"] {
        assert_eq!(new.marks(user), client.marks(user));
        let list = format!(r#"{{"From_Account":"{user}"}}"#);
        let answers = [&client, &new].map(|it| it.must_call("recentcontact/get_list", &list).body);
        assert_eq!(answers[0], answers[1]);
    }
    let again = Pull::of(&["alice", "many", "only-account"]);
    again.run(&url, &[]).expect_success();
    let unchanged = import(&target, &again.out(), &[]).expect_success();
    assert!(unchanged.contains("0 new, 0 changed, 3 unchanged"), "{unchanged}");
    service.process.stop();
    moved.process.stop();
}

#[test]
fn a_source_that_changes_is_read_whole_and_a_last_pull_has_everything() {
    let (_source, service) = filled();
    let (client, url) = (service.client(), format!("http://{}", service.api));
    let users: Vec<_> = (0..20).map(|nr| format!("busy{nr}")).collect();
    let names: Vec<_> = users.iter().map(String::as_str).collect();
    let is_over = AtomicBool::new(false);
    let target = empty();
    thread::scope(|scope| {
        scope.spawn(|| {
            for nr in 0.. {
                if is_over.load(Ordering::Relaxed) {
                    return;
                }
                let user = &users[nr % users.len()];
                client.must_mark(user, &format!("peer{}", nr / 7));
            }
        });
        for _ in 0..3 {
            let pull = Pull::of(&names);
            pull.run(&url, &[]).expect_success();
            import(&target, &pull.out(), &[]).expect_success();
        }
        is_over.store(true, Ordering::Relaxed);
    });
    let pull = Pull::of(&names);
    pull.run(&url, &[]).expect_success();
    import(&target, &pull.out(), &[]).expect_success();
    let moved = EARMARK.start(EARMARK.serve(&target.url));
    for user in &users {
        assert_eq!(moved.client().marks(user), client.marks(user));
    }
    EARMARK.verify(&target.url).expect_success();
    service.process.stop();
    moved.process.stop();
}

#[test]
fn a_source_with_a_low_rate_is_waited_for() {
    let (source, service) = filled();
    EARMARK.app(&source.url, &["set", APP, "--limit", "calls-per-second=4"]).expect_success();
    let client = service.client();
    testkit::wait_until("the rate is low", || {
        (0..9).any(|_| client.mark("alice", "bob").unwrap().code() == 60007)
    });
    let pull = Pull::many(12);
    let report = pull.run(&format!("http://{}", service.api), &["--rate", "1000"]).expect_success();
    assert!(report.starts_with("12 users, 0 conversations; 0 users unknown"), "{report}");
    service.process.stop();
}

#[test]
fn a_source_that_refuses_by_its_rate_for_too_long_ends_the_pull() {
    let source = Source::start(|_, _| failed(60007, "busy"));
    let exit = Pull::many(3).run(&source.url, &["--patience-s", "1"]);
    exit.expect_failure(&["the pull has stopped: 0 of 3 users are done", "60007: busy for 1 s"]);
}

#[test]
fn a_pull_from_a_source_that_died_goes_on_where_it_stopped() {
    let dies_after = 30;
    let count = AtomicUsize::new(0);
    let source = Source::start(move |command, body| {
        let user = body["From_Account"].as_str().unwrap();
        let is_late = user >= "user070" && count.fetch_add(1, Ordering::SeqCst) >= dies_after;
        if is_late { Reply::Cut } else { marked(command) }
    });
    let pull = Pull::many(100);
    let exit = pull.run(&source.url, &["--rate", "2000"]);
    exit.expect_failure(&[
        "the pull has stopped: ",
        " of 100 users are done",
        "--resume",
        "10 users in a row",
    ]);
    let halfway = pull.lines().len();
    assert!((71..95).contains(&halfway), "{halfway}");
    assert!(pull.lines().last().unwrap().get("end").is_none(), "the file is not complete");
    pull.run(&source.url, &[]).expect_failure(&["cannot create"]);

    let live = Source::start(|command, _| marked(command));
    let report = pull.run(&live.url, &["--resume", "--rate", "2000"]).expect_success();

    assert!(report.starts_with("100 users, 100 conversations"), "{report}");
    let calls = live.calls.load(Ordering::SeqCst);
    // Requests of several users are under way at once, so a user may be missing in the file before one who is in it.
    assert!(calls <= 2 * (102 - 70), "only the rest was read: {calls}");
    let whole = Pull::many(100);
    whole.run(&live.url, &["--rate", "2000"]).expect_success();
    assert_eq!(read(&pull.out()), read(&whole.out()));
    let complete = pull.run(&live.url, &["--resume"]).expect_success();
    assert!(complete.starts_with("100 users, 100 conversations"), "{complete}");
}

#[test]
fn a_user_who_was_skipped_before_a_pull_was_interrupted_is_asked_for_again() {
    let source = Source::start(|command, body| match body["From_Account"].as_str().unwrap() {
        "user003" => Reply::Status(502),
        "user005" => failed(50001, "no such user"),
        user if user >= "user010" => Reply::Cut,
        _ => marked(command),
    });
    let pull = Pull::many(30);
    pull.run(&source.url, &[]).expect_failure(&["10 of 30 users", "10 users in a row"]);

    let live = Source::start(|command, body| match body["From_Account"].as_str().unwrap() {
        "user005" => failed(50001, "no such user"),
        _ => marked(command),
    });
    let report = pull.run(&live.url, &["--resume"]).expect_success();

    let numbers = "29 users, 29 conversations; 1 users unknown to the source; 0 missing\n";
    assert!(report.starts_with(numbers), "{report}");
    let whole = Pull::many(30);
    whole.run(&live.url, &[]).expect_success();
    assert_eq!(read(&pull.out()), read(&whole.out()));
}

#[test]
fn a_user_of_whom_a_source_answers_garbage_is_named_and_the_others_are_pulled() {
    let source = Source::start(|command, body| {
        let garbage = |text: &str| Reply::Body(text.to_owned());
        match (command, body["From_Account"].as_str().unwrap()) {
            ("recentcontact/get_contact_group", "user001") => garbage("<html>"),
            ("recentcontact/get_contact_group", "user002") => Reply::Status(502),
            ("recentcontact/get_list", "user003") => garbage("[]"),
            ("recentcontact/get_contact_group", "user004") => {
                garbage(r#"{"ErrorCode":0,"ContactItem":[],"CompleteFlag":0,"NextStartIndex":0}"#)
            }
            ("recentcontact/get_contact_group", "user005") => garbage(
                r#"{"ErrorCode":0,"ContactItem":[{"Type":1,"To_Account":"x","StandardMark":"12"}],"CompleteFlag":1}"#,
            ),
            ("recentcontact/get_contact_group", "user006") => garbage(
                r#"{"ErrorCode":0,"ContactItem":[{"Type":1,"To_Account":"x","ContactGroupId":[1]}],"CompleteFlag":1}"#,
            ),
            ("recentcontact/get_contact_group", "user007") => garbage(r#"{"ErrorCode":0}"#),
            ("recentcontact/get_contact_group", "user008") => {
                failed(50002, "From_Account: too long")
            }
            _ => marked(command),
        }
    });
    let pull = Pull::many(10);
    let exit = pull.run(&source.url, &[]);
    exit.expect_failure(&["8 users are missing"]);
    for (user, reason) in [
        ("user001", "recentcontact/get_contact_group: the answer is not JSON"),
        ("user002", "recentcontact/get_contact_group: HTTP status 502"),
        ("user003", "recentcontact/get_list: the answer has no ErrorCode"),
        (
            "user004",
            "incomplete after 3 attempts: CompleteFlag is 0, but NextStartIndex does not grow",
        ),
        ("user005", "StandardMark is \"12\""),
        ("user006", "a conversation is in a contact group that the page does not list"),
        ("user007", "the answer cannot be read: missing field `CompleteFlag`"),
        ("user008", "refused with 50002: From_Account: too long"),
    ] {
        let line = exit.stdout.lines().find(|line| line.contains(user)).unwrap();
        assert!(line.starts_with("missing: ") && line.contains(reason), "{line}");
    }
    let users: Vec<_> = pull.lines();
    let users: Vec<_> = users.iter().filter_map(|line| line["user"]["id"].as_str()).collect();
    assert_eq!(users, ["user000", "user009"]);
    import(&empty(), &pull.out(), &[]).expect_success();
}

#[test]
fn a_user_whose_pages_do_not_fit_together_is_named() {
    let page = |peer: &str, group: &str, is_last: bool| {
        let complete = u8::from(is_last);
        Reply::Body(format!(
            r#"{{"ErrorCode":0,"ContactItem":[{{"Type":"1","To_Account":"{peer}","StandardMark":"1"}}],"GroupItem":[{{"GroupName":"{group}","GroupId":1}}],"CompleteFlag":{complete},"NextStartIndex":{}}}"#,
            1 - complete
        ))
    };
    let source = Source::start(move |command, body| {
        let is_first = body["StartIndex"] == 0;
        match (command, body["From_Account"].as_str().unwrap()) {
            ("recentcontact/get_contact_group", "user000") => page("twice", "a", !is_first),
            ("recentcontact/get_contact_group", "user001") => {
                if is_first {
                    page("one", "a", false)
                } else {
                    page("two", "b", true)
                }
            }
            ("recentcontact/get_list", "user002") => Reply::Body(
                r#"{"ErrorCode":0,"SessionItem":[],"CompleteFlag":0,"TimeStamp":1}"#.to_owned(),
            ),
            ("recentcontact/get_contact_group", "user003") => {
                Reply::Body(format!(r#"{{"ErrorCode":0,"x":"{}"}}"#, "y".repeat(9 << 20)))
            }
            ("recentcontact/get_contact_group", "user004") => {
                page(if is_first { "one" } else { "two" }, "a", !is_first)
            }
            _ => marked(command),
        }
    });
    let pull = Pull::many(5);
    let exit = pull.run(&source.url, &[]);
    exit.expect_failure(&["4 users are missing"]);
    for (user, reason) in [
        ("user000", "incomplete after 3 attempts: a conversation is on two pages"),
        ("user001", "incomplete after 3 attempts: the contact groups changed between two pages"),
        ("user002", "incomplete after 3 attempts: the pages of get_list do not end"),
        ("user003", "the answer is not JSON"),
    ] {
        let line = exit.stdout.lines().find(|line| line.contains(user)).unwrap();
        assert!(line.contains(reason), "{line}");
    }
    let whole = &pull.lines()[1]["user"];
    assert_eq!(
        (&whole["id"], &whole["conversations"][1]["id"]),
        (&"user004".into(), &"two".into())
    );
}

#[test]
fn a_source_that_cannot_be_used_ends_the_pull_at_once() {
    let (_database, service) = filled();
    let url = format!("http://{}", service.api);
    let pull = Pull::many(3);
    let wrong_app = pull.run(&url, &["--sdkappid", "7"]);
    wrong_app.expect_failure(&["cannot be used multiple times"]);
    let wrong_admin = pull.run(&url, &["--admin", "nobody"]);
    wrong_admin.expect_failure(&["0 of 3 users are done", "50003"]);
    std::fs::remove_file(pull.out()).unwrap();
    let far = pull.run("http://192.0.2.1", &[]);
    far.expect_failure(&["192.0.2.1 may not be called"]);
    pull.run("ftp://x", &[]).expect_failure(&["--from", "must be an https URL"]);
    Pull::of(&[""]).run(&url, &[]).expect_failure(&["--users", "there is no user in it"]);
    service.process.stop();
}
