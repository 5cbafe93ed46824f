//! The feed of an app: every committed change is in it, in the order of the commits.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use earmark::domain::{Directory, Edition, UserAccess};
use earmark::service::{AppChange, AppSettings};
use futures_util::future::join;
use serde_json::{Value, json};

use super::{Ask, Reply, set_user_access};
use crate::support::*;

fn switch(on: bool) -> AppChange {
    AppChange::Set(AppSettings { feed: Some(on), ..AppSettings::default() })
}

impl TestApp {
    async fn run_sql(&self, statement: &'static str) {
        sqlx::raw_sql(statement).execute(&self.db).await.unwrap();
    }

    /// Turns the feed on, as if that was a minute ago.
    pub(super) async fn turn_feed_on(&self) {
        self.change(switch(true)).await;
        self.run_sql("UPDATE feed_head SET on_since = on_since - INTERVAL '1 minute'").await;
    }

    pub(super) async fn feed(&self, query: &str) -> Reply {
        Ask::get(format!("/changes?{query}")).send(self).await
    }

    /// A cursor behind the newest change.
    pub(super) async fn cursor(&self) -> String {
        let (cursor, changes) = page(self.feed("").await);
        assert!(changes.is_empty(), "without a cursor, the feed begins now");
        cursor
    }

    /// All changes after a cursor.
    async fn changes_after(&self, cursor: &str) -> Vec<Value> {
        page(self.feed(&format!("after={cursor}")).await).1
    }
}

#[track_caller]
pub(super) fn page(reply: Reply) -> (String, Vec<Value>) {
    let page = reply.ok();
    (page["cursor"].as_str().unwrap().to_owned(), page["changes"].as_array().unwrap().clone())
}

fn changed(user: &str, revision: u64) -> Value {
    json!({ "user": user, "revision": revision })
}

fn directory(kind: &str, id: &str, gone: bool, revision: u64) -> Value {
    json!({ "directory": { "type": kind, "id": id, "gone": gone, "revision": revision } })
}

#[track_caller]
fn assert_resync(reply: &Reply) {
    reply.assert_problem(410, "resync", None);
    assert_eq!(reply.json["resync"], true);
}

#[actix_web::test]
async fn a_feed_that_is_off_or_was_just_turned_on_cannot_be_read() {
    let mut app = TestApp::start().await;
    app.feed("").await.assert_problem(409, "feed-off", None);
    app.change(switch(true)).await;
    app.feed("").await.assert_problem(409, "feed-off", None);
    app.turn_feed_on().await;
    app.cursor().await;
    app.change(set_user_access(UserAccess::Write)).await;
    let address = app.start_another().await;
    let user = Ask::get("/changes").by("user0").send_at(&app, address).await;
    user.assert_problem(403, "forbidden", None);
}

#[actix_web::test]
async fn writes_of_both_paths_are_in_the_feed_in_order() {
    let app = TestApp::start().await;
    app.mark("before", [set("a", 0)]).await.assert_ok();
    app.turn_feed_on().await;
    let cursor = app.cursor().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.mark("user0", [set("a", 1)]).await.assert_ok();
    app.mark("user0", [set("a", 1)]).await.assert_ok();
    app.mark("user1", [set("a", 0), custom("b", "x")]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "work", [user("a")])).await;
    app.call_ok(TOP, top("before", 1, [user("a")])).await;
    let expected = [
        changed("user0", 1),
        changed("user0", 2),
        changed("user1", 1),
        changed("user0", 3),
        changed("before", 2),
    ];
    assert_eq!(app.changes_after(&cursor).await, expected);

    let mut by_one = Vec::new();
    let mut cursor = cursor;
    loop {
        let (next, changes) = page(app.feed(&format!("after={cursor}&limit=1")).await);
        assert!(changes.len() <= 1);
        if changes.is_empty() {
            break;
        }
        by_one.extend(changes);
        cursor = next;
    }
    assert_eq!(by_one, expected);
    let (_, oldest) = page(app.feed("after=oldest&limit=2").await);
    assert_eq!(oldest, expected[..2]);
}

#[actix_web::test]
async fn the_directorys_changes_are_in_the_feed() {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    app.turn_feed_on().await;
    let cursor = app.cursor().await;
    app.import("user0").await;
    app.create_chat_group("room").await;
    assert!(app.changes_after(&cursor).await.is_empty(), "new members change no state");
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.delete_account("user0").await;
    app.import("user0").await;
    app.destroy_chat_group("room").await;
    app.create_chat_group("room").await;
    let expected = [
        changed("user0", 1),
        changed("user0", 2),
        directory("user", "user0", true, 1),
        directory("user", "user0", false, 2),
        directory("group", "room", true, 3),
        directory("group", "room", false, 4),
    ];
    assert_eq!(app.changes_after(&cursor).await, expected);
}

