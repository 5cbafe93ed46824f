//! Contact groups: they are created, renamed, changed and deleted.

use actix_web::http::Method;
use earmark::domain::{Directory, Edition};
use futures_util::future::{join, join_all};
use serde_json::{Value, json};

use crate::support::*;

/// The bytes of the answer to a body.
async fn text(app: &TestApp, command: &str, body: &str) -> String {
    let url = format!("http://{}/v4/{command}?{}", app.addresses.api, query());
    app.send(Method::POST, &url, body.as_bytes().to_vec()).await.text
}

#[actix_web::test]
async fn the_samples_of_the_documents_are_answered_as_the_documents_say() {
    let app = TestApp::start().await;
    for (command, body, expected) in [
        (
            CREATE,
            r#"{"From_Account":"user15","GroupContactItem":[{"GroupName":"test0","ContactItem":[{"Type":1,"To_Account":"user0"}]}]}"#,
            r#"{"GroupResultItem":[{"GroupItem":{"GroupName":"test0","GroupId":1},"ResultItem":[{"ContactItem":{"Type":1,"To_Account":"user0"},"ResultCode":0,"ResultInfo":""}]}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            CREATE,
            r#"{"From_Account":"user15","GroupContactItem":[{"GroupName":"test2","ContactItem":[{"Type":1,"To_Account":"user1"}]}]}"#,
            r#"{"GroupResultItem":[{"GroupItem":{"GroupName":"test2","GroupId":2},"ResultItem":[{"ContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""}]}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            DEL,
            r#"{"From_Account":"user15","GroupName":["test0"]}"#,
            r#"{"GroupItem":[{"GroupName":"test0","GroupId":1}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            CREATE,
            r#"{"From_Account":"user20","GroupContactItem":[{"GroupName":"test1"}]}"#,
            r#"{"GroupResultItem":[{"GroupItem":{"GroupName":"test1","GroupId":1},"ResultItem":[]}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            UPDATE,
            r#"{"From_Account":"user20","UpdateType":1,"UpdateGroup":{"UpdateGroupType":2,"OldGroupName":"test1","ContactUpdateItem":[{"ContactOptType":1,"ContactItem":{"Type":1,"To_Account":"user1"}}]}}"#,
            r#"{"UpdateType":1,"UpdateGroupResult":{"UpdateGroupType":2,"GroupName":"test1","GroupId":1,"OldGroupName":"test1","ContactResultItem":[{"ContactOptType":1,"ContactItem":{"Type":1,"To_Account":"user1"},"ResultCode":0,"ResultInfo":""}]},"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    ] {
        assert_eq!(text(&app, command, body).await, expected, "{body}");
    }
}

#[actix_web::test]
async fn the_samples_of_2026_are_answered_as_the_documents_say() {
    let app = TestApp::start().await;
    for (command, body, expected) in [
        (
            CREATE,
            r#"{"From_Account":"user_0001","GroupContactItem":[{"GroupName":"group_0001","ContactItem":[{"Type":1,"To_Account":"user_0002"},{"Type":2,"ToGroupId":"@TGS#1B2AUI7RZ"}]}]}"#,
            r#"{"GroupResultItem":[{"GroupItem":{"GroupName":"group_0001","GroupId":1},"ResultItem":[{"ContactItem":{"Type":1,"To_Account":"user_0002"},"ResultCode":0,"ResultInfo":""},{"ContactItem":{"Type":2,"ToGroupId":"@TGS#1B2AUI7RZ"},"ResultCode":0,"ResultInfo":""}]}],"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            UPDATE,
            r#"{"From_Account":"user_0001","UpdateType":1,"UpdateGroup":{"UpdateGroupType":1,"OldGroupName":"group_0001","NewGroupName":"group_0002"}}"#,
            r#"{"UpdateType":1,"UpdateGroupResult":{"UpdateGroupType":1,"GroupName":"group_0002","GroupId":1,"OldGroupName":"group_0001","ContactResultItem":[]},"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
        (
            UPDATE,
            r#"{"From_Account":"user_0001","UpdateType":1,"UpdateGroup":{"UpdateGroupType":2,"OldGroupName":"group_0002","ContactUpdateItem":[{"ContactOptType":1,"ContactItem":{"Type":1,"To_Account":"user_0002"}},{"ContactOptType":2,"ContactItem":{"Type":2,"ToGroupId":"@TGS#1B2AUI7RZ"}}]}}"#,
            r#"{"UpdateType":1,"UpdateGroupResult":{"UpdateGroupType":2,"GroupName":"group_0002","GroupId":1,"OldGroupName":"group_0002","ContactResultItem":[{"ContactOptType":1,"ContactItem":{"Type":1,"To_Account":"user_0002"},"ResultCode":0,"ResultInfo":""},{"ContactOptType":2,"ContactItem":{"Type":2,"ToGroupId":"@TGS#1B2AUI7RZ"},"ResultCode":0,"ResultInfo":""}]},"ActionStatus":"OK","ErrorCode":0,"ErrorInfo":"","ErrorDisplay":""}"#,
        ),
    ] {
        assert_eq!(text(&app, command, body).await, expected, "{body}");
    }
    assert_eq!(app.peers_on_pages("user_0001").await, ["user_0002"]);
}

#[actix_web::test]
async fn adding_a_member_again_and_removing_a_stranger_succeed() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "a", [user("b"), user("b")])).await;
    let changes =
        [add(&user("b")), remove(&user("c")), add(&user("c")), remove(&user("c")), add(&user("d"))];
    app.call_ok(UPDATE, update("user0", "a", changes)).await;
    assert_eq!(app.peers_on_pages("user0").await, ["b", "d"]);
}

