//! The directory of chat groups, and what becomes of what is kept about those that are gone.

use earmark::domain::{Directory, Edition};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

const NOT_THERE: &str = "GroupId: no such chat group, or it was destroyed";

async fn info(app: &TestApp, ids: &[&str]) -> Value {
    app.call(GET_GROUP_INFO, json!({ "GroupIdList": ids })).await["GroupInfo"].clone()
}

#[actix_web::test]
async fn a_chat_group_is_made_asked_after_and_destroyed() {
    let app = TestApp::start().await;
    for (nr, (command, kind)) in [
        (CREATE_GROUP, "Private"),
        (CREATE_GROUP, "Public"),
        (CREATE_GROUP, "ChatRoom"),
        (CREATE_GROUP, "AVChatRoom"),
        (CREATE_GROUP, "Community"),
        (IMPORT_GROUP, "Private"),
        (IMPORT_GROUP, "Community"),
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("group {nr}");
        let body = json!({
            "Owner_Account": "leckie", "Type": kind, "GroupId": id, "Name": "TestGroup",
            "MemberList": [{ "Member_Account": "bob", "Role": "Admin" }],
        });
        let answer = app.call(command, body.clone()).await;
        let expected = json!({
            "GroupId": id, "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "ErrorDisplay": "",
        });
        assert_eq!(answer, expected);
        for command in [CREATE_GROUP, IMPORT_GROUP] {
            let mut body = body.clone();
            body["Type"] = json!("Public");
            assert_fails(&app.call(command, body).await, 10021, "GroupId: taken");
        }
        let live = json!({
            "GroupId": id, "ErrorCode": 0, "ErrorInfo": "", "Type": kind, "Name": "TestGroup",
        });
        let missing = json!({ "GroupId": "nothing", "ErrorCode": 10010, "ErrorInfo": NOT_THERE });
        assert_eq!(info(&app, &[&id, "nothing", &id]).await, json!([live.clone(), missing, live]));
        app.destroy_chat_group(&id).await;
        assert_eq!(info(&app, &[&id]).await[0]["ErrorCode"], 10010);
        let answer = app.call(DESTROY_GROUP, json!({ "GroupId": id })).await;
        assert_fails(&answer, 10010, NOT_THERE);
    }
}

#[actix_web::test]
async fn an_id_that_is_made_here_begins_as_the_originals_do() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for id in [json!(null), json!(""), json!(null)] {
        let body = json!({ "Type": "Public", "Name": "n", "GroupId": id });
        let answer = app.must(CREATE_GROUP, body).await;
        let id = answer["GroupId"].as_str().unwrap().to_owned();
        assert!(id.starts_with("@TGS#") && id.len() <= 48, "{id}");
        assert_eq!(info(&app, &[&id]).await[0]["Name"], "n");
        ids.push(id);
    }
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 3);
}

