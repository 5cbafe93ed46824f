//! The directory of chat groups, and the state of conversations whose user or chat group has left the directory.

use earmark::domain::{Directory, Edition};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

const NOT_THERE: &str = "GroupId: no such chat group, or it was destroyed";

async fn info(app: &TestApp, ids: &[&str]) -> Value {
    app.call(GET_CHAT_GROUP_INFO, json!({ "GroupIdList": ids })).await["GroupInfo"].clone()
}

#[actix_web::test]
async fn a_chat_group_is_created_read_and_destroyed() {
    let app = TestApp::start().await;
    for (nr, (command, kind)) in [
        (CREATE_CHAT_GROUP, "Private"),
        (CREATE_CHAT_GROUP, "Public"),
        (CREATE_CHAT_GROUP, "ChatRoom"),
        (CREATE_CHAT_GROUP, "AVChatRoom"),
        (CREATE_CHAT_GROUP, "Community"),
        (IMPORT_CHAT_GROUP, "Private"),
        (IMPORT_CHAT_GROUP, "Community"),
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
        let mut expected = json!({
            "GroupId": id, "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "ErrorDisplay": "",
        });
        if command == CREATE_CHAT_GROUP {
            expected["Type"] = json!(kind);
        }
        assert_eq!(answer, expected);
        for command in [CREATE_CHAT_GROUP, IMPORT_CHAT_GROUP] {
            let mut body = body.clone();
            body["Type"] = json!("Public");
            app.call(command, body).await.assert_refused(ChatGroupIdTaken, "GroupId: taken");
        }
        let live = json!({
            "GroupId": id, "ErrorCode": 0, "ErrorInfo": "", "Type": kind, "Name": "TestGroup",
        });
        let missing =
            json!({ "GroupId": "nothing", "ErrorCode": UnknownChatGroup, "ErrorInfo": NOT_THERE });
        assert_eq!(info(&app, &[&id, "nothing", &id]).await, json!([live.clone(), missing, live]));
        app.destroy_chat_group(&id).await;
        assert_eq!(info(&app, &[&id]).await[0]["ErrorCode"], UnknownChatGroup);
        let answer = app.call(DESTROY_CHAT_GROUP, json!({ "GroupId": id })).await;
        answer.assert_refused(UnknownChatGroup, NOT_THERE);
    }
}

