//! The service stores the rows of empty conversations for a while. It removes them at a limit, with other writes, and in
//! `earmark prune`.

use earmark::store::forgetting;
use serde_json::{Value, json};

use crate::support::*;

const DAY_S: u64 = 24 * 3600;

/// The stored conversations of user0, empty ones included, in the order of their last change.
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

/// Marks conversations, and then clears them one after the other.
async fn mark_and_clear(app: &TestApp, peers: &[&str]) {
    app.mark("user0", peers.iter().map(|peer| set(peer, 0))).await.assert_ok();
    for peer in peers {
        app.mark("user0", [clear(peer, 0)]).await.assert_ok();
    }
}

/// Dates the last change of these conversations back by so many days.
async fn date_back(app: &TestApp, peers: &[&str], days: u64) {
    let changed_at = unix_now() - days * DAY_S;
    sqlx::query("UPDATE conversations SET changed_at = $1 WHERE peer_id = ANY ($2)")
        .bind(changed_at.cast_signed())
        .bind(peers)
        .execute(&app.db)
        .await
        .unwrap();
}

#[actix_web::test]
async fn at_the_limit_the_oldest_empty_row_is_removed() {
    let app = TestApp::with_limits(&["marked=3"]).await;
    mark_and_clear(&app, &["a", "b", "c"]).await;
    assert_eq!((rows(&app).await.join(" "), forgotten_revision(&app).await), ("a b c".into(), 0));
    app.mark("user0", [set("d", 0)]).await.assert_ok();
    assert_eq!((rows(&app).await.join(" "), forgotten_revision(&app).await), ("b c d".into(), 2));
    app.mark("user0", [set("b", 0), set("a", 0)]).await.assert_ok();
    // "b" is the oldest empty row, and is marked again in the same request. It gets a new row, and the limit stays exact.
    assert_eq!(rows(&app).await.join(" "), "c d a b");
    app.mark("user0", [set("e", 0)]).await.assert_items([ConversationsFull]);
    let marks = [("d", 1), ("b", 1), ("a", 1)].map(|(peer, bits)| marked(peer, bits, ""));
    assert_eq!(app.marks("user0").await, marks);
    assert_eq!(app.marked_count("user0").await, 3);
}

/// The service cannot remove a row that has a pin or a contact group. Without a mark, the row must take no place.
#[actix_web::test]
async fn an_unmarked_conversation_with_a_pin_or_a_contact_group_takes_no_place() {
    let app = TestApp::with_limits(&["marked=2"]).await;
    mark_and_clear(&app, &["pinned", "grouped"]).await;
    app.call_ok(TOP, top("user0", 1, [user("pinned")])).await;
    app.call_ok(CREATE, create("user0", "g", [user("grouped")])).await;
    app.mark("user0", [set("a", 0), set("b", 0)]).await.assert_ok();
    app.mark("user0", [set("pinned", 0)]).await.assert_items([ConversationsFull]);
    app.mark("user0", [clear("a", 0), set("grouped", 0)]).await.assert_ok();
    app.mark("user0", [set("a", 0)]).await.assert_items([ConversationsFull]);
    assert_eq!(app.marked_count("user0").await, 2);
}

#[actix_web::test]
async fn the_number_of_rows_of_a_user_is_bounded() {
    let app = TestApp::with_limits(&["marked=2", "grouped=2", "pinned=1"]).await;
    for nr in 0..20 {
        let peer = [user(&format!("peer{nr}"))];
        app.call_ok(TOP, top("user0", 1, peer.clone())).await;
        app.call_ok(TOP, top("user0", 2, peer)).await;
    }
    let rows = rows(&app).await;
    assert_eq!(rows.len(), 5, "the sum of the limits: {rows:?}");
    assert_eq!(rows.last().unwrap(), "peer19");
    assert_eq!(app.marked_count("user0").await, 0);
}

