//! Writes that share a commit: a failure of one write does not affect the others, and OK means stored.

use std::sync::Arc;

use earmark::deadline::{Arrival, Deadline};
use earmark::domain::{
    BitChange, Change, ContactGroupName, Conversation, CustomMark, Directory, Edition, MarkChange,
    MemberChange, Refusal, StandardMark, UserId,
};
use earmark::error::Error;
use earmark::service::{Service, Settings, Write, Written};
use earmark::store::{Database, Partitions};
use futures_util::future::{join, join_all};
use sqlx::postgres::PgConnectOptions;
use testkit::Scratch;
use testkit::postgres::Postgres;
use testkit::proxy::{Network, Proxy, Side};
use tokio::task::spawn_blocking;

use crate::support::database::Server;
use crate::support::{
    CREATE, TestApp, create, marked, on_runtime, set, set_limits, unix_now, user,
};

/// A service with a single lane, so that all writes use the same queue.
pub(crate) async fn one_lane(database: Database) -> Service {
    on_runtime(async move {
        Service::new(Partitions::connect(&database).await.unwrap(), Settings::default())
    })
    .await
}

fn custom(peer: &str) -> Change {
    let conversation = Conversation::OneToOne(UserId::parse(peer, 32).unwrap());
    let custom = Some(CustomMark::parse("x", 256).unwrap());
    Change::Mark(vec![MarkChange { conversation, standard: None, custom }])
}

fn bits(peer: &str, set: u64, clear: u64) -> MarkChange {
    let conversation = Conversation::OneToOne(UserId::parse(peer, 32).unwrap());
    let bits = BitChange { set: StandardMark::new(set), clear: StandardMark::new(clear) };
    MarkChange { conversation, standard: Some(bits), custom: None }
}

/// Marks a conversation for each of these users, concurrently.
async fn write_all(
    app: &TestApp,
    service: &Service,
    users: impl Iterator<Item = String>,
) -> Vec<Result<Written, Error>> {
    change_all(app, service, users.map(|user| (user, custom("peer")))).await
}

/// Applies these changes concurrently. They enter the queue in this order.
async fn change_all(
    app: &TestApp,
    service: &Service,
    changes: impl Iterator<Item = (String, Change)>,
) -> Vec<Result<Written, Error>> {
    let of = Arc::new(app.app().await);
    let writes: Vec<Write> = changes
        .map(|(user, change)| Write {
            app: of.clone(),
            owner: UserId::parse(user, 32).unwrap(),
            change,
            expected_revision: None,
            arrival: Arrival { now: unix_now(), deadline: Deadline::of_a_request() },
        })
        .collect();
    let service = service.clone();
    on_runtime(async move { join_all(writes.into_iter().map(|write| service.write(write))).await })
        .await
}

fn users(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|nr| format!("user{nr}"))
}

async fn number(app: &TestApp, question: &'static str) -> i64 {
    sqlx::query_scalar(question).fetch_one(&app.db).await.unwrap()
}

#[actix_web::test]
async fn waiting_writes_are_committed_together() {
    let app = TestApp::start().await;
    let service = one_lane(Database::from_options(app.options())).await;
    let outcomes = write_all(&app, &service, users(50)).await;
    assert!(outcomes.iter().all(Result::is_ok));
    assert_eq!(number(&app, "SELECT count(*) FROM conversations").await, 50);
    let commits = number(&app, "SELECT count(DISTINCT xmin::text) FROM conversations").await;
    assert!(commits < 10, "50 writes took {commits} commits");
    service.close().await;
}

#[actix_web::test]
async fn a_user_at_the_limit_does_not_affect_the_others() {
    let app = TestApp::with_limits(&["marked=1"]).await;
    app.mark("user7", [set("before", 0)]).await.assert_ok();
    let service = one_lane(Database::from_options(app.options())).await;
    let outcomes = write_all(&app, &service, users(20)).await;
    for (nr, outcome) in outcomes.into_iter().enumerate() {
        let item = outcome.unwrap().applied.items.remove(0);
        assert_eq!(item.is_err(), nr == 7, "user{nr}: {item:?}");
    }
    assert_eq!(number(&app, "SELECT count(*) FROM conversations").await, 20);
    service.close().await;
}

