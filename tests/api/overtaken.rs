//! What somebody else has changed between loading and saving: nothing of it is lost, and nobody is saved by half.

use serde_json::{Value, json};
use sqlx::{Postgres, Transaction};

use crate::support::{
    CREATE, DEL, Mark, TestApp, UPDATE, add, clear, create, custom, marked, set, until, update,
    user, writes_are_shared,
};

/// Somebody else gives the conversation that is held a custom mark, and is done.
async fn change(mut turn: Transaction<'static, Postgres>) {
    let change = "UPDATE conversations SET custom_mark = 'theirs' WHERE peer_id = 'held'";
    sqlx::raw_sql(change).execute(&mut *turn).await.unwrap();
    turn.commit().await.unwrap();
}

/// To be overtaken is nothing that fails, and is tried again one by one.
async fn check_nothing_failed(app: &TestApp) {
    let metrics = app.metrics().await;
    let failures = metrics.lines().filter(|line| line.starts_with("earmark_commit_failures_total"));
    let failures: Vec<_> = failures.map(|line| line.rsplit(' ').next().unwrap()).collect();
    assert_eq!(failures, ["0", "0"], "{metrics}");
}

/// user0 with marked conversations. While somebody else changes that with "held", `items` are marked.
async fn overtake(marked: &[&str], items: Vec<Value>) -> Vec<Mark> {
    let app = TestApp::start().await;
    let all = marked.iter().map(|peer| set(peer, 0)).collect();
    assert_eq!(app.mark("user0", all).await.0, 0);
    let turn = app.hold_conversation("user0", "held").await;
    let done = vec![0; items.len()];
    let meanwhile = async {
        app.wait_for_waiting(1).await;
        change(turn).await;
    };
    let (answer, ()) = futures_util::future::join(app.mark("user0", items), meanwhile).await;
    assert_eq!(answer, (0, done));
    let marks = app.marks("user0").await;
    assert_eq!(app.marked("user0").await, marks.len());
    check_nothing_failed(&app).await;
    marks
}

#[actix_web::test]
async fn a_mark_is_put_on_top_of_what_somebody_else_has_put_there() {
    let marks = overtake(&["held"], vec![set("held", 1)]).await;
    assert_eq!(marks, [marked("held", 0b11, "theirs")]);
}

#[actix_web::test]
async fn a_conversation_that_was_to_go_stays_with_what_somebody_else_has_put_there() {
    let marks = overtake(&["held"], vec![clear("held", 0)]).await;
    assert_eq!(marks, [marked("held", 0, "theirs")]);
}

#[actix_web::test]
async fn items_of_a_request_are_saved_together() {
    let items = vec![set("before", 1), set("held", 1)];
    let marks = overtake(&["before", "held"], items).await;
    assert_eq!(marks, [marked("before", 0b11, ""), marked("held", 0b11, "theirs")]);

    let items = vec![set("new", 0), set("held", 1), clear("before", 0)];
    let marks = overtake(&["before", "held"], items).await;
    assert_eq!(marks, [marked("held", 0b11, "theirs"), marked("new", 1, "")]);
}

/// What waits for a lock: the last statement of whoever does.
async fn waits_with(app: &TestApp) -> String {
    app.wait_for_waiting(1).await;
    sqlx::query_scalar(
        "SELECT query FROM pg_stat_activity
        WHERE datname = current_database() AND wait_event_type = 'Lock'",
    )
    .fetch_optional(&app.db)
    .await
    .unwrap()
    .unwrap_or_default()
}

/// In a transaction, what is loaded is locked: marks are saved without their user's lock, and could come in between.
#[actix_web::test]
async fn a_transaction_locks_the_conversations_that_it_changes() {
    let app = TestApp::start().await;
    app.mark("user0", vec![set("held", 0)]).await;
    app.must(CREATE, create("user0", "group", [user("other")])).await;
    for (command, body) in [
        (UPDATE, update("user0", "group", [add(&user("held"))])),
        (DEL, json!({ "From_Account": "user0", "GroupName": ["group"] })),
    ] {
        let turn = app.hold_conversation("user0", "held").await;
        let meanwhile = async {
            let statement = waits_with(&app).await;
            assert!(statement.contains("FOR NO KEY UPDATE OF c"), "{command}: {statement}");
            change(turn).await;
        };
        let (_, ()) = futures_util::future::join(app.must(command, body), meanwhile).await;
        assert_eq!(app.marks("user0").await, [marked("held", 1, "theirs")], "{command}");
    }
}

