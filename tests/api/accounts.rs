//! `im_open_login_svc`: who is in the directory.

use serde_json::{Value, json};
use sqlx::Row;

use crate::support::*;

impl TestApp {
    /// Nick and face URL of an account that is there.
    async fn profile(&self, user: &str) -> Option<(String, String)> {
        sqlx::query(
            "SELECT nick, face_url FROM accounts
            WHERE sdk_app_id = $1 AND user_id = $2",
        )
        .bind(APP)
        .bind(user)
        .fetch_optional(&self.db)
        .await
        .unwrap()
        .map(|row| (row.get("nick"), row.get("face_url")))
    }

    /// What `account_check` says of each.
    async fn check(&self, users: &[&str]) -> Vec<String> {
        let items: Vec<_> = users.iter().map(|user| json!({ "UserID": user })).collect();
        let answer = self.call(ACCOUNT_CHECK, json!({ "CheckItem": items })).await;
        let items = answer["ResultItem"].as_array().unwrap();
        let echoed: Vec<_> = items.iter().map(|item| item["UserID"].as_str().unwrap()).collect();
        assert_eq!(echoed, users, "in order");
        items.iter().map(|item| item["AccountStatus"].as_str().unwrap().to_owned()).collect()
    }
}

fn profile(nick: &str, face_url: &str) -> (String, String) {
    (nick.to_owned(), face_url.to_owned())
}

fn names(count: usize) -> Vec<String> {
    (0..count).map(|nr| format!("user{nr}")).collect()
}

