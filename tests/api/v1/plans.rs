//! How PostgreSQL finds the rows of the native API's reads.

use earmark::domain::{SdkAppId, UserId, UserKey};
use earmark::service::{Until, erase_user};

use super::{Ask, cursor};
use crate::support::*;

/// Each read of a user's state, and an erasure, find rows by a key, so that no statement grows with the number of users. The sessions
/// of the service forbid sequential scans where there is an index, so small tables show what large ones would.
#[actix_web::test]
async fn no_statement_scans_a_table_of_all_users() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 0), custom("b", "x")]).await.assert_ok();
    app.call_ok(CREATE, create("user0", "work", [user("a")])).await;
    let since = cursor(&app, "user0").await;
    app.call_ok(TOP, top("user0", 1, [user("b")])).await;
    app.mark("a", [set("user0", 0)]).await.assert_ok();
    app.delete_account("a").await;
    app.end_sessions().await;
    app.sql("SELECT pg_stat_reset()").await;

    let lists = ["first_marked", "last_changed", "pinned"]
        .map(|order| format!("/conversations?order={order}"));
    let filtered =
        "/conversations?any=favorite&group=work&type=user&pinned=false&custom=absent".to_owned();
    let one = ["", "/conversations/user/b"].map(ToOwned::to_owned);
    let changes = format!("/changes?since={since}");
    let reads = [&lists[..], &one, &[filtered, changes]].concat();
    for read in &reads {
        // A try fails if it is given a session that was ended a moment ago.
        until(async || Ask::get(format!("/users/user0{read}")).send(&app).await.status == 200)
            .await;
    }
    let sdk_app_id = SdkAppId::new(APP).unwrap();
    let key = UserKey { sdk_app_id, user_id: UserId::parse("b", 32).unwrap() };
    until(async || {
        let (partitions, key) = (app.partitions.clone(), key.clone());
        let erased = on_runtime(async move {
            erase_user(&partitions, &key, None, &operator(), Until::Done).await
        });
        erased.await.is_ok_and(|erased| erased.lists == 1)
    })
    .await;

    app.end_sessions().await;
    let scanned: Vec<String> = sqlx::query_scalar(
        "SELECT relname::text FROM pg_stat_user_tables WHERE seq_scan > 0
        AND relname IN ('users', 'conversations', 'contact_groups', 'accounts', 'chat_groups', 'gone')",
    )
    .fetch_all(&app.db)
    .await
    .unwrap();
    assert_eq!(scanned, [""; 0]);
}