/// Three users with a conversation each, which lie in this order. Between loading and saving `items` for user1, `change` is
/// made and the table is written anew, in the order of the keys. Gives back whose conversation lies then where that of user1
/// lay.
async fn write_anew(
    order: [&str; 3],
    items: Vec<Value>,
    change: &'static str,
) -> (TestApp, String) {
    let app = TestApp::start().await;
    let mut turn = app.db.begin().await.unwrap();
    for statement in [
        "INSERT INTO users (sdk_app_id, user_id, revision, next_position, marked, marked_max)
        SELECT sdk_app_id, user_id, 1, 2, 1, 1000 FROM apps, unnest($1::text[]) AS t (user_id)",
        "INSERT INTO conversations (sdk_app_id, user_id, kind, peer_id, standard_mark, position, changed_at)
        SELECT sdk_app_id, user_id, 1, 'peer', 1, 1, 1 FROM apps, unnest($1::text[]) AS t (user_id)",
    ] {
        sqlx::query(statement).bind(&order[..]).execute(&mut *turn).await.unwrap();
    }
    turn.commit().await.unwrap();
    let place = "SELECT ctid::text FROM conversations WHERE user_id = 'user1'";
    let place: String = sqlx::query_scalar(place).fetch_one(&app.db).await.unwrap();
    let mut turn = app.db.begin().await.unwrap();
    let readable = "LOCK TABLE conversations IN SHARE MODE";
    sqlx::raw_sql(readable).execute(&mut *turn).await.unwrap();
    let meanwhile = async {
        app.wait_for_waiting(1).await;
        for statement in [change, "CLUSTER conversations USING conversations_pkey"] {
            sqlx::raw_sql(statement).execute(&mut *turn).await.unwrap();
        }
        let there = "SELECT user_id FROM conversations WHERE ctid = $1::text::tid";
        let there = sqlx::query_scalar(there).bind(place).fetch_one(&mut *turn).await.unwrap();
        turn.commit().await.unwrap();
        there
    };
    let done = vec![0; items.len()];
    let (answer, there) = futures_util::future::join(app.mark("user1", items), meanwhile).await;
    assert_eq!(answer, (0, done));
    check_nothing_failed(&app).await;
    (app, there)
}

#[actix_web::test]
async fn a_row_that_has_come_to_lie_where_another_one_was_is_not_taken_for_it() {
    // Elsewhere, the table cannot be written anew between loading and saving.
    if !writes_are_shared() {
        return;
    }
    let changed = |mask, custom| marked("peer", mask, custom);
    for (items, mine, on_top) in [
        (vec![set("peer", 1)], vec![changed(0b11, "")], vec![changed(0b11, "theirs")]),
        (vec![clear("peer", 0)], vec![], vec![changed(0, "theirs")]),
        (
            vec![set("peer", 1), set("new", 0)],
            vec![changed(0b11, ""), marked("new", 1, "")],
            vec![changed(0b11, "theirs"), marked("new", 1, "")],
        ),
    ] {
        let (app, there) = write_anew(["user0", "user2", "user1"], items.clone(), "").await;
        assert_eq!(there, "user2");
        assert_eq!(app.marks("user2").await, [changed(1, "")], "{items:?}");
        assert_eq!(app.marks("user1").await, mine, "{items:?}");

        let change = "UPDATE conversations SET custom_mark = 'theirs' WHERE user_id = 'user1'";
        let (app, there) = write_anew(["user0", "user1", "user2"], items.clone(), change).await;
        assert_eq!(there, "user1", "another version of it");
        assert_eq!(app.marks("user1").await, on_top, "{items:?}");
    }
}