#[actix_web::test]
async fn an_import_is_answered_with_the_envelope_alone() {
    let app = TestApp::start().await;
    for body in [json!({ "UserID": "user0" }), json!({ "Identifier": "user1" })] {
        let answer = app.call(ACCOUNT_IMPORT, body).await;
        let expected =
            json!({ "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "ErrorDisplay": "" });
        assert_eq!(answer, expected);
    }
    assert_eq!(
        app.check(&["user0", "user1", "user2"]).await,
        ["Imported", "Imported", "NotImported"]
    );
}

#[actix_web::test]
async fn importing_again_refreshes_what_is_given() {
    let app = TestApp::start().await;
    for (body, expected) in [
        (
            json!({ "UserID": "user0", "Nick": "Nick 中🙂", "FaceUrl": "http://a/" }),
            ("Nick 中🙂", "http://a/"),
        ),
        (json!({ "UserID": "user0", "Nick": "B" }), ("B", "http://a/")),
        (json!({ "UserID": "user0", "Nick": null, "FaceUrl": "" }), ("B", "")),
        (json!({ "UserID": "user0" }), ("B", "")),
        (json!({ "Identifier": "user0", "Nick": "C" }), ("C", "")),
    ] {
        assert_eq!(app.call(ACCOUNT_IMPORT, &body).await["ErrorCode"], 0);
        assert_eq!(app.profile("user0").await, Some(profile(expected.0, expected.1)), "{body}");
    }
}

#[actix_web::test]
async fn the_newer_name_of_a_field_wins() {
    let app = TestApp::start().await;
    let body = json!({ "Identifier": "older", "UserID": "newer" });
    assert_eq!(app.call(ACCOUNT_IMPORT, body).await["ErrorCode"], 0);
    assert_eq!(app.check(&["older", "newer"]).await, ["NotImported", "Imported"]);
    let body = json!({ "Identifier": "older", "UserID": null });
    assert_eq!(app.call(ACCOUNT_IMPORT, body).await["ErrorCode"], 0);
    assert_eq!(app.check(&["older"]).await, ["Imported"]);
}

#[actix_web::test]
async fn a_deleted_account_may_be_imported_again_and_starts_empty() {
    let app = TestApp::start().await;
    let body = json!({ "UserID": "user0", "Nick": "A", "FaceUrl": "http://a/" });
    app.call(ACCOUNT_IMPORT, body).await;
    app.delete_account("user0").await;
    assert_eq!(app.check(&["user0"]).await, ["NotImported"]);
    app.call(ACCOUNT_IMPORT, json!({ "UserID": "user0", "Nick": "B" })).await;
    assert_eq!(app.check(&["user0"]).await, ["Imported"]);
    assert_eq!(app.profile("user0").await, Some(profile("B", "")));
}

#[actix_web::test]
async fn what_an_import_cannot_take_is_named() {
    let app = TestApp::start().await;
    for (body, code, info) in [
        (json!({}), 70402, "UserID: missing, must be a string".to_owned()),
        (
            json!({ "UserID": "" }),
            70402,
            "UserID: must be 1 to 32 bytes of UTF-8, got 0".to_owned(),
        ),
        (
            json!({ "Identifier": "" }),
            70402,
            "Identifier: must be 1 to 32 bytes of UTF-8, got 0".to_owned(),
        ),
        (
            json!({ "UserID": 762_488 }),
            60015,
            "UserID: an account must be a string, got an integer".to_owned(),
        ),
        (
            json!({ "Identifier": [] }),
            60015,
            "Identifier: an account must be a string, got an array".to_owned(),
        ),
        (
            json!({ "UserID": "a\0" }),
            70402,
            "UserID: must not contain the NUL character".to_owned(),
        ),
        (
            json!({ "UserID": "a", "Nick": 7 }),
            70402,
            "Nick: must be a string, got an integer".to_owned(),
        ),
        (
            json!({ "UserID": "a", "Nick": "\0" }),
            70402,
            "Nick: must not contain the NUL character".to_owned(),
        ),
        (
            json!({ "UserID": "a", "FaceUrl": {} }),
            70402,
            "FaceUrl: must be a string, got an object".to_owned(),
        ),
        (json!([]), 70402, "body: must be an object, got an array".to_owned()),
    ] {
        assert_fails(&app.call(ACCOUNT_IMPORT, &body).await, code, &info);
    }
    assert_eq!(app.profile("a").await, None);
}

#[actix_web::test]
async fn many_are_imported_by_both_bodies() {
    let app = TestApp::start().await;
    let older = json!({ "Accounts": ["user0", "user1"] });
    let newer = json!({ "AccountList": [
        { "UserID": "user2", "Nick": "Two", "FaceUrl": "http://2/" },
        { "Identifier": "user3" },
    ] });
    for body in [older, newer] {
        let answer = app.call(MULTIACCOUNT_IMPORT, body).await;
        let expected = json!({ "FailAccounts": [], "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "ErrorDisplay": "" });
        assert_eq!(answer, expected);
    }
    assert_eq!(app.check(&["user0", "user1", "user2", "user3"]).await, ["Imported"; 4]);
    assert_eq!(app.profile("user2").await, Some(profile("Two", "http://2/")));
}

#[actix_web::test]
async fn who_cannot_be_imported_is_listed_and_the_others_are() {
    let app = TestApp::start().await;
    let long = "x".repeat(33);
    let answer = app
        .call(MULTIACCOUNT_IMPORT, json!({ "Accounts": ["user0", "", long, "a\0", "user1"] }))
        .await;
    assert_eq!(answer["FailAccounts"], json!(["", long, "a\0"]));
    let answer = app
        .call(
            MULTIACCOUNT_IMPORT,
            json!({ "AccountList": [
                { "UserID": "user2", "Nick": 7 },
                { "UserID": "user3", "FaceUrl": "x".repeat(501) },
                { "UserID": "user4" },
            ] }),
        )
        .await;
    assert_eq!(
        (&answer["ErrorCode"], &answer["FailAccounts"]),
        (&json!(0), &json!(["user2", "user3"]))
    );
    let imported = ["Imported", "Imported", "NotImported", "NotImported", "Imported"];
    assert_eq!(app.check(&["user0", "user1", "user2", "user3", "user4"]).await, imported);
}

#[actix_web::test]
async fn who_is_named_twice_is_imported_as_named_last() {
    let app = TestApp::start().await;
    let list =
        json!([{ "UserID": "user0", "Nick": "first" }, { "UserID": "user0", "Nick": "last" }]);
    let answer = app.call(MULTIACCOUNT_IMPORT, json!({ "AccountList": list })).await;
    assert_eq!((&answer["ErrorCode"], &answer["FailAccounts"]), (&json!(0), &json!([])));
    assert_eq!(app.profile("user0").await, Some(profile("last", "")));
}

#[actix_web::test]
async fn what_is_wrong_with_a_list_is_named() {
    let app = TestApp::start().await;
    for (command, body, code, info) in [
        (MULTIACCOUNT_IMPORT, json!({}), 70402, "AccountList: missing, must be an array"),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": ["a"], "AccountList": [] }),
            70402,
            "Accounts: must not be given beside AccountList",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": "a" }),
            70402,
            "Accounts: must be an array, got a string",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": ["a", 7] }),
            60015,
            "Accounts[1]: an account must be a string, got an integer",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": ["a", null] }),
            60015,
            "Accounts[1]: an account must be a string, got null",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "AccountList": ["a"] }),
            70402,
            "AccountList[0]: must be an object, got a string",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "AccountList": [{ "UserID": 1 }] }),
            60015,
            "AccountList[0].UserID: an account must be a string, got an integer",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "AccountList": [{ "Nick": "x" }] }),
            70402,
            "AccountList[0].UserID: missing, must be a string",
        ),
        (ACCOUNT_CHECK, json!({}), 70402, "CheckItem: missing, must be an array"),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": {} }),
            70402,
            "CheckItem: must be an array, got an object",
        ),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": ["a"] }),
            70402,
            "CheckItem[0]: must be an object, got a string",
        ),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": [{ "UserId": "a" }] }),
            70402,
            "CheckItem[0].UserID: missing, must be a string",
        ),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": [{ "UserID": false }] }),
            60015,
            "CheckItem[0].UserID: an account must be a string, got a boolean",
        ),
    ] {
        assert_fails(&app.call(command, &body).await, code, info);
    }
    assert_eq!(app.profile("a").await, None, "what fails as a whole has written nothing");
}

