//! Several callers at once, over several processes' worth of service. Races are made certain: the test holds the lock.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::poll_fn;
use std::net::SocketAddr;
use std::rc::Rc;
use std::task::Poll;

use earmark::deadline::Deadline;
use earmark::service::{Service, Settings};
use earmark::store::{Database, Store};
use futures_util::future::join_all;
use serde_json::{Value, json};

use crate::support::*;

/// Nobody is held up by the rate.
async fn start(limits: &[&str]) -> (TestApp, [SocketAddr; 2]) {
    let mut app = TestApp::with_limits(&[&["calls-per-second=0"], limits].concat()).await;
    let other = app.start_another().await;
    let both = [app.addresses.api, other];
    (app, both)
}

async fn mark_at(app: &TestApp, at: SocketAddr, owner: &str, items: Vec<Value>) -> (u64, Vec<u64>) {
    codes(&app.call_at(at, MARK_CONTACT, mark_contact(owner, items)).await)
}

/// Answers to requests that were sent all at once, to both processes in turn.
async fn at_once(
    app: &TestApp,
    both: [SocketAddr; 2],
    requests: impl IntoIterator<Item = (String, Vec<Value>)>,
) -> Vec<(u64, Vec<u64>)> {
    let calls = requests
        .into_iter()
        .enumerate()
        .map(async |(nr, (owner, items))| mark_at(app, both[nr % 2], &owner, items).await);
    join_all(calls).await
}

fn count_of(answers: &[(u64, Vec<u64>)]) -> BTreeMap<u64, usize> {
    let mut counts = BTreeMap::new();
    for code in answers.iter().flat_map(|(_, items)| items) {
        *counts.entry(*code).or_default() += 1;
    }
    counts
}

#[actix_web::test]
async fn the_last_place_is_taken_once() {
    let (app, both) = start(&["marked=3"]).await;
    assert_eq!(app.mark("user0", vec![set("a", 0), set("b", 0)]).await, (0, vec![0, 0]));

    let turn = app.hold_user("user0").await;
    let racers = ["c", "d"].map(|peer| ("user0".to_owned(), vec![set(peer, 0)]));
    let race = at_once(&app, both, racers);
    let release = async {
        app.wait_for_waiting(2).await;
        turn.rollback().await.unwrap();
    };
    let (answers, ()) = futures_util::future::join(race, release).await;

    assert_eq!(count_of(&answers), BTreeMap::from([(0, 1), (51008, 1)]));
    assert_eq!(app.marked("user0").await, 3);
}

#[actix_web::test]
async fn a_writer_waits_for_the_one_before() {
    let (app, both) = start(&[]).await;
    assert_eq!(app.mark("user0", vec![set("user1", 0)]).await, (0, vec![0]));
    let turn = app.hold_user("user0").await;
    let others = mark_at(&app, both[0], "user9", vec![set("user2", 1)]).await;
    let during = mark_at(&app, both[1], "user0", vec![set("user2", 1)]).await;
    turn.rollback().await.unwrap();
    let after = mark_at(&app, both[0], "user0", vec![set("user2", 2)]).await;

    assert_eq!(others, (0, vec![0]), "another user is nobody's concern");
    assert_eq!(during, (50005, vec![]), "the other writer is not done");
    assert_eq!(after, (0, vec![0]), "now it is our turn");
    assert_eq!(
        app.standard_mark("user0", "user2").await,
        0b100,
        "what timed out was not done later"
    );
}

#[actix_web::test]
async fn writers_do_not_meet_in_the_row_of_their_app() {
    let app = TestApp::start().await;
    let last_lock = async || -> String {
        let lock = sqlx::query_scalar("SELECT xmax::text FROM apps WHERE sdk_app_id = $1");
        lock.bind(APP).fetch_one(&app.db).await.unwrap()
    };
    let create = async |name: &str| {
        let groups =
            json!({ "From_Account": "user0", "GroupContactItem": [{ "GroupName": name }] });
        assert_eq!(app.call(CREATE, groups).await["ErrorCode"], 0, "{name}");
    };
    // That a new user's app exists is looked at, once.
    create("first").await;
    let before = last_lock().await;
    create("second").await;
    assert_eq!(last_lock().await, before);
}