#[actix_web::test]
async fn a_deleted_peer_of_a_deleted_contact_group_frees_no_place() {
    let app = TestApp::with_limits(&["grouped=2"]).await;
    let name = |text: &str| ContactGroupName::parse(text).unwrap();
    let peer = |text: &str| Conversation::OneToOne(UserId::parse(text, 32).unwrap());
    let service = one_lane(Database::from_options(app.options())).await;
    let make = [
        Change::CreateGroup(name("old"), vec![peer("deleted"), peer("a")]),
        Change::CreateGroup(name("new"), Vec::new()),
    ];
    let user0 = |change| ("user0".to_owned(), change);
    let made = change_all(&app, &service, make.into_iter().map(user0)).await;
    assert!(made.iter().all(Result::is_ok), "{made:?}");
    app.import("deleted").await;
    app.delete_account("deleted").await;

    let add = |peer_id| MemberChange { conversation: peer(peer_id), member: true };
    let changes = [
        Change::DeleteGroup(name("old")),
        Change::ChangeMembers(name("new"), ["b", "c", "d"].map(add).into()),
    ];
    let changed = change_all(&app, &service, changes.into_iter().map(user0)).await;
    let added = &changed[1].as_ref().unwrap().applied.items;
    assert_eq!(added.iter().map(Result::is_ok).collect::<Vec<_>>(), [true, true, false]);
    service.close().await;
}

/// The first two requests together free a place, which a lowered limit has taken away. So the third request is refused.
#[actix_web::test]
async fn bits_that_two_requests_of_one_batch_clear_are_counted_together() {
    let app = TestApp::start().await;
    let items = [set("peer", 0), set("peer", 1), set("other", 0)];
    app.mark("user0", items).await.assert_ok();
    app.call_ok(CREATE, create("user0", "g", [user("peer")])).await;
    app.change(set_limits(&["marked=1"])).await;
    let service = one_lane(Database::from_options(app.options())).await;
    let changes = [bits("peer", 0, 0b01), bits("peer", 0, 0b10), bits("peer", 0b01, 0)];
    let changes = changes.map(|change| ("user0".to_owned(), Change::Mark(vec![change])));
    let outcomes = change_all(&app, &service, changes.into_iter()).await;
    let items: Vec<_> = outcomes.into_iter().map(|o| o.unwrap().applied.items.remove(0)).collect();
    assert!(
        matches!(items[..], [Ok(()), Ok(()), Err(Refusal::TooManyMarked { max: 1 })]),
        "{items:?}"
    );
    assert_eq!(app.marks("user0").await, [marked("other", 1, "")]);
    assert_eq!(app.marked_count("user0").await, 1);
    service.close().await;
}

/// Each request of a user in one batch has a revision of its own, although they share a commit: a client that knows one has
/// not seen what the next one does. A bit that one request sets and the next one clears counts as a change.
#[actix_web::test]
async fn requests_of_one_user_are_combined_in_order() {
    let app = TestApp::start().await;
    app.mark("user0", [set("peer", 0), set("other", 0)]).await.assert_ok();
    let old = "UPDATE conversations SET changed_at = 7";
    sqlx::raw_sql(old).execute(&app.db).await.unwrap();
    let (revision, _) = app.revision_and_count("user0").await;
    let service = one_lane(Database::from_options(app.options())).await;
    let changes = [
        bits("peer", 0b100, 0),
        bits("peer", 0, 0b100),
        bits("other", 0b1, 0b10),
        bits("other", 0b1, 0),
    ];
    let changes = changes.map(|change| ("user0".to_owned(), Change::Mark(vec![change])));
    let outcomes = change_all(&app, &service, changes.into_iter()).await;
    assert!(outcomes.iter().all(|outcome| outcome.as_ref().unwrap().applied.items[0].is_ok()));
    let revisions = outcomes.iter().map(|outcome| outcome.as_ref().unwrap().revision.cast_signed());
    assert!(revisions.eq(revision + 1..=revision + 4), "{outcomes:?}");
    assert_eq!(app.marks("user0").await, [marked("peer", 1, ""), marked("other", 1, "")]);
    assert_eq!(app.revision_and_count("user0").await.0, revision + 4);
    let moved = "SELECT peer_id FROM conversations WHERE changed_at <> 7";
    let moved: Vec<String> = sqlx::query_scalar(moved).fetch_all(&app.db).await.unwrap();
    assert_eq!(moved, ["peer"], "no request has changed the other conversation");
    service.close().await;
}

/// One request of a batch takes the locking path. The first statement commits the others.
#[actix_web::test]
async fn a_request_on_the_locking_path_does_not_delay_the_others() {
    let app = TestApp::start().await;
    for user in ["user0", "user1"] {
        app.mark(user, [set("peer", 0)]).await.assert_ok();
    }
    let service = one_lane(Database::from_options(app.options())).await;
    let changes = [
        ("user0".to_owned(), Change::Mark(vec![bits("peer", 2, 0)])),
        ("user1".to_owned(), Change::Mark(vec![bits("peer", 2, 0), bits("new", 1, 0)])),
    ];
    let outcomes = change_all(&app, &service, changes.into_iter()).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    assert_eq!(app.marked_count("user0").await + app.marked_count("user1").await, 3);
    let commits = "SELECT count(DISTINCT xmin::text) FROM users";
    assert_eq!(number(&app, commits).await, 2);
    service.close().await;
}

