//! `im_open_login_svc`: accounts in the directory.

use serde_json::{Value, json};
use sqlx::Row;

use crate::support::*;

impl TestApp {
    /// The nick and the face URL of an account in the directory.
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

    /// What `account_check` says about each user.
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
async fn a_second_import_updates_the_fields_that_it_names() {
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
        app.call(ACCOUNT_IMPORT, &body).await.assert_ok();
        assert_eq!(app.profile("user0").await, Some(profile(expected.0, expected.1)), "{body}");
    }
}

#[actix_web::test]
async fn user_id_takes_precedence_over_identifier() {
    let app = TestApp::start().await;
    let body = json!({ "Identifier": "older", "UserID": "newer" });
    app.call(ACCOUNT_IMPORT, body).await.assert_ok();
    assert_eq!(app.check(&["older", "newer"]).await, ["NotImported", "Imported"]);
    let body = json!({ "Identifier": "older", "UserID": null });
    app.call(ACCOUNT_IMPORT, body).await.assert_ok();
    assert_eq!(app.check(&["older"]).await, ["Imported"]);
}

#[actix_web::test]
async fn an_account_that_is_imported_again_starts_empty() {
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
async fn a_refused_import_names_the_bad_field() {
    let app = TestApp::start().await;
    for (body, code, info) in [
        (json!({}), BadAccountParameter, "UserID: missing, must be a string".to_owned()),
        (
            json!({ "UserID": "" }),
            BadAccountParameter,
            "UserID: must be 1 to 32 bytes of UTF-8, got 0".to_owned(),
        ),
        (
            json!({ "Identifier": "" }),
            BadAccountParameter,
            "Identifier: must be 1 to 32 bytes of UTF-8, got 0".to_owned(),
        ),
        (
            json!({ "UserID": 762_488 }),
            AccountNotString,
            "UserID: an account must be a string, got an integer".to_owned(),
        ),
        (
            json!({ "Identifier": [] }),
            AccountNotString,
            "Identifier: an account must be a string, got an array".to_owned(),
        ),
        (
            json!({ "UserID": "a\0" }),
            BadAccountParameter,
            "UserID: must not contain the NUL character".to_owned(),
        ),
        (
            json!({ "UserID": "a", "Nick": 7 }),
            BadAccountParameter,
            "Nick: must be a string, got an integer".to_owned(),
        ),
        (
            json!({ "UserID": "a", "Nick": "\0" }),
            BadAccountParameter,
            "Nick: must not contain the NUL character".to_owned(),
        ),
        (
            json!({ "UserID": "a", "FaceUrl": {} }),
            BadAccountParameter,
            "FaceUrl: must be a string, got an object".to_owned(),
        ),
        (json!([]), BadAccountParameter, "body: must be an object, got an array".to_owned()),
    ] {
        app.call(ACCOUNT_IMPORT, &body).await.assert_refused(code, &info);
    }
    assert_eq!(app.profile("a").await, None);
}

#[actix_web::test]
async fn both_kinds_of_bodies_import_many_accounts() {
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
async fn accounts_that_cannot_be_imported_are_listed_and_the_others_are_imported() {
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
    answer.assert_ok();
    assert_eq!(answer["FailAccounts"], json!(["user2", "user3"]));
    let imported = ["Imported", "Imported", "NotImported", "NotImported", "Imported"];
    assert_eq!(app.check(&["user0", "user1", "user2", "user3", "user4"]).await, imported);
}

#[actix_web::test]
async fn of_two_entries_for_one_account_the_last_one_counts() {
    let app = TestApp::start().await;
    let list =
        json!([{ "UserID": "user0", "Nick": "first" }, { "UserID": "user0", "Nick": "last" }]);
    let answer = app.call(MULTIACCOUNT_IMPORT, json!({ "AccountList": list })).await;
    answer.assert_ok();
    assert_eq!(answer["FailAccounts"], json!([]));
    assert_eq!(app.profile("user0").await, Some(profile("last", "")));
}

#[actix_web::test]
async fn a_refused_list_names_the_bad_entry() {
    let app = TestApp::start().await;
    for (command, body, code, info) in [
        (
            MULTIACCOUNT_IMPORT,
            json!({}),
            BadAccountParameter,
            "AccountList: missing, must be an array",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": ["a"], "AccountList": [] }),
            BadAccountParameter,
            "Accounts: must not be given beside AccountList",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": "a" }),
            BadAccountParameter,
            "Accounts: must be an array, got a string",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": ["a", 7] }),
            AccountNotString,
            "Accounts[1]: an account must be a string, got an integer",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "Accounts": ["a", null] }),
            AccountNotString,
            "Accounts[1]: an account must be a string, got null",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "AccountList": ["a"] }),
            BadAccountParameter,
            "AccountList[0]: must be an object, got a string",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "AccountList": [{ "UserID": 1 }] }),
            AccountNotString,
            "AccountList[0].UserID: an account must be a string, got an integer",
        ),
        (
            MULTIACCOUNT_IMPORT,
            json!({ "AccountList": [{ "Nick": "x" }] }),
            BadAccountParameter,
            "AccountList[0].UserID: missing, must be a string",
        ),
        (ACCOUNT_CHECK, json!({}), BadAccountParameter, "CheckItem: missing, must be an array"),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": {} }),
            BadAccountParameter,
            "CheckItem: must be an array, got an object",
        ),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": ["a"] }),
            BadAccountParameter,
            "CheckItem[0]: must be an object, got a string",
        ),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": [{ "UserId": "a" }] }),
            BadAccountParameter,
            "CheckItem[0].UserID: missing, must be a string",
        ),
        (
            ACCOUNT_CHECK,
            json!({ "CheckItem": [{ "UserID": false }] }),
            AccountNotString,
            "CheckItem[0].UserID: an account must be a string, got a boolean",
        ),
    ] {
        app.call(command, &body).await.assert_refused(code, info);
    }
    assert_eq!(app.profile("a").await, None, "a refused call writes nothing");
}