#[actix_web::test]
async fn writers_who_wait_in_a_circle_for_a_new_user_are_tried_again() {
    let app = TestApp::start().await;
    let accounts = json!({ "Accounts": ["new", "old"] });
    assert_eq!(app.call(MULTIACCOUNT_IMPORT, accounts).await["ErrorCode"], 0);
    assert_eq!(app.mark("old", vec![set("user1", 0)]).await, (0, vec![0]));

    let mut other = app.db.begin().await.unwrap();
    let add = "INSERT INTO users (sdk_app_id, user_id) VALUES ($1, 'new')";
    sqlx::query(add).bind(APP).execute(&mut *other).await.unwrap();
    let both = json!({ "DeleteItem": [{ "UserID": "new" }, { "UserID": "old" }] });
    let deletes = app.call("im_open_login_svc/account_delete", both);
    let closes_the_circle = async {
        // It has locked "old", and waits for "new".
        app.wait_for_waiting(1).await;
        let lock = "SELECT FROM users WHERE user_id = 'old' FOR NO KEY UPDATE";
        sqlx::query(lock).execute(&mut *other).await.unwrap();
        other.rollback().await.unwrap();
    };
    let (answer, ()) = futures_util::future::join(deletes, closes_the_circle).await;
    let codes: Vec<_> =
        answer["ResultItem"].as_array().unwrap().iter().map(|item| &item["ResultCode"]).collect();
    assert_eq!(codes, [0, 0], "{answer}");
    assert_eq!(app.marked("old").await, 0);
}

#[actix_web::test]
async fn what_the_one_before_has_written_is_seen() {
    let (app, both) = start(&["marked=2"]).await;
    assert_eq!(app.mark("user0", vec![set("a", 0), set("b", 0)]).await, (0, vec![0, 0]));
    // The writer before frees the place. A writer that had looked before it waited would not know.
    let turn = app.hold_user("user0").await;
    let frees = mark_at(&app, both[0], "user0", vec![clear("a", 0)]);
    let takes = async {
        app.wait_for_waiting(1).await;
        mark_at(&app, both[1], "user0", vec![set("c", 0)]).await
    };
    let release = async {
        app.wait_for_waiting(2).await;
        turn.rollback().await.unwrap();
    };
    let (freed, taken, ()) = futures_util::future::join3(frees, takes, release).await;
    assert_eq!((freed, taken), ((0, vec![0]), (0, vec![0])));
    assert_eq!(app.marks("user0").await, [marked("b", 1, ""), marked("c", 1, "")]);
}

#[actix_web::test]
async fn what_was_read_before_the_lock_came_is_read_again() {
    let (app, both) = start(&["marked=2"]).await;
    assert_eq!(app.mark("user0", vec![set("a", 0)]).await, (0, vec![0]));
    // Both read that there is no conversation with "b" yet, and wait; one of them makes it.
    let turn = app.hold_user("user0").await;
    let racers = [set("b", 0), set("b", 63)].map(|item| ("user0".to_owned(), vec![item]));
    let race = at_once(&app, both, racers);
    let release = async {
        app.wait_for_waiting(2).await;
        turn.rollback().await.unwrap();
    };
    let (answers, ()) = futures_util::future::join(race, release).await;
    assert_eq!(count_of(&answers), BTreeMap::from([(0, 2)]));
    assert_eq!(app.marks("user0").await, [marked("a", 1, ""), marked("b", 1 | 1 << 63, "")]);
}

#[actix_web::test]
async fn exactly_the_free_places_are_taken() {
    let (app, both) = start(&[]).await;
    for nr in 0..10 {
        let count = if nr < 9 { 100 } else { 77 };
        let items = (0..count).map(|peer| set(&format!("peer{nr}-{peer}"), 0)).collect();
        assert_eq!(app.mark("user0", items).await, (0, vec![0; count]));
    }
    let requests = (0..30).map(|nr| {
        let items = (0..3).map(|peer| set(&format!("new{nr}-{peer}"), 63)).collect();
        ("user0".to_owned(), items)
    });
    let answers = at_once(&app, both, requests).await;
    assert_eq!(count_of(&answers), BTreeMap::from([(0, 23), (51008, 67)]));
    assert_eq!(app.marked("user0").await, 1000);
}

#[actix_web::test]
async fn a_user_comes_to_be_once() {
    let (app, both) = start(&["marked=5"]).await;
    let requests = (0..20).map(|nr| ("user0".to_owned(), vec![set(&format!("peer{nr}"), 0)]));
    let answers = at_once(&app, both, requests).await;
    assert_eq!(count_of(&answers), BTreeMap::from([(0, 5), (51008, 15)]));
    let (revision, count) = app.revision_and_count("user0").await;
    assert!((1..=5).contains(&revision), "it grows with every commit that marks another one");
    assert_eq!(count, 5);
}

