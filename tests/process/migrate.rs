//! Migrations while other sessions hold locks, as `pg_dump` does for as long as it runs.

use std::fs;
use std::io::Read as _;
use std::path::Path;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use earmark::deadline::Deadline;
use earmark::store::locks::{LockMode, TableLock};
use earmark::store::schema::{MigrateError, Migrations};
use earmark::store::{Database as Settings, Store};
use serde_json::{Value, json};
use testkit::postgres::{Database, Postgres, Sql};
use testkit::{Scratch, wait_until};
use tokio::runtime::{Builder, Runtime};

use crate::{EARMARK, traffic};

/// A migration that needs the strongest lock, for a moment. It follows those of this binary.
const STRICT: (&str, &str) = (
    "V9000__change_default.sql",
    "-- Restates a default.\n-- locks: ACCESS EXCLUSIVE on conversations\n\
     ALTER TABLE conversations ALTER COLUMN custom_mark SET DEFAULT ''",
);
/// The key of the advisory lock: "earmark" in ASCII.
const SCHEMA_LOCK: i64 = 0x0065_6172_6d61_726b;
const LONG: Duration = Duration::from_mins(1);

/// The files of `migrations/` in their order, each with its name and its text.
fn files() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("migrations");
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut files: Vec<_> = entries
        .map(|entry| {
            (entry.file_name().into_string().unwrap(), fs::read_to_string(entry.path()).unwrap())
        })
        .collect();
    files.sort_by_key(|(name, _)| name[1..name.find("__").unwrap()].parse::<u32>().unwrap());
    files
}

/// The migrations of this binary, and `more`.
fn migrations_and(more: &[(&str, &str)]) -> Migrations {
    let own = files();
    let own = own.iter().map(|(name, sql)| (name.as_str(), sql.as_str()));
    Migrations::of_files(&own.chain(more.iter().copied()).collect::<Vec<_>>()).unwrap()
}

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn migrate(url: &str, more: &[(&str, &str)], wait: Duration) -> Result<Vec<String>, MigrateError> {
    runtime().block_on(async {
        let store = Store::connect(&Settings::from_url(url).unwrap()).await.unwrap();
        migrations_and(more).run(&store, wait).await
    })
}

/// A session that reads a table for a long time.
fn dump(database: &Database, table: &str) -> Sql {
    let mut dump = database.connect();
    dump.run("SET application_name = 'pg_dump'");
    dump.run("BEGIN");
    dump.run(&format!("LOCK TABLE {table} IN ACCESS SHARE MODE"));
    dump
}

#[test]
fn migrate_logs_nothing_if_all_goes_well() {
    let database = Database::create();

    let exit = EARMARK.migrate(&database.url);

    assert_eq!(exit.stderr, "");
    exit.expect_success();
}

/// Nothing reads what `pg_dump` writes until the end of the test, so it waits in the middle of its work with all its locks.
#[test]
fn reads_and_writes_succeed_while_pg_dump_holds_up_a_migration() {
    let scratch = Scratch::create();
    let Some(server) = Postgres::start(scratch.path(), &[]) else { return };
    EARMARK.prepare(&server.url());
    let mut sql = server.sql("earmark");
    let more_than_a_pipe_holds =
        "CREATE TABLE ballast AS SELECT repeat('x', 1000) FROM generate_series(1, 1000)";
    sql.run(more_than_a_pipe_holds);
    let service = EARMARK.start(EARMARK.serve(&server.url()));
    service.client().must_mark("user", "before");
    let mut dump = server.command("pg_dump");
    let mut dump = dump.arg(server.url()).stdout(Stdio::piped()).spawn().unwrap();
    wait_until("pg_dump has its locks", || {
        sql.number(
            "SELECT count(*) FROM pg_locks JOIN pg_stat_activity USING (pid)
            WHERE application_name = 'pg_dump' AND relation = 'conversations'::regclass AND granted",
        ) == 1
    });
    let mut is_waiting = || {
        let waiting = "SELECT count(*) FROM pg_locks WHERE relation = 'conversations'::regclass \
            AND mode = 'AccessExclusiveLock' AND NOT granted";
        sql.number(waiting) > 0
    };

    let (migrated, dumped) = traffic::during(&service.client(), |calls| {
        thread::scope(|scope| {
            let migrating = scope.spawn(|| migrate(&server.url(), &[STRICT], LONG));
            for _ in 0..3 {
                wait_until("the migration asks for its lock", &mut is_waiting);
                wait_until("the migration gives up for a moment", || !is_waiting());
                calls.wait_for(20);
            }
            let mut dumped = String::new();
            dump.stdout.take().unwrap().read_to_string(&mut dumped).unwrap();
            (migrating.join().unwrap(), dumped)
        })
    });

    assert_eq!(migrated.unwrap(), ["V9000__change_default"]);
    assert!(dump.wait().unwrap().success());
    assert!(dumped.contains("\tbefore\t"), "the dump is not complete");
    service.process.stop();
}

