//! The tests can fail: each test here plants a bug and expects a finding within a budget of calls.
//!
//! The bugs are in the test's own database. Triggers, another view and changed settings make PostgreSQL behave as it would
//! behind a buggy service. The service itself is the released one. A sequence or the transaction id decides when a bug acts.
//! A run without a bug passes: see `calm.rs`.
//!
//! A panic in a batch is not among the bugs: we know of no content of a database that makes the service panic.

use nix::sys::signal::Signal;
use testkit::postgres::{Database, Postgres};
use testkit::{Scratch, Service};

use crate::load::Plan;
use crate::stand::{addresses, calm_round, prepare, round, run_in_partitions, seeds, start};

/// Rounds of calls in which a bug has to be found.
const ROUNDS: u64 = 5;
const CALLS: usize = 1500;
/// How each finding of the checker begins, after the name and the seed of the round.
const UNEXPLAINED: &str = "nothing explains";
const INTERNAL_ERROR: &str = r#""ErrorCode":50004"#;

/// Runs rounds until one fails. Returns the finding.
#[track_caller]
fn find(bug: &str, mut round: impl FnMut(Plan) -> Result<(), String>) -> String {
    let first = seeds(1)[0];
    for nr in 1..=ROUNDS {
        let plan = Plan { seed: first + nr, users: 2, clients: 8, calls: CALLS };
        if let Err(finding) = round(plan) {
            let line = finding.lines().next().unwrap_or_default();
            println!("{bug}: found in round {nr}: {line:.200}");
            return finding;
        }
    }
    panic!("{bug}: not found in {ROUNDS} rounds of {CALLS} calls, seeds from {first}");
}

/// Starts two services on a database with this bug, and returns the first finding that is wanted.
#[track_caller]
fn find_in_database(
    bug: &str,
    sql: &str,
    is_wanted: impl Fn(&str) -> bool,
) -> (String, Vec<Service>) {
    let database = Database::create();
    prepare(&database.url);
    run_in_partitions(&mut database.connect(), sql);
    let services = start(&database.url, 2);
    let finding = find(bug, |plan| {
        calm_round(&database.url, &services, plan)
            .or_else(|finding| if is_wanted(&finding) { Err(finding) } else { Ok(()) })
    });
    (finding, services)
}

/// The checker itself finds the bug: neither an error of the service nor `earmark verify` is needed.
#[track_caller]
fn check_finds(bug: &str, sql: &str) {
    // What the bug has stored may make a later call fail. The next round has other users.
    let is_of_checker = |finding: &str| !finding.contains(INTERNAL_ERROR);
    let (finding, _services) = find_in_database(bug, sql, is_of_checker);
    assert!(finding.contains(UNEXPLAINED), "{bug}: {finding}");
}

/// Keeps each conversation as it was before the last change of its bits, in the table `earlier`.
const KEEP_EARLIER: &str = "
    CREATE SEQUENCE turn;
    CREATE TABLE earlier (LIKE conversations INCLUDING INDEXES);
    CREATE FUNCTION keep_earlier() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        DELETE FROM earlier e WHERE (e.sdk_app_id, e.user_id, e.kind, e.peer_id)
            = (OLD.sdk_app_id, OLD.user_id, OLD.kind, OLD.peer_id);
        INSERT INTO earlier SELECT OLD.*;
        RETURN NULL;
    END $$;
    CREATE TRIGGER keep_earlier AFTER UPDATE ON conversations
        FOR EACH ROW WHEN (NEW.standard_mark <> OLD.standard_mark) EXECUTE FUNCTION keep_earlier();";

/// Every tenth change of bits is computed from the version before the last change, so the last change is lost.
const LOSE_UPDATES: &str = "
    CREATE FUNCTION lose_update() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        bits BIGINT;
    BEGIN
        SELECT standard_mark INTO bits FROM earlier e
        WHERE (e.sdk_app_id, e.user_id, e.kind, e.peer_id)
            = (OLD.sdk_app_id, OLD.user_id, OLD.kind, OLD.peer_id);
        IF bits IS NOT NULL AND nextval('turn') % 10 = 0 THEN
            NEW.standard_mark := (bits | (NEW.standard_mark & ~OLD.standard_mark))
                & ~(OLD.standard_mark & ~NEW.standard_mark);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER lose_update BEFORE UPDATE ON conversations
        FOR EACH ROW WHEN (NEW.standard_mark <> OLD.standard_mark) EXECUTE FUNCTION lose_update();";

#[test]
fn a_lost_update_is_found() {
    check_finds("lost update", &format!("{KEEP_EARLIER}{LOSE_UPDATES}"));
}