#[actix_web::test]
async fn a_generated_id_begins_like_tencents() {
    let app = TestApp::start().await;
    let mut ids = Vec::new();
    for id in [json!(null), json!(""), json!(null)] {
        let body = json!({ "Type": "Public", "Name": "n", "GroupId": id });
        let answer = app.call_ok(CREATE_CHAT_GROUP, body).await;
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
async fn the_id_of_a_community_begins_like_tencents_whether_it_is_chosen_or_generated() {
    let app = TestApp::start().await;
    let body = |kind: &str, id: &str| json!({ "Type": kind, "Name": "n", "GroupId": id });
    let answer = app.call_ok(CREATE_CHAT_GROUP, body("Community", "")).await;
    assert!(answer["GroupId"].as_str().unwrap().starts_with("@TGS#_"), "{answer}");
    app.call_ok(CREATE_CHAT_GROUP, body("Community", "@TGS#_chosen")).await;
    for (kind, id) in [("Community", "@TGS#1"), ("Public", "@TGS#_other")] {
        let answer = app.call(CREATE_CHAT_GROUP, body(kind, id)).await;
        answer.assert_refused(BadChatGroupParameter, "GroupId: must not begin with @TGS#");
        app.call_ok(IMPORT_CHAT_GROUP, body(kind, id)).await;
    }
}

#[actix_web::test]
async fn an_empty_text_in_an_optional_field_counts_as_absent() {
    let app = TestApp::start().await;
    let body = json!({ "Owner_Account": "", "Type": "Public", "Name": "n", "GroupId": "" });
    app.call_ok(CREATE_CHAT_GROUP, body).await;
    let body = json!({ "UserID": "user0", "Nick": "", "FaceUrl": "" });
    app.call_ok(ACCOUNT_IMPORT, body).await;
}

#[actix_web::test]
async fn an_invalid_chat_group_is_refused_with_the_path_to_the_mistake() {
    let app = TestApp::start().await;
    let body =
        |id: &str, kind: &str, name: &str| json!({ "GroupId": id, "Type": kind, "Name": name });
    let (long, longest) = ("x".repeat(49), "x".repeat(48));
    for command in [CREATE_CHAT_GROUP, IMPORT_CHAT_GROUP] {
        for (body, info) in [
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
            app.call(command, body).await.assert_refused(BadChatGroupParameter, info);
        }
        let answer = app.call(command, json!({ "Owner_Account": 7 })).await;
        answer.assert_code(AccountNotString);
        app.call_ok(command, body(&longest, "Public", &"n".repeat(30))).await;
        app.destroy_chat_group(&longest).await;
    }
    let answer = app.call(IMPORT_CHAT_GROUP, body("g", "AVChatRoom", "n")).await;
    answer.assert_refused(NotImportable, "Type: AVChatRoom cannot be imported");
    app.call(DESTROY_CHAT_GROUP, json!({})).await.assert_code(BadChatGroupParameter);
    for count in [0, 51] {
        let answer =
            app.call(GET_CHAT_GROUP_INFO, json!({ "GroupIdList": vec!["g"; count] })).await;
        answer.assert_refused(
            BadChatGroupParameter,
            &format!("GroupIdList: must hold 1 to 50 items, got {count}"),
        );
    }
    assert_eq!(info(&app, &["g"; 50]).await.as_array().unwrap().len(), 50);
    let no_admin = query_of(APP, "user0", &user_sig(KEY, APP, "user0"));
    for command in [CREATE_CHAT_GROUP, IMPORT_CHAT_GROUP, DESTROY_CHAT_GROUP, GET_CHAT_GROUP_INFO] {
        let answer = app.call_as(command, &no_admin, "{}").await;
        answer.assert_refused(NotAdminOfDirectory, "identifier: not an admin of the app");
    }
}

#[actix_web::test]
async fn of_many_callers_who_create_the_same_chat_group_exactly_one_succeeds() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let both = [app.addresses.api, app.start_another().await];
    for _ in 0..3 {
        let body = json!({ "Type": "Public", "Name": "n", "GroupId": "g" });
        let calls = (0..12).map(|nr| app.call_at(both[nr % 2], CREATE_CHAT_GROUP, body.clone()));
        let answers = join_all(calls).await;
        assert_codes(&answers, [(Ok, 1), (ChatGroupIdTaken, 11)]);
        app.destroy_chat_group("g").await;
    }
}

/// Sends every call that changes the conversation. Each item must have this code.
async fn assert_writes(app: &TestApp, contact_item: &Value, code: Code) {
    let mark = mark_contact("user0", [change_bits(contact_item, &[9], &[])]);
    app.call(MARK_CONTACT, mark).await.assert_items([code]);
    for change in [add(contact_item), remove(contact_item)] {
        app.call(UPDATE, update("user0", "g", [change])).await.assert_items([code]);
    }
    let name = if code == Ok { "ok" } else { "refused" };
    let made = create("user0", name, [contact_item.clone()]);
    app.call(CREATE, made).await.assert_items([code]);
    app.call_ok(DEL, del("user0", name)).await;
    for operation in [1, 2] {
        let body = top("user0", operation, [contact_item.clone()]);
        app.call(TOP, body).await.assert_items([code]);
    }
}

#[actix_web::test]
async fn each_directory_mode_defines_which_peers_must_exist() {
    for (directory, stranger) in [
        (Directory::Open, [Ok, Ok]),
        (Directory::Owners, [Ok, Ok]),
        (Directory::Strict, [UnknownUser, ChatGroupGone]),
    ] {
        let app = TestApp::with(Edition::Premium, directory).await;
        for name in ["user0", "imported", "deleted"] {
            app.import(name).await;
        }
        app.create_chat_group("created").await;
        app.create_chat_group("destroyed").await;
        app.delete_account("deleted").await;
        app.destroy_chat_group("destroyed").await;
        app.call_ok(CREATE, create("user0", "g", EMPTY)).await;
        for (contact_item, code) in [
            (user("imported"), Ok),
            (chat_group("created"), Ok),
            (user("stranger"), stranger[0]),
            (chat_group("stranger"), stranger[1]),
            (user("deleted"), UnknownUser),
            (chat_group("destroyed"), ChatGroupGone),
        ] {
            assert_writes(&app, &contact_item, code).await;
            app.call_ok(SEARCH, search("user0", [contact_item])).await;
        }
    }
}

/// One conversation takes the only place of every limit. Its peer leaves the directory, and comes back.
async fn check_peer_that_leaves(
    contact_item: Value,
    code: Code,
    leave: impl AsyncFn(&TestApp),
    come_back: impl AsyncFn(&TestApp),
) {
    let app = TestApp::with_limits(&["marked=1", "grouped=1", "pinned=1"]).await;
    come_back(&app).await;
    app.call_ok(CREATE, create("user0", "g", [contact_item.clone()])).await;
    app.call_ok(MARK_CONTACT, mark_contact("user0", [change_bits(&contact_item, &[0], &[])])).await;
    app.call_ok(TOP, top("user0", 1, [contact_item.clone()])).await;
    let before = app.search_one("user0", &contact_item).await;
    let others = [
        (MARK_CONTACT, mark_contact("user0", [set("other", 0)]), ConversationsFull),
        (UPDATE, update("user0", "g", [add(&user("other"))]), ConversationsFull),
        (TOP, top("user0", 1, [user("other")]), PinsFull),
    ];
    for (command, body, full) in &others {
        app.call(command, body.clone()).await.assert_items([*full]);
    }

    leave(&app).await;
    assert!(app.all_pages("user0").await.is_empty() && app.listed("user0").await.is_empty());
    let answer = app.call_ok(SEARCH, search("user0", [contact_item.clone()])).await;
    assert_eq!(answer["ContactResultItem"][0]["Timestamp"], 0);
    assert_eq!(answer["GroupItem"], json!([]));
    let mark = mark_contact("user0", [change_bits(&contact_item, &[1], &[])]);
    app.call(MARK_CONTACT, mark).await.assert_items([code]);
    for (command, body, _) in &others {
        app.call_ok(command, body.clone()).await;
    }
    assert_eq!(app.peers_on_pages("user0").await, ["other"]);

    come_back(&app).await;
    assert_eq!(
        app.search_one("user0", &contact_item).await,
        before,
        "the conversation is shown as before"
    );
    assert_eq!((app.peers_on_pages("user0").await.len(), app.listed("user0").await.len()), (2, 2));
}

#[actix_web::test]
async fn a_destroyed_chat_group_is_hidden_and_takes_no_place_until_it_is_created_again() {
    let leave = async |app: &TestApp| app.destroy_chat_group("c").await;
    let come_back = async |app: &TestApp| app.create_chat_group("c").await;
    check_peer_that_leaves(chat_group("c"), ChatGroupGone, leave, come_back).await;
}

#[actix_web::test]
async fn a_deleted_peer_is_hidden_and_takes_no_place_until_it_is_imported_again() {
    let leave = async |app: &TestApp| app.delete_account("c").await;
    let come_back = async |app: &TestApp| app.import("c").await;
    check_peer_that_leaves(user("c"), UnknownUser, leave, come_back).await;
}

#[actix_web::test]
async fn a_conversation_with_a_destroyed_chat_group_can_be_deleted_and_leaves_with_its_contact_group()
 {
    let app = TestApp::start().await;
    app.create_chat_group("c").await;
    app.create_chat_group("d").await;
    app.call_ok(CREATE, create("user0", "g", [chat_group("c"), chat_group("d")])).await;
    app.destroy_chat_group("c").await;
    app.destroy_chat_group("d").await;
    app.call_ok(DELETE, json!({ "From_Account": "user0", "Type": 2, "ToGroupid": "c" })).await;
    app.call_ok(DEL, del("user0", "g")).await;
    app.create_chat_group("c").await;
    app.create_chat_group("d").await;
    assert!(app.all_pages("user0").await.is_empty());
}
