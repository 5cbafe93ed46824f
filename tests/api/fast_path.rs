//! Marks on rows that are there take one statement. While it waits for a user's lock, other writers change what it saw: no
//! change of theirs is lost, and a request is applied as a whole.

use futures_util::future::join;
use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};

use earmark::domain::{Directory, Edition};

use crate::support::{
    ACCOUNT_DELETE, CREATE, MARK_CONTACT, Mark, TestApp, UPDATE, add, assert_fails, clear, codes,
    create, custom, mark_contact, marked, set, set_limits, update, user,
};

/// What waits for a lock.
async fn waiting_statement(app: &TestApp) -> String {
    app.wait_for_waiting(1).await;
    let waiting = "SELECT query FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(waiting).fetch_optional(&app.db).await.unwrap().unwrap_or_default()
}

const FAST: &str = "-- mark.sql";
const LOCKING: &str = "FOR NO KEY UPDATE OF u";

async fn run(turn: &mut Transaction<'static, Postgres>, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&mut **turn).await.unwrap();
}

/// Nothing failed, so nothing was tried again alone.
async fn check_nothing_failed(app: &TestApp) {
    let metrics = app.metrics().await;
    let failures = metrics.lines().filter(|line| line.starts_with("earmark_commit_failures_total"));
    let failures: Vec<_> = failures.map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(failures, ["0", "0"], "{metrics}");
}