#[actix_web::test]
async fn a_chat_group_that_cannot_be_is_refused_with_the_path_to_what_is_wrong() {
    let app = TestApp::start().await;
    let body =
        |id: &str, kind: &str, name: &str| json!({ "GroupId": id, "Type": kind, "Name": name });
    let (long, longest) = ("x".repeat(49), "x".repeat(48));
    for command in [CREATE_GROUP, IMPORT_GROUP] {
        for (body, info) in [
            (body("@TGS#1", "Public", "n"), "GroupId: must not begin with @TGS#"),
            (body("中", "Public", "n"), "GroupId: must be printable ASCII"),
            (body(&long, "Public", "n"), "GroupId: must be 1 to 48 bytes of UTF-8, got 49"),
            (body("g", "Public", ""), "Name: must be 1 to 30 bytes of UTF-8, got 0"),
            (body("g", "Public", &"n".repeat(31)), "Name: must be 1 to 30 bytes of UTF-8, got 31"),
            (json!({ "Name": "n" }), "Type: missing, must be a string"),
            (json!({ "Type": "Public" }), "Name: missing, must be a string"),
            (
                json!({ "GroupId": 1, "Type": "Public", "Name": "n" }),
                "GroupId: must be a string, got an integer",
            ),
            (
                body("g", "public", "n"),
                "Type: must be one of Private, Public, ChatRoom, AVChatRoom, Community, got \"public\"",
            ),
        ] {
            assert_fails(&app.call(command, body).await, 10004, info);
        }
        let answer = app.call(command, json!({ "Owner_Account": 7 })).await;
        assert_eq!(failure(&answer).0, 60015);
        app.must(command, body(&longest, "Public", &"n".repeat(30))).await;
        app.destroy_chat_group(&longest).await;
    }
    let answer = app.call(IMPORT_GROUP, body("g", "AVChatRoom", "n")).await;
    assert_fails(&answer, 10007, "Type: AVChatRoom cannot be imported");
    assert_eq!(failure(&app.call(DESTROY_GROUP, json!({})).await).0, 10004);
    for count in [0, 51] {
        let answer = app.call(GET_GROUP_INFO, json!({ "GroupIdList": vec!["g"; count] })).await;
        assert_fails(&answer, 10004, &format!("GroupIdList: must hold 1 to 50 items, got {count}"));
    }
    assert_eq!(info(&app, &["g"; 50]).await.as_array().unwrap().len(), 50);
    let nobody = query_of(APP, "nobody", &user_sig(KEY, APP, "nobody"));
    for command in [CREATE_GROUP, IMPORT_GROUP, DESTROY_GROUP, GET_GROUP_INFO] {
        let answer = app.ask(command, &nobody, "{}").await;
        assert_fails(&answer, 60010, "identifier: not an admin of the app");
    }
}

#[actix_web::test]
async fn of_many_who_make_the_same_chat_group_exactly_one_does() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let both = [app.addresses.api, app.start_another().await];
    for _ in 0..3 {
        let body = json!({ "Type": "Public", "Name": "n", "GroupId": "g" });
        let calls = (0..12).map(|nr| app.call_at(both[nr % 2], CREATE_GROUP, body.clone()));
        let answers = join_all(calls).await;
        assert_eq!(answers.iter().filter(|answer| answer["ErrorCode"] == 0).count(), 1);
        assert_eq!(answers.iter().filter(|answer| answer["ErrorCode"] == 10021).count(), 11);
        app.destroy_chat_group("g").await;
    }
}

/// Everything that can be written about the conversation, and the code that each item must have.
async fn assert_writes(app: &TestApp, contact_item: &Value, code: u64) {
    let mark = mark_contact("user0", [change(contact_item, &[9], &[])]);
    assert_eq!(app.outcome(MARK_CONTACT, mark).await, (0, vec![code]));
    for change in [add(contact_item), remove(contact_item)] {
        assert_eq!(app.outcome(UPDATE, update("user0", "g", [change])).await, (0, vec![code]));
    }
    let name = if code == 0 { "welcome" } else { "refused" };
    let made = create("user0", name, [contact_item.clone()]);
    assert_eq!(app.outcome(CREATE, made).await, (0, vec![code]));
    app.must(DEL, del("user0", name)).await;
    for operation in [1, 2] {
        let body = top("user0", operation, [contact_item.clone()]);
        assert_eq!(app.outcome(TOP, body).await, (0, vec![code]));
    }
}

#[actix_web::test]
async fn each_mode_says_who_has_to_be_there() {
    for (directory, stranger) in [
        (Directory::Open, [0, 0]),
        (Directory::Owners, [0, 0]),
        (Directory::Strict, [50001, 51007]),
    ] {
        let app = TestApp::with(Edition::Premium, directory).await;
        for name in ["user0", "alive", "gone"] {
            app.import(name).await;
        }
        app.make_chat_group("live").await;
        app.make_chat_group("destroyed").await;
        app.delete_account("gone").await;
        app.destroy_chat_group("destroyed").await;
        app.must(CREATE, create("user0", "g", [0; 0])).await;
        for (contact_item, code) in [
            (user("alive"), 0),
            (group("live"), 0),
            (user("stranger"), stranger[0]),
            (group("stranger"), stranger[1]),
            (user("gone"), 50001),
            (group("destroyed"), 51007),
        ] {
            assert_writes(&app, &contact_item, code).await;
            app.must(SEARCH, search("user0", [contact_item])).await;
        }
    }
}

