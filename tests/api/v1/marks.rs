//! Names of marks.

use earmark::domain::UserAccess;
use serde_json::{Value, json};

use super::{Ask, set_user_access};
use crate::support::*;

const PEER: &str = "/users/user0/conversations/user/peer";

fn name(bit: u8, name: &str) -> Ask {
    Ask::put(format!("/marks/{bit}")).body(json!({ "name": name }))
}

async fn own_marks(app: &TestApp) -> Value {
    let shown = Ask::get("/marks").send(app).await.ok();
    shown["marks"].as_array().unwrap().iter().skip(4).cloned().collect()
}

#[actix_web::test]
async fn tencents_marks_have_names_from_the_start() {
    let app = TestApp::start().await;
    let names = ["favorite", "unread", "collapsed", "hidden"];
    let marks: Vec<_> = (0..)
        .zip(names)
        .map(|(bit, name)| json!({ "bit": bit, "name": name, "color": null }))
        .collect();
    assert_eq!(Ask::get("/marks").send(&app).await.ok(), json!({ "marks": marks }));
}

#[actix_web::test]
async fn a_named_mark_is_used_by_its_name_or_its_bit() {
    let app = TestApp::start().await;
    Ask::patch(PEER, json!({ "set": [40, 41] })).send(&app).await.ok();
    let ask = Ask::put("/marks/40").body(json!({ "name": "vip", "color": "#c00" }));
    for _ in 0..2 {
        let shown = ask.clone().send(&app).await.ok();
        assert_eq!(shown, json!({ "bit": 40, "name": "vip", "color": "#c00" }));
        assert_eq!(own_marks(&app).await, json!([shown]));
    }
    let shown = Ask::get(PEER).send(&app).await.ok();
    assert_eq!(shown["marks"], json!(["vip", 41]));
    let shown = Ask::patch(PEER, json!({ "clear": ["vip"] })).send(&app).await.ok();
    assert_eq!(shown["marks"], json!([41]));
    let shown = Ask::patch(PEER, json!({ "set": [40] })).send(&app).await.ok();
    assert_eq!(shown["marks"], json!(["vip", 41]));

    for _ in 0..2 {
        let left = Ask::delete("/marks/40").send(&app).await.ok();
        assert_eq!(left["marks"].as_array().unwrap().len(), 4);
    }
    let shown = Ask::get(PEER).send(&app).await.ok();
    assert_eq!(shown["marks"], json!([40, 41]), "the bit stays set");
    let unknown = Ask::patch(PEER, json!({ "set": [41, "vip"] })).send(&app).await;
    unknown.assert_problem(400, "bad-request", Some("/set/1"));
}

#[actix_web::test]
async fn a_name_belongs_to_one_bit() {
    let app = TestApp::start().await;
    name(40, "vip").send(&app).await.ok();
    let taken = name(41, "vip").send(&app).await;
    taken.assert_problem(409, "taken", None);
    assert_eq!(taken.json["code"], Value::Null, "the original has no code for this");
    name(40, "other").send(&app).await.ok();
    name(41, "vip").send(&app).await.ok();
    let bits: Vec<_> =
        own_marks(&app).await.as_array().unwrap().iter().map(|mark| mark["name"].clone()).collect();
    assert_eq!(bits, ["other", "vip"]);
}

#[actix_web::test]
async fn bad_input_names_its_field() {
    let app = TestApp::start().await;
    let put = |body| Ask::put("/marks/40").body(body);
    for (ask, field) in [
        (name(31, "vip"), "/bit"),
        (name(64, "vip"), "/bit"),
        (Ask::delete("/marks/31"), "/bit"),
        (Ask::delete("/marks/vip"), "/bit"),
        (put(json!({})), "/name"),
        (put(json!({ "name": "" })), "/name"),
        (put(json!({ "name": "x".repeat(33) })), "/name"),
        (put(json!({ "name": "favorite" })), "/name"),
        (put(json!({ "name": "vip", "color": "red" })), "/color"),
        (put(json!({ "name": "vip", "colour": "#c00" })), "/colour"),
    ] {
        ask.send(&app).await.assert_problem(400, "bad-request", Some(field));
    }
    for bit in [32, 63] {
        name(bit, &"x".repeat(usize::from(bit) / 2)).send(&app).await.ok();
    }
}

#[actix_web::test]
async fn users_who_may_read_see_the_names_and_only_admins_change_them() {
    let mut app = TestApp::start().await;
    for access in UserAccess::ALL {
        app.change(set_user_access(access)).await;
        // A service that has not read the app yet.
        let address = app.start_another().await;
        let list = Ask::get("/marks").by("user0").send_at(&app, address).await;
        assert_eq!(list.status, if access == UserAccess::None { 403 } else { 200 });
        for ask in [name(40, "vip"), Ask::delete("/marks/40")] {
            ask.by("user0").send_at(&app, address).await.assert_problem(403, "forbidden", None);
        }
    }
    assert_eq!(own_marks(&app).await, json!([]));
}
