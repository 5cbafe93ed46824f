//! `earmark doctor` finds each thing that is wrong with a database, and says what to do.

use serde_json::Value;
use testkit::postgres::{Database, Postgres};
use testkit::{Exit, Scratch, wait_until};

use crate::EARMARK;
use crate::pgbouncer::Bouncer;

fn doctor(url: &str, arguments: &[&str]) -> Exit {
    EARMARK.on(url, ["doctor"]).args(arguments).run()
}

/// The exit code, and the document that `--output json` prints.
fn diagnosis(url: &str, arguments: &[&str]) -> (i32, Value) {
    let exit = doctor(url, &[arguments, &["--output", "json"]].concat());
    let document = serde_json::from_str(&exit.stdout);
    (exit.code.unwrap(), document.unwrap_or_else(|error| panic!("{error}: {exit:?}")))
}

/// Checks that the doctor gives this check this level, and uses these words.
#[track_caller]
fn check(url: &str, arguments: &[&str], name: &str, level: &str, words: &[&str]) {
    let (code, document) = diagnosis(url, arguments);
    let checks = document["checks"].as_array().unwrap();
    let found = checks.iter().find(|check| check["name"] == name);
    let found = found.unwrap_or_else(|| panic!("{name} in {document}"));
    assert_eq!(found["level"], level, "{found}");
    assert_eq!(found["advice"].is_null(), level == "ok", "{found}");
    let text = found.to_string();
    for word in words {
        assert!(text.contains(word), "`{word}` is missing in: {text}");
    }
    let has_failure = checks.iter().any(|check| check["level"] == "failure");
    assert_eq!(code, i32::from(has_failure), "{document}");
}

fn migrated() -> Database {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    database
}

#[test]
fn a_healthy_database_passes_every_check() {
    let database = migrated();
    let printed = doctor(&database.url, &[]).expect_success();
    let lines: Vec<_> = printed.lines().collect();
    let (summary, checks) = lines.split_last().unwrap();
    assert!(checks.iter().all(|line| line.starts_with("ok       ")), "{printed}");
    assert_eq!(*summary, format!("{} checks, failures: 0, warnings: 0", checks.len()));
    assert!(!printed.contains("partition"), "{printed}");

    let (code, document) = diagnosis(&database.url, &[]);
    assert_eq!((code, &document["failures"], &document["warnings"]), (0, &0.into(), &0.into()));
    assert_eq!(document["checks"].as_array().unwrap().len(), checks.len());
}

#[test]
fn a_warning_has_its_advice_below_and_exits_with_0() {
    let database = migrated();
    let name = database.name();
    database.connect().run(&format!("ALTER DATABASE {name} SET synchronous_commit = off"));
    let printed = doctor(&database.url, &[]).expect_success();
    let mut lines = printed.lines().skip_while(|line| !line.starts_with("warning"));
    let warning = "warning  durability    synchronous_commit is off for this role and database";
    assert_eq!(lines.next(), Some(warning));
    let advice = lines.next().unwrap();
    assert!(advice.starts_with(&" ".repeat(23)) && advice.contains("Set it to on"), "{advice}");
    assert!(printed.ends_with(" checks, failures: 0, warnings: 1\n"), "{printed}");
}

#[test]
fn settings_of_the_database_that_do_harm_are_named() {
    for (setting, name, level, words) in [
        (
            "synchronous_commit = local",
            "durability",
            "warning",
            &["synchronous_commit is local"][..],
        ),
        ("idle_session_timeout = '5min'", "timeouts", "warning", &["idle_session_timeout is 5min"]),
        ("default_transaction_read_only = on", "writes", "failure", &["read-only"]),
    ] {
        let database = migrated();
        let alter = format!("ALTER DATABASE {} SET {setting}", database.name());
        database.connect().run(&alter);
        check(&database.url, &[], name, level, words);
    }
}

#[test]
fn a_database_that_does_not_answer_is_a_failure() {
    let url = "postgres://me:hidden-word@127.0.0.1:1/nothing";
    check(url, &[], "connection", "failure", &["refused", "EARMARK_DATABASE_URL"]);
    let exit = doctor(url, &[]);
    assert_eq!(exit.code, Some(1));
    assert!(
        exit.stdout.starts_with("failure  connection  the database does not answer"),
        "{exit:?}"
    );
    assert!(!format!("{exit:?}").contains("hidden-word"), "{exit:?}");
    EARMARK.command(["doctor"]).run().expect_failure(&["--database-url", "missing"]);
}

#[test]
fn a_missing_an_older_and_a_newer_schema_are_told_apart() {
    let database = Database::create();
    check(&database.url, &[], "schema", "failure", &["no schema", "earmark migrate"]);
    EARMARK.migrate(&database.url).expect_success();
    check(&database.url, &[], "schema", "ok", &["version"]);
    let mut sql = database.connect();
    sql.run("UPDATE refinery_schema_history SET version = version + 900");
    check(&database.url, &[], "schema", "warning", &["newer than this program"]);
    sql.run("DELETE FROM refinery_schema_history WHERE version > 901");
    sql.run("UPDATE refinery_schema_history SET version = -1");
    check(&database.url, &[], "schema", "failure", &["version -1", "earmark migrate"]);
}

