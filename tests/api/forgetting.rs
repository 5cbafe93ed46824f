//! Conversations that have become empty keep their rows for a while. Rows are removed at a limit, in passing, and by
//! `earmark prune`.

use earmark::store::forgetting;
use serde_json::{Value, json};

use crate::support::{CREATE, TOP, TestApp, clear, create, marked, on_runtime, set, top, user};

const DAY_S: u64 = 24 * 3600;

/// The stored conversations of user0 by the order of their last change, empty ones included.
async fn rows(app: &TestApp) -> Vec<String> {
    sqlx::query_scalar("SELECT peer_id FROM conversations ORDER BY changed_revision, peer_id")
        .fetch_all(&app.db)
        .await
        .unwrap()
}

async fn forgotten_revision(app: &TestApp) -> i64 {
    let forgotten = "SELECT forgotten_revision FROM users WHERE user_id = 'user0'";
    sqlx::query_scalar(forgotten).fetch_one(&app.db).await.unwrap()
}

/// Conversations become empty, one after the other.
async fn empty(app: &TestApp, peers: &[&str]) {
    assert_eq!(app.mark("user0", peers.iter().map(|peer| set(peer, 0)).collect()).await.0, 0);
    for peer in peers {
        assert_eq!(app.mark("user0", vec![clear(peer, 0)]).await, (0, vec![0]));
    }
}

/// The empty conversations of these peers have last changed so many days ago.
async fn age(app: &TestApp, peers: &[&str], days: u64) {
    let changed_at = crate::support::unix_now() - days * DAY_S;
    sqlx::query("UPDATE conversations SET changed_at = $1 WHERE peer_id = ANY ($2)")
        .bind(changed_at.cast_signed())
        .bind(peers)
        .execute(&app.db)
        .await
        .unwrap();
}

#[actix_web::test]
async fn at_the_limit_the_oldest_empty_row_makes_room() {
    let app = TestApp::with_limits(&["marked=3"]).await;
    empty(&app, &["a", "b", "c"]).await;
    assert_eq!((rows(&app).await.join(" "), forgotten_revision(&app).await), ("a b c".into(), 0));
    assert_eq!(app.mark("user0", vec![set("d", 0)]).await, (0, vec![0]));
    assert_eq!((rows(&app).await.join(" "), forgotten_revision(&app).await), ("b c d".into(), 2));
    assert_eq!(app.mark("user0", vec![set("b", 0), set("a", 0)]).await, (0, vec![0, 0]));
    // The oldest one is the one that is marked again. It gets a new row, and the limit stays exact.
    assert_eq!(rows(&app).await.join(" "), "c d a b");
    assert_eq!(app.mark("user0", vec![set("e", 0)]).await, (0, vec![51008]));
    let marks = [("d", 1), ("b", 1), ("a", 1)].map(|(peer, bits)| marked(peer, bits, ""));
    assert_eq!(app.marks("user0").await, marks);
    assert_eq!(app.marked("user0").await, 3);
}

/// A row that is not marked any more but pinned or grouped cannot go. It holds a place, and takes none from others.
#[actix_web::test]
async fn a_row_that_shows_without_a_mark_takes_no_place() {
    let app = TestApp::with_limits(&["marked=2"]).await;
    empty(&app, &["pinned", "grouped"]).await;
    app.must(TOP, top("user0", 1, [user("pinned")])).await;
    app.must(CREATE, create("user0", "group", [user("grouped")])).await;
    assert_eq!(app.mark("user0", vec![set("a", 0), set("b", 0)]).await, (0, vec![0, 0]));
    assert_eq!(app.mark("user0", vec![set("pinned", 0)]).await, (0, vec![51008]));
    assert_eq!(app.mark("user0", vec![clear("a", 0), set("grouped", 0)]).await, (0, vec![0, 0]));
    assert_eq!(app.mark("user0", vec![set("a", 0)]).await, (0, vec![51008]));
    assert_eq!(app.marked("user0").await, 2);
}

/// Rows that were never marked hold no place, and there are only so many of them, too.
#[actix_web::test]
async fn the_rows_of_a_user_are_bounded() {
    let app = TestApp::with_limits(&["marked=2", "grouped=2", "pinned=1"]).await;
    for nr in 0..20 {
        let peer = [user(&format!("peer{nr}"))];
        app.must(TOP, top("user0", 1, peer.clone())).await;
        app.must(TOP, top("user0", 2, peer)).await;
    }
    let rows = rows(&app).await;
    assert_eq!(rows.len(), 5, "as many as may show: {rows:?}");
    assert_eq!(rows.last().unwrap(), "peer19");
    assert_eq!(app.marked("user0").await, 0);
}

