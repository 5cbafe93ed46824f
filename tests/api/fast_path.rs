//! Marks on existing rows take one statement, the fast path. While the statement waits for a user's lock, other writers
//! change rows that it has read: no change is lost, and every request is applied as a whole.

use earmark::domain::{Directory, Edition};
use futures_util::future::{join, join3};
use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};

use crate::support::*;

/// The statement that waits for a lock.
pub(crate) async fn blocked_statement(app: &TestApp) -> String {
    app.wait_for_blocked(1).await;
    let waiting = "SELECT query FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'";
    sqlx::query_scalar(waiting).fetch_optional(&app.db).await.unwrap().unwrap_or_default()
}

pub(crate) const FAST: &str = "-- mark.sql";
pub(crate) const LOCKING: &str = "FOR NO KEY UPDATE OF u";

async fn run(lock: &mut Transaction<'static, Postgres>, statement: &'static str) {
    sqlx::raw_sql(statement).execute(&mut **lock).await.unwrap();
}

/// No commit failed, so the service retried no request alone.
async fn check_no_commit_failed(app: &TestApp) {
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
    app.mark("user0", marked.iter().map(|peer| set(peer, 0))).await.assert_ok();
    let mut lock = app.lock_user("user0").await;
    let meanwhile = async {
        let statement = blocked_statement(&app).await;
        assert!(statement.contains(expected_statement), "{statement}");
        for change in changes {
            run(&mut lock, change).await;
        }
        lock.commit().await.unwrap();
    };
    let (answer, ()) = join(app.mark("user0", items), meanwhile).await;
    answer.assert_ok();
    app.marked_count("user0").await;
    check_no_commit_failed(&app).await;
    app.marks("user0").await
}

const THEIRS: &str = "UPDATE conversations SET custom_mark = 'theirs' WHERE peer_id = 'held'";

#[actix_web::test]
async fn a_bit_is_set_on_top_of_a_concurrent_change() {
    let marks = while_waiting(&["held"], vec![set("held", 1)], FAST, &[THEIRS]).await;
    assert_eq!(marks, [marked("held", 0b11, "theirs")]);
}

#[actix_web::test]
async fn a_bit_is_cleared_on_top_of_a_concurrent_change() {
    let marks = while_waiting(&["held"], vec![clear("held", 0)], FAST, &[THEIRS]).await;
    assert_eq!(marks, [marked("held", 0, "theirs")]);
}

#[actix_web::test]
async fn the_items_of_a_request_are_applied_together() {
    let items = vec![set("before", 1), set("held", 1)];
    let marks = while_waiting(&["before", "held"], items, FAST, &[THEIRS]).await;
    assert_eq!(marks, [marked("before", 0b11, ""), marked("held", 0b11, "theirs")]);

    let items = vec![set("new", 0), set("held", 1), clear("before", 0)];
    let marks = while_waiting(&["before", "held"], items, LOCKING, &[THEIRS]).await;
    assert_eq!(marks, [marked("held", 0b11, "theirs"), marked("new", 1, "")]);
}

/// An item that changed nothing when it was read is applied again with the rest of its request.
#[actix_web::test]
async fn an_item_that_changed_nothing_is_applied_again_after_the_wait() {
    let cleared = "UPDATE conversations SET standard_mark = 0 WHERE peer_id = 'held'";
    let items = vec![set("held", 0), set("before", 1)];
    let marks = while_waiting(&["before", "held"], items, FAST, &[cleared]).await;
    assert_eq!(marks, [marked("before", 0b11, ""), marked("held", 1, "")]);
}

#[actix_web::test]
async fn a_row_that_another_writer_removes_during_the_wait_is_created_again() {
    let emptied =
        "UPDATE conversations SET standard_mark = 0, changed_revision = 2 WHERE peer_id = 'held'";
    let removed = "DELETE FROM conversations WHERE peer_id = 'held'";
    let noted = "UPDATE users SET revision = 2, forgotten_revision = 2, row_count = 1, marked = 1";
    let items = vec![set("before", 1), set("held", 1)];
    let changes = [emptied, removed, noted];
    let marks = while_waiting(&["before", "held"], items, FAST, &changes).await;
    assert_eq!(marks, [marked("before", 0b11, ""), marked("held", 0b10, "")]);
}