/// Every tenth change of bits applies the last change of that conversation a second time, as a retry does whose first
/// attempt had succeeded.
const DOUBLE_UPDATES: &str = "
    CREATE SEQUENCE turn;
    CREATE TABLE applied (
        sdk_app_id BIGINT, user_id TEXT, kind SMALLINT, peer_id TEXT, set_bits BIGINT, clear_bits BIGINT,
        PRIMARY KEY (sdk_app_id, user_id, kind, peer_id)
    );
    CREATE FUNCTION double_update() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        last applied;
        now applied;
    BEGIN
        now := (
            NEW.sdk_app_id, NEW.user_id, NEW.kind, NEW.peer_id,
            NEW.standard_mark & ~OLD.standard_mark, OLD.standard_mark & ~NEW.standard_mark
        );
        DELETE FROM applied a
        WHERE (a.sdk_app_id, a.user_id, a.kind, a.peer_id) = (now.sdk_app_id, now.user_id, now.kind, now.peer_id)
        RETURNING * INTO last;
        INSERT INTO applied SELECT now.*;
        IF last.set_bits IS NOT NULL AND nextval('turn') % 10 = 0 THEN
            NEW.standard_mark := (NEW.standard_mark | last.set_bits) & ~last.clear_bits;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER double_update BEFORE UPDATE ON conversations
        FOR EACH ROW WHEN (NEW.standard_mark <> OLD.standard_mark) EXECUTE FUNCTION double_update();";

#[test]
fn a_change_that_is_applied_twice_is_found() {
    check_finds("applied twice", DOUBLE_UPDATES);
}

/// Every fiftieth transaction stores no change of a user's state. The service counts the rows that it saves, so an UPDATE
/// stores the old row, and an INSERT of a conversation an empty one.
const STORE_NOTHING: &str = "
    CREATE FUNCTION store_nothing() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RETURN CASE TG_OP WHEN 'UPDATE' THEN OLD END;
    END $$;
    CREATE FUNCTION store_empty_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        NEW.standard_mark := 0;
        NEW.custom_mark := '';
        NEW.holds_place := FALSE;
        NEW.group_ids := '{}';
        NEW.position := NULL;
        NEW.pin_position := NULL;
        RETURN NEW;
    END $$;
    CREATE TRIGGER store_nothing BEFORE UPDATE ON users FOR EACH ROW
        WHEN (pg_current_xact_id()::text::bigint % 50 = 0) EXECUTE FUNCTION store_nothing();
    CREATE TRIGGER store_nothing BEFORE UPDATE OR DELETE ON conversations FOR EACH ROW
        WHEN (pg_current_xact_id()::text::bigint % 50 = 0) EXECUTE FUNCTION store_nothing();
    CREATE TRIGGER store_empty_row BEFORE INSERT ON conversations FOR EACH ROW
        WHEN (pg_current_xact_id()::text::bigint % 50 = 0) EXECUTE FUNCTION store_empty_row();
    CREATE TRIGGER store_nothing BEFORE INSERT OR UPDATE OR DELETE ON contact_groups FOR EACH ROW
        WHEN (pg_current_xact_id()::text::bigint % 50 = 0) EXECUTE FUNCTION store_nothing();";

#[test]
fn an_acknowledged_change_that_was_not_stored_is_found() {
    check_finds("not stored", STORE_NOTHING);
}

/// Every twentieth row that the fast path marks is missed. The fast path does not count the rows that it has marked.
const MISS_ROWS: &str = "
    CREATE SEQUENCE turn;
    CREATE FUNCTION miss_row() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF current_query() LIKE '%locked AS (%' AND nextval('turn') % 20 = 0 THEN
            RETURN NULL;
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER miss_row BEFORE UPDATE ON conversations FOR EACH ROW EXECUTE FUNCTION miss_row();";

#[test]
fn a_mark_that_misses_its_row_is_found() {
    check_finds("missed row", MISS_ROWS);
}

