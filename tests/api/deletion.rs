//! Forgetting a conversation, and deleting an account with everything that is kept for it.

use earmark::domain::{Directory, Edition};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

const GONE: &str = "From_Account: not imported, or deleted";

/// Fills a user's state with one of everything.
async fn fill(app: &TestApp, owner: &str) {
    assert_eq!(app.mark(owner, vec![set("a", 0), custom("b", "x")]).await, (0, vec![0; 2]));
    app.must(CREATE, create(owner, "g", [user("a"), group("c")])).await;
    app.must(TOP, top(owner, 1, [user("a"), user("d")])).await;
}

/// The rows that are stored for a user: conversations and contact groups; and what is counted: places, grouped, pinned.
async fn stored(app: &TestApp, owner: &str) -> (i64, i64, [i32; 3]) {
    let count = |table: &str| {
        let query = format!("SELECT count(*) FROM {table} WHERE user_id = $1");
        sqlx::query_scalar(sqlx::AssertSqlSafe(query)).bind(owner.to_owned()).fetch_one(&app.db)
    };
    let query = "SELECT ARRAY[marked, grouped, pinned] FROM users WHERE user_id = $1";
    let counts: Option<Vec<i32>> =
        sqlx::query_scalar(query).bind(owner).fetch_optional(&app.db).await.unwrap();
    let counts = counts.map_or([0; 3], |counts| counts.try_into().unwrap());
    (count("conversations").await.unwrap(), count("contact_groups").await.unwrap(), counts)
}

async fn delete_accounts(app: &TestApp, users: &[&str]) -> Vec<(String, u64)> {
    let items: Vec<_> = users.iter().map(|user| json!({ "UserID": user })).collect();
    let answer = app.call(ACCOUNT_DELETE, json!({ "DeleteItem": items })).await;
    assert_eq!(answer["ErrorCode"], 0, "{answer}");
    let read = |item: &Value| {
        let name = item["UserID"].as_str().unwrap().to_owned();
        (name, item["ResultCode"].as_u64().unwrap())
    };
    answer["ResultItem"].as_array().unwrap().iter().map(read).collect()
}

