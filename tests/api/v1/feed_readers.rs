//! Readers who follow a feed see the last revision of every user.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use futures_util::future::{join, join_all};
use serde_json::{Value, json};
use sqlx::Row;

use super::Ask;
use super::feed::page;
use crate::support::*;

impl TestApp {
    /// Each user's revision, as it is stored.
    async fn revisions(&self) -> BTreeMap<String, u64> {
        let rows = sqlx::query("SELECT user_id, revision FROM users WHERE revision > 0");
        let rows = rows.fetch_all(&self.db).await.unwrap();
        let revision = |row: &sqlx::postgres::PgRow| row.get::<i64, _>(1).cast_unsigned();
        rows.iter().map(|row| (row.get(0), revision(row))).collect()
    }
}

/// Follows the feed at one service until it has seen that `last` changed.
async fn follow(app: &TestApp, at: SocketAddr, mut cursor: String, last: &str) -> Vec<Value> {
    let mut seen = Vec::new();
    while !seen.iter().any(|change: &Value| change["user"] == last) {
        let ask = Ask::get(format!("/changes?after={cursor}&wait=60&limit=7"));
        let (next, changes) = page(ask.send_at(app, at).await);
        seen.extend(changes);
        cursor = next;
    }
    seen
}

/// Users of two services change concurrently, by both paths and in shared commits.
#[actix_web::test]
async fn readers_see_the_last_revision_of_every_user() {
    let mut app = TestApp::start().await;
    app.turn_feed_on().await;
    let places = [app.addresses.api, app.start_another().await];
    let cursor = app.cursor().await;
    let write = async |writer: usize| {
        for nr in 0..30 {
            let (at, owner) = (places[nr % 2], format!("user{}", (writer * 7 + nr * 3) % 20));
            let bit = u8::try_from(nr % 30).unwrap();
            match nr % 10 {
                9 => {
                    let body = json!({ "DeleteItem": [{ "UserID": format!("gone{writer}") }] });
                    app.import(&format!("gone{writer}")).await;
                    app.call_at(at, ACCOUNT_DELETE, body).await.assert_items([Ok]);
                }
                8 => {
                    let name = format!("{writer} {nr}");
                    let made = app.call_at(at, CREATE, create(&owner, &name, [user("a")])).await;
                    made.assert_one_of(&[Ok, ContactGroupsFull]);
                }
                _ => app
                    .mark_at(at, &owner, [set(&format!("peer{}", nr % 4), bit)])
                    .await
                    .assert_ok(),
            }
        }
    };
    let writers = async {
        join_all((0..8).map(write)).await;
        app.mark("last", [set("a", 0)]).await.assert_ok();
    };
    let readers = join_all(places.map(|at| follow(&app, at, cursor.clone(), "last")));
    let ((), seen) = join(writers, readers).await;

    assert_eq!(seen[0], seen[1], "all readers see one order");
    let mut followed = BTreeMap::new();
    for change in seen[0].iter().filter(|change| change["user"].is_string()) {
        let (user, revision) =
            (change["user"].as_str().unwrap(), change["revision"].as_u64().unwrap());
        let before = followed.insert(user.to_owned(), revision);
        assert!(before.is_none_or(|before| before < revision), "{user}: {before:?}, {revision}");
    }
    assert_eq!(followed, app.revisions().await);
    let gone = seen[0].iter().filter(|change| change["directory"]["gone"] == true).count();
    assert_eq!(gone, 8 * 3);
    let numbers = "SELECT max(number) = count(*) FROM feed";
    assert!(sqlx::query_scalar::<_, bool>(numbers).fetch_one(&app.db).await.unwrap(), "a gap");
}
