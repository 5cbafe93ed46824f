use std::time::Duration;

use earmark::deadline::Deadline;
use earmark::domain::SdkAppId;
use earmark::service::{Until, delete_app};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use super::{assert_bad, done, finish, operate, start};
use crate::support::*;
use crate::v1::event_stream::EventStream;
use crate::v1::{Ask, changes, cursor};

const RESET: &str = "POST /1400000001/reset?confirm=1400000001";
const DELETE_APP: &str = "DELETE /1400000001?confirm=1400000001";

/// Gives the app users, accounts, chat groups, members of the directory who are gone, and entries of the feed.
async fn fill(app: &TestApp) {
    for owner in ["user0", "user1"] {
        app.import(owner).await;
        app.mark(owner, [set("a", 0), set("b", 0)]).await.assert_ok();
        app.call_ok(CREATE, create(owner, "work", [user("a"), chat_group("room")])).await;
    }
    app.import("left").await;
    app.delete_account("left").await;
    app.call_ok(CREATE_CHAT_GROUP, json!({ "Type": "Public", "Name": "room", "GroupId": "room" }))
        .await;
}

/// The tables with rows of an app, each with their number. Without the audit trail, which outlives the app.
async fn rows_of(app: &TestApp, number: i64) -> Vec<(String, usize)> {
    let tables = app.rows_of(number).await;
    assert!(tables.len() >= 15, "{tables:?}");
    let counts = tables.into_iter().map(|(table, rows)| (table, rows.len()));
    counts.filter(|(table, count)| *count > 0 && table != "audit").collect()
}

async fn operator_view(app: &TestApp) -> Value {
    let app = app.app().await;
    json!({
        "keys": app.keys().map(|key| key.id).collect::<Vec<_>>(), "admins": app.admins, "limits": app.limits.to_string(),
        "feed": app.feed, "disabled": app.disabled, "marks": app.marks.iter().count(),
    })
}

