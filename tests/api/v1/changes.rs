//! `changes` tells what is different since a cursor.

use serde_json::{Value, json};

use super::{Ask, changes, cursor, ids};
use crate::support::*;

#[actix_web::test]
async fn a_change_that_was_answered_is_in_changes_at_once() {
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    for nr in 0..20 {
        let since = cursor(&app, "user0").await;
        app.mark("user0", [set(&format!("peer{nr}"), 0)]).await.assert_ok();
        let ask = Ask::get(format!("/users/user0/changes?since={since}"));
        let shown = ask.send_at(&app, other).await.ok();
        assert_eq!(ids(&shown["conversations"]), [format!("peer{nr}")]);
    }
}

#[actix_web::test]
async fn each_changed_conversation_is_whole_and_an_empty_one_is_removed() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 0), set("b", 0), set("c", 0)]).await.assert_ok();
    let since = cursor(&app, "user0").await;
    app.mark("user0", [custom("a", "x"), clear("b", 0)]).await.assert_ok();

    let reply = changes(&app, "user0", &since).await;

    assert_eq!(reply.revision, Some(2));
    let mut shown = reply.ok();
    let changed_at = shown["conversations"][0]["changed_at"].take();
    assert!(changed_at.is_string(), "{changed_at}");
    let cursor = shown["cursor"].take();
    assert_eq!(
        shown,
        json!({
            "revision": 2,
            "cursor": null,
            "conversations": [{
                "type": "user", "id": "a", "marks": ["favorite"], "custom": "x",
                "groups": [], "pinned": false, "changed_at": null, "revision": 2,
            }],
            "removed": [{ "type": "user", "id": "b" }],
        })
    );
    let again = changes(&app, "user0", cursor.as_str().unwrap()).await.ok();
    let nothing = json!({ "revision": 2, "cursor": cursor, "conversations": [], "removed": [] });
    assert_eq!(again, nothing);
}

#[actix_web::test]
async fn a_conversation_that_was_made_and_removed_between_two_pulls_is_harmless() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.mark("user0", [clear("a", 0)]).await.assert_ok();
    let shown = changes(&app, "user0", &since).await.ok();
    assert_eq!(shown["conversations"], json!([]));
    assert_eq!(shown["removed"], json!([{ "type": "user", "id": "a" }]));
}

#[actix_web::test]
async fn contact_groups_are_told_when_they_or_their_members_change() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    app.call_ok(CREATE, create("user0", "work", [user("a"), user("b")])).await;
    let shown = changes(&app, "user0", &since).await.ok();
    assert_eq!(shown["groups"], json!([{ "name": "work", "id": 1, "conversations": 2 }]));

    let since = cursor(&app, "user0").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let shown = changes(&app, "user0", &since).await.ok();
    assert_eq!(shown.get("groups"), None, "a mark changes no contact group");

    let since = cursor(&app, "user0").await;
    app.call_ok(UPDATE, rename("user0", "work", "job")).await;
    let shown = changes(&app, "user0", &since).await.ok();
    assert_eq!(ids(&shown["conversations"]), ["b", "a"], "they show the name");
    assert_eq!(shown["conversations"][0]["groups"], json!(["job"]));
    assert_eq!(shown["groups"][0]["name"], "job");

    let since = cursor(&app, "user0").await;
    app.call_ok(DEL, del("user0", "job")).await;
    let shown = changes(&app, "user0", &since).await.ok();
    assert_eq!(ids(&shown["conversations"]), ["a"], "it has a mark");
    assert_eq!(ids(&shown["removed"]), ["b"]);
    assert_eq!(shown["groups"], json!([]));
}

#[actix_web::test]
async fn the_other_end_that_is_deleted_or_comes_back_is_a_change() {
    let app = TestApp::start().await;
    app.import("a").await;
    app.create_chat_group("room").await;
    let room = chat_group("room");
    app.mark("user0", [change_bits(&room, &[0], &[]), set("a", 0)]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "work", [user("a"), user("b")])).await;
    app.mark("user1", [set("b", 0)]).await.assert_ok();
    let since = cursor(&app, "user0").await;
    let of_other = cursor(&app, "user1").await;

    app.delete_account("a").await;
    app.destroy_chat_group("room").await;

    let shown = changes(&app, "user0", &since).await.ok();
    assert_eq!(shown["conversations"], json!([]));
    let removed = json!([{ "type": "group", "id": "room" }, { "type": "user", "id": "a" }]);
    assert_eq!(shown["removed"], removed);
    assert_eq!(shown["groups"], json!([{ "name": "work", "id": 1, "conversations": 1 }]));
    let shown = changes(&app, "user1", &of_other).await.ok();
    let untouched = (&shown["conversations"], &shown["removed"], shown.get("groups"));
    assert_eq!(untouched, (&json!([]), &json!([]), None));

    let since = cursor(&app, "user0").await;
    app.import("a").await;
    app.create_chat_group("room").await;
    let shown = changes(&app, "user0", &since).await.ok();
    assert_eq!(ids(&shown["conversations"]), ["room", "a"]);
    assert_eq!(shown["conversations"][1]["marks"], json!(["favorite"]));
    assert_eq!(shown["groups"][0]["conversations"], 2);
}

#[actix_web::test]
async fn a_user_without_state_has_changes_too() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    let shown = changes(&app, "user0", &since).await;
    assert_eq!(shown.revision, Some(0));
    let nothing: Value =
        json!({ "revision": 0, "cursor": since, "conversations": [], "removed": [] });
    assert_eq!(shown.ok(), nothing);
}

#[actix_web::test]
async fn parameters_are_checked() {
    let app = TestApp::start().await;
    let since = cursor(&app, "user0").await;
    for (query, field) in [
        (String::new(), "/since"),
        (format!("since={since}&wait=61"), "/wait"),
        (format!("since={since}&wait=-1"), "/wait"),
        (format!("since={since}&wait=soon"), "/wait"),
        (format!("since={since}&since={since}"), "/since"),
        (format!("since={since}&until=1"), "/until"),
    ] {
        let reply = Ask::get(format!("/users/user0/changes?{query}")).send(&app).await;
        reply.assert_problem(400, "bad-request", Some(field));
    }
}
