//! How large apps are: counted about once an hour, by one process.

use std::net::SocketAddr;

use earmark::http::{Console, OperatorToken, Operators};
use serde_json::Value;

use crate::support::document::check_named;
use crate::support::*;

const TOKEN: &str = "operator-token-of-the-tests";

/// Starts another process, which looks at once for apps that are due.
async fn start_another(app: &mut TestApp) -> SocketAddr {
    let operators = Operators::WithToken(OperatorToken::parse(TOKEN).unwrap());
    let front = Front { console: Console::On, operators, ..Front::default() };
    app.start_front(front).await.api
}

/// The size of an app in the list of all apps. `null` if it was never counted.
async fn size(at: SocketAddr, number: i64) -> Value {
    let headers = format!("authorization: Bearer {TOKEN}\r\n");
    let listed = Page::get(at, "localhost", "/admin/v1/apps", &headers).await.json();
    check_named("AppList", &listed);
    let apps = listed["apps"].as_array().unwrap();
    apps.iter().find(|app| app["sdkappid"] == number).unwrap()["size"].clone()
}

async fn age_counts(app: &TestApp, minutes: i32) {
    let age = "UPDATE app_sizes SET counted_at = counted_at - make_interval(mins => $1)";
    sqlx::query(age).bind(minutes).execute(&app.db).await.unwrap();
}

#[actix_web::test]
async fn an_app_is_counted_again_after_an_hour() {
    let mut app = TestApp::with_limits(&["marked=2", "pinned=1"]).await;
    let at = start_another(&mut app).await;
    until(async || !size(at, APP).await.is_null()).await;
    assert_eq!(size(at, APP).await["users"], 0);
    for (owner, peers) in [("full", ["a", "b"]), ("not", ["a", "a"])] {
        app.mark(owner, peers.map(|peer| set(peer, 0))).await.assert_ok();
    }
    app.call_ok(TOP, top("pinned", 1, [user("a")])).await;

    age_counts(&app, 59).await;
    let at = start_another(&mut app).await;
    // Each process counts before it shows the sizes in its metrics.
    assert_eq!(size(at, APP).await["users"], 0, "it is not due");
    age_counts(&app, 2).await;
    let at = start_another(&mut app).await;
    until(async || size(at, APP).await["users"] == 3).await;
    let counted = size(at, APP).await;
    assert_eq!((&counted["conversations"], &counted["users_at_limit"]), (&4.into(), &2.into()));
    assert!(counted["counted_at"].as_u64().unwrap().abs_diff(unix_now()) < 60, "{counted}");
    assert!(counted["bytes"].as_u64().unwrap() > 8192, "{counted}");
}

#[actix_web::test]
async fn the_bytes_of_the_tables_are_divided_by_the_rows() {
    let mut app = TestApp::start().await;
    app.add_app(7, KEY).await;
    for (number, users) in [(APP, 3000), (7, 1000)] {
        let rows = "INSERT INTO users (sdk_app_id, user_id, revision, next_position, row_count, marked, marked_max)
            SELECT $1, 'user' || nr, 1, 2, 1, 1, 1000 FROM generate_series(1, $2) AS nr";
        sqlx::query(rows).bind(number).bind(users).execute(&app.db).await.unwrap();
    }
    age_counts(&app, 61).await;
    let at = start_another(&mut app).await;
    until(async || size(at, APP).await["users"] == 3000 && size(at, 7).await["users"] == 1000)
        .await;
    let [large, small] = [size(at, APP).await, size(at, 7).await];
    let [large, small] = [large, small].map(|size| size["bytes"].as_u64().unwrap());
    assert!(large.abs_diff(3 * small) < 10, "{large} {small}");
}

/// A process that has claimed an app and died does not keep the others from counting it for ever.
#[actix_web::test]
async fn a_claim_ends_by_itself() {
    let mut app = TestApp::start().await;
    let at = start_another(&mut app).await;
    until(async || !size(at, APP).await.is_null()).await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    age_counts(&app, 61).await;
    let claim = "UPDATE app_sizes SET claimed_until = now() + INTERVAL '1 hour'";
    sqlx::query(claim).execute(&app.db).await.unwrap();
    app.add_app(7, KEY).await;
    let at = start_another(&mut app).await;
    until(async || !size(at, 7).await.is_null()).await;
    assert_eq!(size(at, APP).await["users"], 0, "claimed by another process");
    let ended = "UPDATE app_sizes SET claimed_until = now()";
    sqlx::query(ended).execute(&app.db).await.unwrap();
    let at = start_another(&mut app).await;
    until(async || size(at, APP).await["users"] == 1).await;
}

/// The bytes of the tables times the rows of the app are more than a bigint holds.
#[actix_web::test]
async fn the_bytes_of_a_very_large_app_can_be_computed() {
    let mut app = TestApp::start().await;
    let at = start_another(&mut app).await;
    until(async || !size(at, APP).await.is_null()).await;
    let rows = 1_i64 << 50;
    let counted = "UPDATE app_sizes SET users = $1, conversations = $1";
    sqlx::query(counted).bind(rows).execute(&app.db).await.unwrap();
    let large = size(at, APP).await;
    assert!(large["bytes"].as_u64().unwrap() > 8192, "{large}");
}
