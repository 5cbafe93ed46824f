//! Contact groups through the native API.

use earmark::domain::{Directory, Edition};
use serde_json::{Value, json};

use super::Ask;
use crate::support::*;

fn path(name: &str) -> String {
    format!("/users/user0/groups/{name}")
}

async fn put(app: &TestApp, name: &str) -> Value {
    Ask::put(path(name)).send(app).await.ok()
}

async fn edit(app: &TestApp, name: &str, change: Value) -> Value {
    Ask::patch(path(name), change).send(app).await.ok()
}

/// The names of the contact groups, in the user's order.
async fn names(app: &TestApp) -> Vec<String> {
    let shown = Ask::get("/users/user0").send(app).await.ok();
    let name = |group: &Value| group["name"].as_str().unwrap().to_owned();
    shown["groups"].as_array().unwrap().iter().map(name).collect()
}

async fn revision(app: &TestApp) -> i64 {
    app.revision_and_count("user0").await.0
}

async fn name_revisions(app: &TestApp) -> Vec<(String, i64)> {
    let all = "SELECT name, name_revision FROM contact_groups ORDER BY group_id";
    sqlx::query_as(all).fetch_all(&app.db).await.unwrap()
}

#[actix_web::test]
async fn a_put_creates_a_contact_group_and_later_gets_it() {
    let app = TestApp::start().await;
    let first = Ask::put(path("work")).send(&app).await;
    assert_eq!((first.status, first.revision), (201, Some(1)));
    assert_eq!(first.ok(), json!({ "name": "work", "id": 1, "conversations": 0 }));
    let add = json!({ "add_to": ["work"] });
    Ask::patch("/users/user0/conversations/user/a", add).send(&app).await.ok();
    let again = Ask::put(path("work")).send(&app).await;
    assert_eq!((again.status, again.revision), (200, Some(2)));
    assert_eq!(again.ok(), json!({ "name": "work", "id": 1, "conversations": 1 }));
    assert_eq!(app.contact_groups("user0").await, [("work".to_owned(), 1)]);
}

#[actix_web::test]
async fn a_patch_renames_and_moves_in_one_revision() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c"] {
        put(&app, name).await;
    }
    let add = json!({ "add_to": ["b", "c"] });
    Ask::patch("/users/user0/conversations/user/x", add).send(&app).await.ok();
    let reply = Ask::patch(path("c"), json!({ "name": "d", "position": 0 })).send(&app).await;
    assert_eq!((reply.status, reply.revision), (200, Some(5)));
    assert_eq!(reply.ok(), json!({ "name": "d", "id": 3, "conversations": 1 }));
    assert_eq!(names(&app).await, ["d", "a", "b"]);
    let shown = Ask::get("/users/user0/conversations/user/x").send(&app).await.ok();
    assert_eq!(shown["groups"], json!(["b", "d"]), "a move changes no conversation");
}

#[actix_web::test]
async fn a_moved_contact_group_keeps_the_revision_of_its_name() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c"] {
        put(&app, name).await;
    }
    edit(&app, "b", json!({ "position": 2 })).await;
    edit(&app, "c", json!({ "name": "d", "position": 1 })).await;
    assert_eq!(names(&app).await, ["a", "d", "b"]);
    let expected = [("a", 1), ("b", 2), ("d", 5)].map(|(name, at)| (name.to_owned(), at));
    assert_eq!(name_revisions(&app).await, expected);
    let groups_revision = "SELECT groups_revision FROM users";
    let found: i64 = sqlx::query_scalar(groups_revision).fetch_one(&app.db).await.unwrap();
    assert_eq!(found, 5);
}

#[actix_web::test]
async fn a_position_beyond_the_end_is_the_last_and_a_new_contact_group_comes_last() {
    let app = TestApp::start().await;
    for name in ["a", "b"] {
        put(&app, name).await;
    }
    for position in [json!(1), json!(u64::MAX), json!(1)] {
        edit(&app, "a", json!({ "position": position })).await;
        assert_eq!((names(&app).await, revision(&app).await), (vec!["b".into(), "a".into()], 3));
    }
    put(&app, "c").await;
    assert_eq!(names(&app).await, ["b", "a", "c"]);
    let of_original: Vec<_> =
        app.contact_groups("user0").await.into_iter().map(|(name, _)| name).collect();
    assert_eq!(of_original, ["a", "b", "c"], "the original's order is that of the ids");
}