#[test]
fn a_migration_without_its_lock_names_the_session_that_holds_it() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let mut dump = dump(&database, "conversations");
    let pid = dump.number("SELECT pg_backend_pid()::bigint");

    let error = migrate(&database.url, &[STRICT], Duration::from_secs(1)).unwrap_err().to_string();

    assert!(error.starts_with("no lock for V9000__change_default within 1 s; "), "{error}");
    let session =
        format!("pid {pid}, pg_dump, role earmark, idle in transaction, transaction open for ");
    assert!(error.contains(&session), "{error}");
    assert!(error.contains("pg_terminate_backend"), "{error}");
    dump.run("COMMIT");
    let migrated = migrate(&database.url, &[STRICT], LONG).unwrap();
    assert_eq!(migrated, ["V9000__change_default"]);
}

#[test]
fn migrate_fails_after_the_lock_wait() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let mut other = database.connect();
    other.run("BEGIN");
    other.run("LOCK TABLE refinery_schema_history IN ACCESS EXCLUSIVE MODE");
    let pid = other.number("SELECT pg_backend_pid()::bigint");

    let exit = EARMARK.on(&database.url, ["migrate", "--lock-wait-s", "1"]).run();

    assert_eq!(exit.stdout, "");
    exit.expect_failure(&["migrations", "within 1 s", &format!("pid {pid}")]);
    other.run("ROLLBACK");
    // As a replica that migrates at the same time.
    other.run("BEGIN");
    other.run(&format!("SELECT pg_advisory_xact_lock({SCHEMA_LOCK})"));
    let exit = EARMARK.on(&database.url, ["migrate", "--lock-wait-s", "1"]).run();
    exit.expect_failure(&["migrations", "within 1 s", &format!("pid {pid}")]);
    let bad = EARMARK.on(&database.url, ["migrate", "--lock-wait-s", "0"]).run();
    bad.expect_failure(&["--lock-wait-s"]);
}

#[test]
fn each_migration_commits_by_itself() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let dump = dump(&database, "conversations");
    let free = ("V8999__add_note.sql", "CREATE TABLE notes (text TEXT)");

    let error = migrate(&database.url, &[free, STRICT], Duration::from_secs(1)).unwrap_err();

    assert!(error.to_string().contains("V9000__change_default"), "{error}");
    assert_eq!(database.connect().number("SELECT count(*) FROM notes"), 0);
    drop(dump);
    assert_eq!(migrate(&database.url, &[free, STRICT], LONG).unwrap(), ["V9000__change_default"]);
}

#[test]
fn a_plan_names_each_lock_and_the_sessions_that_hold_it_up() {
    let database = Database::create();
    EARMARK.migrate(&database.url).expect_success();
    let mut dump = dump(&database, "conversations");
    let pid = dump.number("SELECT pg_backend_pid()::bigint");

    let plan = runtime().block_on(async {
        let store = Store::connect(&Settings::from_url(&database.url).unwrap()).await.unwrap();
        migrations_and(&[STRICT]).plan(&store, Deadline::of_a_request()).await.unwrap()
    });

    let [(lock, holders)] = plan.last().unwrap().locks.as_slice() else { panic!("{plan:?}") };
    let expected = TableLock { mode: LockMode::AccessExclusive, table: "conversations".to_owned() };
    assert_eq!(*lock, expected);
    assert_eq!(holders.len(), 1, "{holders:?}");
    assert_eq!(holders[0].pid.map(i64::from), Some(pid));
    assert_eq!(holders[0].application_name.as_deref(), Some("pg_dump"));
    assert_eq!(holders[0].state.as_deref(), Some("idle in transaction"));
}