/// PostgreSQL refuses one request of a batch, on either path. The others are committed.
#[actix_web::test]
async fn a_request_that_the_database_refuses_fails_alone() {
    let app = TestApp::start().await;
    for user in users(20) {
        app.mark(&user, [set("old", 0)]).await.assert_ok();
    }
    for statement in [
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN RAISE check_violation USING MESSAGE = 'poison'; END $$",
        "CREATE TRIGGER refuse BEFORE INSERT OR UPDATE ON conversations FOR EACH ROW
            WHEN (NEW.user_id = 'user7') EXECUTE FUNCTION refuse()",
    ] {
        sqlx::raw_sql(statement).execute(&app.db).await.unwrap();
    }
    let service = one_lane(Database::from_options(app.options())).await;
    for peer in ["old", "new"] {
        let changes = users(20).map(|user| (user, Change::Mark(vec![bits(peer, 2, 0)])));
        let outcomes = change_all(&app, &service, changes).await;
        for (nr, outcome) in outcomes.iter().enumerate() {
            assert_eq!(
                matches!(outcome, Err(Error::Internal(_))),
                nr == 7,
                "user{nr}: {outcome:?}"
            );
        }
    }
    assert_eq!(app.marks("user6").await, [marked("old", 3, ""), marked("new", 2, "")]);
    assert_eq!(app.marks("user7").await, [marked("old", 1, "")]);
    service.close().await;
}

#[actix_web::test]
async fn a_request_that_waits_for_a_lock_fails_alone() {
    let app = TestApp::start().await;
    app.mark("user7", [set("before", 0)]).await.assert_ok();
    let service = one_lane(Database::from_options(app.options())).await;
    let lock = app.lock_user("user7").await;
    let outcomes = write_all(&app, &service, users(20)).await;
    for (nr, outcome) in outcomes.iter().enumerate() {
        assert_eq!(matches!(outcome, Err(Error::Unavailable(_))), nr == 7, "user{nr}: {outcome:?}");
    }
    lock.rollback().await.unwrap();
    let marked = "SELECT count(*) FROM conversations WHERE peer_id = 'peer'";
    assert_eq!(number(&app, marked).await, 19, "the write that timed out is not done later");
    service.close().await;
}

#[actix_web::test]
async fn a_full_queue_refuses_further_writes_and_commits_the_others() {
    let app = TestApp::start().await;
    let service = one_lane(Database::from_options(app.options())).await;
    let outcomes = write_all(&app, &service, users(3000)).await;
    let refused = outcomes.iter().filter(|o| matches!(o, Err(Error::Overloaded(_)))).count();
    let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(refused > 0, "3000 do not fit into a queue");
    assert_eq!(stored + refused, 3000);
    let rows = number(&app, "SELECT count(*) FROM conversations").await;
    assert_eq!(usize::try_from(rows).unwrap(), stored);
    service.close().await;
}

#[actix_web::test]
async fn at_shutdown_exactly_the_acknowledged_writes_are_stored() {
    let app = TestApp::start().await;
    let service = one_lane(Database::from_options(app.options())).await;
    let closing = {
        let service = service.clone();
        on_runtime(async move { service.close().await })
    };
    let (outcomes, ()) = join(write_all(&app, &service, users(500)), closing).await;
    let stored = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let rows = number(&app, "SELECT count(*) FROM conversations").await;
    assert_eq!(usize::try_from(rows).unwrap(), stored);
}

/// Creates a contact group with a member, which takes a transaction of several statements.
fn contact_group(peer: &str) -> Change {
    let peer = Conversation::OneToOne(UserId::parse(peer, 32).unwrap());
    Change::CreateGroup(ContactGroupName::parse("group").unwrap(), vec![peer])
}