#[actix_web::test]
async fn a_conversation_may_be_in_several_contact_groups() {
    let app = TestApp::start().await;
    for name in ["a", "b", "c"] {
        app.call_ok(CREATE, create("user0", name, [user("peer")])).await;
    }
    assert_eq!(app.search_one("user0", &user("peer")).await["ContactGroupId"], json!([1, 2, 3]));
    app.call_ok(UPDATE, update("user0", "b", [remove(&user("peer"))])).await;
    assert_eq!(app.search_one("user0", &user("peer")).await["ContactGroupId"], json!([1, 3]));
}

#[actix_web::test]
async fn a_taken_name_is_refused_and_nothing_is_written() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user0", "a", [user("x")])).await;
    app.call_ok(CREATE, create("user0", "b", EMPTY)).await;
    let taken = "the user has a conversation group of that name";
    let answer = app.call(CREATE, create("user0", "a", [user("y")])).await;
    let of_a =
        format!("GroupContactItem[0].GroupName: {taken}: GroupId 1, which holds 1 conversations");
    answer.assert_refused(BadParameter, &of_a);
    let answer = app.call(UPDATE, rename("user0", "a", "b")).await;
    let of_b = format!("UpdateGroup.NewGroupName: {taken}: GroupId 2, which holds 0 conversations");
    answer.assert_refused(BadParameter, &of_b);
    app.call_ok(UPDATE, rename("user0", "a", "a")).await;
    assert_eq!(app.contact_groups("user0").await, [("a".to_owned(), 1), ("b".to_owned(), 2)]);
    assert_eq!(app.peers_on_pages("user0").await, ["x"]);
    app.call_ok(CREATE, create("user1", "a", EMPTY)).await;
}

#[actix_web::test]
async fn an_unknown_contact_group_is_refused_with_its_path() {
    let app = TestApp::start().await;
    app.call_ok(CREATE, create("user1", "a", EMPTY)).await;
    for (command, body, path) in [
        (UPDATE, rename("user0", "a", "b"), "UpdateGroup.OldGroupName"),
        (UPDATE, update("user0", "a", [add(&user("x"))]), "UpdateGroup.OldGroupName"),
        (UPDATE, rename("user1", "", "b"), "UpdateGroup.OldGroupName"),
        (UPDATE, rename("user1", &"x".repeat(33), "b"), "UpdateGroup.OldGroupName"),
        (DEL, del("user0", "a"), "GroupName[0]"),
        (DEL, del("user1", ""), "GroupName[0]"),
    ] {
        let answer = app.call(command, body).await;
        answer.assert_refused(UnknownContactGroup, &format!("{path}: no such conversation group"));
    }
    assert_eq!(app.contact_groups("user1").await, [("a".to_owned(), 1)]);
    assert!(app.peers_on_pages("user0").await.is_empty());
}

#[actix_web::test]
async fn names_are_compared_byte_for_byte() {
    let app = TestApp::start().await;
    let names = ["a", "A", " a", "a ", "\u{e9}", "e\u{301}", "\u{ff41}", "ß", "ss", "中文🙂"];
    for name in names {
        app.call_ok(CREATE, create("user0", name, EMPTY)).await;
    }
    let found = app.contact_groups("user0").await;
    assert_eq!(found.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), names);
    app.call_ok(DEL, del("user0", "e\u{301}")).await;
    app.call_ok(DEL, del("user0", "A")).await;
    let left: Vec<_> = app.contact_groups("user0").await.into_iter().map(|(_, id)| id).collect();
    assert_eq!(left, [1, 3, 4, 5, 7, 8, 9, 10]);
}