/// The locks that a migration takes on tables and views that existed before, as one text.
fn locks_taken(sql: &mut Sql, migration: &str) -> String {
    sql.run("BEGIN");
    sql.run(
        "CREATE TEMPORARY TABLE existing ON COMMIT DROP AS
         SELECT oid, relname FROM pg_class
         WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p', 'v', 'm')",
    );
    sql.run(migration);
    let modes: Vec<_> = LockMode::ALL
        .iter()
        .map(|mode| format!("('{}', '{}')", mode.catalog_name(), mode.name()))
        .collect();
    let taken = sql.text(&format!(
        "SELECT COALESCE(string_agg(name || ' on ' || relname, ', ' ORDER BY relname), '')
         FROM (
             SELECT DISTINCT ON (relname) relname, name
             FROM pg_locks JOIN existing ON oid = relation
                 JOIN (VALUES {}) AS modes (mode, name) USING (mode)
             WHERE pid = pg_backend_pid() AND mode <> 'AccessShareLock'
             ORDER BY relname, array_position(ARRAY(SELECT mode FROM (VALUES {}) AS m (mode, name)), mode) DESC
         ) AS strongest",
        modes.join(", "),
        modes.join(", "),
    ));
    sql.run("COMMIT");
    taken
}

/// The same from the line in the text of the migration, sorted by table.
fn locks_listed(migration: &str) -> String {
    let line = migration.lines().find_map(|line| line.strip_prefix("-- locks: "));
    let mut locks: Vec<_> = line.unwrap_or_default().split(", ").collect();
    locks.sort_by_key(|lock| lock.rsplit(' ').next());
    locks.join(", ")
}

#[test]
fn each_migration_lists_the_locks_that_it_takes_on_existing_tables() {
    let database = Database::create();
    let mut sql = database.connect();
    let more = [
        STRICT,
        (
            "V9001__add_notes.sql",
            "-- locks: SHARE ROW EXCLUSIVE on apps, SHARE on users, ROW EXCLUSIVE on gone\n\
             CREATE TABLE notes (app BIGINT REFERENCES apps);
             CREATE INDEX users_marked ON users (marked);
             UPDATE gone SET is_gone = FALSE",
        ),
    ];
    let more = more.map(|(name, text)| (name.to_owned(), text.to_owned()));

    for (name, text) in files().into_iter().chain(more) {
        assert_eq!(locks_listed(&text), locks_taken(&mut sql, &text), "{name}");
    }
}

#[test]
fn the_results_of_migrate_are_json_documents() {
    let database = Database::create();
    let run = |arguments: &[&str]| {
        let exit = EARMARK.on(&database.url, arguments).args(["--output", "json"]).run();
        let document: Value = serde_json::from_str(&exit.stdout).unwrap();
        (exit.code, document)
    };

    let (code, plan) = run(&["migrate", "--plan"]);
    assert_eq!(code, Some(3));
    assert_eq!(plan["up_to_date"], false);
    let first = &plan["migrations"][0];
    assert_eq!(first["version"], 1);
    assert_eq!(first["name"], "create_apps_and_users");
    assert_eq!(first["checksum"].as_str().unwrap().len(), 16);
    assert_eq!((&first["state"], &first["locks"]), (&json!("pending"), &json!([])));

    let (code, migrated) = run(&["migrate"]);
    assert_eq!((code, &migrated["applied"][0]), (Some(0), &json!("V1__create_apps_and_users")));
    assert_eq!(run(&["migrate"]), (Some(0), json!({ "applied": [] })));
    let (code, plan) = run(&["migrate", "--plan"]);
    assert_eq!((code, &plan["up_to_date"]), (Some(0), &json!(true)));
    assert_eq!(plan["migrations"][0]["state"], "applied");
}
