//! The settings with which `earmark dev` is a stand-in for the tests of other programs.

use std::fs::{self, Permissions};
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use testkit::{
    APP, Client, Exit, Process, SECRET_KEY, Scratch, assert_stopped, between, request_with, text,
    wait_until,
};

use crate::EARMARK;

/// Waits for the line of `--json`.
#[track_caller]
fn line_of(dev: &Process) -> Value {
    serde_json::from_str(&dev.stdout.line("{")).unwrap()
}

#[track_caller]
fn word<'l>(line: &'l Value, field: &str) -> &'l str {
    line[field].as_str().unwrap_or_else(|| panic!("{field} in {line}"))
}

#[track_caller]
fn address(line: &Value) -> SocketAddr {
    word(line, "url").strip_prefix("http://").unwrap().parse().unwrap()
}

#[track_caller]
fn client(line: &Value) -> Client {
    Client { address: address(line), user_sig: word(line, "user_sig").to_owned() }
}

/// Asks for an app, with the token of the line and these headers.
#[track_caller]
fn show_app(line: &Value, app: &str, host: &str) -> (u16, Value) {
    let headers = format!("host: {host}\r\nauthorization: Bearer {}\r\n", word(line, "token"));
    let path = format!("/admin/v1/apps/{app}");
    let answer = request_with(address(line), "GET", &path, &headers, "").unwrap();
    (answer.status, answer.json())
}

#[test]
fn json_is_one_line_with_all_that_a_client_needs() {
    let scratch = Scratch::create();
    let dev = EARMARK.dev(&scratch.join("data")).args(["--json"]).start();
    let line = line_of(&dev);
    let fields: Vec<&String> = line.as_object().unwrap().keys().collect();
    assert_eq!(fields, ["url", "listen", "app", "admin", "key", "user_sig", "token"]);
    client(&line).must_mark("user", "friend");
    assert_eq!(show_app(&line, APP, "localhost").0, 200);
    let key = fs::read_to_string(scratch.join("data/secret-key")).unwrap();
    assert_eq!(word(&line, "key"), key.trim());
    assert_eq!(word(&line, "admin"), "administrator");
    assert_eq!(dev.stop().stdout.lines().count(), 1);
}

#[test]
fn the_ready_file_appears_whole_and_goes_at_the_end() {
    // given
    let scratch = Scratch::create();
    let file = scratch.join("ready");
    let arguments = ["--json", "--ready-file", &text(&file)];
    // when
    let dev = EARMARK.dev(&scratch.join("data")).args(arguments).start();
    wait_until("the ready file appears", || file.exists());
    // then
    let line: Value = serde_json::from_str(&fs::read_to_string(&file).unwrap()).unwrap();
    client(&line).must_mark("user", "friend");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(line, line_of(&dev));
    dev.stop();
    let left: Vec<_> =
        fs::read_dir(scratch.path()).unwrap().map(|one| one.unwrap().file_name()).collect();
    assert_eq!(left, ["data"]);
}