/// A writer holds the head of the feed, as between its last statement and its commit.
#[actix_web::test]
async fn a_reader_skips_nothing_while_a_commit_is_under_way() {
    for commits in [true, false] {
        let app = TestApp::start().await;
        app.turn_feed_on().await;
        app.mark("user1", [set("a", 0)]).await.assert_ok();
        let cursor = app.cursor().await;
        let mut held = app.db.begin().await.unwrap();
        let append = "WITH head AS (
                UPDATE feed_head SET next_number = next_number + 1 RETURNING sdk_app_id, next_number - 1 AS number
            )
            INSERT INTO feed (sdk_app_id, number, slot, kind, id, revision, appended_at)
            SELECT sdk_app_id, number, feed_slot(now()), 0, 'held', 7, now() FROM head";
        sqlx::raw_sql(append).execute(&mut *held).await.unwrap();
        let reader = async {
            app.wait_for_blocked(1).await;
            let (between, changes) = page(app.feed(&format!("after={cursor}")).await);
            assert!(changes.is_empty(), "{changes:?}");
            if commits { held.commit().await } else { held.rollback().await }.unwrap();
            between
        };
        let (answer, between) = join(app.mark("user1", [set("a", 1)]), reader).await;
        answer.assert_ok();
        let (held, own) = (changed("held", 7), changed("user1", 2));
        let expected = if commits { vec![held, own] } else { vec![own] };
        assert_eq!(app.changes_after(&between).await, expected);
    }
}

#[actix_web::test]
async fn an_unknown_cursor_is_answered_410_and_a_wrong_parameter_400() {
    let app = TestApp::start().await;
    app.turn_feed_on().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let cursor = app.cursor().await;
    let of_user = Ask::get("/users/user0").send(&app).await.ok()["cursor"].take();
    for text in ["x", "1-1-00000000", "", of_user.as_str().unwrap()] {
        assert_resync(&app.feed(&format!("after={text}")).await);
    }
    for (query, field) in [
        ("wait=61", "/wait"),
        ("wait=-1", "/wait"),
        ("wait=x", "/wait"),
        ("limit=0", "/limit"),
        ("limit=1001", "/limit"),
    ] {
        app.feed(query).await.assert_problem(400, "bad-request", Some(field));
    }
    page(app.feed("wait=60&limit=1000").await);

    app.run_sql("UPDATE database_epoch SET epoch = epoch + 1").await;
    assert_resync(&app.feed(&format!("after={cursor}")).await);
    let cursor = app.cursor().await;
    // This is the state after a backup was restored, if no operator raises the epoch.
    app.run_sql("UPDATE feed_head SET next_number = 1").await;
    assert_resync(&app.feed(&format!("after={cursor}")).await);
}

#[actix_web::test]
async fn a_cursor_from_before_the_feed_was_off_is_unknown() {
    let app = TestApp::start().await;
    app.turn_feed_on().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let cursor = app.cursor().await;
    app.turn_feed_on().await;
    assert_eq!(app.cursor().await, cursor, "turning it on again changes nothing");
    app.change(switch(false)).await;
    app.mark("user0", [set("a", 1)]).await.assert_ok();
    app.feed(&format!("after={cursor}")).await.assert_problem(409, "feed-off", None);
    app.turn_feed_on().await;
    assert_resync(&app.feed(&format!("after={cursor}")).await);
    let (cursor, changes) = page(app.feed("after=oldest").await);
    assert!(changes.is_empty(), "{changes:?}");
    app.mark("user0", [set("a", 2)]).await.assert_ok();
    assert_eq!(app.changes_after(&cursor).await, [changed("user0", 3)]);
}

#[actix_web::test]
async fn changes_are_removed_when_they_are_older_than_the_retention() {
    let mut app = TestApp::start().await;
    app.turn_feed_on().await;
    let first = app.cursor().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.mark("user0", [set("a", 1)]).await.assert_ok();
    let second = app.cursor().await;
    app.mark("user1", [set("a", 0)]).await.assert_ok();
    app.run_sql(
        "UPDATE feed f SET appended_at = at, slot = feed_slot(at)
         FROM (SELECT number, now() - INTERVAL '1 day' * CASE id WHEN 'user0' THEN 8 ELSE 6 END AS at FROM feed) t
         WHERE f.number = t.number",
    )
    .await;
    assert_eq!(app.changes_after(&first).await.len(), 3);

    app.start_another().await;

    let count = "SELECT count(*) FROM feed";
    until(async || sqlx::query_scalar::<_, i64>(count).fetch_one(&app.db).await.unwrap() == 1)
        .await;
    assert_resync(&app.feed(&format!("after={first}")).await);
    assert_eq!(app.changes_after(&second).await, [changed("user1", 1)]);
    assert_eq!(app.changes_after("oldest").await, [changed("user1", 1)]);
    app.mark("user0", [set("a", 2)]).await.assert_ok();
    assert_eq!(app.changes_after(&second).await, [changed("user1", 1), changed("user0", 3)]);
}

