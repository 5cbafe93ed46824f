//! Callers leave, connections break, PostgreSQL stops: every request is written completely or not at all, and the service
//! recovers by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use private_postgres::{Cluster, Lifetime, Settings};
use serde_json::Value;
use testkit::Scratch;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::database::Server;
use crate::support::*;

/// The documented three seconds, and two more for a busy machine.
const DEADLINE: Duration = Duration::from_secs(5);
/// The service checks a connection that was idle for longer than 20 ms.
const IDLE: Duration = Duration::from_millis(25);
const TIMEOUT: &str = "the database did not answer in time: not begun, safe to send again";
const IN_DOUBT: &str = "the database did not answer in time: in doubt, look before you send again";

/// Items that mark the conversations with `peer0` and up.
fn items(count: usize) -> Vec<Value> {
    (0..count).map(|nr| set(&format!("peer{nr}"), 0)).collect()
}

fn request(body: &str, length: usize) -> String {
    let query = query();
    format!(
        "POST /v4/{MARK_CONTACT}?{query} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

impl TestApp {
    /// A write fails with a timeout, before the deadline.
    async fn assert_timeout(&self, user: &str) {
        let start = Instant::now();
        self.mark(user, items(3)).await.assert_refused(DatabaseTimeout, TIMEOUT);
        assert!(start.elapsed() < DEADLINE, "it took {:?}", start.elapsed());
    }
}

#[actix_web::test]
async fn a_request_that_breaks_off_is_not_executed() {
    let app = TestApp::start().await;
    let body = mark_contact("user0", items(3)).to_string();
    for sent in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
        stream.write_all(request(&body[..sent], body.len()).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    // The service still serves the next request.
    app.mark("user1", items(1)).await.assert_ok();
    assert_eq!(app.marked_count("user0").await, 0);
}

#[actix_web::test]
async fn a_complete_request_is_executed_completely_even_if_its_caller_leaves() {
    let app = TestApp::start().await;
    app.mark("user0", [custom("first", "x")]).await.assert_ok();
    let body = mark_contact("user0", items(50)).to_string();

    let lock = app.lock_user("user0").await;
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    stream.write_all(request(&body, body.len()).as_bytes()).await.unwrap();
    app.wait_for_blocked(1).await;
    // Closes the connection with a reset, which makes actix drop the handler's future.
    stream.set_zero_linger().unwrap();
    drop(stream);
    // After these requests, every worker has had time to see the reset.
    for _ in 0..8 {
        raw(app.addresses.api, b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await;
    }
    lock.rollback().await.unwrap();

    until(async || app.marked_count("user0").await == 51).await;
    assert_eq!(app.revision_and_count("user0").await, (2, 51));
}

/// A coordinator of Citus reports such an error although a worker may have committed the statement.
#[actix_web::test]
async fn a_cancelled_mark_is_in_doubt_and_is_not_sent_again() {
    let app = TestApp::start().await;
    app.mark("user0", [set("user9", 0)]).await.assert_ok();
    sqlx::raw_sql(
        "CREATE SEQUENCE cancelled;
        CREATE FUNCTION cancel_once() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
            IF nextval('cancelled') = 1 THEN
                RAISE query_canceled USING MESSAGE = 'cancelled by the test';
            END IF;
            RETURN NEW;
        END
        $$;
        CREATE TRIGGER cancel_once BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION cancel_once()",
    )
    .execute(&app.db)
    .await
    .unwrap();

    app.mark("user0", [set("user9", 1)]).await.assert_refused(DatabaseTimeout, IN_DOUBT);

    let tries: i64 =
        sqlx::query_scalar("SELECT last_value FROM cancelled").fetch_one(&app.db).await.unwrap();
    assert_eq!(tries, 1);
    app.mark("user0", [set("user9", 1)]).await.assert_ok();
}

#[actix_web::test]
async fn idle_connections_that_break_are_replaced() {
    let app = TestApp::start().await;
    for round in 0..3 {
        let calls =
            (0..5).map(async |nr| app.mark(&format!("user{nr}"), [set("user9", round)]).await);
        let answers = join_all(calls).await;
        for answer in answers {
            answer.assert_ok();
        }
        app.end_sessions().await;
        tokio::time::sleep(IDLE).await;
    }
}

#[actix_web::test]
async fn a_write_whose_connection_breaks_is_not_written_partly() {
    let app = TestApp::start().await;
    app.mark("user0", [custom("first", "x")]).await.assert_ok();
    let lock = app.lock_user("user0").await;
    let broken = app.mark("user0", items(50));
    let breaks = async {
        app.wait_for_blocked(1).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .execute(&app.db)
        .await
        .unwrap();
    };
    let (answer, ()) = join(broken, breaks).await;
    lock.rollback().await.unwrap();

    answer.assert_refused(DatabaseTimeout, TIMEOUT);
    assert_eq!(app.revision_and_count("user0").await, (1, 1));
    // The client's retry succeeds.
    app.mark("user0", items(50)).await.assert_ok();
    assert_eq!(app.marked_count("user0").await, 51);
}

#[actix_web::test]
async fn a_write_that_waits_for_a_lock_ends_at_its_deadline() {
    let app = TestApp::start().await;
    app.mark("user0", [custom("first", "x")]).await.assert_ok();
    let lock = app.lock_user("user0").await;
    app.assert_timeout("user0").await;
    // The statement must not go on waiting in PostgreSQL.
    app.wait_for_blocked(0).await;
    lock.rollback().await.unwrap();
    assert_eq!(app.revision_and_count("user0").await, (1, 1));
}

#[actix_web::test]
async fn an_error_that_may_go_away_is_a_timeout_and_another_is_a_fault() {
    let app = TestApp::start().await;
    // PostgreSQL answers each write of a user with the SQLSTATE that is the user's name.
    sqlx::raw_sql(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql
        AS $$ BEGIN RAISE EXCEPTION 'planted' USING ERRCODE = NEW.user_id; END $$;
        CREATE TRIGGER fail BEFORE INSERT OR UPDATE ON users FOR EACH ROW EXECUTE FUNCTION fail()",
    )
    .execute(&app.db)
    .await
    .unwrap();
    // A read-only server; a role that may not log in; statements that a schema change or a pooler has made invalid.
    let transient = ["25006", "28000", "0A000", "26000", "42P05"];

    join_all(transient.map(|sqlstate| app.assert_timeout(sqlstate))).await;
    app.mark("22012", items(3)).await.assert_code(InternalError);

    sqlx::raw_sql("DROP FUNCTION fail CASCADE").execute(&app.db).await.unwrap();
    for user in transient.into_iter().chain(["22012"]) {
        app.mark(user, items(3)).await.assert_ok();
        assert_eq!(app.revision_and_count(user).await, (1, 3));
    }
}

#[actix_web::test]
async fn the_service_recovers_without_a_restart_when_postgresql_stops_and_starts() {
    let scratch = Scratch::create();
    let settings =
        Settings { folder: scratch.join("data"), pg_bin: None, lifetime: Lifetime::Kept };
    let start = async || {
        let settings = settings.clone();
        on_runtime(async move { Cluster::start(&settings).await.unwrap() }).await
    };
    let cluster = start().await;
    let server = Arc::new(Server::on(cluster.connect_options()).await);
    let app = TestApp::start_on(server, None).await;
    app.mark("user0", [custom("first", "x")]).await.assert_ok();

    on_runtime(async move { cluster.stop().await.unwrap() }).await;
    app.assert_timeout("user0").await;
    app.assert_timeout("user0").await;
    let ready = "GET /readyz HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
    until(async || {
        let answer = raw_text(app.addresses.admin.unwrap(), ready.as_bytes()).await;
        answer.starts_with("HTTP/1.1 503 ")
    })
    .await;

    let cluster = start().await;
    assert_eq!(
        app.revision_and_count("user0").await,
        (1, 1),
        "the calls during the outage wrote nothing"
    );
    // The first call after the outage succeeds.
    app.mark("user0", items(3)).await.assert_ok();
    assert_eq!(app.marked_count("user0").await, 4);
    drop(app);
    on_runtime(async move { cluster.stop().await.unwrap() }).await;
}
