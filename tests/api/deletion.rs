//! The deletion of a conversation, and of an account with its whole state.

use earmark::domain::{Directory, Edition};
use earmark::service::{AppChange, AppSettings};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

const DELETED: &str = "From_Account: not imported, or deleted";

/// Gives a user marks, a contact group, and pins.
async fn fill(app: &TestApp, owner: &str) {
    app.mark(owner, [set("a", 0), custom("b", "x")]).await.assert_ok();
    app.call_ok(CREATE, create(owner, "g", [user("a"), chat_group("c")])).await;
    app.call_ok(TOP, top(owner, 1, [user("a"), user("d")])).await;
}

/// The numbers of a user's rows of conversations and contact groups, and the user's counts: marked, grouped, pinned.
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

/// Deletes accounts, and returns the code of each.
async fn delete_accounts(app: &TestApp, users: &[&str]) -> Vec<Code> {
    let items: Vec<_> = users.iter().map(|user| json!({ "UserID": user })).collect();
    let answer = app.call(ACCOUNT_DELETE, json!({ "DeleteItem": items })).await;
    answer.assert_code(Ok);
    let answered: Vec<_> = answer.items().iter().map(|item| &item["UserID"]).collect();
    assert_eq!(answered, users);
    answer.item_codes()
}

#[actix_web::test]
async fn a_user_with_state_who_was_never_imported_can_be_erased() {
    for directory in Directory::ALL {
        let app = TestApp::start().await;
        fill(&app, "user0").await;
        app.call_ok(CREATE, create("folders", "g", EMPTY)).await;
        let settings = AppSettings { directory: Some(directory), ..AppSettings::default() };
        app.change(AppChange::Set(settings)).await;
        let mut app = app;
        let address = app.start_another().await;
        let items = ["user0", "folders", "stranger"].map(|user| json!({ "UserID": user }));
        let body = json!({ "DeleteItem": items });
        let answer = app.call_at(address, ACCOUNT_DELETE, body).await;
        answer.assert_items([Ok, Ok, AccountMissing]);
        assert_eq!(stored(&app, "user0").await, (0, 0, [0; 3]));
        assert_eq!(stored(&app, "folders").await, (0, 0, [0; 3]));
    }
}

#[actix_web::test]
async fn a_deleted_conversation_loses_its_marks_contact_groups_and_pin() {
    let app = TestApp::start().await;
    fill(&app, "user0").await;
    let envelope =
        json!({ "ActionStatus": "OK", "ErrorCode": 0, "ErrorInfo": "", "ErrorDisplay": "" });
    for (conversation, left) in [
        (json!({ "Type": 1, "To_Account": "a", "ToGroupid": "c", "ClearRamble": 1 }), 3),
        (json!({ "Type": 2, "ToGroupid": "c", "To_Account": "b", "ClearRamble": 0 }), 2),
        (json!({ "Type": 1, "To_Account": "d" }), 1),
        (json!({ "Type": 1, "To_Account": "stranger" }), 1),
        (json!({ "Type": 2, "ToGroupId": "b" }), 1),
    ] {
        let mut body = conversation;
        body["From_Account"] = json!("user0");
        assert_eq!(app.call_ok(DELETE, body).await, envelope);
        assert_eq!(app.listed("user0").await.len(), left);
    }
    // Empty rows are stored for a while, and those that were marked keep their places.
    assert_eq!(stored(&app, "user0").await, (4, 1, [2, 0, 0]));
    assert_eq!(app.contact_groups("user0").await, [("g".to_owned(), 1)], "the contact group stays");
}

#[actix_web::test]
async fn a_deleted_conversation_frees_its_places_and_comes_back_empty() {
    let app = TestApp::with_limits(&["marked=1", "grouped=1", "pinned=1"]).await;
    app.call_ok(CREATE, create("user0", "g", [user("a")])).await;
    app.call_ok(TOP, top("user0", 1, [user("a")])).await;
    app.mark("user0", [set("a", 0), set("b", 0)]).await.assert_items([Ok, ConversationsFull]);
    app.call_ok(DELETE, json!({ "From_Account": "user0", "Type": 1, "To_Account": "a" })).await;
    app.mark("user0", [set("b", 1), set("a", 0)]).await.assert_items([Ok, ConversationsFull]);
    app.call_ok(UPDATE, update("user0", "g", [add(&user("b"))])).await;
    app.call_ok(TOP, top("user0", 1, [user("b")])).await;
    let shown = app.search_one("user0", &user("b")).await;
    assert_eq!((&shown["StandardMark"], &shown["ContactGroupId"]), (&json!("10"), &json!([1])));
}