/// A proxy closes the connection at the commit. Then the test sends the same writes again, as a client would.
async fn close_at_commit(side: Side, change: fn(&str) -> Change, happens: bool) {
    let scratch = Scratch::create();
    let folder = scratch.join("postgres");
    let started = spawn_blocking(move || Postgres::start(&folder, &[])).await.unwrap();
    let Some(postgres) = started else { return };
    let options: PgConnectOptions = postgres.url().parse().unwrap();
    let server = on_runtime(Server::on(options)).await;
    let app = TestApp::start_on(Arc::new(server), None).await;
    let proxy = Proxy::start(postgres.port());
    let service = one_lane(Database::from_options(app.options().port(proxy.port()))).await;
    proxy.set(Network::CloseAtCommit(side));
    let write = || change_all(&app, &service, users(20).map(|user| (user, change("peer"))));
    let outcomes = write().await;
    let rows = "SELECT count(*) FROM conversations";
    let stored = number(&app, rows).await;
    let acknowledged = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    assert!(usize::try_from(stored).unwrap() >= acknowledged, "{stored} < {acknowledged}");
    assert!(
        outcomes.iter().any(|outcome| matches!(outcome, Err(Error::InDoubt(_)))),
        "the commit at which the connection was closed is in doubt"
    );
    assert_eq!(usize::try_from(stored).unwrap() > acknowledged, happens);

    let again = write().await;
    let is_done = |outcome: &Result<Written, Error>| match outcome {
        // The first write has created the contact group.
        Err(Error::Refused(Refusal::ContactGroupNameTaken)) => happens,
        outcome => outcome.is_ok(),
    };
    assert!(again.iter().all(is_done), "{again:?}");
    assert_eq!(number(&app, rows).await, 20);
    assert_eq!(number(&app, "SELECT sum(marked + grouped) FROM users").await, 20);
    service.close().await;
}

#[actix_web::test]
async fn a_commit_that_never_arrives_is_not_acknowledged() {
    close_at_commit(Side::Before, custom, false).await;
    close_at_commit(Side::Before, contact_group, false).await;
}

#[actix_web::test]
async fn a_commit_whose_answer_is_lost_is_not_acknowledged() {
    close_at_commit(Side::After, custom, true).await;
    close_at_commit(Side::After, contact_group, true).await;
}

/// A transaction finds that a user is unknown. Another writer imports the user and writes before the transaction has
/// loaded any rows.
#[actix_web::test]
async fn the_state_of_a_user_who_is_imported_during_the_wait_is_loaded() {
    let app = TestApp::with(Edition::Premium, Directory::Owners).await;
    app.import("user1").await;
    app.mark("user1", [set("peer", 0)]).await.assert_ok();
    let service = one_lane(Database::from_options(app.options())).await;
    // The service locks the users in order. It does not know user0, and waits for user1.
    let mut lock = app.lock_user("user1").await;
    let meanwhile = async {
        app.wait_for_blocked(1).await;
        for statement in [
            "INSERT INTO accounts (sdk_app_id, user_id) SELECT sdk_app_id, 'user0' FROM users",
            "INSERT INTO users (sdk_app_id, user_id, revision, next_group_id)
            SELECT sdk_app_id, 'user0', 1, 2 FROM users",
            "INSERT INTO contact_groups SELECT sdk_app_id, 'user0', 1, 'theirs' FROM users
            WHERE user_id = 'user0'",
        ] {
            sqlx::raw_sql(statement).execute(&mut *lock).await.unwrap();
        }
        lock.commit().await.unwrap();
    };
    let changes = users(2).map(|user| (user, contact_group("peer")));
    let (outcomes, ()) = join(change_all(&app, &service, changes), meanwhile).await;
    assert!(outcomes.iter().all(Result::is_ok), "{outcomes:?}");
    let names = "SELECT count(*) FROM contact_groups WHERE user_id = 'user0'";
    assert_eq!(number(&app, names).await, 2, "one contact group of each writer");
    service.close().await;
}

/// A trigger records the settings of the transaction that writes a conversation.
#[actix_web::test]
async fn a_commit_is_synchronous_and_plans_are_generic_whatever_the_database_is_set_to() {
    let app = TestApp::start().await;
    let off = "DO $$ BEGIN
        EXECUTE format('ALTER DATABASE %I SET synchronous_commit = off', current_database());
    END $$";
    for statement in [
        off,
        "CREATE TABLE noted (setting TEXT)",
        "CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
            INSERT INTO noted SELECT string_agg(current_setting(name), ' ' ORDER BY nr)
                FROM unnest('{synchronous_commit,enable_seqscan,plan_cache_mode}'::text[])
                WITH ORDINALITY AS t (name, nr);
            RETURN NULL;
        END $$",
        "CREATE TRIGGER note AFTER INSERT ON conversations EXECUTE FUNCTION note()",
    ] {
        sqlx::raw_sql(statement).execute(&app.db).await.unwrap();
    }
    for (keeps_statements, user) in [(true, "user1"), (false, "user2")] {
        let database = Database::from_options(app.options()).statement_cache(keeps_statements);
        let service = one_lane(database).await;
        let outcomes = write_all(&app, &service, std::iter::once(user.to_owned())).await;
        assert!(outcomes[0].is_ok(), "{outcomes:?}");
        service.close().await;
    }
    let noted: Vec<String> =
        sqlx::query_scalar("SELECT setting FROM noted").fetch_all(&app.db).await.unwrap();
    assert_eq!(noted, ["on off force_generic_plan"; 2]);
}