/// The partitions are a ring. One that could not be emptied in time takes new rows beside its old ones.
#[actix_web::test]
async fn a_partition_that_was_not_emptied_in_time_fails_no_write() {
    let app = TestApp::start().await;
    app.turn_feed_on().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.run_sql("UPDATE feed SET appended_at = appended_at - INTERVAL '16 days'").await;
    app.mark("user0", [set("a", 1)]).await.assert_ok();
    let empty = "SELECT empty_feed_slot(slot::smallint, now()) FROM generate_series(0, 15) AS slot";
    let emptied: Vec<bool> = sqlx::query_scalar(empty).fetch_all(&app.db).await.unwrap();
    assert!(emptied.iter().all(|emptied| !emptied), "that of today stays, the others are empty");
    let all = [changed("user0", 1), changed("user0", 2)];
    assert_eq!(app.changes_after("oldest").await, all);
    // Tomorrow, that partition still has rows that are needed.
    app.run_sql("UPDATE feed SET slot = feed_slot(now() - INTERVAL '1 day')").await;
    let empty = "SELECT bool_or(empty_feed_slot(feed_slot(now() - INTERVAL '1 day'), now() - INTERVAL '7 days'))";
    assert!(!sqlx::query_scalar::<_, bool>(empty).fetch_one(&app.db).await.unwrap());
    assert_eq!(app.changes_after("oldest").await, all);
}

/// The time until a waiting reader at one service has the change that another one commits.
async fn heard_after(app: &TestApp, reader: SocketAddr, other: SocketAddr, bit: u8) -> Duration {
    let cursor = app.cursor().await;
    let waiting = Ask::get(format!("/changes?after={cursor}&wait=60")).send_at(app, reader);
    let marks = async {
        app.mark_at(other, "user0", [set("a", bit)]).await.assert_ok();
        Instant::now()
    };
    let (reply, written) = join(waiting, marks).await;
    let heard = written.elapsed();
    assert_eq!(page(reply).1.len(), 1);
    heard
}

#[actix_web::test]
async fn a_waiting_reader_is_woken_by_commits_of_every_process() {
    let mut app = TestApp::start().await;
    app.turn_feed_on().await;
    let (one, other) = (app.addresses.api, app.start_another().await);
    for (bit, (reader, writer)) in (0..).zip([(one, one), (one, other), (other, one)]) {
        let heard = heard_after(&app, reader, writer, bit).await;
        assert!(heard < Duration::from_secs(5), "{heard:?}");
    }
}

#[actix_web::test]
async fn a_reader_who_waits_in_vain_gets_an_empty_answer_that_goes_on() {
    let app = TestApp::start().await;
    app.turn_feed_on().await;
    let cursor = app.cursor().await;
    let begun = Instant::now();
    let (cursor, changes) = page(app.feed(&format!("after={cursor}&wait=1")).await);
    assert!(begun.elapsed() >= Duration::from_secs(1) && changes.is_empty());
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    assert_eq!(app.changes_after(&cursor).await, [changed("user0", 1)]);
    let metrics = app.metrics().await;
    let sum = "earmark_request_duration_seconds_sum{call=\"v1_get_app_changes\"} ";
    let (_, sum) = metrics.split_once(sum).unwrap();
    let sum: f64 = sum.lines().next().unwrap().parse().unwrap();
    assert!(sum < 1.0, "the wait is not the service's: {sum}");
}

#[actix_web::test]
async fn a_waiting_reader_whose_app_is_disabled_gets_no_changes() {
    let app = TestApp::start().await;
    app.turn_feed_on().await;
    let cursor = app.cursor().await;
    let query = format!("after={cursor}&wait=60");
    let waits = app.feed(&query);
    let disables = async {
        until(async || app.metrics().await.contains("earmark_requests_in_flight 1\n")).await;
        app.change(set_disabled(true)).await;
        // Each worker keeps the app for two seconds.
        let changed = Instant::now();
        until(async || changed.elapsed() > Duration::from_secs(3)).await;
        app.run_sql(
            "UPDATE feed_head SET next_number = 2;
             INSERT INTO feed SELECT sdk_app_id, 1, feed_slot(now()), 0, 'user0', NULL, 1, now() FROM feed_head",
        )
        .await;
    };
    let (reply, ()) = join(waits, disables).await;
    reply.assert_problem(403, "forbidden", None);
}