/// user0 has marked conversations. While another writer holds user0's lock and makes a change, `items` are marked.
async fn while_waiting(
    marked: &[&str],
    items: Vec<Value>,
    expected_statement: &str,
    changes: &[&'static str],
) -> Vec<Mark> {
    let app = TestApp::start().await;
    let all = marked.iter().map(|peer| set(peer, 0)).collect();
    assert_eq!(app.mark("user0", all).await.0, 0);
    let mut turn = app.hold_user("user0").await;
    let done = vec![0; items.len()];
    let meanwhile = async {
        let statement = waiting_statement(&app).await;
        assert!(statement.contains(expected_statement), "{statement}");
        for change in changes {
            run(&mut turn, change).await;
        }
        turn.commit().await.unwrap();
    };
    let (answer, ()) = join(app.mark("user0", items), meanwhile).await;
    assert_eq!(answer, (0, done));
    app.marked("user0").await;
    check_nothing_failed(&app).await;
    app.marks("user0").await
}

const THEIRS: &str = "UPDATE conversations SET custom_mark = 'theirs' WHERE peer_id = 'held'";

#[actix_web::test]
async fn a_mark_is_put_on_top_of_what_another_writer_has_put_there() {
    let marks = while_waiting(&["held"], vec![set("held", 1)], FAST, &[THEIRS]).await;
    assert_eq!(marks, [marked("held", 0b11, "theirs")]);
}

#[actix_web::test]
async fn a_bit_is_cleared_beside_what_another_writer_has_put_there() {
    let marks = while_waiting(&["held"], vec![clear("held", 0)], FAST, &[THEIRS]).await;
    assert_eq!(marks, [marked("held", 0, "theirs")]);
}

#[actix_web::test]
async fn items_of_a_request_are_applied_together() {
    let items = vec![set("before", 1), set("held", 1)];
    let marks = while_waiting(&["before", "held"], items, FAST, &[THEIRS]).await;
    assert_eq!(marks, [marked("before", 0b11, ""), marked("held", 0b11, "theirs")]);

    let items = vec![set("new", 0), set("held", 1), clear("before", 0)];
    let marks = while_waiting(&["before", "held"], items, LOCKING, &[THEIRS]).await;
    assert_eq!(marks, [marked("held", 0b11, "theirs"), marked("new", 1, "")]);
}

/// An item that seemed to change nothing is applied all the same if the rest of its request is applied later.
#[actix_web::test]
async fn an_item_that_changed_nothing_is_looked_at_again() {
    let cleared = "UPDATE conversations SET standard_mark = 0 WHERE peer_id = 'held'";
    let items = vec![set("held", 0), set("before", 1)];
    let marks = while_waiting(&["before", "held"], items, FAST, &[cleared]).await;
    assert_eq!(marks, [marked("before", 0b11, ""), marked("held", 1, "")]);
}

#[actix_web::test]
async fn a_row_that_was_removed_while_a_mark_waited_is_made_again() {
    let emptied =
        "UPDATE conversations SET standard_mark = 0, changed_revision = 2 WHERE peer_id = 'held'";
    let removed = "DELETE FROM conversations WHERE peer_id = 'held'";
    let noted = "UPDATE users SET revision = 2, forgotten_revision = 2, row_count = 1, marked = 1";
    let items = vec![set("before", 1), set("held", 1)];
    let changes = [emptied, removed, noted];
    let marks = while_waiting(&["before", "held"], items, FAST, &changes).await;
    assert_eq!(marks, [marked("before", 0b11, ""), marked("held", 0b10, "")]);
}

/// The request clears a bit where there is no row, which changes nothing. Meanwhile there is one.
#[actix_web::test]
async fn a_row_that_came_while_a_mark_waited_is_changed() {
    let added = "INSERT INTO conversations
            (sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision)
        SELECT sdk_app_id, user_id, 1, 'came', 3, TRUE, next_position, 1, 2 FROM users";
    let noted = "UPDATE users SET
        revision = 2, row_count = 2, marked = 2, next_position = next_position + 1";
    let items = vec![clear("came", 0), set("held", 1)];
    let marks = while_waiting(&["held"], items, FAST, &[added, noted]).await;
    assert_eq!(marks, [marked("held", 0b11, ""), marked("came", 0b10, "")]);
}

#[actix_web::test]
async fn an_owner_who_is_deleted_while_a_mark_waits_is_not_marked() {
    let mut app = TestApp::with(Edition::Premium, Directory::Owners).await;
    let another = app.start_another().await;
    app.import("user0").await;
    assert_eq!(app.mark("user0", vec![set("peer", 0)]).await, (0, vec![0]));
    let turn = app.hold_user("user0").await;
    let deletes = app.call(ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": "user0" }] }));
    let marks = async {
        app.wait_for_waiting(1).await;
        app.call_at(another, MARK_CONTACT, mark_contact("user0", [set("peer", 1)])).await
    };
    let release = async {
        app.wait_for_waiting(2).await;
        turn.rollback().await.unwrap();
    };
    let (deleted, marked, ()) = futures_util::future::join3(deletes, marks, release).await;
    assert_eq!(deleted["ResultItem"][0]["ResultCode"], 0, "{deleted}");
    assert_fails(&marked, 50001, "From_Account: not imported, or deleted");
    assert_eq!(app.marked("user0").await, 0);
}

/// Which statement each request waits with for its user's lock.
#[actix_web::test]
async fn marks_on_rows_that_are_there_take_the_fast_path() {
    let app = TestApp::start().await;
    app.mark("user0", vec![set("peer", 0), set("empty", 0)]).await;
    app.mark("user0", vec![clear("empty", 0)]).await;
    app.must(CREATE, create("user0", "group", [user("grouped")])).await;
    for (items, statement) in [
        (vec![set("peer", 1)], FAST),
        (vec![clear("peer", 0), custom("peer", "x")], FAST),
        (vec![set("empty", 0)], FAST),
        (vec![clear("empty", 0), clear("never", 5)], FAST),
        (vec![set("new", 0)], LOCKING),
        (vec![set("peer", 2), set("newer", 0)], LOCKING),
        (vec![set("grouped", 0)], LOCKING),
    ] {
        let turn = app.hold_user("user0").await;
        let meanwhile = async {
            let waiting = waiting_statement(&app).await;
            assert!(waiting.contains(statement), "{items:?}: {waiting}");
            turn.rollback().await.unwrap();
        };
        let done = vec![0; items.len()];
        let (answer, ()) = join(app.mark("user0", items.clone()), meanwhile).await;
        assert_eq!(answer, (0, done), "{items:?}");
    }
    app.marked("user0").await;
}

#[actix_web::test]
async fn a_request_that_changes_nothing_waits_for_no_lock_and_writes_nothing() {
    let app = TestApp::start().await;
    app.mark("user0", vec![set("peer", 0), custom("peer", "x")]).await;
    let (revision, _) = app.revision_and_count("user0").await;
    let turn = app.hold_user("user0").await;
    let items = vec![set("peer", 0), clear("peer", 9), custom("peer", "x"), clear("never", 0)];
    assert_eq!(app.mark("user0", items).await, (0, vec![0; 4]));
    turn.rollback().await.unwrap();
    assert_eq!(app.revision_and_count("user0").await, (revision, 1));
    assert_eq!(app.state_rows().await, 2);
}

/// The same bit is set and cleared again and again.
#[actix_web::test]
async fn a_conversation_that_is_marked_again_keeps_its_row_and_its_position() {
    let app = TestApp::start().await;
    app.mark("user0", vec![set("a", 1), set("b", 1)]).await;
    let row = "SELECT position, changed_revision FROM conversations WHERE peer_id = 'a'";
    for round in 1..=3 {
        app.mark("user0", vec![clear("a", 1)]).await;
        assert_eq!(app.everything("user0").await.len(), 1, "an empty row does not show");
        let found: (i32, i64) = sqlx::query_as(row).fetch_one(&app.db).await.unwrap();
        assert_eq!(found, (1, 2 * round), "but it says when it became empty");
        app.mark("user0", vec![set("a", 1)]).await;
        assert_eq!(app.marks("user0").await, [marked("a", 2, ""), marked("b", 2, "")]);
    }
    assert_eq!(app.revision_and_count("user0").await, (7, 2));
}

/// More places are held than the limit allows, as it was lowered: marks are counted, although all rows are there.
#[actix_web::test]
async fn where_more_places_are_held_than_there_are_every_mark_is_counted() {
    let mut app = TestApp::with_limits(&["marked=3"]).await;
    app.mark("user0", vec![set("a", 0), set("b", 0), set("c", 0)]).await;
    app.must(CREATE, create("user0", "group", [user("a"), user("b")])).await;
    app.change(set_limits(&["marked=2"])).await;
    // A service that has not seen the app yet sees the new limit.
    let at = app.start_another().await;
    let mark = async |items: Vec<Value>| {
        codes(&app.call_at(at, MARK_CONTACT, mark_contact("user0", items)).await).1
    };
    assert_eq!(mark(vec![clear("a", 0), clear("b", 0)]).await, [0, 0]);
    assert_eq!(mark(vec![set("a", 1)]).await, [0]);
    assert_eq!(mark(vec![set("b", 1)]).await, [51008]);
    assert_eq!(mark(vec![set("new", 1)]).await, [51008]);
    assert_eq!(app.marked("user0").await, 2);
    assert_eq!(mark(vec![clear("c", 0), set("b", 1)]).await, [0, 0]);
    assert_eq!(app.marked("user0").await, 2);
}

/// The locking path finds no row of the user to lock, and waits to add one.
#[actix_web::test]
async fn a_user_whom_another_writer_adds_first_is_taken_as_that_writer_left_it() {
    let app = TestApp::start().await;
    let mut turn = app.db.begin().await.unwrap();
    for statement in [
        "INSERT INTO users (sdk_app_id, user_id, revision, next_position, row_count, marked, marked_max)
        SELECT sdk_app_id, 'user0', 1, 2, 1, 1, 1000 FROM apps",
        "INSERT INTO conversations
            (sdk_app_id, user_id, kind, peer_id, custom_mark, holds_place, position, changed_at, changed_revision)
        SELECT sdk_app_id, 'user0', 1, 'first', 'theirs', TRUE, 1, 1, 1 FROM apps",
    ] {
        run(&mut turn, statement).await;
    }
    let meanwhile = async {
        app.wait_for_waiting(1).await;
        turn.commit().await.unwrap();
    };
    let group = app.must(CREATE, create("user0", "group", [user("first"), user("second")]));
    join(group, meanwhile).await;
    assert_eq!(app.marks("user0").await, [marked("first", 0, "theirs")]);
    assert_eq!(app.everything("user0").await.len(), 2);
    check_nothing_failed(&app).await;
    assert_eq!(app.marked("user0").await, 1);
}

/// The locking path waits for its user. The holder of the lock adds a conversation meanwhile.
#[actix_web::test]
async fn a_conversation_that_came_while_its_user_was_waited_for_is_found() {
    let app = TestApp::start().await;
    app.mark("user0", vec![set("held", 0)]).await;
    app.must(CREATE, create("user0", "group", [user("held")])).await;
    let mut turn = app.hold_user("user0").await;
    let meanwhile = async {
        app.wait_for_waiting(1).await;
        for statement in [
            "INSERT INTO conversations
                (sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision)
            SELECT sdk_app_id, user_id, 1, 'came', 1, TRUE, next_position, 1, revision + 1 FROM users",
            "UPDATE users SET
                revision = revision + 1, next_position = next_position + 1, row_count = row_count + 1, marked = marked + 1",
        ] {
            run(&mut turn, statement).await;
        }
        turn.commit().await.unwrap();
    };
    let group = app.must(UPDATE, update("user0", "group", [add(&user("came"))]));
    join(group, meanwhile).await;
    assert_eq!(app.marks("user0").await, [marked("held", 1, ""), marked("came", 1, "")]);
    assert_eq!(app.marked("user0").await, 2);
    check_nothing_failed(&app).await;
}
