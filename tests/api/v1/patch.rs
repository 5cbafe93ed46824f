//! Changing one conversation through the native API.

use earmark::domain::{Directory, Edition, UserAccess};
use futures_util::future::join;
use serde_json::{Value, json};

use super::{Ask, set_user_access};
use crate::fast_path::{FAST, LOCKING, blocked_statement};
use crate::support::*;

const PEER: &str = "/users/user0/conversations/user/peer";

fn patch(body: Value) -> Ask {
    Ask::patch(PEER, body)
}

/// Sends a call twice. The second time changes nothing.
async fn twice(app: &TestApp, ask: Ask) -> Value {
    let first = ask.clone().send(app).await;
    let second = ask.send(app).await;
    assert_eq!(second.revision, first.revision, "{second:?}");
    let shown = first.ok();
    assert_eq!(second.ok(), shown);
    shown
}

/// The conversation without its time.
async fn read(app: &TestApp, path: &str) -> Value {
    let mut shown = Ask::get(path).send(app).await.ok();
    shown["changed_at"].take();
    shown
}

#[actix_web::test]
async fn a_patch_changes_everything_in_one_revision_and_can_be_sent_again() {
    let app = TestApp::start().await;
    Ask::put("/users/user0/groups/old").send(&app).await.ok();
    Ask::put("/users/user0/groups/work").send(&app).await.ok();
    patch(json!({ "set": ["unread"], "add_to": ["old"] })).send(&app).await.ok();

    let everything = patch(json!({
        "set": ["favorite", 40], "clear": ["unread"], "custom": "text", "add_to": ["work"],
        "remove_from": ["old"], "pinned": true,
    }));
    let mut shown = twice(&app, everything).await;

    assert!(shown["changed_at"].take().is_string());
    let expected = json!({
        "type": "user", "id": "peer", "marks": ["favorite", 40], "custom": "text",
        "groups": ["work"], "pinned": true, "changed_at": null, "revision": 4,
    });
    assert_eq!(shown, expected);
    assert_eq!(read(&app, PEER).await, expected, "a fresh read shows the same");
    assert_eq!(app.revision_and_count("user0").await, (4, 1));
}

#[actix_web::test]
async fn what_a_patch_does_not_name_stays() {
    let app = TestApp::start().await;
    patch(json!({ "set": [0], "custom": "text", "pinned": true })).send(&app).await.ok();
    for (change, marks, custom, pinned) in [
        (json!({}), json!(["favorite"]), json!("text"), true),
        (json!({ "set": null, "pinned": null }), json!(["favorite"]), json!("text"), true),
        (json!({ "set": [], "clear": [], "add_to": [] }), json!(["favorite"]), json!("text"), true),
        (json!({ "clear": ["favorite", 9] }), json!([]), json!("text"), true),
        (json!({ "pinned": false }), json!([]), json!("text"), false),
    ] {
        let shown = twice(&app, patch(change.clone())).await;
        let found = (&shown["marks"], &shown["custom"], &shown["pinned"]);
        assert_eq!(found, (&marks, &custom, &json!(pinned)), "{change}");
    }
    assert_eq!(app.revision_and_count("user0").await.0, 3, "three of them change something");
}

#[actix_web::test]
async fn null_and_an_empty_text_clear_the_custom_mark() {
    let app = TestApp::start().await;
    for cleared in [json!(null), json!("")] {
        patch(json!({ "custom": "text" })).send(&app).await.ok();
        let shown = twice(&app, patch(json!({ "custom": cleared }))).await;
        assert_eq!(shown["custom"], json!(null));
    }
}

#[actix_web::test]
async fn a_deleted_conversation_is_empty_and_can_be_deleted_again() {
    let app = TestApp::start().await;
    Ask::put("/users/user0/groups/work").send(&app).await.ok();
    let everything = json!({ "set": [0], "custom": "x", "add_to": ["work"], "pinned": true });
    patch(everything).send(&app).await.ok();
    let shown = twice(&app, Ask::delete(PEER)).await;
    let empty = json!({
        "type": "user", "id": "peer", "marks": [], "custom": null,
        "groups": [], "pinned": false, "changed_at": null, "revision": 0,
    });
    assert_eq!(shown, empty);
    assert_eq!(Ask::get(PEER).send(&app).await.ok(), empty);
    assert_eq!(app.revision_and_count("user0").await, (3, 0));
    // Nothing was ever written about this user.
    let reply = Ask::delete("/users/user9/conversations/group/room").send(&app).await;
    assert_eq!(reply.revision, Some(0));
    reply.ok();
    assert_eq!(app.revision_and_count("user9").await, (0, 0));
}