#[test]
fn missing_privileges_are_named() {
    let database = migrated();
    let mut sql = database.connect();
    sql.run(
        "CREATE ROLE limited LOGIN;
         GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO limited;
         REVOKE INSERT, UPDATE ON users FROM limited;
         REVOKE SELECT ON live_conversations FROM limited",
    );
    let url = database.url.replace("earmark@", "limited@");
    assert_ne!(url, database.url);
    let words = ["SELECT on live_conversations, INSERT on users, UPDATE on users"];
    check(&url, &[], "privileges", "failure", &words);
    sql.run(
        "GRANT INSERT, UPDATE ON users TO limited; GRANT SELECT ON live_conversations TO limited",
    );
    check(&url, &[], "privileges", "ok", &[]);
    check(&url, &[], "transactions", "ok", &["pg_monitor"]);
    sql.run("DELETE FROM refinery_schema_history");
    sql.run("INSERT INTO refinery_schema_history (version) VALUES (-1)");
    check(&url, &[], "privileges", "failure", &["belong to earmark", "as earmark"]);

    let empty = Database::create();
    let url = empty.url.replace("earmark@", "limited@");
    check(&url, &[], "privileges", "failure", &["may not create tables", "public"]);
}

#[test]
fn too_few_connections_are_named() {
    let database = migrated();
    let max = "SELECT current_setting('max_connections')::bigint
        - current_setting('superuser_reserved_connections')::bigint";
    let max = database.connect().number(max);
    for (connections, level) in
        [(max / 2 - 5, "ok"), (max / 2 - 4, "warning"), (max - 5, "warning"), (max - 4, "failure")]
    {
        let arguments = ["--database-connections", &connections.to_string()];
        check(&database.url, &arguments, "connections", level, &[&max.to_string()]);
    }
}

#[test]
fn an_encoding_that_cannot_store_every_mark_is_a_failure() {
    let database = Database::create();
    let latin = format!("{}_latin", database.name());
    database
        .connect()
        .run(&format!("CREATE DATABASE {latin} ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0"));
    let url = database.url.replace(database.name(), &latin);
    check(&url, &[], "encoding", "failure", &["LATIN1", "UTF8"]);
}

#[test]
fn the_mode_of_a_pooler_is_found_out() {
    let database = migrated();
    check(&database.url, &[], "pooler", "ok", &["session of its own"]);
    let without = ["--database-statement-cache", "false"];
    check(&database.url, &without, "pooler", "warning", &["round trip"]);
    let Some(bouncer) = Bouncer::start(&database, "transaction", 3) else { return };
    check(
        &bouncer.url,
        &[],
        "pooler",
        "failure",
        &["transaction mode", "--database-statement-cache"],
    );
    check(&bouncer.url, &without, "pooler", "ok", &["transaction mode"]);
    let bouncer = Bouncer::start(&database, "session", 3).unwrap();
    check(&bouncer.url, &[], "pooler", "ok", &["session of its own"]);
    let bouncer = Bouncer::start(&database, "statement", 3).unwrap();
    check(&bouncer.url, &[], "pooler", "failure", &["statement mode"]);
}

#[test]
fn an_index_that_differs_from_its_table_is_a_failure() {
    let database = migrated();
    check(&database.url, &["--indexes"], "index contents", "warning", &["amcheck"]);
    let mut sql = database.connect();
    sql.run("CREATE EXTENSION amcheck");
    check(&database.url, &["--indexes"], "index contents", "ok", &["indexes agree"]);
    // The index was built in the order of the first version of this function.
    let compare = |order: &str| {
        format!(
            "CREATE OR REPLACE FUNCTION compare(a INTEGER, b INTEGER) RETURNS INTEGER
             LANGUAGE sql IMMUTABLE AS 'SELECT {order}'"
        )
    };
    sql.run(&compare("btint4cmp(a, b)"));
    sql.run(
        "CREATE OPERATOR CLASS odd FOR TYPE INTEGER USING btree AS
            OPERATOR 1 <, OPERATOR 2 <=, OPERATOR 3 =, OPERATOR 4 >=, OPERATOR 5 >, FUNCTION 1 compare(INTEGER, INTEGER);
         INSERT INTO apps (sdk_app_id, edition, directory, secret_key) VALUES (7, 'pro', 'open', 'a-key-of-this-test');
         INSERT INTO users (sdk_app_id, user_id, next_position) SELECT 7, n, n FROM generate_series(1, 9) AS n;
         CREATE INDEX users_odd ON users (next_position odd)",
    );
    check(&database.url, &["--indexes"], "index contents", "ok", &[]);
    sql.run(&compare("btint4cmp(b, a)"));
    let words = ["users_odd", "REINDEX"];
    check(&database.url, &["--indexes"], "index contents", "failure", &words);
}

#[test]
fn an_invalid_index_is_a_failure() {
    let database = migrated();
    database.connect().run("UPDATE pg_index SET indisvalid = FALSE WHERE indexrelid = 'conversations_position'::regclass");
    check(&database.url, &[], "indexes", "failure", &["conversations_position", "REINDEX"]);
}

#[test]
fn servers_that_lose_writes_or_refuse_them_are_failures() {
    let (first, second) = (Scratch::create(), Scratch::create());
    let settings = ["fsync=off", "full_page_writes=off"];
    let Some(primary) = Postgres::start(first.path(), &settings) else { return };
    let words = ["off: fsync, full_page_writes; "];
    check(&primary.url(), &[], "durability", "failure", &words);
    check(&primary.url(), &[], "standbys", "ok", &["this server alone"]);

    let standby = primary.start_standby(second.path(), "standby");
    check(&standby.url(), &[], "writes", "failure", &["standby", "primary"]);
    let mut sql = primary.sql("postgres");
    let standbys = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'";
    wait_until("the standby streams", || sql.number(standbys) == 1);
    check(&primary.url(), &[], "standbys", "warning", &["asynchronous"]);
}
