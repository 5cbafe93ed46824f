//! Migrations that are planned, and binaries on a schema that is not quite theirs.

use std::process::Command;

use crate::support::{Database, Ended, Program, Service, migrate, prepare, request, serve};

fn plan(url: &str) -> Ended {
    Program::earmark(["migrate", "--plan"]).env("EARMARK_DATABASE_URL", url).run()
}

const TABLES: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";

#[test]
fn a_plan_says_what_would_run_and_changes_nothing() {
    let database = Database::new();
    let planned = plan(&database.url);
    assert_eq!(planned.code, Some(3), "{planned:?}");
    let lines: Vec<_> = planned.stdout.lines().collect();
    assert!(lines[0].starts_with("V1__create_apps_and_users (checksum "), "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with("): would run")), "{lines:?}");
    assert_eq!(database.connect().number(TABLES), 0, "it has only looked");

    let applied = migrate(&database.url).printed();
    assert_eq!(applied.lines().count(), lines.len());
    let planned = plan(&database.url).printed();
    assert_eq!(planned.matches("): has run\n").count(), lines.len(), "{planned}");
    assert!(planned.ends_with("the schema is up to date\n"), "{planned}");
}

#[test]
fn a_plan_tells_a_changed_migration_and_one_of_a_newer_binary() {
    let database = Database::new();
    migrate(&database.url).printed();
    database.connect().run(
        "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1;
         INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '2')",
    );
    let planned = plan(&database.url).printed();
    assert!(planned.contains("): has run, but its text has changed since\n"), "{planned}");
    let newer = "V9999__from_the_future (checksum 0000000000000002): has run, by a newer binary\n";
    assert!(planned.contains(newer), "{planned}");
}

#[test]
fn a_plan_that_cannot_be_made_exits_with_1() {
    let ended = plan("postgres://nobody@127.0.0.1:1/nothing");
    assert_eq!(ended.code, Some(1), "{ended:?}");
    ended.refused(&["EARMARK_DATABASE_URL"]);
}

#[test]
fn an_older_schema_is_refused_with_the_names_of_what_is_missing() {
    let database = Database::new();
    migrate(&database.url).printed();
    database.connect().run("DELETE FROM refinery_schema_history");
    serve(&database.url).run().refused(&["schema is older", "V1__create_apps_and_users"]);
}

/// What a release after this one may do to the schema: it adds, and takes nothing away.
const ADDITIVE: &str = "
    ALTER TABLE users ADD COLUMN future_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE conversations ADD COLUMN future_note TEXT;
    ALTER TABLE apps ADD COLUMN future_max INTEGER NOT NULL DEFAULT 7;
    CREATE TABLE future_things (sdk_app_id BIGINT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (sdk_app_id, user_id));
    CREATE INDEX future_index ON conversations (sdk_app_id, user_id, future_note);
    INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
    VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '1')";

/// Everything that a service does, on the schema as it is.
#[track_caller]
fn check_works(service: &Service) {
    let client = service.client();
    let call = |command: &str, body: &str| {
        let answer = client.call(command, body).unwrap();
        assert!(answer.body.contains(r#""ErrorCode":0"#), "{command}: {answer:?}");
        answer.body
    };
    client.must_mark("user", "friend");
    let group = r#"{"From_Account":"user","GroupContactItem":[{"GroupName":"g","ContactItem":[{"Type":1,"To_Account":"friend"}]}]}"#;
    call("create_contact_group", group);
    let item = r#"{"Type":1,"To_Account":"friend"}"#;
    call(
        "top",
        &format!(r#"{{"From_Account":"user","OperationType":1,"RecentContactItem":[{item}]}}"#),
    );
    assert!(client.marks("user").contains("friend"));
    assert!(call("get_list", r#"{"From_Account":"user","TimeStamp":0,"StartIndex":0,"TopTimeStamp":0,"TopStartIndex":0,"AssistFlags":7}"#).contains("friend"));
    call("del_contact_group", r#"{"From_Account":"user","GroupName":["g"]}"#);
    assert_eq!(request(service.admin, "GET", "/readyz", "").unwrap().status, 200);
}

#[test]
fn this_binary_works_on_the_schema_of_the_next() {
    let database = Database::new();
    prepare(&database.url);
    let running = Service::start(serve(&database.url));
    check_works(&running);
    // The upgrade happens while it runs; then another one of its kind starts.
    database.connect().run(ADDITIVE);
    check_works(&running);
    let started = Service::start(serve(&database.url));
    assert!(started.process.stderr.line("newer").contains("9999"));
    check_works(&started);
    running.process.stop();
    started.process.stop();
}

#[test]
fn the_release_before_works_on_the_schema_of_this_binary() {
    #[expect(clippy::disallowed_methods, reason = "only the caller can know where that binary is")]
    let Ok(binary) = std::env::var("EARMARK_PREVIOUS_BINARY") else {
        println!("skipped: EARMARK_PREVIOUS_BINARY names no binary of the release before");
        return;
    };
    let database = Database::new();
    prepare(&database.url);
    let previous = || {
        let mut command = Command::new(&binary);
        command.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"]);
        Program::other(command).env("EARMARK_DATABASE_URL", &database.url)
    };
    let (old, new) = (Service::start(previous()), Service::start(serve(&database.url)));
    check_works(&old);
    check_works(&new);
    check_works(&old);
    old.process.stop();
    new.process.stop();
}
