//! Many changes of one user in one call.

use serde_json::{Value, json};

use super::Ask;
use crate::support::*;

/// Changes of `count` conversations.
fn changes(count: usize) -> Value {
    (0..count).map(|nr| json!({ "type": "user", "id": format!("peer{nr}"), "set": [0] })).collect()
}

#[actix_web::test]
async fn a_batch_is_one_revision() {
    let app = TestApp::start().await;
    Ask::put("/users/user0/groups/work").send(&app).await.ok();
    let batch = Ask::batch(
        "user0",
        json!([
            { "type": "user", "id": "a", "set": ["favorite"], "add_to": ["work"] },
            { "type": "group", "id": "room", "custom": "x", "pinned": true },
            { "type": "user", "id": "a", "clear": ["favorite"], "set": [40] },
        ]),
    );
    let reply = batch.send(&app).await;
    assert_eq!(reply.revision, Some(2));
    let results = vec![json!({ "status": 200 }); 3];
    assert_eq!(reply.ok(), json!({ "revision": 2, "results": results }));
    for (path, marks) in [("user/a", json!([40])), ("group/room", json!([]))] {
        let shown = Ask::get(format!("/users/user0/conversations/{path}")).send(&app).await.ok();
        assert_eq!((&shown["marks"], &shown["revision"]), (&marks, &json!(2)), "{shown}");
    }
}

#[actix_web::test]
async fn a_batch_that_is_sent_again_changes_nothing() {
    let app = TestApp::start().await;
    Ask::put("/users/user0/groups/work").send(&app).await.ok();
    let batch = Ask::batch(
        "user0",
        json!([
            { "type": "user", "id": "a", "set": ["favorite"], "clear": [9], "add_to": ["work"] },
            { "type": "group", "id": "room", "custom": "x", "pinned": true },
        ]),
    );
    let first = batch.clone().send(&app).await;
    let second = batch.send(&app).await;
    assert_eq!((first.revision, second.revision), (Some(2), Some(2)));
    assert_eq!(first.ok(), second.ok());
}

#[actix_web::test]
async fn a_refused_change_leaves_the_others() {
    let app = TestApp::with_limits(&["marked=1", "pinned=1"]).await;
    let batch = Ask::batch(
        "user0",
        json!([
            { "type": "user", "id": "a", "set": [0], "pinned": true },
            { "type": "user", "id": "b", "set": [0] },
            { "type": "user", "id": "c", "pinned": true },
            { "type": "user", "id": "a", "set": [1], "add_to": ["none"] },
            { "type": "user", "id": "a", "clear": [0] },
            { "type": "user", "id": "b", "set": [0] },
        ]),
    );
    let reply = batch.send(&app).await;
    assert_eq!(reply.revision, Some(1));
    let refused = |status: u16, code: Code, title: &str| json!({ "status": status, "code": code.number(), "title": title });
    let full = "The user has reached a limit";
    assert_eq!(
        reply.ok()["results"],
        json!([
            { "status": 200 },
            refused(409, ConversationsFull, full),
            refused(409, PinsFull, full),
            refused(404, UnknownContactGroup, "There is no such thing"),
            { "status": 200 },
            { "status": 200 },
        ])
    );
    assert_eq!(app.marks("user0").await, [marked("b", 1, "")]);
}

#[actix_web::test]
async fn a_batch_holds_1_to_100_changes() {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    Ask::batch("user0", changes(100)).send(&app).await.ok();
    for count in [0, 101] {
        let reply = Ask::batch("user0", changes(count)).send(&app).await;
        reply.assert_problem(400, "bad-request", Some("/changes"));
        assert_eq!(reply.json["code"], ItemCount.number());
    }
    let app = TestApp::with_limits(&["mark-items=2"]).await;
    Ask::batch("user0", changes(2)).send(&app).await.ok();
    let reply = Ask::batch("user0", changes(3)).send(&app).await;
    reply.assert_problem(400, "bad-request", Some("/changes"));
}

#[actix_web::test]
async fn a_large_batch_counts_as_several_calls() {
    let app = TestApp::with_limits(&["calls-per-second=4"]).await;
    Ask::batch("user0", changes(100)).send(&app).await.ok();
    // It could be sent again a second later, and a batch of one change after a quarter of a second.
    Ask::batch("user0", changes(100)).send(&app).await.assert_refused(429, "rate", TooManyCalls);
}

#[actix_web::test]
async fn bad_input_names_its_field() {
    let app = TestApp::start().await;
    let of = |change: Value| json!({ "changes": [{ "type": "user", "id": "a" }, change] });
    for (body, field) in [
        (json!({}), "/changes"),
        (json!({ "changes": {} }), "/changes"),
        (json!({ "changes": [], "more": 1 }), "/more"),
        (of(json!(1)), "/changes/1"),
        (of(json!({ "id": "a" })), "/changes/1/type"),
        (of(json!({ "type": "room", "id": "a" })), "/changes/1/type"),
        (of(json!({ "type": "user" })), "/changes/1/id"),
        (of(json!({ "type": "user", "id": "" })), "/changes/1/id"),
        (of(json!({ "type": "group", "id": "x".repeat(49) })), "/changes/1/id"),
        (of(json!({ "type": "user", "id": "a", "mark": 1 })), "/changes/1/mark"),
        (of(json!({ "type": "user", "id": "a", "set": [1, "vip"] })), "/changes/1/set/1"),
        (of(json!({ "type": "user", "id": "a", "set": [1], "clear": [1] })), "/changes/1/clear/0"),
        (json!({ "changes": changes(1), "expected_revision": "1" }), "/expected_revision"),
        (json!({ "changes": changes(1), "expected_revision": -1 }), "/expected_revision"),
    ] {
        let ask = Ask::batch("user0", json!([])).body(body);
        ask.send(&app).await.assert_problem(400, "bad-request", Some(field));
    }
    assert_eq!(app.state_rows().await, 0, "a batch with one bad change changes nothing");
}

#[actix_web::test]
async fn the_expected_revision_stands_in_the_body_or_in_if_match() {
    let app = TestApp::start().await;
    let expecting = |revision: u64| {
        let body = json!({ "changes": changes(1), "expected_revision": revision });
        Ask::batch("user0", json!([])).body(body)
    };
    expecting(0).send(&app).await.ok();
    expecting(0).send(&app).await.assert_problem(409, "conflict", None);
    expecting(1).if_match(1).send(&app).await.ok();
    let both = expecting(1).if_match(0).send(&app).await;
    both.assert_problem(400, "bad-request", Some("/expected_revision"));
}