#[actix_web::test]
async fn no_bit_is_lost() {
    let (app, both) = start(&["marked=1"]).await;
    let requests = (0..64).map(|bit| ("user0".to_owned(), vec![set("user1", bit)]));
    assert_eq!(count_of(&at_once(&app, both, requests).await), BTreeMap::from([(0, 64)]));
    assert_eq!(app.standard_mark("user0", "user1").await, u64::MAX);
    let (revision, count) = app.revision_and_count("user0").await;
    assert!((1..=64).contains(&revision), "requests that share a batch share a revision");
    assert_eq!(count, 1);

    let requests = (0..64).map(|bit| {
        let items =
            if bit % 2 == 0 { vec![clear("user1", bit)] } else { vec![custom("user1", "x")] };
        ("user0".to_owned(), items)
    });
    assert_eq!(count_of(&at_once(&app, both, requests).await), BTreeMap::from([(0, 64)]));
    assert_eq!(app.marks("user0").await, [marked("user1", 0xaaaa_aaaa_aaaa_aaaa, "x")]);
}

#[actix_web::test]
async fn two_users_who_mark_each_other_do_not_wait_for_each_other_in_a_circle() {
    let (app, both) = start(&[]).await;
    let requests = (0..40).map(|nr| {
        let (owner, peer) = if nr % 2 == 0 { ("a", "b") } else { ("b", "a") };
        (owner.to_owned(), vec![set(peer, nr / 2), set(owner, nr / 2)])
    });
    assert_eq!(count_of(&at_once(&app, both, requests).await), BTreeMap::from([(0, 80)]));
}

#[actix_web::test]
async fn imports_of_the_same_accounts_in_other_orders_all_succeed() {
    let (app, both) = start(&[]).await;
    let names: Vec<_> = (0..100).map(|nr| format!("user{nr}")).collect();
    let calls = (0..20).map(async |nr| {
        let mut names = names.clone();
        names.rotate_left(nr * 5);
        if nr % 2 == 0 {
            names.reverse();
        }
        let body = json!({ "Accounts": names });
        app.call_at(both[nr % 2], MULTIACCOUNT_IMPORT, body).await["ErrorCode"].as_u64().unwrap()
    });
    assert_eq!(join_all(calls).await, [0; 20]);
}

#[actix_web::test]
async fn an_account_can_be_imported_while_its_state_changes() {
    let (app, both) = start(&[]).await;
    let marks = (0..20).map(|nr| ("user0".to_owned(), vec![set("user1", nr)]));
    let imports = (0..20).map(async |nr| {
        let body = json!({ "Accounts": ["user1", "user0"] });
        app.call_at(both[nr % 2], MULTIACCOUNT_IMPORT, body).await["ErrorCode"].as_u64().unwrap()
    });
    let (marked, imported) =
        futures_util::future::join(at_once(&app, both, marks), join_all(imports)).await;
    assert_eq!(count_of(&marked), BTreeMap::from([(0, 20)]));
    assert_eq!(imported, [0; 20]);
}

/// The last line behind the rules: a writer who counts without the lock breaks against the table itself.
#[actix_web::test]
async fn a_count_beyond_the_room_is_refused_by_the_database() {
    let app = TestApp::with_limits(&["marked=1", "grouped=1", "pinned=1"]).await;
    assert_eq!(app.mark("user0", vec![set("user1", 0)]).await, (0, vec![0]));
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
async fn those_who_wait_for_an_app_are_woken_together() {
    let app = TestApp::start().await;
    let number = app.app().await.sdk_app_id;
    let store = Store::connect(&Database::from_options(app.options())).await.unwrap();
    let service = Service::new(store, Settings::default());
    // All of it is on this thread, whose turns are counted while a hundred wait for the same app.
    let turn = Rc::new(Cell::new(0));
    let count = turn.clone();
    let counting = tokio::task::spawn_local(poll_fn(move |context| -> Poll<()> {
        count.set(count.get() + 1);
        context.waker().wake_by_ref();
        Poll::Pending
    }));
    let waiting = (0..100).map(|_| {
        let (service, turn) = (service.clone(), turn.clone());
        tokio::task::spawn_local(async move {
            service.app(number, Deadline::of_a_request()).await.unwrap();
            turn.get()
        })
    });
    let woken: Vec<u32> = join_all(waiting).await.into_iter().map(Result::unwrap).collect();
    counting.abort();
    let (first, last) = (woken.iter().min().unwrap(), woken.iter().max().unwrap());
    let waited = service.metrics().app_cache.misses.get();
    assert!(waited > 50, "only {waited} waited");
    assert!(last - first <= 2, "one after the other, from turn {first} to turn {last}");
    service.close().await;
}