#[actix_web::test]
async fn a_malformed_deletion_is_refused_with_the_path_to_the_mistake() {
    let app = TestApp::start().await;
    for (body, info) in [
        (json!({ "Type": 1, "To_Account": "a" }), "From_Account: missing, must be a string"),
        (
            json!({ "From_Account": "user0", "TYPE": 1, "To_Account": "a" }),
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
        app.call(DELETE, body).await.assert_refused(BadParameter, info);
    }
}

#[actix_web::test]
async fn the_deletion_of_accounts_answers_every_account() {
    let app = TestApp::start().await;
    app.import("user0").await;
    let long = "x".repeat(33);
    assert_eq!(
        delete_accounts(&app, &["user0", "stranger", "", &long, "user0"]).await,
        [Ok, AccountMissing, BadAccountParameter, BadAccountParameter, AccountMissing]
    );
    let body = json!({ "DeleteItem": [{ "UserID": "user0" }] });
    let item = json!({
        "ResultCode": AccountMissing, "ResultInfo": "Err_TLS_PT_Open_Login_Account_Not_Exist",
        "UserID": "user0",
    });
    assert_eq!(app.call(ACCOUNT_DELETE, body).await["ResultItem"], json!([item]));
    for count in [0, 101] {
        let items: Vec<_> = (0..count).map(|nr| json!({ "UserID": format!("u{nr}") })).collect();
        let answer = app.call(ACCOUNT_DELETE, json!({ "DeleteItem": items })).await;
        let info = format!("DeleteItem: must hold 1 to 100 items, got {count}");
        answer.assert_refused(EntryCount, &info);
    }
    // The field must be spelled UserID.
    let body = json!({ "DeleteItem": [{ "UserId": "user0" }] });
    app.call(ACCOUNT_DELETE, body).await.assert_code(BadAccountParameter);
}

#[actix_web::test]
async fn an_account_is_deleted_with_its_whole_state() {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    for owner in ["user0", "user1"] {
        app.import(owner).await;
        fill(&app, owner).await;
    }
    assert_eq!(stored(&app, "user0").await, (4, 1, [2, 2, 2]));
    assert_eq!(delete_accounts(&app, &["user0"]).await, [Ok]);
    assert_eq!(stored(&app, "user0").await, (0, 0, [0; 3]));
    assert_eq!(stored(&app, "user1").await, (4, 1, [2, 2, 2]), "other users keep theirs");
    for (command, body) in calls_of("user0") {
        app.call(command, body).await.assert_refused(UnknownUser, DELETED);
    }
    assert_eq!(stored(&app, "user0").await, (0, 0, [0; 3]));

    app.import("user0").await;
    assert!(app.all_pages("user0").await.is_empty() && app.listed("user0").await.is_empty());
    assert!(app.contact_groups("user0").await.is_empty());
    fill(&app, "user0").await;
    let expected = [("g".to_owned(), 2)];
    assert_eq!(app.contact_groups("user0").await, expected, "an id is not used again");
}

/// A valid body for every call about a user's state.
fn calls_of(owner: &str) -> Vec<(&'static str, Value)> {
    let from = json!({ "From_Account": owner });
    let delete = json!({ "From_Account": owner, "Type": 1, "To_Account": "a" });
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
        (DELETE, delete),
    ]
}

#[actix_web::test]
async fn a_deleted_account_is_unknown_in_every_directory_mode_and_a_stranger_in_all_but_open() {
    for (directory, code) in
        [(Directory::Open, Ok), (Directory::Owners, UnknownUser), (Directory::Strict, UnknownUser)]
    {
        let app = TestApp::with(Edition::Premium, directory).await;
        for name in ["deleted", "a"] {
            app.import(name).await;
        }
        app.delete_account("deleted").await;
        for (command, body) in calls_of("deleted") {
            app.call(command, body).await.assert_refused(UnknownUser, DELETED);
        }
        if code == Ok {
            app.call_ok(CREATE, create("stranger", "g", EMPTY)).await;
        }
        for (command, body) in calls_of("stranger") {
            let answer = app.call(command, body).await;
            // After the first rename, the following calls do not find the contact group under its old name.
            if code == Ok && answer.code() == UnknownContactGroup {
                continue;
            }
            answer.assert_code(code);
        }
    }
}

#[actix_web::test]
async fn a_user_without_account_and_state_cannot_be_deleted() {
    let app = TestApp::start().await;
    fill(&app, "user0").await;
    assert_eq!(delete_accounts(&app, &["user1"]).await, [AccountMissing]);
    assert_eq!(stored(&app, "user0").await, (4, 1, [2, 2, 2]));
}

#[actix_web::test]
async fn an_account_that_is_deleted_during_concurrent_writes_is_empty_afterwards() {
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
            answer.assert_one_of(&[Ok, UnknownUser]);
        }
        assert_eq!(stored(&app, "user0").await, (0, 0, [0; 3]));
    }
}