/// The request clears a bit of a conversation without a row, which changes nothing. Another writer adds the row.
#[actix_web::test]
async fn a_row_that_another_writer_adds_during_the_wait_is_changed() {
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
async fn the_marks_of_a_user_who_is_deleted_during_the_wait_are_refused() {
    let mut app = TestApp::with(Edition::Premium, Directory::Owners).await;
    let another = app.start_another().await;
    app.import("user0").await;
    app.mark("user0", [set("peer", 0)]).await.assert_ok();
    let lock = app.lock_user("user0").await;
    let deletes = app.call(ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": "user0" }] }));
    let marks = async {
        app.wait_for_blocked(1).await;
        app.mark_at(another, "user0", [set("peer", 1)]).await
    };
    let release = async {
        app.wait_for_blocked(2).await;
        lock.rollback().await.unwrap();
    };
    let (deleted, marked, ()) = join3(deletes, marks, release).await;
    deleted.assert_items([Ok]);
    marked.assert_refused(UnknownUser, "From_Account: not imported, or deleted");
    assert_eq!(app.marked_count("user0").await, 0);
}

/// The statement that waits for the user's lock shows which path a request takes.
#[actix_web::test]
async fn marks_on_existing_rows_take_the_fast_path() {
    let app = TestApp::start().await;
    app.mark("user0", [set("peer", 0), set("empty", 0)]).await.assert_ok();
    app.mark("user0", [clear("empty", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "g", [user("grouped")])).await;
    for (items, statement) in [
        (vec![set("peer", 1)], FAST),
        (vec![clear("peer", 0), custom("peer", "x")], FAST),
        (vec![set("empty", 0)], FAST),
        (vec![clear("empty", 0), clear("never", 5)], FAST),
        (vec![set("new", 0)], LOCKING),
        (vec![set("peer", 2), set("newer", 0)], LOCKING),
        (vec![set("grouped", 0)], LOCKING),
    ] {
        let lock = app.lock_user("user0").await;
        let meanwhile = async {
            let waiting = blocked_statement(&app).await;
            assert!(waiting.contains(statement), "{items:?}: {waiting}");
            lock.rollback().await.unwrap();
        };
        let (answer, ()) = join(app.mark("user0", items.clone()), meanwhile).await;
        answer.assert_ok();
    }
    app.marked_count("user0").await;
}

#[actix_web::test]
async fn a_request_that_changes_nothing_takes_no_lock_and_writes_nothing() {
    let app = TestApp::start().await;
    app.mark("user0", [set("peer", 0), custom("peer", "x")]).await.assert_ok();
    let (revision, _) = app.revision_and_count("user0").await;
    let lock = app.lock_user("user0").await;
    let items = vec![set("peer", 0), clear("peer", 9), custom("peer", "x"), clear("never", 0)];
    app.mark("user0", items).await.assert_ok();
    lock.rollback().await.unwrap();
    assert_eq!(app.revision_and_count("user0").await, (revision, 1));
    assert_eq!(app.state_rows().await, 2);
}

/// The same bit is set and cleared again and again.
#[actix_web::test]
async fn a_conversation_that_is_marked_again_keeps_its_row_and_position() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 1), set("b", 1)]).await.assert_ok();
    let row = "SELECT position, changed_revision FROM conversations WHERE peer_id = 'a'";
    for round in 1..=3 {
        app.mark("user0", [clear("a", 1)]).await.assert_ok();
        assert_eq!(app.all_pages("user0").await.len(), 1, "an empty row is not shown");
        let found: (i32, i64) = sqlx::query_as(row).fetch_one(&app.db).await.unwrap();
        assert_eq!(found, (1, 2 * round), "the row has the revision at which it became empty");
        app.mark("user0", [set("a", 1)]).await.assert_ok();
        assert_eq!(app.marks("user0").await, [marked("a", 2, ""), marked("b", 2, "")]);
    }
    assert_eq!(app.revision_and_count("user0").await, (7, 2));
}