#[actix_web::test]
async fn old_empty_rows_are_removed_in_passing() {
    let app = TestApp::start().await;
    empty(&app, &["old", "older", "young"]).await;
    age(&app, &["old", "older"], 31).await;
    let new = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|nr| set(&format!("new{nr}"), 0)).collect()
    };
    assert_eq!(app.mark("user0", new(0, 50)).await.0, 0);
    assert_eq!(rows(&app).await.len(), 53, "not with every new row");
    assert_eq!(app.mark("user0", new(50, 70)).await.0, 0);
    let left = rows(&app).await;
    assert_eq!(left.len(), 71);
    assert!(left.contains(&"young".to_owned()), "{left:?}");
    assert_eq!(app.marked("user0").await, 70);
}

#[actix_web::test]
async fn what_is_younger_than_an_old_row_keeps_the_rows_after_it() {
    let app = TestApp::start().await;
    empty(&app, &["first", "second", "third"]).await;
    // A clock that was set back: the later change seems to be the older one.
    age(&app, &["first", "third"], 31).await;
    let now = crate::support::unix_now();
    let store = app.store.clone();
    let prune = async move { forgetting::prune(&store, now - 30 * DAY_S).await.unwrap() };
    let pruned = on_runtime(prune).await;
    assert_eq!((pruned.users, pruned.conversations), (1, 1));
    assert_eq!(rows(&app).await, ["second", "third"]);
    assert_eq!(forgotten_revision(&app).await, 2);
    assert_eq!(app.marked("user0").await, 0);
}

#[actix_web::test]
async fn a_conversation_whose_row_was_removed_comes_back_at_the_end() {
    let app = TestApp::with_limits(&["marked=2"]).await;
    assert_eq!(app.mark("user0", vec![set("a", 0), set("b", 0)]).await.0, 0);
    assert_eq!(app.mark("user0", vec![clear("a", 0), set("c", 0)]).await, (0, vec![0, 0]));
    assert_eq!(app.mark("user0", vec![clear("b", 0), set("a", 0)]).await, (0, vec![0, 0]));
    assert_eq!(app.found("user0").await, ["c", "a"]);
}

#[actix_web::test]
async fn a_deleted_account_forgets_all_and_goes_on_counting() {
    let app = TestApp::start().await;
    app.import("user0").await;
    app.mark("user0", vec![set("a", 0)]).await;
    app.delete_account("user0").await;
    assert_eq!(app.revision_and_count("user0").await, (2, 0));
    assert_eq!(forgotten_revision(&app).await, 2);
    app.import("user0").await;
    app.mark("user0", vec![set("a", 0)]).await;
    assert_eq!(app.revision_and_count("user0").await, (3, 1));
    let place = "SELECT position FROM conversations";
    let place: i32 = sqlx::query_scalar(place).fetch_one(&app.db).await.unwrap();
    assert_eq!(place, 2, "a number once given is used up");
}

/// Accounts and chat groups that leave and come back raise the app's directory revision, and nothing else does.
#[actix_web::test]
async fn the_directory_counts_who_leaves_and_comes_back() {
    let app = TestApp::start().await;
    let directory = async || -> i64 {
        let revision = "SELECT directory_revision FROM apps";
        sqlx::query_scalar(revision).fetch_one(&app.db).await.unwrap()
    };
    app.import("mortal").await;
    app.put_chat_group("group", false).await;
    app.mark("user0", vec![set("mortal", 0)]).await;
    assert_eq!(directory().await, 0);
    app.delete_account("mortal").await;
    app.put_chat_group("group", true).await;
    assert_eq!(directory().await, 2);
    app.import("mortal").await;
    app.import("mortal").await;
    app.put_chat_group("group", false).await;
    assert_eq!(directory().await, 4);
    let gone = "SELECT json_agg(json_build_array(kind, id, is_gone, directory_revision) ORDER BY kind) FROM gone";
    let gone: Value = sqlx::query_scalar(gone).fetch_one(&app.db).await.unwrap();
    assert_eq!(gone, json!([[1, "mortal", false, 3], [2, "group", false, 4]]));
}