#[actix_web::test]
async fn the_id_of_a_contact_group_is_never_used_again() {
    let app = TestApp::start().await;
    for id in 1..=4 {
        let answer = app.call_ok(CREATE, create("user0", "a", [user("x")])).await;
        assert_eq!(answer["GroupResultItem"][0]["GroupItem"]["GroupId"], id);
        app.call_ok(UPDATE, rename("user0", "a", "b")).await;
        let answer = app.call_ok(DEL, del("user0", "b")).await;
        assert_eq!(answer["GroupItem"], json!([{ "GroupName": "b", "GroupId": id }]));
    }
    assert!(app.peers_on_pages("user0").await.is_empty());
}

#[actix_web::test]
async fn the_deletion_of_a_contact_group_leaves_the_marks() {
    let app = TestApp::start().await;
    app.mark("user0", [set("x", 1), custom("y", "text")]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "a", [user("x"), user("z")])).await;
    app.call_ok(CREATE, create("user0", "b", [user("y"), user("x")])).await;
    app.call_ok(DEL, del("user0", "a")).await;
    assert_eq!(app.marks("user0").await, [marked("x", 2, ""), marked("y", 0, "text")]);
    assert_eq!(app.peers_on_pages("user0").await, ["x", "y"]);
    assert_eq!(app.search_one("user0", &user("x")).await["ContactGroupId"], json!([2]));
    let bare = json!({ "Type": 1, "To_Account": "z", "StandardMark": "", "Timestamp": 0 });
    assert_eq!(app.search_one("user0", &user("z")).await, bare);
}

#[actix_web::test]
async fn an_edition_without_contact_groups_may_only_read_them() {
    for edition in [Edition::Trial, Edition::Standard] {
        let app = TestApp::with(edition, Directory::Owners).await;
        let info = "the edition of this app has no standard marks and no conversation groups";
        for (command, body) in [
            (CREATE, create("stranger", "a", EMPTY)),
            (UPDATE, rename("stranger", "a", "b")),
            (UPDATE, update("stranger", "a", [add(&user("x"))])),
            (DEL, del("stranger", "a")),
        ] {
            app.call(command, body).await.assert_refused(EditionTooLow, info);
        }
        app.import("user0").await;
        assert!(app.all_pages("user0").await.is_empty());
        app.call_ok(SEARCH, search("user0", [user("x")])).await;
        app.mark("user0", [custom("x", "text")]).await.assert_ok();
    }
}

#[actix_web::test]
async fn of_many_callers_who_create_the_same_contact_group_exactly_one_succeeds() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let both = [app.addresses.api, app.start_another().await];
    for round in 0..5 {
        let name = format!("group{round}");
        let calls = (0..16).map(|nr| {
            let body = create("user0", &name, [user(&format!("peer{nr}"))]);
            app.call_at(both[nr % 2], CREATE, body)
        });
        let answers = join_all(calls).await;
        assert_codes(&answers, [(Ok, 1), (BadParameter, 15)]);
        assert_eq!(
            app.peers_on_pages("user0").await.len(),
            1,
            "only the conversation of the successful call"
        );
        app.call_ok(DEL, del("user0", &name)).await;
    }
}

#[actix_web::test]
async fn a_contact_group_that_is_deleted_while_callers_add_to_it_leaves_nothing_behind() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let both = [app.addresses.api, app.start_another().await];
    for round in 0..5 {
        app.call_ok(CREATE, create("user0", "a", [user("first")])).await;
        let adds = (0..10).map(|nr| {
            let body = update("user0", "a", [add(&user(&format!("peer{round}-{nr}")))]);
            app.call_at(both[nr % 2], UPDATE, body)
        });
        let (added, deleted) =
            join(join_all(adds), app.call_at(both[1], DEL, del("user0", "a"))).await;
        deleted.assert_ok();
        for answer in added {
            answer.assert_one_of(&[Ok, UnknownContactGroup]);
        }
        assert!(app.all_pages("user0").await.is_empty());
        let grouped: i64 = sqlx::query_scalar("SELECT grouped::bigint FROM users")
            .fetch_one(&app.db)
            .await
            .unwrap();
        assert_eq!(grouped, 0);
    }
}

/// A command, a body, and the `ErrorInfo` of the refusal.
type Refused = (&'static str, Value, &'static str);

