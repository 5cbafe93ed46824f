//! Concurrent callers of two processes of the service. Where a test needs a certain order, it holds a lock itself.

use std::cell::Cell;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use earmark::deadline::Deadline;
use earmark::service::{Service, Settings};
use earmark::store::{Database, Partitions};
use futures_util::future::{join, join_all, join3};
use serde_json::{Value, json};

use crate::support::*;

/// Starts two processes of the service without a rate limit.
async fn start(limits: &[&str]) -> (TestApp, [SocketAddr; 2]) {
    let mut app = TestApp::with_limits(&[&["calls-per-second=0"], limits].concat()).await;
    let other = app.start_another().await;
    let both = [app.addresses.api, other];
    (app, both)
}

/// Sends all requests concurrently, to both processes in turn.
async fn mark_concurrently(
    app: &TestApp,
    both: [SocketAddr; 2],
    requests: impl IntoIterator<Item = (&str, Vec<Value>)>,
) -> Vec<Answer> {
    let calls = requests
        .into_iter()
        .enumerate()
        .map(async |(nr, (owner, items))| app.mark_at(both[nr % 2], owner, items).await);
    join_all(calls).await
}

#[actix_web::test]
async fn of_two_concurrent_callers_one_gets_the_last_place() {
    let (app, both) = start(&["marked=3"]).await;
    app.mark("user0", [set("a", 0), set("b", 0)]).await.assert_ok();

    let lock = app.lock_user("user0").await;
    let racers = ["c", "d"].map(|peer| ("user0", vec![set(peer, 0)]));
    let race = mark_concurrently(&app, both, racers);
    let release = async {
        app.wait_for_blocked(2).await;
        lock.rollback().await.unwrap();
    };
    let (answers, ()) = join(race, release).await;

    assert_item_codes(&answers, [(Ok, 1), (ConversationsFull, 1)]);
    assert_eq!(app.marked_count("user0").await, 3);
}

#[actix_web::test]
async fn a_writer_waits_for_the_previous_writer_of_the_user() {
    let (app, both) = start(&[]).await;
    app.mark("user0", [set("user1", 0)]).await.assert_ok();
    let lock = app.lock_user("user0").await;
    let other_user = app.mark_at(both[0], "user9", [set("user2", 1)]).await;
    let during = app.mark_at(both[1], "user0", [set("user2", 1)]).await;
    lock.rollback().await.unwrap();
    let after = app.mark_at(both[0], "user0", [set("user2", 2)]).await;

    other_user.assert_ok();
    during.assert_code(DatabaseTimeout);
    after.assert_ok();
    assert_eq!(app.standard_mark("user0", "user2").await, 0b100, "the late call wrote nothing");
}

#[actix_web::test]
async fn writers_do_not_lock_the_row_of_their_app() {
    let app = TestApp::start().await;
    let last_lock = async || -> String {
        let lock = sqlx::query_scalar("SELECT xmax::text FROM apps WHERE sdk_app_id = $1");
        lock.bind(APP).fetch_one(&app.db).await.unwrap()
    };
    let create_contact_group = async |name: &str| {
        app.call_ok(CREATE, create("user0", name, EMPTY)).await;
    };
    // The foreign key of a new user locks the app's row once.
    create_contact_group("first").await;
    let before = last_lock().await;
    create_contact_group("second").await;
    assert_eq!(last_lock().await, before);
}

#[actix_web::test]
async fn a_writer_in_a_deadlock_over_a_new_user_is_retried() {
    let app = TestApp::start().await;
    let accounts = json!({ "Accounts": ["new", "old"] });
    app.call(MULTIACCOUNT_IMPORT, accounts).await.assert_ok();
    app.mark("old", [set("user1", 0)]).await.assert_ok();

    let mut other = app.db.begin().await.unwrap();
    let add = "INSERT INTO users (sdk_app_id, user_id) VALUES ($1, 'new')";
    sqlx::query(add).bind(APP).execute(&mut *other).await.unwrap();
    let both = json!({ "DeleteItem": [{ "UserID": "new" }, { "UserID": "old" }] });
    let deletes = app.call(ACCOUNT_DELETE, both);
    let causes_the_deadlock = async {
        // The call has locked "old", and waits for "new".
        app.wait_for_blocked(1).await;
        let lock = "SELECT FROM users WHERE user_id = 'old' FOR NO KEY UPDATE";
        sqlx::query(lock).execute(&mut *other).await.unwrap();
        other.rollback().await.unwrap();
    };
    let (answer, ()) = join(deletes, causes_the_deadlock).await;
    answer.assert_items([Ok, Ok]);
    assert_eq!(app.marked_count("old").await, 0);
}