#[actix_web::test]
async fn a_patch_sent_again_and_one_without_effect_change_nothing() {
    let app = TestApp::start().await;
    put(&app, "a").await;
    for change in
        [json!({}), json!({ "name": "a" }), json!({ "position": 0 }), json!({ "name": null })]
    {
        edit(&app, "a", change).await;
        assert_eq!(revision(&app).await, 1);
    }
    let rename = || Ask::patch(path("a"), json!({ "name": "b" })).send(&app);
    rename().await.ok();
    // There is no contact group of the old name any more.
    rename().await.assert_refused(404, "not-found", UnknownContactGroup);
    assert_eq!(revision(&app).await, 2);
}

#[actix_web::test]
async fn a_deleted_contact_group_can_be_deleted_again() {
    let app = TestApp::start().await;
    put(&app, "work").await;
    let change = json!({ "set": [0], "add_to": ["work"] });
    Ask::patch("/users/user0/conversations/user/a", change).send(&app).await.ok();
    for _ in 0..2 {
        let reply = Ask::delete(path("work")).send(&app).await;
        assert_eq!(reply.revision, Some(3));
        assert_eq!(reply.ok(), json!({ "revision": 3 }));
    }
    let reply = Ask::delete(path("work")).if_match(3).send(&app).await;
    assert_eq!(reply.revision, Some(3));
    let shown = Ask::get("/users/user0/conversations/user/a").send(&app).await.ok();
    assert_eq!((&shown["groups"], &shown["marks"]), (&json!([]), &json!(["favorite"])));
    // Nothing is known about this user.
    assert_eq!(Ask::delete("/users/user9/groups/x").send(&app).await.revision, Some(0));
}

#[actix_web::test]
async fn a_name_may_hold_any_text() {
    let app = TestApp::start().await;
    for (name, encoded) in [
        ("a/b", "a%2Fb"),
        ("工作 🙂", "%E5%B7%A5%E4%BD%9C%20%F0%9F%99%82"),
        ("..", "%2E%2E"),
        ("a+b%", "a+b%25"),
    ] {
        let shown = put(&app, encoded).await;
        assert_eq!(shown["name"], name);
        let shown = edit(&app, encoded, json!({ "position": 0 })).await;
        assert_eq!(shown["name"], name);
        assert_eq!(names(&app).await, [name]);
        Ask::delete(path(encoded)).send(&app).await.ok();
        assert!(names(&app).await.is_empty());
    }
}

#[actix_web::test]
async fn limits_and_names_refuse_with_their_codes() {
    let app = TestApp::with_limits(&["groups=2", "group-name-bytes=4"]).await;
    for name in ["a", "b"] {
        put(&app, name).await;
    }
    let full = Ask::put(path("c")).send(&app).await;
    full.assert_refused(409, "limit", ContactGroupsFull);
    put(&app, "b").await;
    let taken = Ask::patch(path("a"), json!({ "name": "b", "position": 1 })).send(&app).await;
    taken.assert_refused(409, "taken", BadParameter);
    let unknown = Ask::patch(path("c"), json!({ "position": 0 })).send(&app).await;
    unknown.assert_refused(404, "not-found", UnknownContactGroup);
    for (ask, field) in [
        (Ask::put(path("12345")), "/name"),
        (Ask::put(path("a%00")), "/name"),
        (Ask::patch(path("a"), json!({ "name": "12345" })), "/name"),
        (Ask::patch(path("a"), json!({ "name": "" })), "/name"),
        (Ask::patch(path("a"), json!({ "name": 1 })), "/name"),
        (Ask::patch(path("a"), json!({ "position": -1 })), "/position"),
        (Ask::patch(path("a"), json!({ "position": "0" })), "/position"),
        (Ask::patch(path("a"), json!({ "rank": 0 })), "/rank"),
    ] {
        ask.send(&app).await.assert_problem(400, "bad-request", Some(field));
    }
    put(&app, "b").await;
    edit(&app, "a", json!({ "name": "1234" })).await;
    assert_eq!(names(&app).await, ["1234", "b"]);
}

#[actix_web::test]
async fn the_edition_decides_about_contact_groups() {
    let app = TestApp::with(Edition::Standard, Directory::Open).await;
    for ask in [Ask::put(path("a")), Ask::patch(path("a"), json!({})), Ask::delete(path("a"))] {
        ask.send(&app).await.assert_refused(403, "forbidden", EditionTooLow);
    }
}
