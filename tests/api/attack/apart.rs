//! Two apps with the same users, names and peers: no app can read or change the data of the other.

use serde_json::{Value, json};

use super::calls::{READING, body, prepare};
use crate::support::document;
use crate::support::*;

const OTHER: i64 = APP + 1;
const OTHER_KEY: &str = "the-key-of-another-app-0123456789";
/// The text of the custom marks and names in the first app, and in the second one.
const TEXTS: [&str; 2] = ["text of the first", "text of the second"];

/// The queries of the admins of both apps.
fn queries() -> [String; 2] {
    [query(), query_of(OTHER, ADMIN, &user_sig(OTHER_KEY, OTHER, ADMIN))]
}

async fn start() -> TestApp {
    let app = TestApp::with_limits(&["calls-per-second=0"]).await;
    app.add_app(OTHER, OTHER_KEY).await;
    let settings = "INSERT INTO app_origins SELECT sdk_app_id, 'https://' || sdk_app_id FROM apps;
        INSERT INTO app_marks SELECT sdk_app_id, 40, 'mark of ' || sdk_app_id, '#c00' FROM apps;
        INSERT INTO ended_apps SELECT sdk_app_id, 1 FROM apps;
        INSERT INTO feed_head SELECT sdk_app_id, '2026-01-01Z', 3, 1 FROM apps;
        INSERT INTO feed (sdk_app_id, number, slot, kind, id, revision, appended_at)
            SELECT sdk_app_id, 2, feed_slot(now()), 0, 'user of ' || sdk_app_id, 1, now() FROM apps;
        INSERT INTO webhooks (sdk_app_id, url, wants_users, wants_directory, secret, epoch, number, disabled)
            SELECT sdk_app_id, 'https://example.com/' || sdk_app_id, TRUE, TRUE, 'whsec_' || sdk_app_id, 1, 1, TRUE
            FROM apps;
        INSERT INTO webhook_deliveries (sdk_app_id, webhook_id, epoch, number, kind, id, revision, attempts)
            SELECT sdk_app_id, webhook_id, 1, 1, 0, 'user of ' || sdk_app_id, 1, 1 FROM webhooks";
    sqlx::raw_sql(settings).execute(&app.db).await.unwrap();
    for (query, text) in queries().iter().zip(TEXTS) {
        prepare(3, text, async |command, body| {
            let answer = app.call_as(command, query, body).await;
            answer.assert_code(Ok);
            answer
        })
        .await;
        // An account that was in the directory of both apps, and was deleted.
        app.call_as(ACCOUNT_IMPORT, query, json!({ "UserID": "deleted" })).await;
        app.call_as(ACCOUNT_DELETE, query, json!({ "DeleteItem": [{ "UserID": "deleted" }] }))
            .await;
    }
    app
}

/// Everything that the API shows about the prepared data of an app.
async fn shown(app: &TestApp, query: &str) -> Vec<String> {
    let mut shown = Vec::new();
    for command in READING {
        shown.push(app.call_as(command, query, body(command, 0)).await.text);
    }
    for user in ["doomed0", "doomed1", "doomed2", "friend"] {
        shown.push(app.call_as(GET, query, json!({ "From_Account": user })).await.text);
    }
    shown
}

/// Every command for every number, and then calls that change or delete everything.
fn everything() -> Vec<(&'static str, Value)> {
    let mut calls: Vec<_> = document::commands()
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
        (IMPORT_CHAT_GROUP, json!({ "Type": "Private", "Name": "changed", "GroupId": "chat0" })),
    ]);
    calls
}

#[actix_web::test]
async fn no_call_in_one_app_reads_or_changes_the_other() {
    for (me, (mine, other)) in [(APP, OTHER), (OTHER, APP)].into_iter().enumerate() {
        let app = start().await;
        let (queries, their_text) = (queries(), TEXTS[1 - me]);
        let (rows, answers) = (app.rows_of(other).await, shown(&app, &queries[1 - me]).await);
        assert!(
            rows.values().all(|rows| !rows.is_empty()),
            "every table has rows of the app: {rows:?}"
        );
        let own = app.rows_of(mine).await;
        for (command, body) in everything() {
            let is_named = body.to_string().contains(their_text);
            let answer = app.call_as(command, &queries[me], body).await;
            assert!(is_named || !answer.to_string().contains(their_text), "{command}: {answer}");
            assert_eq!(app.rows_of(other).await, rows, "{command}: {answer}");
        }
        assert_ne!(app.rows_of(mine).await, own, "the calls change their own app");
        assert_eq!(shown(&app, &queries[1 - me]).await, answers);
    }
}

/// The service looks up deleted accounts and destroyed chat groups by name, and both apps have the same names.
#[actix_web::test]
async fn accounts_and_chat_groups_that_one_app_deletes_stay_in_the_other() {
    let app = start().await;
    let [mine, theirs] = queries();
    for (command, body) in [
        (ACCOUNT_DELETE, json!({ "DeleteItem": [{ "UserID": "doomed0" }] })),
        (DESTROY_CHAT_GROUP, json!({ "GroupId": "chat0" })),
    ] {
        app.call_as(command, &mine, body).await.assert_ok();
    }
    let items = || [custom("doomed0", "x"), change_bits(&chat_group("chat0"), &[2], &[])];
    for (query, codes) in [(mine, [UnknownUser, ChatGroupGone]), (theirs, [Ok, Ok])] {
        let answer = app.call_as(MARK_CONTACT, &query, mark_contact("user", items())).await;
        answer.assert_items(codes);
    }
}

/// The test holds a lock, so that writes of both apps for the same user wait together.
#[actix_web::test]
async fn writes_of_two_apps_in_one_commit_stay_apart() {
    let app = start().await;
    let queries = queries();
    let lock = app.lock_user("user").await;
    let writes = (0..60).map(|number| {
        let (query, text) = (&queries[number % 2], TEXTS[number % 2]);
        let body = mark_contact("user", [custom(&format!("shared{}", number / 2), text)]);
        app.call_as(MARK_CONTACT, query, body)
    });
    let release = async {
        app.wait_for_blocked(1).await;
        lock.rollback().await.unwrap();
    };
    let (answers, ()) =
        futures_util::future::join(futures_util::future::join_all(writes), release).await;
    for answer in answers {
        answer.assert_items([Ok]);
    }
    for (query, text) in queries.iter().zip(TEXTS) {
        let wanted: Vec<_> = (0..30).map(|number| user(&format!("shared{number}"))).collect();
        let found = app.call_as(SEARCH, query, search("user", wanted)).await;
        for shown in found["ContactResultItem"].as_array().unwrap() {
            assert_eq!(shown["CustomMark"], text, "{shown}");
        }
    }
}