/// Fills every cap with one conversation, which dies, and comes back.
async fn assert_dies_and_comes_back(
    contact_item: Value,
    code: u64,
    die: impl AsyncFn(&TestApp),
    come_back: impl AsyncFn(&TestApp),
) {
    let app = TestApp::with_limits(&["marked=1", "grouped=1", "pinned=1"]).await;
    come_back(&app).await;
    app.must(CREATE, create("user0", "g", [contact_item.clone()])).await;
    app.must(MARK_CONTACT, mark_contact("user0", [change(&contact_item, &[0], &[])])).await;
    app.must(TOP, top("user0", 1, [contact_item.clone()])).await;
    let before = app.look("user0", &contact_item).await;
    let others = [
        (MARK_CONTACT, mark_contact("user0", [set("other", 0)]), 51008),
        (UPDATE, update("user0", "g", [add(&user("other"))]), 51008),
        (TOP, top("user0", 1, [user("other")]), 51012),
    ];
    for (command, body, full) in &others {
        assert_eq!(app.outcome(command, body.clone()).await, (0, vec![*full]));
    }

    die(&app).await;
    assert!(app.everything("user0").await.is_empty() && app.listed("user0").await.is_empty());
    let answer = app.must(SEARCH, search("user0", [contact_item.clone()])).await;
    assert_eq!(answer["ContactResultItem"][0]["Timestamp"], 0);
    assert_eq!(answer["GroupItem"], json!([]));
    let mark = mark_contact("user0", [change(&contact_item, &[1], &[])]);
    assert_eq!(app.outcome(MARK_CONTACT, mark).await, (0, vec![code]));
    for (command, body, _) in &others {
        app.must(command, body.clone()).await;
    }
    assert_eq!(app.found("user0").await, ["other"]);

    come_back(&app).await;
    assert_eq!(app.look("user0", &contact_item).await, before, "it shows again as it was");
    assert_eq!((app.found("user0").await.len(), app.listed("user0").await.len()), (2, 2));
}

#[actix_web::test]
async fn a_destroyed_chat_group_neither_shows_nor_eats_a_place_until_it_is_made_again() {
    let die = async |app: &TestApp| app.destroy_chat_group("c").await;
    let come_back = async |app: &TestApp| app.make_chat_group("c").await;
    assert_dies_and_comes_back(group("c"), 51007, die, come_back).await;
}

#[actix_web::test]
async fn a_deleted_peer_neither_shows_nor_eats_a_place_until_it_is_imported_again() {
    let die = async |app: &TestApp| app.delete_account("c").await;
    let come_back = async |app: &TestApp| app.import("c").await;
    assert_dies_and_comes_back(user("c"), 50001, die, come_back).await;
}

#[actix_web::test]
async fn what_is_kept_about_the_dead_can_be_forgotten_and_goes_with_its_group() {
    let app = TestApp::start().await;
    app.make_chat_group("c").await;
    app.make_chat_group("d").await;
    app.must(CREATE, create("user0", "g", [group("c"), group("d")])).await;
    app.destroy_chat_group("c").await;
    app.destroy_chat_group("d").await;
    app.must(DELETE, json!({ "From_Account": "user0", "Type": 2, "ToGroupid": "c" })).await;
    app.must(DEL, del("user0", "g")).await;
    app.make_chat_group("c").await;
    app.make_chat_group("d").await;
    assert!(app.everything("user0").await.is_empty());
}