/// The limit was lowered below the number of marked conversations. So the service counts, although all rows exist.
#[actix_web::test]
async fn above_a_lowered_limit_every_mark_is_counted() {
    let mut app = TestApp::with_limits(&["marked=3"]).await;
    app.mark("user0", [set("a", 0), set("b", 0), set("c", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "g", [user("a"), user("b")])).await;
    app.change(set_limits(&["marked=2"])).await;
    // A second process has no cached app, so it uses the new limit.
    let at = app.start_another().await;
    app.mark_at(at, "user0", [clear("a", 0), clear("b", 0)]).await.assert_ok();
    app.mark_at(at, "user0", [set("a", 1)]).await.assert_ok();
    app.mark_at(at, "user0", [set("b", 1)]).await.assert_items([ConversationsFull]);
    app.mark_at(at, "user0", [set("new", 1)]).await.assert_items([ConversationsFull]);
    assert_eq!(app.marked_count("user0").await, 2);
    app.mark_at(at, "user0", [clear("c", 0), set("b", 1)]).await.assert_ok();
    assert_eq!(app.marked_count("user0").await, 2);
}

/// The locking path finds no row of the user to lock, and waits for the other writer's new row.
#[actix_web::test]
async fn a_user_whom_another_writer_adds_first_keeps_that_writers_state() {
    let app = TestApp::start().await;
    let mut lock = app.db.begin().await.unwrap();
    for statement in [
        "INSERT INTO users (sdk_app_id, user_id, revision, next_position, row_count, marked, marked_max)
        SELECT sdk_app_id, 'user0', 1, 2, 1, 1, 1000 FROM apps",
        "INSERT INTO conversations
            (sdk_app_id, user_id, kind, peer_id, custom_mark, holds_place, position, changed_at, changed_revision)
        SELECT sdk_app_id, 'user0', 1, 'first', 'theirs', TRUE, 1, 1, 1 FROM apps",
    ] {
        run(&mut lock, statement).await;
    }
    let meanwhile = async {
        app.wait_for_blocked(1).await;
        lock.commit().await.unwrap();
    };
    let create_or_update =
        app.call_ok(CREATE, create("user0", "g", [user("first"), user("second")]));
    join(create_or_update, meanwhile).await;
    assert_eq!(app.marks("user0").await, [marked("first", 0, "theirs")]);
    assert_eq!(app.all_pages("user0").await.len(), 2);
    check_no_commit_failed(&app).await;
    assert_eq!(app.marked_count("user0").await, 1);
}

/// The locking path waits for its user. The writer that holds the lock adds a conversation.
#[actix_web::test]
async fn a_conversation_that_another_writer_adds_during_the_wait_is_found() {
    let app = TestApp::start().await;
    app.mark("user0", [set("held", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "g", [user("held")])).await;
    let mut lock = app.lock_user("user0").await;
    let meanwhile = async {
        app.wait_for_blocked(1).await;
        for statement in [
            "INSERT INTO conversations
                (sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at, changed_revision)
            SELECT sdk_app_id, user_id, 1, 'came', 1, TRUE, next_position, 1, revision + 1 FROM users",
            "UPDATE users SET
                revision = revision + 1, next_position = next_position + 1, row_count = row_count + 1, marked = marked + 1",
        ] {
            run(&mut lock, statement).await;
        }
        lock.commit().await.unwrap();
    };
    let create_or_update = app.call_ok(UPDATE, update("user0", "g", [add(&user("came"))]));
    join(create_or_update, meanwhile).await;
    assert_eq!(app.marks("user0").await, [marked("held", 1, ""), marked("came", 1, "")]);
    assert_eq!(app.marked_count("user0").await, 2);
    check_no_commit_failed(&app).await;
}