#[actix_web::test]
async fn ids_may_hold_any_text() {
    let app = TestApp::start().await;
    for (owner, kind, id, path) in [
        ("a/b", "user", "c/d", "/users/a%2Fb/conversations/user/c%2Fd"),
        ("ü 1", "user", "%2F", "/users/%C3%BC%201/conversations/user/%252F"),
        ("🙂", "group", "../x?y#z", "/users/%F0%9F%99%82/conversations/group/..%2Fx%3Fy%23z"),
    ] {
        let shown = twice(&app, Ask::patch(path, json!({ "set": [1] }))).await;
        assert_eq!((&shown["type"], &shown["id"]), (&json!(kind), &json!(id)));
        let item = if kind == "user" { user(id) } else { chat_group(id) };
        let found = app.search_one(owner, &item).await;
        assert_eq!(found["StandardMark"].as_str().unwrap().trim_start_matches('0'), "10");
        Ask::delete(path).send(&app).await.ok();
        assert_eq!(app.marks(owner).await, []);
    }
}

#[actix_web::test]
async fn each_api_sees_the_marks_of_the_other() {
    let app = TestApp::start().await;
    patch(json!({ "set": ["favorite", 63], "custom": "中" })).send(&app).await.ok();
    assert_eq!(app.marks("user0").await, [marked("peer", 1 << 63 | 1, "中")]);
    app.mark("user0", [change_bits(&user("peer"), &[3], &[63]), custom("peer", "y")])
        .await
        .assert_ok();
    let shown = read(&app, PEER).await;
    assert_eq!((&shown["marks"], &shown["custom"]), (&json!(["favorite", "hidden"]), &json!("y")));
}

/// The statement that waits for the user's lock shows which path a request takes.
#[actix_web::test]
async fn patches_that_only_change_marks_take_the_fast_path() {
    let app = TestApp::start().await;
    patch(json!({ "set": [0] })).send(&app).await.ok();
    let batch = |changes| Ask::batch("user0", changes);
    let item = |change: Value| {
        let mut change = change;
        (change["type"], change["id"]) = (json!("user"), json!("peer"));
        change
    };
    for (ask, statement) in [
        (patch(json!({ "set": [1], "custom": "x" })), FAST),
        (batch(json!([item(json!({ "set": [2] })), item(json!({ "clear": [1] }))])), FAST),
        (patch(json!({ "set": [3] })).if_match(3), LOCKING),
        (patch(json!({ "set": [4], "pinned": true })), LOCKING),
        (batch(json!([item(json!({ "set": [5] })), item(json!({ "pinned": false }))])), LOCKING),
    ] {
        let lock = app.lock_user("user0").await;
        let meanwhile = async {
            let waiting = blocked_statement(&app).await;
            assert!(waiting.contains(statement), "{:?}: {waiting}", ask.body);
            lock.rollback().await.unwrap();
        };
        let (reply, ()) = join(ask.clone().send(&app), meanwhile).await;
        reply.ok();
    }
}

#[actix_web::test]
async fn an_unknown_contact_group_refuses_the_whole_patch() {
    let app = TestApp::start().await;
    Ask::put("/users/user0/groups/work").send(&app).await.ok();
    for (list, names) in [("add_to", ["work", "none"]), ("remove_from", ["none", "work"])] {
        let change = json!({ "set": [0], "pinned": true, list: names });
        patch(change).send(&app).await.assert_refused(404, "not-found", UnknownContactGroup);
    }
    assert_eq!(app.state_rows().await, 1, "no conversation is stored");
}

#[actix_web::test]
async fn limits_refuse_the_whole_patch_with_their_codes() {
    let app = TestApp::with_limits(&["marked=1", "grouped=1", "pinned=1"]).await;
    Ask::put("/users/user0/groups/work").send(&app).await.ok();
    let everything = json!({ "set": [0], "add_to": ["work"], "pinned": true });
    patch(everything).send(&app).await.ok();
    let other = |change| Ask::patch("/users/user0/conversations/group/room", change);
    for (change, code) in [
        (json!({ "custom": "x" }), ConversationsFull),
        (json!({ "add_to": ["work"] }), ConversationsFull),
        (json!({ "pinned": true }), PinsFull),
        (json!({ "pinned": true, "set": [0] }), ConversationsFull),
    ] {
        other(change).send(&app).await.assert_refused(409, "limit", code);
    }
    assert_eq!(app.revision_and_count("user0").await, (2, 1));
    // What is there may change further, and frees its places.
    patch(json!({ "set": [1], "clear": [0] })).send(&app).await.ok();
    let clear = json!({ "clear": [1], "remove_from": ["work"], "pinned": false });
    patch(clear).send(&app).await.ok();
    other(json!({ "set": [0], "add_to": ["work"], "pinned": true })).send(&app).await.ok();
}

#[actix_web::test]
async fn the_edition_decides_about_standard_marks_and_contact_groups() {
    let app = TestApp::with(Edition::Standard, Directory::Open).await;
    for change in [json!({ "set": [0] }), json!({ "clear": [0] }), json!({ "remove_from": ["x"] })]
    {
        patch(change).send(&app).await.assert_refused(403, "forbidden", EditionTooLow);
    }
    patch(json!({ "custom": "x", "pinned": true, "set": [] })).send(&app).await.ok();
}