#[actix_web::test]
async fn a_writer_sees_what_the_previous_writer_has_written() {
    let (app, both) = start(&["marked=2"]).await;
    app.mark("user0", [set("a", 0), set("b", 0)]).await.assert_ok();
    // The first writer frees a place. A writer that reads before it waits would not see the free place.
    let lock = app.lock_user("user0").await;
    let frees = app.mark_at(both[0], "user0", [clear("a", 0)]);
    let takes = async {
        app.wait_for_blocked(1).await;
        app.mark_at(both[1], "user0", [set("c", 0)]).await
    };
    let release = async {
        app.wait_for_blocked(2).await;
        lock.rollback().await.unwrap();
    };
    let (freed, taken, ()) = join3(frees, takes, release).await;
    freed.assert_ok();
    taken.assert_ok();
    assert_eq!(app.marks("user0").await, [marked("b", 1, ""), marked("c", 1, "")]);
}

#[actix_web::test]
async fn a_writer_reads_again_after_it_has_waited_for_the_lock() {
    let (app, both) = start(&["marked=2"]).await;
    app.mark("user0", [set("a", 0)]).await.assert_ok();
    // Both writers read that there is no conversation with "b", and wait. Then one of them creates it.
    let lock = app.lock_user("user0").await;
    let racers = [set("b", 0), set("b", 63)].map(|item| ("user0", vec![item]));
    let race = mark_concurrently(&app, both, racers);
    let release = async {
        app.wait_for_blocked(2).await;
        lock.rollback().await.unwrap();
    };
    let (answers, ()) = join(race, release).await;
    assert_item_codes(&answers, [(Ok, 2)]);
    assert_eq!(app.marks("user0").await, [marked("a", 1, ""), marked("b", 1 | 1 << 63, "")]);
}

#[actix_web::test]
async fn concurrent_callers_get_exactly_the_free_places() {
    let (app, both) = start(&[]).await;
    for nr in 0..10 {
        let count = if nr < 9 { 100 } else { 77 };
        let items = (0..count).map(|peer| set(&format!("peer{nr}-{peer}"), 0));
        app.mark("user0", items).await.assert_ok();
    }
    let requests = (0..30).map(|nr| {
        let items = (0..3).map(|peer| set(&format!("new{nr}-{peer}"), 63)).collect();
        ("user0", items)
    });
    let answers = mark_concurrently(&app, both, requests).await;
    assert_item_codes(&answers, [(Ok, 23), (ConversationsFull, 67)]);
    assert_eq!(app.marked_count("user0").await, 1000);
}

#[actix_web::test]
async fn concurrent_callers_create_a_user_once() {
    let (app, both) = start(&["marked=5"]).await;
    let requests = (0..20).map(|nr| ("user0", vec![set(&format!("peer{nr}"), 0)]));
    let answers = mark_concurrently(&app, both, requests).await;
    assert_item_codes(&answers, [(Ok, 5), (ConversationsFull, 15)]);
    let (revision, count) = app.revision_and_count("user0").await;
    assert!(
        (1..=5).contains(&revision),
        "the revision grows with every commit that marks another conversation"
    );
    assert_eq!(count, 5);
}

#[actix_web::test]
async fn no_concurrently_set_bit_is_lost() {
    let (app, both) = start(&["marked=1"]).await;
    let requests = (0..64).map(|bit| ("user0", vec![set("user1", bit)]));
    assert_item_codes(&mark_concurrently(&app, both, requests).await, [(Ok, 64)]);
    assert_eq!(app.standard_mark("user0", "user1").await, u64::MAX);
    let (revision, count) = app.revision_and_count("user0").await;
    assert!((1..=64).contains(&revision), "requests that share a batch share a revision");
    assert_eq!(count, 1);

    let requests = (0..64).map(|bit| {
        let items =
            if bit % 2 == 0 { vec![clear("user1", bit)] } else { vec![custom("user1", "x")] };
        ("user0", items)
    });
    assert_item_codes(&mark_concurrently(&app, both, requests).await, [(Ok, 64)]);
    assert_eq!(app.marks("user0").await, [marked("user1", 0xaaaa_aaaa_aaaa_aaaa, "x")]);
}