#[actix_web::test]
async fn old_empty_rows_are_removed_with_other_writes() {
    let app = TestApp::start().await;
    mark_and_clear(&app, &["old", "older", "young"]).await;
    date_back(&app, &["old", "older"], 31).await;
    let new = |from: usize, to: usize| -> Vec<Value> {
        (from..to).map(|nr| set(&format!("new{nr}"), 0)).collect()
    };
    app.mark("user0", new(0, 50)).await.assert_ok();
    assert_eq!(rows(&app).await.len(), 53, "not at every write");
    app.mark("user0", new(50, 70)).await.assert_ok();
    let left = rows(&app).await;
    assert_eq!(left.len(), 71);
    assert!(left.contains(&"young".to_owned()), "{left:?}");
    assert_eq!(app.marked_count("user0").await, 70);
}

#[actix_web::test]
async fn rows_are_removed_in_the_order_of_their_changes_even_if_a_clock_was_set_back() {
    let app = TestApp::start().await;
    mark_and_clear(&app, &["first", "second", "third"]).await;
    // A clock was set back: the third change has an earlier time than the second one.
    date_back(&app, &["first", "third"], 31).await;
    let now = unix_now();
    let store = app.partitions.clone();
    let prune = async move { forgetting::prune(&store, now - 30 * DAY_S).await.unwrap() };
    let pruned = on_runtime(prune).await;
    assert_eq!((pruned.users, pruned.conversations), (1, 1));
    assert_eq!(rows(&app).await, ["second", "third"]);
    assert_eq!(forgotten_revision(&app).await, 2);
    assert_eq!(app.marked_count("user0").await, 0);
}

#[actix_web::test]
async fn a_conversation_whose_row_was_removed_comes_back_at_the_end_of_the_pages() {
    let app = TestApp::with_limits(&["marked=2"]).await;
    app.mark("user0", [set("a", 0), set("b", 0)]).await.assert_ok();
    app.mark("user0", [clear("a", 0), set("c", 0)]).await.assert_ok();
    app.mark("user0", [clear("b", 0), set("a", 0)]).await.assert_ok();
    assert_eq!(app.peers_on_pages("user0").await, ["c", "a"]);
}

#[actix_web::test]
async fn a_deleted_account_loses_its_rows_but_keeps_its_revision() {
    let app = TestApp::start().await;
    app.import("user0").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.delete_account("user0").await;
    assert_eq!(app.revision_and_count("user0").await, (2, 0));
    assert_eq!(forgotten_revision(&app).await, 2);
    app.import("user0").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    assert_eq!(app.revision_and_count("user0").await, (3, 1));
    let place = "SELECT position FROM conversations";
    let place: i32 = sqlx::query_scalar(place).fetch_one(&app.db).await.unwrap();
    assert_eq!(place, 2, "a position is not used again");
}

#[actix_web::test]
async fn the_directory_revision_counts_accounts_and_chat_groups_that_leave_and_come_back() {
    let app = TestApp::start().await;
    let directory = async || -> i64 {
        let revision = "SELECT directory_revision FROM apps";
        sqlx::query_scalar(revision).fetch_one(&app.db).await.unwrap()
    };
    app.import("peer").await;
    app.create_chat_group("c").await;
    app.mark("user0", [set("peer", 0)]).await.assert_ok();
    assert_eq!(directory().await, 0);
    app.delete_account("peer").await;
    app.destroy_chat_group("c").await;
    assert_eq!(directory().await, 2);
    app.import("peer").await;
    app.import("peer").await;
    app.create_chat_group("c").await;
    assert_eq!(directory().await, 4);
    let gone = "SELECT json_agg(json_build_array(kind, id, is_gone, directory_revision) ORDER BY kind) FROM gone";
    let gone: Value = sqlx::query_scalar(gone).fetch_one(&app.db).await.unwrap();
    assert_eq!(gone, json!([[1, "peer", false, 3], [2, "c", false, 4]]));
}