#[actix_web::test]
async fn both_ends_of_a_conversation_must_be_there() {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    let of = |path: &str| {
        Ask::patch(format!("/users/user0/conversations/{path}"), json!({ "set": [0] }))
    };
    of("user/peer").send(&app).await.assert_refused(404, "not-found", UnknownUser);
    Ask::delete(PEER).send(&app).await.assert_refused(404, "not-found", UnknownUser);
    for user in ["user0", "peer"] {
        app.import(user).await;
    }
    app.create_chat_group("room").await;
    of("user/peer").send(&app).await.ok();
    of("group/room").send(&app).await.ok();
    app.delete_account("peer").await;
    app.destroy_chat_group("room").await;
    of("user/peer").send(&app).await.assert_refused(404, "not-found", UnknownUser);
    of("group/room").send(&app).await.assert_refused(404, "not-found", ChatGroupGone);
    Ask::delete(PEER).send(&app).await.ok();
}

#[actix_web::test]
async fn bad_input_names_its_field() {
    let app = TestApp::start().await;
    let long = "x".repeat(257);
    for (body, field) in [
        (json!([]), ""),
        (json!({ "marks": [] }), "/marks"),
        // Of another place, as a JSON pointer.
        (json!({ "set/0": [] }), ""),
        (json!({ "set": "favorite" }), "/set"),
        (json!({ "set": ["vip"] }), "/set/0"),
        (json!({ "set": [0, 64] }), "/set/1"),
        (json!({ "set": [-1] }), "/set/0"),
        (json!({ "set": [1.5] }), "/set/0"),
        (json!({ "set": [null] }), "/set/0"),
        (json!({ "set": ["favorite", 9], "clear": [8, 0] }), "/clear/1"),
        (json!({ "custom": 1 }), "/custom"),
        (json!({ "custom": long }), "/custom"),
        (json!({ "custom": "a\0" }), "/custom"),
        (json!({ "add_to": [1] }), "/add_to/0"),
        (json!({ "add_to": ["a", "b"], "remove_from": ["b"] }), "/remove_from/0"),
        (json!({ "pinned": 1 }), "/pinned"),
    ] {
        patch(body).send(&app).await.assert_problem(400, "bad-request", Some(field));
    }
    let reply = Ask::new(actix_web::http::Method::PATCH, PEER).send(&app).await;
    reply.assert_problem(400, "bad-request", Some(""));
    for (path, field) in [
        (format!("/users/{}/conversations/user/peer", "x".repeat(33)), "/user"),
        ("/users/user0/conversations/room/peer".to_owned(), "/type"),
        (format!("/users/user0/conversations/group/{}", "x".repeat(49)), "/id"),
        ("/users/user0/conversations/user/%FF".to_owned(), "/id"),
    ] {
        for ask in [Ask::patch(path.clone(), json!({})), Ask::delete(path)] {
            ask.send(&app).await.assert_problem(400, "bad-request", Some(field));
        }
    }
    assert_eq!(app.state_rows().await, 0);
}

#[actix_web::test]
async fn users_write_only_their_own_state_and_only_if_the_app_lets_them() {
    let mut app = TestApp::start().await;
    for (access, status) in
        [(UserAccess::None, 403), (UserAccess::Read, 403), (UserAccess::Write, 200)]
    {
        app.change(set_user_access(access)).await;
        // A service that has not read the app yet.
        let address = app.start_another().await;
        let send = async |ask: Ask| ask.by("user0").send_at(&app, address).await.status;
        assert_eq!(send(patch(json!({ "set": [0] }))).await, status);
        assert_eq!(send(Ask::delete(PEER)).await, status);
        assert_eq!(send(Ask::batch("user0", json!([{ "type": "user", "id": "a" }]))).await, status);
        let contact_group = "/users/user0/groups/work";
        let put = send(Ask::put(contact_group)).await;
        assert_eq!(put, if status == 200 { 201 } else { status });
        assert_eq!(send(Ask::patch(contact_group, json!({}))).await, status);
        assert_eq!(send(Ask::delete(contact_group)).await, status);
        let other = patch(json!({})).by("user1").send_at(&app, address).await;
        other.assert_problem(403, "forbidden", None);
    }
}

#[actix_web::test]
async fn a_patch_counts_as_an_item_like_a_mark_of_the_original() {
    let app = TestApp::start().await;
    patch(json!({ "set": [0] })).send(&app).await.ok();
    Ask::delete(PEER).send(&app).await.ok();
    let changes = json!([
        { "type": "user", "id": "a", "add_to": ["none"] },
        { "type": "user", "id": "a", "set": [0] },
        { "type": "user", "id": "b", "set": [0] },
    ]);
    Ask::batch("user0", changes).send(&app).await.ok();
    let metrics = app.metrics().await;
    for (call, outcome, count) in [
        ("v1_patch_conversation", "ok", 1),
        ("v1_delete_conversation", "ok", 1),
        ("v1_batch", "ok", 2),
        ("v1_batch", "refused", 1),
    ] {
        let series =
            format!("earmark_items_total{{call=\"{call}\",outcome=\"{outcome}\"}} {count}");
        assert!(metrics.lines().any(|line| line == series), "{series} in {metrics}");
    }
}
