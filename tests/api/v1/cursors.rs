//! A cursor that is not known is answered 410, and a fresh read is the cure. Everything else that a cursor meets is harmless.

use std::fmt::Write as _;

use earmark::store::{epoch, forgetting};
use sha2::{Digest, Sha256};

use super::event_stream::EventStream;
use super::{Ask, changes, cursor};
use crate::support::*;

/// Refused in each way to pass a cursor; a fresh read gives one that works.
async fn assert_resync(app: &TestApp, user: &str, since: &str) {
    let reply = changes(app, user, since).await;
    reply.assert_problem(410, "resync", None);
    assert_eq!(reply.json["resync"], true);
    let events = Ask::get(format!("/users/{user}/events?since={since}")).send(app).await;
    events.assert_problem(410, "resync", None);
    let resumed = Ask::get(format!("/users/{user}/events")).with("Last-Event-ID", since);
    resumed.send(app).await.assert_problem(410, "resync", None);
    let fresh = cursor(app, user).await;
    changes(app, user, &fresh).await.ok();
}

#[actix_web::test]
async fn a_cursor_that_is_not_ours_is_refused() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.mark("user1", [set("a", 0)]).await.assert_ok();
    let own = cursor(&app, "user0").await;
    let of_another = cursor(&app, "user1").await;
    for since in ["", "nonsense", "1-0-1", "1-0-1-00000000", &of_another, &own[1..]] {
        assert_resync(&app, "user0", since).await;
    }
}

#[actix_web::test]
async fn a_cursor_of_another_epoch_is_refused() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let since = cursor(&app, "user0").await;
    app.sql("UPDATE database_epoch SET epoch = epoch + 1").await;
    assert_resync(&app, "user0", &since).await;
}

/// A service that was restored without our noticing has counted less far.
#[actix_web::test]
async fn a_cursor_from_the_future_is_refused() {
    let app = TestApp::start().await;
    app.import("a").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    app.mark("user0", [set("a", 1)]).await.assert_ok();
    app.delete_account("a").await;
    let since = cursor(&app, "user0").await;
    app.sql("UPDATE users SET revision = revision - 1 WHERE user_id = 'user0'").await;
    assert_resync(&app, "user0", &since).await;
    app.sql("UPDATE users SET revision = revision + 1 WHERE user_id = 'user0'").await;
    changes(&app, "user0", &since).await.ok();
    app.sql("UPDATE apps SET directory_revision = directory_revision - 1").await;
    assert_resync(&app, "user0", &since).await;
}

/// No secret is in a cursor, so a client can make one up. Numbers beyond what a column holds are the future.
#[actix_web::test]
async fn a_forged_cursor_is_refused() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let epoch = cursor(&app, "user0").await.split('-').next().unwrap().to_owned();
    let epoch = u64::from_str_radix(&epoch, 16).unwrap();
    for [directory_revision, revision] in [[0, u64::MAX], [u64::MAX, 1], [0, 1 << 63], [1 << 63, 1]]
    {
        let mut digest = Sha256::new();
        for number in [epoch, directory_revision, revision] {
            digest.update(number.to_be_bytes());
        }
        digest.update(APP.to_be_bytes());
        digest.update(b"user0");
        let mut since = format!("{epoch:x}-{directory_revision:x}-{revision:x}-");
        for byte in digest.finalize().iter().take(4) {
            write!(since, "{byte:02x}").unwrap();
        }
        assert_resync(&app, "user0", &since).await;
    }
}

#[actix_web::test]
async fn a_cursor_that_is_older_than_what_was_forgotten_is_refused() {
    let app = TestApp::start().await;
    app.mark("user0", [set("a", 0), set("b", 0)]).await.assert_ok();
    let marked = cursor(&app, "user0").await;
    app.mark("user0", [clear("a", 0)]).await.assert_ok();
    let cleared = cursor(&app, "user0").await;
    changes(&app, "user0", &marked).await.ok();

    let (store, now) = (app.partitions.clone(), unix_now());
    on_runtime(async move { forgetting::prune(&store, now + 1).await.unwrap() }).await;

    assert_resync(&app, "user0", &marked).await;
    changes(&app, "user0", &cleared).await.ok();
}

/// How long a cursor lives by default: rows of empty conversations stay for 30 days.
#[actix_web::test]
async fn a_cursor_lives_for_thirty_days() {
    let app = TestApp::start().await;
    app.mark("user0", [set("old", 0), set("young", 0)]).await.assert_ok();
    let before = cursor(&app, "user0").await;
    app.mark("user0", [clear("old", 0)]).await.assert_ok();
    let between = cursor(&app, "user0").await;
    app.mark("user0", [clear("young", 0)]).await.assert_ok();
    app.sql(
        "UPDATE conversations SET changed_at = changed_at - 24 * 3600
            * CASE peer_id WHEN 'old' THEN 31 ELSE 29 END",
    )
    .await;
    // Each 64th new conversation makes the service look for old rows.
    app.mark("user0", (0..65).map(|nr| set(&format!("new{nr}"), 0))).await.assert_ok();
    assert_resync(&app, "user0", &before).await;
    let shown = changes(&app, "user0", &between).await.ok();
    assert_eq!(super::ids(&shown["removed"]), ["young"]);
}

#[actix_web::test]
async fn the_cursor_of_an_account_that_was_deleted_and_imported_again_is_refused() {
    let app = TestApp::start().await;
    app.import("user0").await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let since = cursor(&app, "user0").await;
    app.delete_account("user0").await;
    changes(&app, "user0", &since).await.assert_problem(404, "not-found", None);
    app.import("user0").await;
    assert_resync(&app, "user0", &since).await;
}

#[actix_web::test]
async fn any_process_answers_any_cursor_again_and_again() {
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    let since = cursor(&app, "user0").await;
    app.mark("user0", [set("b", 0)]).await.assert_ok();
    let rows = app.state_rows().await;
    let ask =
        |address| Ask::get(format!("/users/user0/changes?since={since}")).send_at(&app, address);
    let first = ask(app.addresses.api).await.ok();
    for address in [other, app.addresses.api, other] {
        assert_eq!(ask(address).await.ok(), first);
    }
    assert_eq!(app.state_rows().await, rows, "no row is kept per client");
}

/// Streams and waiting calls end with the epoch, on every process.
#[actix_web::test]
async fn a_stream_whose_epoch_ends_gets_a_last_event() {
    let mut app = TestApp::start().await;
    let other = app.start_another().await;
    let mut stream = EventStream::open(other, "/users/user0/events").await;
    let first = stream.event().await;
    let waits = Ask::get(format!("/users/user0/changes?since={}&wait=30", first.id));
    let waits = waits.send_at(&app, other);
    let raise = async {
        let store = app.partitions.clone();
        let deadline = earmark::deadline::Deadline::of_a_request();
        on_runtime(async move { epoch::raise(&store, &operator(), deadline).await.unwrap() }).await;
    };
    let (waited, ()) = futures_util::future::join(waits, raise).await;
    waited.assert_problem(410, "resync", None);
    let last = stream.event().await;
    assert_eq!((last.kind.as_str(), last.id.as_str()), ("resync", ""));
    assert_eq!(last.data["resync"], true);
    assert_eq!(stream.part().await, None, "the stream has ended");
}