#[actix_web::test]
async fn two_users_who_mark_each_other_cause_no_deadlock() {
    let (app, both) = start(&[]).await;
    let requests = (0..40).map(|nr| {
        let (owner, peer) = if nr % 2 == 0 { ("a", "b") } else { ("b", "a") };
        (owner, vec![set(peer, nr / 2), set(owner, nr / 2)])
    });
    assert_item_codes(&mark_concurrently(&app, both, requests).await, [(Ok, 80)]);
}

#[actix_web::test]
async fn concurrent_imports_of_the_same_accounts_in_different_orders_succeed() {
    let (app, both) = start(&[]).await;
    let names: Vec<_> = (0..100).map(|nr| format!("user{nr}")).collect();
    let calls = (0..20).map(async |nr| {
        let mut names = names.clone();
        names.rotate_left(nr * 5);
        if nr % 2 == 0 {
            names.reverse();
        }
        let body = json!({ "Accounts": names });
        app.call_at(both[nr % 2], MULTIACCOUNT_IMPORT, body).await
    });
    assert_codes(&join_all(calls).await, [(Ok, 20)]);
}

#[actix_web::test]
async fn an_account_can_be_imported_while_its_state_changes() {
    let (app, both) = start(&[]).await;
    let marks = (0..20).map(|nr| ("user0", vec![set("user1", nr)]));
    let imports = (0..20).map(async |nr| {
        let body = json!({ "Accounts": ["user1", "user0"] });
        app.call_at(both[nr % 2], MULTIACCOUNT_IMPORT, body).await
    });
    let (marked, imported) = join(mark_concurrently(&app, both, marks), join_all(imports)).await;
    assert_item_codes(&marked, [(Ok, 20)]);
    assert_codes(&imported, [(Ok, 20)]);
}

/// The constraints would stop a writer that counts without the lock.
#[actix_web::test]
async fn the_database_refuses_counts_above_the_limits() {
    let app = TestApp::with_limits(&["marked=1", "grouped=1", "pinned=1"]).await;
    app.mark("user0", [set("user1", 0)]).await.assert_ok();
    for (constraint, statement) in [
        ("users_marked_in_room", "UPDATE users SET marked = marked + 1"),
        ("users_marked_in_room", "UPDATE users SET marked = -1"),
        ("users_grouped_in_room", "UPDATE users SET grouped = grouped + 2"),
        ("users_pinned_in_room", "UPDATE users SET pinned = pinned + 2"),
    ] {
        let refused = sqlx::query(statement).execute(&app.db).await.unwrap_err();
        let broken = refused.as_database_error().and_then(|error| error.constraint());
        assert_eq!(broken, Some(constraint), "{statement}: {refused}");
    }
}

#[actix_web::test]
async fn callers_that_wait_for_the_same_app_continue_together() {
    let app = TestApp::start().await;
    let number = app.app().await.sdk_app_id;
    let partitions = Partitions::connect(&Database::from_options(app.options())).await.unwrap();
    let service = Service::new(partitions, Settings::default());
    // All tasks run on this thread. One task counts the rounds of its scheduler while a hundred tasks wait for the app.
    let round = Rc::new(Cell::new(0));
    let counted = round.clone();
    let counting = tokio::task::spawn_local(poll_fn(move |context| -> Poll<()> {
        counted.set(counted.get() + 1);
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    let waiting = (0..100).map(|_| {
        let (service, round) = (service.clone(), round.clone());
        tokio::task::spawn_local(async move {
            service.app(number, Deadline::of_a_request()).await.unwrap();
            round.get()
        })
    });
    let woken: Vec<u32> = join_all(waiting).await.into_iter().map(Result::unwrap).collect();
    counting.abort();
    let (first, last) = (woken.iter().min().unwrap(), woken.iter().max().unwrap());
    let waited = service.metrics().app_cache.misses.get();
    assert!(waited > 50, "only {waited} waited");
    assert!(last - first <= 2, "one after the other, from round {first} to round {last}");
    service.close().await;
}
