//! `changes` with `wait` answers when something changes.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use serde_json::json;

use super::{Ask, Reply, changes, cursor, ids};
use crate::support::*;

async fn wait_at(app: &TestApp, address: SocketAddr, since: &str, seconds: u32) -> Reply {
    let path = format!("/users/user0/changes?since={since}&wait={seconds}");
    Ask::get(path).send_at(app, address).await
}

/// Waits at an address, and acts as soon as the service counts the waiting call.
async fn wait_while(app: &TestApp, since: &str, act: impl Future<Output = ()>) -> Reply {
    let acts = async {
        until(async || app.listeners("long_poll").await == 1).await;
        act.await;
    };
    join(wait_at(app, app.addresses.api, since, 30), acts).await.0
}

#[actix_web::test]
async fn a_waiting_call_is_answered_when_something_changes() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    let mark = async { app.mark("user0", [set("a", 0)]).await.assert_ok() };
    let reply = wait_while(&app, &since, mark).await;
    assert_eq!(reply.revision, Some(1));
    assert_eq!(ids(&reply.ok()["conversations"]), ["a"]);
    assert_eq!(app.listeners("long_poll").await, 0);
}

#[actix_web::test]
async fn a_call_that_waits_is_answered_at_once_if_there_are_changes_already() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let begun = Instant::now();
    assert_eq!(
        ids(&wait_at(&app, app.addresses.api, &since, 60).await.ok()["conversations"]),
        ["a"]
    );
    assert!(begun.elapsed() < Duration::from_secs(30));
}

#[actix_web::test]
async fn a_call_that_waits_in_vain_is_answered_with_no_changes() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    let begun = Instant::now();
    let reply = wait_at(&app, app.addresses.api, &since, 1).await;
    assert!(begun.elapsed() >= Duration::from_secs(1));
    assert_eq!(reply.status, 200);
    let nothing = json!({ "revision": 0, "cursor": since, "conversations": [], "removed": [] });
    assert_eq!(reply.ok(), nothing);
}

#[actix_web::test]
async fn changes_of_other_users_do_not_end_the_wait() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    let acts = async {
        for user in ["user1", "user00", "USER0"] {
            app.mark(user, [set("user0", 0)]).await.assert_ok();
        }
        app.import("stranger").await;
        app.delete_account("stranger").await;
        app.mark("user0", [set("a", 0)]).await.assert_ok();
    };
    assert_eq!(ids(&wait_while(&app, &since, acts).await.ok()["conversations"]), ["a"]);
}

/// On the path of the locks, of the fast path, of a write that is retried alone, and of another process.
#[actix_web::test]
async fn every_way_to_write_wakes_a_waiting_call() {
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    app.import("user0").await;
    let since = cursor(&app, "user0").await;
    let acts = async { app.call_ok(TOP, top("user0", 1, [user("a")])).await };
    let reply = wait_while(&app, &since, async { drop(acts.await) }).await;
    assert_eq!(ids(&reply.ok()["conversations"]), ["a"]);

    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let since = cursor(&app, "user0").await;
    let fast = async { app.mark("user0", [set("a", 1)]).await.assert_ok() };
    assert_eq!(ids(&wait_while(&app, &since, fast).await.ok()["conversations"]), ["a"]);

    let since = cursor(&app, "user0").await;
    let elsewhere = async { app.mark_at(other, "user0", [set("a", 2)]).await.assert_ok() };
    assert_eq!(ids(&wait_while(&app, &since, elsewhere).await.ok()["conversations"]), ["a"]);

    let since = cursor(&app, "user0").await;
    let deleted = wait_while(&app, &since, app.delete_account("user0")).await;
    deleted.assert_problem(404, "not-found", None);
}

#[actix_web::test]
async fn a_directory_change_of_either_process_wakes_those_whom_it_concerns() {
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    app.import("a").await;
    app.create_chat_group("room").await;
    app.mark("user0", [set("a", 0), change_bits(&chat_group("room"), &[0], &[])]).await.assert_ok();
    let mut since = cursor(&app, "user0").await;
    for address in [app.addresses.api, other] {
        for (command, body, shown) in [
            (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": "a" }] }), "removed"),
            (ACCOUNT_IMPORT, json!({ "UserID": "a" }), "conversations"),
            (DESTROY_CHAT_GROUP, json!({ "GroupId": "room" }), "removed"),
            (
                CREATE_CHAT_GROUP,
                json!({ "Type": "Public", "Name": "room", "GroupId": "room" }),
                "conversations",
            ),
        ] {
            let acts = async { app.call_at(address, command, body).await.assert_ok() };
            let reply = wait_while(&app, &since, acts).await.ok();
            let id = if command.contains("group") { "room" } else { "a" };
            assert_eq!(ids(&reply[shown]), [id], "{command}");
            since = reply["cursor"].as_str().unwrap().to_owned();
        }
    }
}

#[actix_web::test]
async fn a_waiting_call_holds_no_database_connection() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let since = cursor(&app, "user0").await;
    let path = format!("/users/user0/changes?since={since}&wait=60");
    let waits = join_all((0..50).map(|_| Ask::get(path.clone()).send(&app)));
    let acts = async {
        until(async || app.listeners("long_poll").await == 50).await;
        // Each worker's lane keeps one.
        let in_use = "earmark_database_connections{state=\"in_use\"} ";
        until(async || app.metrics().await.contains(&format!("{in_use}2\n"))).await;
        app.mark("user0", [set("a", 0)]).await.assert_ok();
    };
    let (replies, ()) = join(waits, acts).await;
    for reply in replies {
        assert_eq!(ids(&reply.ok()["conversations"]), ["a"]);
    }
}

#[actix_web::test]
async fn a_waiting_call_ends_when_the_service_stops() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    let begun = Instant::now();
    let reply = wait_while(&app, &since, async { app.announce_stop() }).await;
    assert!(begun.elapsed() < Duration::from_secs(15), "the wait was 30 s");
    assert_eq!(reply.ok()["conversations"], json!([]));
    // A call that comes later does not wait.
    changes(&app, "user0", &since).await.ok();
    wait_at(&app, app.addresses.api, &since, 60).await.ok();
    assert!(begun.elapsed() < Duration::from_secs(30));
}

/// The app that the service has cached is at most two seconds old.
#[actix_web::test]
async fn credentials_are_checked_again_before_the_answer() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    app.change(set_disabled(true)).await;
    let path = format!("/users/user0/changes?since={since}&wait=4");
    Ask::get(path).send(&app).await.assert_problem(403, "forbidden", None);
}

#[actix_web::test]
async fn a_user_sig_that_expires_during_the_wait_is_noticed() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    let expires_in_2_s = user_sig_from(unix_now() - 24 * 3600 + 2, KEY, APP, ADMIN);
    let ask = Ask::get(format!("/users/user0/changes?since={since}&wait=4"))
        .with("Authorization", format!("Bearer {expires_in_2_s}"));
    ask.send(&app).await.assert_problem(401, "unauthorized", None);
}
