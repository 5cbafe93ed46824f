//! Reading a user's state through the native API.

use serde_json::json;

use super::Ask;
use crate::support::*;

#[actix_web::test]
async fn a_user_has_a_revision_groups_and_limits() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 0), custom("b", "x")]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "work", [user("a"), user("c")])).await;
    app.call_ok(TOP, top("user0", 1, [user("a")])).await;

    let reply = Ask::get("/users/user0").send(&app).await;

    assert_eq!(reply.revision, Some(3));
    let shown = reply.ok();
    assert_eq!(shown["revision"], 3);
    assert_eq!(shown["groups"], json!([{ "name": "work", "id": 1, "conversations": 2 }]));
    assert_eq!(
        shown["limits"],
        json!({
            "marked": { "used": 2, "max": 1000 },
            "grouped": { "used": 2, "max": 1000 },
            "pinned": { "used": 1, "max": 50 },
            "groups": { "used": 1, "max": 20 },
        })
    );
    assert!(shown["cursor"].is_string());
}

#[actix_web::test]
async fn a_conversation_is_shown_whole() {
    let app = TestApp::start().await;
    app.mark("user0", [change_bits(&chat_group("room/1"), &[0, 3, 40], &[])]).await.assert_ok();
    app.mark("user0", [change_bits(&user("other"), &[1], &[])]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "work", [chat_group("room/1")])).await;

    let reply = Ask::get("/users/user0/conversations/group/room%2F1").send(&app).await;

    assert_eq!(reply.revision, Some(3));
    let mut shown = reply.ok();
    let changed_at = shown["changed_at"].take();
    assert!(changed_at.as_str().unwrap().contains(".000Z"), "{changed_at}");
    assert_eq!(
        shown,
        json!({
            "type": "group", "id": "room/1", "marks": ["favorite", "hidden", 40], "custom": null,
            "groups": ["work"], "pinned": false, "changed_at": null, "revision": 3,
        })
    );
}

#[actix_web::test]
async fn a_conversation_without_state_is_shown_empty() {
    let app = TestApp::start().await;
    let shown = Ask::get("/users/user0/conversations/user/stranger").send(&app).await.ok();
    assert_eq!(
        shown,
        json!({
            "type": "user", "id": "stranger", "marks": [], "custom": null,
            "groups": [], "pinned": false, "changed_at": null, "revision": 0,
        })
    );
    let reply = Ask::get("/users/user0/conversations/room/x").send(&app).await;
    reply.assert_problem(400, "bad-request", Some("/type"));
}