/// Malformed bodies of `create_contact_group`.
fn malformed_creations() -> Vec<Refused> {
    let good = json!({ "GroupName": "a", "ContactItem": [user("x")] });
    let no_type = json!({ "GroupName": "a", "ContactItem": [{ "To_Account": "user1" }] });
    let lower = json!({ "GroupName": "a", "ContactItem": [{ "TYPE": 1, "To_Account": "user1" }] });
    let create = |groups: Value| json!({ "From_Account": "user0", "GroupContactItem": groups });
    vec![
        (CREATE, create(good.clone()), "GroupContactItem: must be an array, got an object"),
        (CREATE, create(json!([])), "GroupContactItem: must hold exactly 1 conversation group"),
        (
            CREATE,
            create(json!([good, { "GroupName": "b" }])),
            "GroupContactItem: must hold exactly 1 conversation group",
        ),
        (
            CREATE,
            create(json!([no_type])),
            "GroupContactItem[0].ContactItem[0].Type: missing, must be an integer",
        ),
        (
            CREATE,
            create(json!([lower])),
            "GroupContactItem[0].ContactItem[0].Type: missing, must be an integer",
        ),
        (CREATE, create(json!([{}])), "GroupContactItem[0].GroupName: missing, must be a string"),
        (
            CREATE,
            json!({ "From_Account": "user0", "GroupName": "a", "ContactIds": ["x"] }),
            "GroupContactItem: missing, must be an array",
        ),
        (CREATE, json!({ "UserId": "user0" }), "From_Account: missing, must be a string"),
    ]
}

/// Malformed bodies of `update_contact_group`.
fn malformed_updates() -> Vec<Refused> {
    let list = json!([{ "ContactOptType": 1, "ContactItem": [user("x")] }]);
    let mut other_type = rename("user0", "a", "b");
    other_type["UpdateType"] = json!(2);
    let mut other_change = rename("user0", "a", "b");
    other_change["UpdateGroup"]["UpdateGroupType"] = json!(3);
    let neither = json!([{ "ContactOptType": 3, "ContactItem": user("x") }]);
    vec![
        (UPDATE, other_type, "UpdateType: must be 1"),
        (
            UPDATE,
            other_change,
            "UpdateGroup.UpdateGroupType: must be 1 (rename) or 2 (add and remove conversations)",
        ),
        (
            UPDATE,
            update("user0", "a", list),
            "UpdateGroup.ContactUpdateItem[0].ContactItem: must be an object, got an array",
        ),
        (
            UPDATE,
            update("user0", "a", neither),
            "UpdateGroup.ContactUpdateItem[0].ContactOptType: must be 1 (add) or 2 (remove)",
        ),
        (
            UPDATE,
            update("user0", "a", Value::Null),
            "UpdateGroup.ContactUpdateItem: missing, must be an array",
        ),
        (
            UPDATE,
            json!({ "From_Account": "user0", "GroupName": "a", "NewName": "b", "ContactIds": null }),
            "UpdateType: missing, must be an integer",
        ),
        (
            UPDATE,
            json!({ "From_Account": "user0", "UpdateType": 1 }),
            "UpdateGroup: missing, must be an object",
        ),
    ]
}

/// Malformed bodies of `del_contact_group`.
fn malformed_deletions() -> Vec<Refused> {
    vec![
        (
            DEL,
            json!({ "From_Account": "user0", "GroupName": "a" }),
            "GroupName: must be an array, got a string",
        ),
        (
            DEL,
            json!({ "From_Account": "user0", "GroupName": [] }),
            "GroupName: must hold exactly 1 name",
        ),
        (
            DEL,
            json!({ "From_Account": "user0", "GroupName": ["a", "b"] }),
            "GroupName: must hold exactly 1 name",
        ),
        (
            DEL,
            json!({ "From_Account": "user0", "GroupName": [1] }),
            "GroupName[0]: must be a string, got an integer",
        ),
        (
            DEL,
            json!({ "From_Account": "user0", "GroupNames": ["a"] }),
            "GroupName: missing, must be an array",
        ),
    ]
}

#[actix_web::test]
async fn a_malformed_body_is_refused_with_the_path_to_the_mistake() {
    let app = TestApp::start().await;
    let refused = [malformed_creations(), malformed_updates(), malformed_deletions()].concat();
    for (command, body, info) in refused {
        app.call(command, body).await.assert_refused(BadParameter, info);
    }
    assert_eq!(app.state_rows().await, 0);
    let account = json!({ "From_Account": ["user0"] });
    for command in [CREATE, UPDATE, DEL] {
        let info = "From_Account: an account must be a string, got an array";
        app.call(command, account.clone()).await.assert_refused(AccountNotString, info);
    }
}