/// Readers see every tenth row as it was before the last change of its bits, as on a replica that lags. A writer sees the
/// newest rows, because it has locked its user and so its transaction has an id.
const SHOW_EARLIER: &str = "
    ALTER VIEW live_conversations RENAME TO newest_conversations;
    CREATE FUNCTION as_shown(newest newest_conversations) RETURNS newest_conversations LANGUAGE plpgsql AS $$
    DECLARE
        old newest_conversations;
    BEGIN
        IF pg_current_xact_id_if_assigned() IS NULL AND nextval('turn') % 10 = 0 THEN
            SELECT * INTO old FROM earlier e WHERE (e.sdk_app_id, e.user_id, e.kind, e.peer_id)
                = (newest.sdk_app_id, newest.user_id, newest.kind, newest.peer_id);
        END IF;
        RETURN CASE WHEN old.peer_id IS NULL THEN newest ELSE old END;
    END $$;
    CREATE VIEW live_conversations AS
    SELECT
        newest.sdk_app_id, newest.user_id, newest.kind, newest.peer_id, shown.standard_mark, shown.custom_mark,
        shown.holds_place, shown.group_ids, shown.position, shown.pin_position, shown.changed_at, shown.changed_revision
    FROM newest_conversations newest CROSS JOIN LATERAL as_shown(newest) AS shown
    WHERE shown.standard_mark <> 0 OR shown.custom_mark <> '' OR shown.group_ids <> '{}'
        OR shown.pin_position IS NOT NULL;";

#[test]
fn a_stale_read_is_found() {
    check_finds("stale read", &format!("{KEEP_EARLIER}{SHOW_EARLIER}"));
}

/// Removes the constraints on the counts.
const DROP_CHECKS: &str = "
    ALTER TABLE users
        DROP CONSTRAINT users_rows_counted, DROP CONSTRAINT users_marked_in_room,
        DROP CONSTRAINT users_grouped_in_room, DROP CONSTRAINT users_pinned_in_room;";

/// Every third time that a count of a user grows, it stays as it was.
const COUNT_TOO_FEW: &str = "
    CREATE SEQUENCE turn;
    CREATE FUNCTION count_too_few() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF nextval('turn') % 3 = 0 THEN
            NEW.marked := LEAST(NEW.marked, OLD.marked);
            NEW.grouped := LEAST(NEW.grouped, OLD.grouped);
            NEW.pinned := LEAST(NEW.pinned, OLD.pinned);
        END IF;
        RETURN NEW;
    END $$;
    CREATE TRIGGER count_too_few BEFORE UPDATE ON users FOR EACH ROW
        WHEN (NEW.marked > OLD.marked OR NEW.grouped > OLD.grouped OR NEW.pinned > OLD.pinned)
        EXECUTE FUNCTION count_too_few();";

#[test]
fn wrong_counts_are_found() {
    check_finds("wrong counts", &format!("{DROP_CHECKS}{COUNT_TOO_FEW}"));
}

/// Every tenth change of a user's numbers is lost, as if two writers had not waited for each other.
const OVERWRITE_USERS: &str = "
    CREATE SEQUENCE turn;
    CREATE FUNCTION overwrite_user() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        RETURN CASE WHEN nextval('turn') % 10 = 0 THEN OLD ELSE NEW END;
    END $$;
    CREATE TRIGGER overwrite_user BEFORE UPDATE ON users FOR EACH ROW
        WHEN (NEW.next_position > OLD.next_position) EXECUTE FUNCTION overwrite_user();";

/// The schema refuses a second conversation with the same position.
#[test]
fn an_overwritten_user_violates_a_constraint() {
    let (finding, services) = find_in_database("overwritten user", OVERWRITE_USERS, |_| true);
    assert!(finding.contains("50004"), "{finding}");
    let logs = services.iter().map(|service| service.process.stderr.so_far());
    assert!(logs.into_iter().any(|log| log.contains("conversations_position")), "{finding}");
}

/// The service sets `synchronous_commit` in each of its sessions. This turns it off again in each transaction.
const ASYNCHRONOUS_COMMIT: &str = "
    CREATE FUNCTION commit_later() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        PERFORM set_config('synchronous_commit', 'off', TRUE);
        RETURN NULL;
    END $$;
    CREATE TRIGGER commit_later AFTER INSERT OR UPDATE ON users
        FOR EACH STATEMENT EXECUTE FUNCTION commit_later();";

#[test]
fn an_answer_before_the_commit_is_on_disk_is_found() {
    let scratch = Scratch::create();
    // With this setting, PostgreSQL writes an asynchronous commit to the disk up to 10 seconds later.
    let Some(mut postgres) = Postgres::start(scratch.path(), &["wal_writer_delay=10s"]) else {
        return;
    };
    let url = postgres.url();
    prepare(&url);
    run_in_partitions(&mut postgres.sql("earmark"), ASYNCHRONOUS_COMMIT);
    let services = start(&url, 2);
    let finding = find("asynchronous commit", |plan| {
        round("kill -9", &url, plan, addresses(&services), |load| {
            load.wait_for_calls(100);
            postgres.end(Signal::SIGKILL);
            postgres.start_again();
            load.time_to_recover()
        })
    });
    assert!(finding.contains(UNEXPLAINED), "{finding}");
}