/// A transaction finds no row of the user's to lock, and waits to add one.
#[actix_web::test]
async fn a_user_whom_somebody_else_adds_first_is_taken_as_that_one_left_it() {
    let app = TestApp::start().await;
    let mut turn = app.db.begin().await.unwrap();
    for statement in [
        "INSERT INTO users (sdk_app_id, user_id, revision, next_position, marked, marked_max)
        SELECT sdk_app_id, 'user0', 1, 2, 1, 1000 FROM apps",
        "INSERT INTO conversations (sdk_app_id, user_id, kind, peer_id, custom_mark, position, changed_at)
        SELECT sdk_app_id, 'user0', 1, 'first', 'theirs', 1, 1 FROM apps",
    ] {
        sqlx::raw_sql(statement).execute(&mut *turn).await.unwrap();
    }
    let meanwhile = async {
        app.wait_for_waiting(1).await;
        turn.commit().await.unwrap();
    };
    let group = app.must(CREATE, create("user0", "group", [user("first"), user("second")]));
    futures_util::future::join(group, meanwhile).await;
    assert_eq!(app.marks("user0").await, [marked("first", 0, "theirs")]);
    assert_eq!(app.everything("user0").await.len(), 2);
    check_nothing_failed(&app).await;
    assert_eq!(app.marked("user0").await, 1);
}

/// A transaction waits for its user. Whoever has that one puts a conversation down meanwhile.
#[actix_web::test]
async fn a_conversation_that_came_while_its_user_was_waited_for_is_locked_as_well() {
    let app = TestApp::start().await;
    app.mark("user0", vec![set("held", 0)]).await;
    let held = app.hold_conversation("user0", "held").await;
    let mut turn = app.hold_user("user0").await;
    let meanwhile = async {
        app.wait_for_waiting(1).await;
        for statement in [
            "INSERT INTO conversations (sdk_app_id, user_id, kind, peer_id, standard_mark, position, changed_at)
            SELECT sdk_app_id, user_id, 1, 'came', 1, next_position, 1 FROM users",
            "UPDATE users SET revision = revision + 1, next_position = next_position + 1, marked = marked + 1",
        ] {
            sqlx::raw_sql(statement).execute(&mut *turn).await.unwrap();
        }
        turn.commit().await.unwrap();
        until(async || waits_with(&app).await.contains("FOR NO KEY UPDATE OF c")).await;
        let free = "SELECT FROM conversations WHERE peer_id = 'came' FOR NO KEY UPDATE NOWAIT";
        let free = sqlx::raw_sql(free).execute(&app.db).await;
        held.rollback().await.unwrap();
        assert!(free.is_err(), "{free:?}");
    };
    let group = app.must(CREATE, create("user0", "group", [user("came"), user("held")]));
    futures_util::future::join(group, meanwhile).await;
    assert_eq!(app.marked("user0").await, 2);
    check_nothing_failed(&app).await;
}

/// The user's row was loaded, and is not locked before it is saved.
#[actix_web::test]
async fn marks_that_come_and_go_take_no_transaction_of_several_statements() {
    if !writes_are_shared() {
        return;
    }
    let app = TestApp::start().await;
    app.mark("user0", vec![set("goes", 0), set("stays", 0)]).await;
    for item in [set("comes", 0), clear("goes", 0), custom("stays", "x")] {
        let turn = match item["ContactItem"]["To_Account"].as_str() {
            Some("stays") => app.hold_conversation("user0", "stays").await,
            _ => app.hold_user("user0").await,
        };
        let meanwhile = async {
            let statement = waits_with(&app).await;
            assert!(!statement.contains("FOR NO KEY UPDATE"), "{item}: {statement}");
            turn.rollback().await.unwrap();
        };
        let marked = app.mark("user0", vec![item.clone()]);
        let (answer, ()) = futures_util::future::join(marked, meanwhile).await;
        assert_eq!(answer, (0, vec![0]), "{item}");
    }
}

#[actix_web::test]
async fn a_mark_on_what_is_marked_waits_for_nobody_who_has_the_user() {
    if !writes_are_shared() {
        return;
    }
    let app = TestApp::start().await;
    app.mark("user0", vec![set("user1", 0)]).await;
    let turn = app.hold_user("user0").await;
    assert_eq!(app.mark("user0", vec![set("user1", 1)]).await, (0, vec![0]));
    turn.rollback().await.unwrap();
    assert_eq!(app.marks("user0").await, [marked("user1", 0b11, "")]);
}