#[actix_web::test]
async fn a_reset_removes_the_state_and_keeps_the_app() {
    let (app, at) = start(&["pinned=7"]).await;
    app.turn_feed_on().await;
    Ask::put("/marks/40").body(json!({ "name": "vip" })).send(&app).await.ok();
    fill(&app).await;
    let before = operator_view(&app).await;
    let removed = finish(at, RESET, "RemovedState").await;
    let changes = removed["changes"].as_u64().unwrap();
    assert!(changes >= 6, "{removed}");
    assert_eq!(
        removed,
        json!({ "sdkappid": APP, "users": 3, "conversations": 6, "contact_groups": 2, "accounts": 2, "chat_groups": 1,
            "changes": changes, "complete": true })
    );
    assert_eq!(operator_view(&app).await, before);
    let mut left: Vec<_> = rows_of(&app, APP).await.into_iter().map(|(table, _)| table).collect();
    // Only if the service has counted the app already.
    left.retain(|table| table != "app_sizes");
    assert_eq!(left, ["app_admins", "app_keys", "app_marks", "apps", "feed_head"]);

    // The app is as new: numbers begin again.
    app.mark("left", [set("a", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "again", EMPTY)).await;
    assert_eq!(app.contact_groups("user0").await, [("again".to_owned(), 1)]);
    assert_eq!(Ask::get("/users/user0").send(&app).await.ok()["revision"], 1);
    app.verify().await;
}

/// Each kind of cursor and position from before, also at a revision that the user has again.
#[actix_web::test]
async fn every_cursor_ends_with_a_reset() {
    let (app, at) = start(&[]).await;
    app.turn_feed_on().await;
    fill(&app).await;
    let (since, position) = (cursor(&app, "user0").await, app.cursor().await);
    let mut stream = EventStream::open(app.addresses.api, "/users/user0/events").await;
    stream.event().await;
    let waits =
        Ask::get(format!("/users/user1/changes?since={}&wait=30", cursor(&app, "user1").await));
    let (waited, removed) = join(waits.send(&app), finish(at, RESET, "RemovedState")).await;
    assert_eq!(removed["complete"], true);
    waited.assert_problem(410, "resync", None);
    assert_eq!(stream.event().await.kind, "resync");
    for bit in 0..5 {
        changes(&app, "user0", &since).await.assert_problem(410, "resync", None);
        app.feed(&format!("after={position}")).await.assert_problem(410, "resync", None);
        app.mark("user0", [set("a", bit)]).await.assert_ok();
    }
    let fresh = cursor(&app, "user0").await;
    app.mark("user0", [set("a", 9)]).await.assert_ok();
    assert_eq!(changes(&app, "user0", &fresh).await.ok()["conversations"][0]["id"], "a");
}

/// A listener of a user whose revision was higher before the reset hears of the first change, and does not read in a loop.
#[actix_web::test]
async fn a_stream_that_begins_after_a_reset_hears_of_the_first_change() {
    let (app, at) = start(&[]).await;
    fill(&app).await;
    let mut old = EventStream::open(app.addresses.api, "/users/user0/events").await;
    old.event().await;
    finish(at, RESET, "RemovedState").await;
    let mut new = EventStream::open(app.addresses.api, "/users/user0/events").await;
    assert_eq!(new.event().await.data["revision"], 0);
    assert_eq!(old.event().await.kind, "resync");
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    assert_eq!(new.event().await.data["revision"], 1);
}

/// A small app is one step, so that tests can reset their app between two cases.
#[actix_web::test]
async fn a_small_app_is_reset_by_one_request() {
    let (app, at) = start(&[]).await;
    fill(&app).await;
    let answer = done(&operate(at, RESET).await, "RemovedState");
    assert_eq!(answer["complete"], true, "{answer}");
}

#[actix_web::test]
async fn a_reset_under_load_leaves_consistent_data() {
    let (app, at) = start(&[]).await;
    fill(&app).await;
    let write = async |owner: String| {
        for nr in 0..20 {
            let answer = app.mark(&owner, [set("a", nr), set(&format!("peer{nr}"), 0)]).await;
            answer.assert_items([Ok, Ok]);
        }
    };
    let writers = join_all((0..20).map(|nr| write(format!("owner{nr}"))));
    let resets = async {
        for _ in 0..5 {
            finish(at, RESET, "RemovedState").await;
        }
    };
    join(writers, resets).await;
    app.verify().await;
    finish(at, RESET, "RemovedState").await;
    assert_eq!(app.state_rows().await, 0);
}

#[actix_web::test]
async fn an_app_is_deleted_with_everything_and_the_others_stay() {
    let (app, at) = start(&[]).await;
    app.turn_feed_on().await;
    fill(&app).await;
    let hook = "INSERT INTO webhooks (sdk_app_id, url, wants_users, wants_directory, secret, epoch, number)
        VALUES (1400000001, 'https://example.com/hook', TRUE, TRUE, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 1, 1);
        INSERT INTO webhook_deliveries (sdk_app_id, webhook_id, epoch, number, kind, id, revision, attempts)
        SELECT 1400000001, webhook_id, 1, 1, 0, 'user0', 1, 1 FROM webhooks";
    sqlx::raw_sql(hook).execute(&app.db).await.unwrap();
    app.add_app(7, KEY).await;
    let other_app = query_of(7, ADMIN, &user_sig(KEY, 7, ADMIN));
    app.call_as(MARK_CONTACT, &other_app, mark_contact("user0", [set("a", 0)])).await.assert_ok();
    let others = rows_of(&app, 7).await;
    let mut stream = EventStream::open(app.addresses.api, "/users/user0/events").await;
    stream.event().await;

    let removed = finish(at, DELETE_APP, "RemovedState").await;
    assert_eq!((&removed["users"], &removed["complete"]), (&json!(3), &json!(true)), "{removed}");
    assert_eq!(rows_of(&app, APP).await, [("ended_apps".to_owned(), 1)]);
    assert_eq!(rows_of(&app, 7).await, others);
    assert_eq!(operate(at, "GET /1400000001").await.status, 404);
    assert_eq!(operate(at, DELETE_APP).await.status, 404);
    // The other process has cached the app for two seconds at most.
    until(async || app.mark("user0", [set("a", 0)]).await.code() == UnknownApp).await;
    while stream.part().await.is_some() {}
    app.call_as(MARK_CONTACT, &other_app, mark_contact("user0", [set("b", 0)])).await.assert_ok();
    assert_eq!(rows_of(&app, APP).await.len(), 1, "no request has left anything");
}

#[actix_web::test]
async fn an_old_cursor_does_not_fit_the_next_app_of_the_number() {
    let (app, at) = start(&[]).await;
    app.turn_feed_on().await;
    fill(&app).await;
    let (since, position) = (cursor(&app, "user0").await, app.cursor().await);
    finish(at, DELETE_APP, "RemovedState").await;
    app.add_app(APP, KEY).await;
    app.turn_feed_on().await;
    let mut app = app;
    let other = app.start_another().await;
    for bit in 0..5 {
        let old =
            Ask::get(format!("/users/user0/changes?since={since}")).send_at(&app, other).await;
        old.assert_problem(410, "resync", None);
        let old = Ask::get(format!("/changes?after={position}")).send_at(&app, other).await;
        old.assert_problem(410, "resync", None);
        app.mark_at(other, "user0", [set("a", bit)]).await.assert_ok();
    }
}

/// Callers of processes that have cached the app are told that it is disabled or unknown, and never of an internal error.
#[actix_web::test]
async fn under_load_a_deleted_app_stays_deleted() {
    let (app, at) = start(&[]).await;
    fill(&app).await;
    let known = [Ok, AppDisabled, UnknownApp, UnknownUser];
    let call = async |nr: usize| {
        let owner = format!("owner{nr}");
        for bit in 0..40 {
            app.mark(&owner, [set("a", bit)]).await.assert_one_of(&known);
            app.call(GET, json!({ "From_Account": owner })).await.assert_one_of(&known);
            app.call(ACCOUNT_IMPORT, json!({ "UserID": owner })).await.assert_one_of(&known);
            let status = Ask::get(format!("/users/{owner}")).send(&app).await.status;
            assert!([200, 403, 404].contains(&status), "{status}");
        }
    };
    let delete = finish(at, DELETE_APP, "RemovedState");
    join(join_all((0..10).map(call)), delete).await;
    assert_eq!(rows_of(&app, APP).await, [("ended_apps".to_owned(), 1)]);
    app.verify().await;
}

#[actix_web::test]
async fn a_deletion_that_was_ended_early_is_finished_by_the_next() {
    let (app, at) = start(&[]).await;
    sqlx::raw_sql(
        "INSERT INTO users (sdk_app_id, user_id, revision, next_position, row_count, marked, marked_max)
        SELECT 1400000001, 'user' || nr, 1, 3, 1, 1, 1000 FROM generate_series(1, 30000) AS nr;
        INSERT INTO conversations (sdk_app_id, user_id, kind, peer_id, standard_mark, holds_place, position, changed_at,
            changed_revision)
        SELECT 1400000001, 'user' || nr, 1, 'peer', 1, TRUE, 1, 1, 1 FROM generate_series(1, 30000) AS nr",
    )
    .execute(&app.db)
    .await
    .unwrap();
    let store = app.partitions.clone();
    let first = on_runtime(async move {
        let soon = Until::Deadline(Deadline::within(Duration::from_millis(501)));
        delete_app(&store, SdkAppId::new(APP).unwrap(), &operator(), soon).await
    });
    // So little time is left that the first step may begin late.
    if let Result::Ok(first) = first.await {
        assert!(!first.is_complete && first.removed.users > 0, "{first:?}");
    }
    let left = app.count("SELECT count(*) FROM users").await;
    assert!(left > 0, "{left}");
    let mut disabled = app;
    let other = disabled.start_another().await;
    disabled.mark_at(other, "user1", [set("a", 0)]).await.assert_code(AppDisabled);
    disabled.verify().await;
    let mut users = 0;
    until(async || {
        let page = operate(at, DELETE_APP).await;
        // The first step may be rolled back because PostgreSQL is slow. Then nothing was removed.
        if page.status == 503 {
            return false;
        }
        let removed = done(&page, "RemovedState");
        users += removed["users"].as_i64().unwrap();
        removed["complete"] == true
    })
    .await;
    assert_eq!(users, left);
    assert_eq!(rows_of(&disabled, APP).await, [("ended_apps".to_owned(), 1)]);
}

#[actix_web::test]
async fn what_is_not_confirmed_removes_nothing() {
    let (app, at) = start(&[]).await;
    fill(&app).await;
    let before = rows_of(&app, APP).await;
    for line in [
        "DELETE /1400000001",
        "DELETE /1400000001?confirm=",
        "DELETE /1400000001?confirm=yes",
        "DELETE /1400000001?confirm=01400000001",
        "POST /1400000001/reset",
        "POST /1400000001/reset?confirm=7",
    ] {
        assert_bad(&operate(at, line).await, "confirm");
    }
    for line in ["DELETE /9?confirm=9", "DELETE /x?confirm=x", "POST /9/reset?confirm=9"] {
        let page = operate(at, line).await;
        assert_eq!(page.status, 404, "{line}: {page:?}");
    }
    assert_eq!(operate(at, "GET /1400000001/reset").await.status, 405);
    assert_eq!(rows_of(&app, APP).await, before);
}