#[actix_web::test]
async fn a_list_holds_1_to_100_accounts() {
    let app = TestApp::start().await;
    let listed = |nr: &String| json!({ "UserID": nr });
    let body = |command, kind: &str, count| -> Value {
        let names = names(count);
        let _ = command;
        match kind {
            "Accounts" => json!({ "Accounts": names }),
            kind => json!({ kind: names.iter().map(listed).collect::<Vec<_>>() }),
        }
    };
    for (command, kind) in [
        (MULTIACCOUNT_IMPORT, "Accounts"),
        (MULTIACCOUNT_IMPORT, "AccountList"),
        (ACCOUNT_CHECK, "CheckItem"),
    ] {
        for count in [1, 99, 100] {
            assert_eq!(
                app.call(command, body(command, kind, count)).await["ErrorCode"],
                0,
                "{kind} {count}"
            );
        }
        for count in [0, 101] {
            let info = format!("{kind}: must hold 1 to 100 items, got {count}");
            assert_fails(&app.call(command, body(command, kind, count)).await, 70206, &info);
        }
    }
}

#[actix_web::test]
async fn a_check_answers_each_name_even_one_that_cannot_be() {
    let app = TestApp::start().await;
    app.import("user0").await;
    let items = json!([{ "UserID": "" }, { "UserID": "user0" }, { "UserID": "nobody" }, { "Identifier": "user0" }, { "UserID": "user0" }]);
    let answer = app.call(ACCOUNT_CHECK, json!({ "CheckItem": items })).await;
    let item = |name, code, info, status| json!({ "UserID": name, "ResultCode": code, "ResultInfo": info, "AccountStatus": status });
    let expected = json!([
        item(
            "",
            70402,
            "CheckItem[0].UserID: must be 1 to 32 bytes of UTF-8, got 0",
            "NotImported"
        ),
        item("user0", 0, "", "Imported"),
        item("nobody", 0, "", "NotImported"),
        item("user0", 0, "", "Imported"),
        item("user0", 0, "", "Imported"),
    ]);
    assert_eq!(answer["ResultItem"], expected);
    assert_eq!(answer["ErrorCode"], 0);
}
