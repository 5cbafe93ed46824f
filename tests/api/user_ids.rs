//! Users of an app by how their ids begin, in the admin API.

use std::net::SocketAddr;

use earmark::http::{Console, OperatorToken, Operators};
use earmark::limits::USER_IDS_MAX;
use serde_json::{Value, json};

use crate::support::document::check_named;
use crate::support::*;

const TOKEN: &str = "operator-token-of-the-tests";

async fn open() -> (TestApp, SocketAddr) {
    let mut app = TestApp::start().await;
    let operators = Operators::WithToken(OperatorToken::parse(TOKEN).unwrap());
    let front = Front { console: Console::On, operators, ..Front::default() };
    let at = app.start_front(front).await.api;
    (app, at)
}

async fn ask(at: SocketAddr, number: i64, query: &str) -> Page {
    let headers = format!("authorization: Bearer {TOKEN}\r\n");
    let path = format!("/admin/v1/apps/{number}/users{query}");
    Page::get(at, "localhost", &path, &headers).await
}

async fn found(at: SocketAddr, query: &str) -> Value {
    let page = ask(at, APP, query).await;
    assert_eq!(page.status, 200, "{page:?}");
    let list = page.json();
    check_named("UserIdList", &list);
    list
}

#[actix_web::test]
async fn users_are_found_by_how_their_ids_begin() {
    let (app, at) = open().await;
    app.add_app(7, KEY).await;
    for owner in ["ann", "bob", "bob/1", "bobby", "bo", "Bob", "böb"] {
        app.mark(owner, [set("peer", 0)]).await.assert_ok();
    }
    // One has an account, one has both, and a peer has neither.
    app.import("bobo").await;
    app.import("bob").await;
    assert_eq!(
        found(at, "?prefix=bob").await,
        json!({ "users": ["bob", "bob/1", "bobby", "bobo"] })
    );
    assert_eq!(found(at, "?prefix=b%C3%B6").await, json!({ "users": ["böb"] }));
    assert_eq!(found(at, "?prefix=p").await, json!({ "users": [] }));
    assert_eq!(found(at, "?prefix=%25").await, json!({ "users": [] }), "% is no wildcard");
    let all = found(at, "").await;
    assert_eq!(
        all,
        json!({ "users": ["Bob", "ann", "bo", "bob", "bob/1", "bobby", "bobo", "böb"] })
    );
    assert_eq!(ask(at, 7, "").await.json(), json!({ "users": [] }));
}

#[actix_web::test]
async fn what_is_left_is_read_from_where_an_answer_ended() {
    let (app, at) = open().await;
    for nr in 0..5 {
        app.mark(&format!("u{nr}"), [set("peer", 0)]).await.assert_ok();
    }
    let first = found(at, "?prefix=u&limit=2").await;
    assert_eq!(first, json!({ "users": ["u0", "u1"], "next": "u1" }));
    let second = found(at, "?prefix=u&limit=2&after=u1").await;
    assert_eq!(second, json!({ "users": ["u2", "u3"], "next": "u3" }));
    assert_eq!(found(at, "?prefix=u&limit=2&after=u3").await, json!({ "users": ["u4"] }));
    // As many as are wanted, and no more.
    assert_eq!(found(at, "?prefix=u&limit=5").await["next"], Value::Null);
}

#[actix_web::test]
async fn a_wrong_query_is_refused_with_its_field() {
    let (_app, at) = open().await;
    let above = USER_IDS_MAX + 1;
    for limit in ["0", "-1", "x", "", &above.to_string()] {
        let page = ask(at, APP, &format!("?limit={limit}")).await;
        let (answer, expected) =
            (page.json(), format!("limit: must be a number from 1 to {USER_IDS_MAX}"));
        assert_eq!((page.status, &answer["field"]), (400, &"limit".into()), "{limit}");
        assert_eq!(answer["detail"], expected);
    }
    for field in ["prefix", "after"] {
        let page = ask(at, APP, &format!("?{field}=%00")).await;
        assert_eq!((page.status, &page.json()["field"]), (400, &field.into()), "{page:?}");
    }
    assert_eq!(ask(at, 99, "").await.status, 404);
}

/// However many users there are, and however many ids begin so, an answer reads one entry of a key more than it shows.
#[actix_web::test]
async fn an_answer_reads_no_more_of_an_index_than_it_shows() {
    let (app, at) = open().await;
    for (table, column, value) in [("users", "", ""), ("accounts", ", nick", ", ''")] {
        let rows = format!(
            "INSERT INTO {table} (sdk_app_id, user_id{column})
            SELECT {APP}, 'user' || lpad(nr::text, 5, '0'){value} FROM generate_series(1, 20000) AS nr",
        );
        sqlx::query(sqlx::AssertSqlSafe(rows)).execute(&app.db).await.unwrap();
    }
    // The task that counts users reads all of them, once an hour.
    until(async || count(&app, "app_sizes WHERE counted_at > '-infinity'").await == 1).await;
    app.end_sessions().await;
    sqlx::query("SELECT pg_stat_reset()").execute(&app.db).await.unwrap();
    for (query, shown) in [("?prefix=user1&limit=10", 10), ("?limit=100", USER_IDS_MAX)] {
        // A try fails if it is given a session that was ended a moment ago.
        until(async || {
            let page = ask(at, APP, query).await;
            let users = || page.json()["users"].as_array().unwrap().len();
            page.status == 200 && users() == usize::try_from(shown).unwrap()
        })
        .await;
    }
    app.end_sessions().await;
    // 112 entries, and what a session has read before the reset and counted after it.
    let keys = "pg_stat_user_indexes WHERE indexrelname IN ('users_pkey', 'accounts_pkey')
        AND idx_tup_read BETWEEN 1 AND 999";
    assert_eq!(count(&app, keys).await, 2);
    let scanned = "pg_stat_user_tables WHERE relname IN ('users', 'accounts') AND seq_scan > 0";
    assert_eq!(count(&app, scanned).await, 0);
}

async fn count(app: &TestApp, rows: &str) -> i64 {
    let count = sqlx::AssertSqlSafe(format!("SELECT count(*) FROM {rows}"));
    sqlx::query_scalar(count).fetch_one(&app.db).await.unwrap()
}
