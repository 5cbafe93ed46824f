//! `migrate --plan`, and binaries on the schema of another release.

use testkit::postgres::Database;
use testkit::{Earmark, Exit, Service, not_tested};

use crate::{EARMARK, traffic};

fn plan(url: &str) -> Exit {
    EARMARK.on(url, ["migrate", "--plan"]).run()
}

const TABLES: &str = "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'";

#[test]
fn a_plan_lists_the_migrations_and_changes_nothing() {
    let database = Database::create();
    let planned = plan(&database.url);
    assert_eq!(planned.code, Some(3), "{planned:?}");
    // The lines below a migration name its locks.
    let lines: Vec<_> = planned.stdout.lines().filter(|line| !line.starts_with(' ')).collect();
    assert!(lines[0].starts_with("V1__create_apps_and_users (checksum "), "{lines:?}");
    assert!(lines.iter().all(|line| line.ends_with("): would run")), "{lines:?}");
    assert_eq!(database.connect().number(TABLES), 0, "the plan changed the schema");

    let applied = EARMARK.migrate(&database.url).expect_success();
    assert_eq!(applied.lines().count(), lines.len());
    let planned = plan(&database.url).expect_success();
    assert_eq!(planned.matches("): has run\n").count(), lines.len(), "{planned}");
    assert!(planned.ends_with("the schema is up to date\n"), "{planned}");
}

#[test]
fn a_plan_shows_changed_migrations_and_those_of_a_newer_binary() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    database.connect().run(
        "UPDATE refinery_schema_history SET checksum = '1' WHERE version = 1;
         INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
         VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '2')",
    );
    let planned = plan(&database.url).expect_success();
    assert!(planned.contains("): has run, but its text has changed since\n"), "{planned}");
    let newer = "V9999__from_the_future (checksum 0000000000000002): has run, by a newer binary\n";
    assert!(planned.contains(newer), "{planned}");
}

#[test]
fn a_plan_without_a_database_exits_with_1() {
    let exit = plan("postgres://nobody@127.0.0.1:1/nothing");
    assert_eq!(exit.code, Some(1), "{exit:?}");
    exit.expect_failure(&["EARMARK_DATABASE_URL"]);
}

#[test]
fn serve_refuses_an_older_schema_and_names_the_missing_migrations() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    database.connect().run("DELETE FROM refinery_schema_history");
    EARMARK
        .serve(&database.url)
        .run()
        .expect_failure(&["schema is older", "V1__create_apps_and_users"]);
}

/// Changes that the next release may make to the schema. They add, and remove nothing.
const ADDITIVE: &str = "
    ALTER TABLE users ADD COLUMN future_count INTEGER NOT NULL DEFAULT 0;
    ALTER TABLE conversations ADD COLUMN future_note TEXT;
    ALTER TABLE apps ADD COLUMN future_max INTEGER NOT NULL DEFAULT 7;
    CREATE TABLE future_things (sdk_app_id BIGINT NOT NULL, user_id TEXT NOT NULL, PRIMARY KEY (sdk_app_id, user_id));
    CREATE INDEX future_index ON conversations (sdk_app_id, user_id, future_note);
    INSERT INTO refinery_schema_history (version, name, applied_on, checksum)
    VALUES (9999, 'from_the_future', '2030-01-01T00:00:00Z', '1')";

/// Checks that the service can write and read.
#[track_caller]
fn check_works(service: &Service) {
    let client = service.client();
    let call = |command: &str, body: &str| {
        client.must_call(&format!("recentcontact/{command}"), body).body
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
    service.wait_until_ready();
}

#[test]
fn this_binary_works_on_the_schema_of_the_next_release() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let running = EARMARK.start(EARMARK.serve(&database.url));
    check_works(&running);
    // The schema is upgraded while a service runs. Then another service of the same release starts.
    database.connect().run(ADDITIVE);
    check_works(&running);
    let started = EARMARK.start(EARMARK.serve(&database.url));
    assert!(started.process.stderr.line("newer").contains("9999"));
    check_works(&started);
    running.process.stop();
    started.process.stop();
}

/// The program of the previous release. Without it, says so and returns `None`.
fn previous_release() -> Option<Earmark> {
    #[expect(clippy::disallowed_methods, reason = "only the caller knows where that binary is")]
    let Ok(binary) = std::env::var("EARMARK_PREVIOUS_BINARY") else {
        not_tested("EARMARK_PREVIOUS_BINARY does not name the binary of the previous release");
        return None;
    };
    Some(Earmark::at(binary.leak()))
}

#[test]
fn the_previous_release_works_on_the_schema_of_this_binary() {
    let Some(previous) = previous_release() else { return };
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let [old, new] = [previous, EARMARK].map(|release| release.start(release.serve(&database.url)));
    check_works(&old);
    check_works(&new);
    check_works(&old);
    old.process.stop();
    new.process.stop();
}

/// The order of docs/operations.md: first the schema, then one process after the other.
#[test]
fn a_rolling_upgrade_from_the_previous_release_fails_no_call() {
    let Some(previous) = previous_release() else { return };
    let database = Database::create();
    previous.prepare(&database.url);
    let old = previous.start(previous.serve(&database.url));
    let new = traffic::during(&old.client(), |old_calls| {
        old_calls.wait_for(50);
        EARMARK.migrate(&database.url).expect_success();
        old_calls.wait_for(50);
        let new = EARMARK.start(EARMARK.serve(&database.url));
        traffic::during(&new.client(), |new_calls| {
            new_calls.wait_for(50);
            old_calls.wait_for(50);
        });
        new
    });
    old.process.stop();
    check_works(&new);
    // The way back.
    let old = previous.start(previous.serve(&database.url));
    check_works(&old);
    old.process.stop();
    new.process.stop();
}