#[actix_web::test]
async fn a_list_holds_1_to_100_accounts() {
    let app = TestApp::start().await;
    let body = |list: &str, count| -> Value {
        let names = names(count);
        let entry = |name: &String| json!({ "UserID": name });
        match list {
            "Accounts" => json!({ "Accounts": names }),
            list => json!({ list: names.iter().map(entry).collect::<Vec<_>>() }),
        }
    };
    for (command, list) in [
        (MULTIACCOUNT_IMPORT, "Accounts"),
        (MULTIACCOUNT_IMPORT, "AccountList"),
        (ACCOUNT_CHECK, "CheckItem"),
    ] {
        for count in [1, 99, 100] {
            app.call(command, body(list, count)).await.assert_ok();
        }
        for count in [0, 101] {
            let info = format!("{list}: must hold 1 to 100 items, got {count}");
            app.call(command, body(list, count)).await.assert_refused(EntryCount, &info);
        }
    }
}

#[actix_web::test]
async fn a_check_answers_every_name_even_an_invalid_one() {
    let app = TestApp::start().await;
    app.import("user0").await;
    let items = json!([{ "UserID": "" }, { "UserID": "user0" }, { "UserID": "stranger" }, { "Identifier": "user0" }, { "UserID": "user0" }]);
    let answer = app.call(ACCOUNT_CHECK, json!({ "CheckItem": items })).await;
    answer.assert_code(Ok);
    let item = |name, code, info, status| json!({ "UserID": name, "ResultCode": code, "ResultInfo": info, "AccountStatus": status });
    let expected = json!([
        item(
            "",
            BadAccountParameter,
            "CheckItem[0].UserID: must be 1 to 32 bytes of UTF-8, got 0",
            "NotImported"
        ),
        item("user0", Ok, "", "Imported"),
        item("stranger", Ok, "", "NotImported"),
        item("user0", Ok, "", "Imported"),
        item("user0", Ok, "", "Imported"),
    ]);
    assert_eq!(answer["ResultItem"], expected);
}