#[test]
fn a_ready_file_that_a_killed_process_has_left_goes_before_anything_starts() {
    let scratch = Scratch::create();
    let file = scratch.write("ready", r#"{"url":"http://127.0.0.1:1"}"#);
    let arguments = ["--ready-file", &text(&file), "--pg-bin", "/nowhere"];
    let exit = EARMARK.dev(&scratch.join("data")).args(arguments).run();
    exit.expect_failure(&["--pg-bin"]);
    assert!(!file.exists());
}

#[test]
fn another_file_is_not_replaced_by_the_ready_file() {
    let scratch = Scratch::create();
    let file = scratch.write("notes", "{}");
    let exit = EARMARK.dev(&scratch.join("data")).args(["--ready-file", &text(&file)]).run();
    exit.expect_failure(&["--ready-file", &text(&file), "another file"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
}

#[test]
fn a_ready_file_that_cannot_be_written_is_named() {
    let scratch = Scratch::create();
    let named = ["--ready-file", "EARMARK_READY_FILE"];
    let nowhere = text(&scratch.join("no-folder/ready"));
    let exit = EARMARK.dev(&scratch.join("data")).args(["--ready-file", &nowhere]).run();
    exit.expect_failure(&[&named[..], &[&nowhere]].concat());
    assert_stopped(&scratch);
    // Nothing starts if it is a folder.
    let folder = text(scratch.path());
    let exit = EARMARK.dev(&scratch.join("data")).env("EARMARK_READY_FILE", &folder).run();
    exit.expect_failure(&[&named[..], &[&folder]].concat());
}

#[test]
fn ephemeral_data_has_no_fsync_and_is_gone_at_the_end() {
    let scratch = Scratch::create();
    let ephemeral = ["dev", "--ephemeral", "--listen", "127.0.0.1:0"];
    let start = || EARMARK.command(ephemeral).env("TMPDIR", text(scratch.path())).start();
    let folder = |dev: &Process| {
        let said = dev.stderr.line("fsync off");
        Path::new(between(&said, "off, and ", " is removed")).to_owned()
    };

    let dev = start();
    let psql = dev.stdout.line("look inside: ");
    let psql = format!("{} -Atc 'SHOW fsync'", psql.split_once("inside: ").unwrap().1);
    let shown = Command::new("sh").args(["-c", &psql]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&shown.stdout), "off\n", "{psql}: {shown:?}");
    let data = folder(&dev);
    assert!(data.join("secret-key").exists() && data.starts_with(scratch.path()), "{data:?}");
    dev.stop();
    assert!(!data.exists());

    let dev = start();
    dev.stdout.line("earmark listens");
    let data = folder(&dev);
    dev.kill();
    wait_until("the folder is removed", || !data.exists());
    assert_eq!(fs::read_dir(scratch.path()).unwrap().count(), 0);
}

#[test]
fn a_folder_is_not_given_for_ephemeral_data() {
    let exit = EARMARK.command(["dev", "--ephemeral", "--data", "somewhere"]).run();
    exit.expect_failure(&["--ephemeral", "--data"]);
}

#[test]
fn dev_starts_without_conversations_if_it_is_asked_to() {
    let scratch = Scratch::create();
    let dev = EARMARK.dev(&scratch.join("data")).args(["--json", "--empty"]).start();
    let marks = client(&line_of(&dev)).marks("user0");
    assert!(marks.contains(r#""ContactItem":[]"#), "{marks}");
    dev.stop();
}

const OTHER_KEY: &str = "the-secret-key-of-another-app";

#[test]
fn given_apps_stand_in_for_the_demo_app_and_have_no_rate_limit() {
    // given
    let scratch = Scratch::create();
    let (first, second) = (format!("{APP}={SECRET_KEY}"), format!("7={OTHER_KEY}"));
    let arguments = ["--json", "--app", &first, "--app", &second];
    // when
    let dev = EARMARK.dev(&scratch.join("data")).args(arguments).start();
    let line = line_of(&dev);
    // then
    assert_eq!((line["app"].to_string(), word(&line, "key")), (APP.to_owned(), SECRET_KEY));
    client(&line).must_mark("user", "friend");
    let by_key = Client { user_sig: EARMARK.user_sig(SECRET_KEY), ..client(&line) };
    assert!(by_key.marks("user0").contains(r#""ContactItem":[]"#));
    for app in [APP, "7"] {
        let (status, shown) = show_app(&line, app, "localhost");
        assert_eq!((status, &shown["limits"]["calls-per-second"]), (200, &Value::from(0)));
    }
    let exit = dev.stop();
    assert!(!exit.stderr.contains(SECRET_KEY) && !exit.stderr.contains(OTHER_KEY), "{exit:?}");
}

#[test]
fn the_variable_for_apps_is_not_echoed() {
    let scratch = Scratch::create();
    let apps = format!("{APP}={SECRET_KEY},7={OTHER_KEY}");
    let help = EARMARK.command(["dev", "--help"]).env("EARMARK_APP", &apps).run();
    assert!(!help.expect_success().contains(SECRET_KEY));

    let dev = EARMARK.dev(&scratch.join("data")).env("EARMARK_APP", &apps);
    let dev = dev.env("EARMARK_LOG", "trace").env("EARMARK_JSON", "true").start();
    assert_eq!(show_app(&line_of(&dev), "7", "localhost").0, 200);
    let logged = dev.stop().stderr;
    for key in [SECRET_KEY, OTHER_KEY] {
        let line = logged.lines().find(|line| line.contains(key));
        assert_eq!(line, None);
    }
}

#[test]
fn a_bad_app_is_refused_with_what_was_expected_and_without_its_key() {
    let data = Path::new("/nowhere/data");
    let long = format!("7={}", "k".repeat(1025));
    for (apps, words) in [
        (&["5"][..], &["number 1", "SDKAPPID=KEY"][..]),
        (&["hidden-word-as-a-key"], &["number 1", "SDKAPPID=KEY"]),
        (&["hidden-word-as-a-key=5"], &["number 1", "SDKAPPID must be a positive integer"]),
        (&["0=hidden-word-as-a-key"], &["SDKAPPID must be a positive integer"]),
        (&["=hidden-word-as-a-key"], &["SDKAPPID must be a positive integer"]),
        (&["5="], &["KEY must be at least 16 bytes"]),
        (&["5=hidden-word"], &["KEY must be at least 16 bytes"]),
        (&["5=hidden-word-as-a-key "], &["KEY must have no white space"]),
        (&[&long], &["KEY must be at most 1024 bytes"]),
        (&["5=hidden-word-as-a-key", "5=hidden-word-as-a-key"], &["number 2", "twice"]),
    ] {
        let arguments = apps.iter().flat_map(|app| ["--app", app]);
        let by_flags: Exit = EARMARK.dev(data).args(arguments).run();
        let by_variable: Exit = EARMARK.dev(data).env("EARMARK_APP", apps.join(",")).run();
        for exit in [by_flags, by_variable] {
            exit.expect_failure(&[&["--app", "EARMARK_APP"], words].concat());
            assert!(!exit.stderr.contains("hidden-word"), "{exit:?}");
        }
    }
}

#[test]
fn an_app_that_exists_must_have_the_given_key() {
    let scratch = Scratch::create();
    let data = scratch.join("data");
    let start = |key: &str| EARMARK.dev(&data).args(["--app", &format!("{APP}={key}")]).start();
    for _ in ["creates it", "finds it"] {
        let dev = start(SECRET_KEY);
        dev.stdout.line("earmark listens");
        dev.stop();
    }
    let exit = start(OTHER_KEY).wait();
    exit.expect_failure(&["--app", "EARMARK_APP", APP, "another secret key", "--ephemeral"]);
    assert!(!exit.stderr.contains(OTHER_KEY) && !exit.stderr.contains(SECRET_KEY), "{exit:?}");
    assert_stopped(&scratch);
}

#[test]
fn clients_from_elsewhere_are_let_in_only_if_they_are_allowed_and_have_the_token() {
    let scratch = Scratch::create();
    let forwarded = "stand-in.example:32768\r\nx-forwarded-for: 192.0.2.7";
    for (flags, expected) in [(&["--json"][..], 403), (&["--json", "--allow-remote"], 200)] {
        let dev = EARMARK.dev(&scratch.join("data")).args(flags).start();
        let line = line_of(&dev);
        let (status, _) = show_app(&line, APP, forwarded);
        assert_eq!(status, expected, "{flags:?}");

        let session = |authorization: &str| {
            let headers = format!("host: {forwarded}\r\n{authorization}");
            let path = "/console/session.json";
            request_with(address(&line), "GET", path, &headers, "").unwrap()
        };
        let bearer = format!("authorization: Bearer {}\r\n", word(&line, "token"));
        assert_eq!(session(&bearer).status, expected, "{flags:?}");
        assert_eq!(session(&bearer).body.contains("usersig"), expected == 200);
        assert!(!session("").body.contains("usersig"));
        assert_ne!(session("authorization: Bearer wrong\r\n").status, 200);
        let foreign = session(&format!("{bearer}origin: https://elsewhere.example\r\n"));
        assert_eq!(foreign.status, 403);
        dev.stop();
    }
}

#[test]
fn a_ready_file_of_others_is_replaced_and_not_followed() {
    let scratch = Scratch::create();
    let target = scratch.write("target", "untouched");
    let file = scratch.join("ready");
    std::os::unix::fs::symlink(&target, &file).unwrap();
    fs::set_permissions(&target, Permissions::from_mode(0o644)).unwrap();
    let dev = EARMARK.dev(&scratch.join("data")).args(["--ready-file", &text(&file)]).start();
    dev.stdout.line("earmark listens");
    assert!(fs::symlink_metadata(&file).unwrap().is_file());
    dev.stop();
    assert_eq!(fs::read_to_string(&target).unwrap(), "untouched");
}

/// Exports the app of a `dev` whose data is in this folder.
fn export(data: &Path, file: &Path) {
    let socket = text(&data.join("run"));
    let url = format!("postgres://earmark@localhost/earmark?host={socket}");
    EARMARK.on(&url, ["export", APP, "--out", &text(file)]).run().expect_success();
}

#[test]
fn a_seed_gives_the_first_app_the_state_of_an_exported_one() {
    // given
    let scratch = Scratch::create();
    let (data, file) = (scratch.join("data"), scratch.join("seed"));
    let source = EARMARK.dev(&data).args(["--json"]).start();
    let original = client(&line_of(&source));
    original.must_mark("user", "friend");
    export(&data, &file);
    let marks = ["user", "user0"].map(|user| original.marks(user));
    source.stop();
    // when
    let arguments = ["--json", "--app", &format!("{APP}={SECRET_KEY}"), "--seed", &text(&file)];
    let seeded = EARMARK.dev(&scratch.join("other")).args(arguments).start();
    // then
    let copy = client(&line_of(&seeded));
    assert_eq!(["user", "user0"].map(|user| copy.marks(user)), marks);
    seeded.stop();
}

#[test]
fn a_bad_seed_is_named_with_its_line_and_nothing_is_ready() {
    let scratch = Scratch::create();
    let missing = scratch.join("no-seed");
    let foreign = scratch.write("foreign", "{\"format\":\"other\"}\n");
    let header = r#"{"format":"earmark","version":1,"app":1,"directory_revision":0,"marks":[],"counts":{"gone":0,"chat_groups":0,"users":1,"conversations":0}}"#;
    let damaged = scratch.write("damaged", format!("{header}\n{{\"user\":{{\"id\":7}}}}\n"));
    let ready = scratch.join("ready");
    for (file, words) in
        [(&missing, &["cannot open"][..]), (&foreign, &["format"]), (&damaged, &["line 2", "user"])]
    {
        let arguments = ["--seed", &text(file), "--ready-file", &text(&ready)];
        let exit = EARMARK.dev(&scratch.join("data")).args(arguments).run();
        exit.expect_failure(&[&["--seed", "EARMARK_SEED", &text(file)], words].concat());
        assert!(!ready.exists() && exit.stdout.is_empty(), "{exit:?}");
        assert_stopped(&scratch);
    }
}