#[actix_web::test]
async fn forgetting_takes_marks_groups_and_pin() {
    let app = TestApp::start().await;
    fill(&app, "user0").await;
    let envelope =
        json!({ "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "ErrorDisplay": "" });
    for (conversation, left) in [
        (json!({ "Type": 1, "To_Account": "a", "ToGroupid": "c", "ClearRamble": 1 }), 3),
        (json!({ "Type": 2, "ToGroupid": "c", "To_Account": "b", "ClearRamble": 0 }), 2),
        (json!({ "Type": 1, "To_Account": "d" }), 1),
        (json!({ "Type": 1, "To_Account": "nobody" }), 1),
        (json!({ "Type": 2, "ToGroupId": "b" }), 1),
    ] {
        let mut body = conversation;
        body["From_Account"] = json!("user0");
        assert_eq!(app.must(DELETE, body).await, envelope);
        assert_eq!(app.listed("user0").await.len(), left);
    }
    // Empty rows stay for a while, and those that were marked keep their places.
    assert_eq!(stored(&app, "user0").await, (4, 1, [2, 0, 0]));
    assert_eq!(app.groups("user0").await, [("g".to_owned(), 1)], "its group stays");
}

#[actix_web::test]
async fn what_is_forgotten_frees_its_places_and_comes_back_as_new() {
    let app = TestApp::with_limits(&["marked=1", "grouped=1", "pinned=1"]).await;
    app.must(CREATE, create("user0", "g", [user("a")])).await;
    app.must(TOP, top("user0", 1, [user("a")])).await;
    assert_eq!(app.mark("user0", vec![set("a", 0), set("b", 0)]).await, (0, vec![0, 51008]));
    app.must(DELETE, json!({ "From_Account": "user0", "Type": 1, "To_Account": "a" })).await;
    assert_eq!(app.mark("user0", vec![set("b", 1), set("a", 0)]).await, (0, vec![0, 51008]));
    app.must(UPDATE, update("user0", "g", [add(&user("b"))])).await;
    app.must(TOP, top("user0", 1, [user("b")])).await;
    let shown = app.look("user0", &user("b")).await;
    assert_eq!((&shown["StandardMark"], &shown["ContactGroupId"]), (&json!("10"), &json!([1])));
}

#[actix_web::test]
async fn a_misshaped_deletion_is_refused_with_the_path_to_what_is_wrong() {
    let app = TestApp::start().await;
    for (body, info) in [
        (json!({ "Type": 1, "To_Account": "a" }), "From_Account: missing, must be a string"),
        (
            json!({ "From_Account": "user0", "type": 1, "To_Account": "a" }),
            "Type: missing, must be an integer",
        ),
        (
            json!({ "From_Account": "user0", "Type": 2, "To_Account": "a" }),
            "ToGroupid: missing, must be a string",
        ),
        (
            json!({ "From_Account": "user0", "Type": 0, "To_Account": "a" }),
            "Type: must be 1 (one-to-one) or 2 (group)",
        ),
    ] {
        assert_fails(&app.call(DELETE, body).await, 50002, info);
    }
}

#[actix_web::test]
async fn each_account_that_is_deleted_is_answered() {
    let app = TestApp::start().await;
    app.import("user0").await;
    let long = "x".repeat(33);
    assert_eq!(
        delete_accounts(&app, &["user0", "nobody", "", &long, "user0"]).await,
        [("user0", 0), ("nobody", 70107), ("", 70402), (&long, 70402), ("user0", 70107)]
            .map(|(name, code)| (name.to_owned(), code))
    );
    let body = json!({ "DeleteItem": [{ "UserID": "user0" }] });
    let item = json!({
        "ResultCode": 70107, "ResultInfo": "Err_TLS_PT_Open_Login_Account_Not_Exist",
        "UserID": "user0",
    });
    assert_eq!(app.call(ACCOUNT_DELETE, body).await["ResultItem"], json!([item]));
    for count in [0, 101] {
        let items: Vec<_> = (0..count).map(|nr| json!({ "UserID": format!("u{nr}") })).collect();
        let answer = app.call(ACCOUNT_DELETE, json!({ "DeleteItem": items })).await;
        assert_fails(&answer, 70206, &format!("DeleteItem: must hold 1 to 100 items, got {count}"));
    }
    let answer = app.call(ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserId": "user0" }] })).await;
    assert_eq!(failure(&answer).0, 70402, "a lower-case d");
}

#[actix_web::test]
async fn an_account_is_deleted_with_everything_that_is_kept_for_it() {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    for owner in ["user0", "user1"] {
        app.import(owner).await;
        fill(&app, owner).await;
    }
    assert_eq!(stored(&app, "user0").await, (4, 1, [2, 2, 2]));
    assert_eq!(delete_accounts(&app, &["user0"]).await, [("user0".to_owned(), 0)]);
    assert_eq!(stored(&app, "user0").await, (0, 0, [0; 3]));
    assert_eq!(stored(&app, "user1").await, (4, 1, [2, 2, 2]), "others keep theirs");
    for (command, body) in calls_of("user0") {
        assert_fails(&app.call(command, body).await, 50001, GONE);
    }
    assert_eq!(stored(&app, "user0").await, (0, 0, [0; 3]));

    app.import("user0").await;
    assert!(app.everything("user0").await.is_empty() && app.listed("user0").await.is_empty());
    assert!(app.groups("user0").await.is_empty());
    fill(&app, "user0").await;
    assert_eq!(app.groups("user0").await, [("g".to_owned(), 2)], "a number once seen is used up");
}

/// A good body for each call that is about a user's state.
fn calls_of(owner: &str) -> Vec<(&'static str, Value)> {
    let from = json!({ "From_Account": owner });
    let forget = json!({ "From_Account": owner, "Type": 1, "To_Account": "a" });
    vec![
        (MARK_CONTACT, mark_contact(owner, [set("a", 0)])),
        (CREATE, create(owner, "new", [user("a")])),
        (UPDATE, rename(owner, "g", "h")),
        (UPDATE, update(owner, "g", [add(&user("a"))])),
        (DEL, del(owner, "g")),
        (SEARCH, search(owner, [user("a")])),
        (GET, from.clone()),
        (TOP, top(owner, 1, [user("a")])),
        (TOP, top(owner, 2, [user("a")])),
        (GET_LIST, from),
        (DELETE, forget),
    ]
}

#[actix_web::test]
async fn in_every_mode_a_deleted_account_is_gone_and_a_stranger_in_all_but_open() {
    for (directory, code) in
        [(Directory::Open, 0), (Directory::Owners, 50001), (Directory::Strict, 50001)]
    {
        let app = TestApp::with(Edition::Premium, directory).await;
        for name in ["gone", "a"] {
            app.import(name).await;
        }
        app.delete_account("gone").await;
        for (command, body) in calls_of("gone") {
            assert_fails(&app.call(command, body).await, 50001, GONE);
        }
        if code == 0 {
            app.must(CREATE, create("stranger", "g", [0; 0])).await;
        }
        for (command, body) in calls_of("stranger") {
            let answer = app.call(command, body).await;
            // The group that the first rename gave another name is not there for those that follow.
            let expected = if code == 0 && answer["ErrorCode"] == 51009 { 51009 } else { code };
            assert_eq!(answer["ErrorCode"], expected, "{command} {directory:?}: {answer}");
        }
    }
}

#[actix_web::test]
async fn who_was_never_imported_cannot_be_deleted_and_keeps_everything() {
    let app = TestApp::start().await;
    fill(&app, "user0").await;
    assert_eq!(delete_accounts(&app, &["user0"]).await, [("user0".to_owned(), 70107)]);
    assert_eq!(stored(&app, "user0").await, (4, 1, [2, 2, 2]));
}

#[actix_web::test]
async fn an_account_deleted_while_it_is_written_to_is_empty_afterwards() {
    let mut app = TestApp::with_limits(&["calls-per-second=0"]).await;
    let both = [app.addresses.api, app.start_another().await];
    for _ in 0..5 {
        app.import("user0").await;
        fill(&app, "user0").await;
        let calls = (0..20).map(|nr| {
            let (command, body) = if nr == 10 {
                (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": "user0" }] }))
            } else {
                (MARK_CONTACT, mark_contact("user0", [set(&format!("peer{nr}"), 0)]))
            };
            app.call_at(both[nr % 2], command, body)
        });
        for answer in join_all(calls).await {
            assert!(answer["ErrorCode"] == 0 || answer["ErrorCode"] == 50001, "{answer}");
        }
        assert_eq!(stored(&app, "user0").await, (0, 0, [0; 3]));
    }
}
