//! Two apps with the same users, names and peers: neither can read or change what is the other's.

use serde_json::{Value, json};

use super::calls::{READING, body, prepare};
use crate::support::*;

const OTHER: i64 = APP + 1;
const OTHER_KEY: &str = "the-key-of-another-app-0123456789";
/// What is in the one app's texts, and in the other's.
const TEXTS: [&str; 2] = ["text of the first", "text of the second"];

/// The admins' queries of both apps.
fn queries() -> [String; 2] {
    [query(), query_of(OTHER, ADMIN, &user_sig(OTHER_KEY, OTHER, ADMIN))]
}

async fn start() -> TestApp {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    app.add_app(OTHER, OTHER_KEY).await;
    for (query, text) in queries().iter().zip(TEXTS) {
        prepare(3, text, async |command, body| {
            let answer = app.ask(command, query, body).await;
            assert_eq!(outcome(&answer).0, 0, "{command}: {answer}");
            answer
        })
        .await;
        // One that has left the directory, whom both apps knew.
        app.ask(ACCOUNT_IMPORT, query, json!({ "UserID": "left" })).await;
        app.ask(ACCOUNT_DELETE, query, json!({ "DeleteItem": [{ "UserID": "left" }] })).await;
    }
    app
}

/// All that an app shows of what was prepared.
async fn shown(app: &TestApp, query: &str) -> Vec<Value> {
    let mut shown = Vec::new();
    for command in READING {
        shown.push(app.ask(command, query, body(command, 0)).await);
    }
    for user in ["doomed0", "doomed1", "doomed2", "friend"] {
        shown.push(app.ask(GET, query, json!({ "From_Account": user })).await);
    }
    shown
}

/// Every call that might reach for something: each command for each number, and then all that can be taken away.
fn everything() -> Vec<(&'static str, Value)> {
    let mut calls: Vec<_> = COMMANDS
        .into_iter()
        .flat_map(|command| (0..3).map(move |number| (command, body(command, number))))
        .collect();
    let app = json!(OTHER);
    let mut with_app = mark_contact("user", [custom("friend", "changed")]);
    for name in ["SdkAppId", "sdkappid", "SDKAppID", "AppId", "sdk_app_id"] {
        with_app[name] = app.clone();
    }
    calls.extend([
        (MARK_CONTACT, with_app),
        (MARK_CONTACT, mark_contact("friend", [set("user", 63)])),
        (UPDATE, rename("user", TEXTS[0], "renamed")),
        (UPDATE, rename("user", TEXTS[1], "renamed too")),
        (UPDATE, update("user", "kept", [remove(&user("friend"))])),
        (TOP, top("user", 2, [user("friend")])),
        (DEL, del("user", TEXTS[0])),
        (DEL, del("user", TEXTS[1])),
        (DEL, del("user", "kept")),
        (DELETE, json!({ "From_Account": "user", "Type": 1, "To_Account": "friend" })),
        (ACCOUNT_IMPORT, json!({ "UserID": "user", "Nick": "changed" })),
        (ACCOUNT_IMPORT, json!({ "UserID": "friend", "Nick": "changed" })),
        (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": "user" }, { "UserID": "friend" }] })),
        (ACCOUNT_IMPORT, json!({ "UserID": "user" })),
        (IMPORT_GROUP, json!({ "Type": "Private", "Name": "changed", "GroupId": "chat0" })),
    ]);
    calls
}

#[actix_web::test]
async fn whatever_is_called_in_one_app_the_other_stays_as_it_is() {
    for (me, (mine, other)) in [(APP, OTHER), (OTHER, APP)].into_iter().enumerate() {
        let app = start().await;
        let (queries, their_text) = (queries(), TEXTS[1 - me]);
        let (rows, answers) = (app.rows_of(other).await, shown(&app, &queries[1 - me]).await);
        assert!(rows.values().all(|rows| !rows.is_empty()), "something of each kind: {rows:?}");
        let own = app.rows_of(mine).await;
        for (command, body) in everything() {
            let is_named = body.to_string().contains(their_text);
            let answer = app.ask(command, &queries[me], body).await;
            assert!(is_named || !answer.to_string().contains(their_text), "{command}: {answer}");
            assert_eq!(app.rows_of(other).await, rows, "{command}: {answer}");
        }
        assert_ne!(app.rows_of(mine).await, own, "the calls do something");
        assert_eq!(shown(&app, &queries[1 - me]).await, answers);
    }
}

/// Deaths are looked up by name, and names are the same in both apps.
#[actix_web::test]
async fn who_is_dead_in_one_app_lives_in_the_other() {
    let app = start().await;
    let [mine, theirs] = queries();
    for (command, body) in [
        (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": "doomed0" }] })),
        (DESTROY_GROUP, json!({ "GroupId": "chat0" })),
    ] {
        assert_eq!(app.ask(command, &mine, body).await["ErrorCode"], 0);
    }
    let items = || [custom("doomed0", "x"), change(&group("chat0"), &[2], &[])];
    let outcome = async |query: &str| {
        codes(&app.ask(MARK_CONTACT, query, mark_contact("user", items())).await)
    };
    assert_eq!(outcome(&mine).await, (0, vec![50001, 51007]));
    assert_eq!(outcome(&theirs).await, (0, vec![0, 0]));
}

/// Writes of several apps share a commit, with the same users in it.
#[actix_web::test]
async fn writes_that_share_a_commit_do_not_share_their_app() {
    let app = start().await;
    let queries = queries();
    let turn = app.hold_user("user").await;
    let writes = (0..60).map(|number| {
        let (query, text) = (&queries[number % 2], TEXTS[number % 2]);
        let body = mark_contact("user", [custom(&format!("shared{}", number / 2), text)]);
        app.ask(MARK_CONTACT, query, body)
    });
    let release = async {
        app.wait_for_waiting(1).await;
        turn.rollback().await.unwrap();
    };
    let (answers, ()) =
        futures_util::future::join(futures_util::future::join_all(writes), release).await;
    for answer in answers {
        assert_eq!(codes(&answer), (0, vec![0]), "{answer}");
    }
    for (query, text) in queries.iter().zip(TEXTS) {
        let wanted: Vec<_> = (0..30).map(|number| user(&format!("shared{number}"))).collect();
        let found = app.ask(SEARCH, query, search("user", wanted)).await;
        for shown in found["ContactResultItem"].as_array().unwrap() {
            assert_eq!(shown["CustomMark"], text, "{shown}");
        }
    }
}
