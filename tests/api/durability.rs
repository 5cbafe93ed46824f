//! Callers go away, connections break, the database stops: nothing is half done, and service comes back by itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use private_postgres::{Cluster, Lifetime, Settings};
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use crate::support::database::{Server, TempFolder};
use crate::support::*;

/// The promised three seconds, and what a busy machine may take on top.
const DEADLINE: Duration = Duration::from_secs(5);
const NO_ANSWER: &str = "the database did not answer in time, try again";

fn peers(count: usize) -> Vec<Value> {
    (0..count).map(|nr| set(&format!("peer{nr}"), 0)).collect()
}

fn request(body: &str, length: usize) -> String {
    let query = query();
    format!(
        "POST /v4/{MARK_CONTACT}?{query} HTTP/1.1\r\nHost: here\r\nContent-Length: {length}\r\n\r\n{body}"
    )
}

impl TestApp {
    async fn terminate_connections(&self) {
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND pid <> pg_backend_pid()",
        )
        .execute(&self.db)
        .await
        .unwrap();
    }

    /// Every command says that the database does not answer, and says so in time.
    async fn assert_no_answer(&self) {
        let start = Instant::now();
        let answer = self.call(MARK_CONTACT, mark_contact("user0", peers(3))).await;
        assert_fails(&answer, 50005, NO_ANSWER);
        assert!(start.elapsed() < DEADLINE, "it took {:?}", start.elapsed());
    }
}

#[actix_web::test]
async fn a_caller_that_leaves_in_the_middle_of_its_request_has_asked_nothing() {
    let app = TestApp::start().await;
    let body = mark_contact("user0", peers(3)).to_string();
    for sent in [0, 1, body.len() / 2, body.len() - 1] {
        let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
        stream.write_all(request(&body[..sent], body.len()).as_bytes()).await.unwrap();
        stream.shutdown().await.unwrap();
    }
    assert_eq!(app.mark("user1", peers(1)).await, (0, vec![0]), "the next one is served");
    assert_eq!(app.marked("user0").await, 0);
}

#[actix_web::test]
async fn what_was_asked_is_done_as_a_whole_though_the_caller_left() {
    let app = TestApp::start().await;
    assert_eq!(app.mark("user0", vec![custom("first", "x")]).await, (0, vec![0]));
    let body = mark_contact("user0", peers(50)).to_string();

    let turn = app.hold_user("user0").await;
    let mut stream = TcpStream::connect(app.addresses.api).await.unwrap();
    stream.write_all(request(&body, body.len()).as_bytes()).await.unwrap();
    app.wait_for_waiting(1).await;
    // Not a polite end but a reset, which the server takes as a reason to stop listening to its own answer.
    stream.set_zero_linger().unwrap();
    drop(stream);
    // Every worker has been busy since, so the one that it concerns has seen it.
    for _ in 0..8 {
        raw(app.addresses.api, b"GET / HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n").await;
    }
    turn.rollback().await.unwrap();

    until(async || app.marked("user0").await == 51).await;
    assert_eq!(app.revision_and_count("user0").await, (2, 51));
}

#[actix_web::test]
async fn connections_that_break_while_idle_are_replaced_unnoticed() {
    let app = TestApp::start().await;
    for round in 0..3 {
        let calls =
            (0..5).map(async |nr| app.mark(&format!("user{nr}"), vec![set("user9", round)]).await);
        let answers = futures_util::future::join_all(calls).await;
        assert_eq!(answers, vec![(0, vec![0]); 5], "round {round}");
        app.terminate_connections().await;
    }
}

#[actix_web::test]
async fn a_connection_that_breaks_in_the_middle_leaves_nothing_half_done() {
    let app = TestApp::start().await;
    assert_eq!(app.mark("user0", vec![custom("first", "x")]).await, (0, vec![0]));
    let turn = app.hold_user("user0").await;
    let broken = app.call(MARK_CONTACT, mark_contact("user0", peers(50)));
    let breaks = async {
        app.wait_for_waiting(1).await;
        sqlx::query(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE datname = current_database() AND wait_event_type = 'Lock'",
        )
        .execute(&app.db)
        .await
        .unwrap();
    };
    let (answer, ()) = futures_util::future::join(broken, breaks).await;
    turn.rollback().await.unwrap();

    assert_fails(&answer, 50005, NO_ANSWER);
    assert_eq!(app.revision_and_count("user0").await, (1, 1));
    assert_eq!(app.mark("user0", peers(50)).await, (0, vec![0; 50]), "the next try succeeds");
    assert_eq!(app.marked("user0").await, 51);
}

#[actix_web::test]
async fn a_lock_that_is_not_let_go_is_given_up_within_the_deadline() {
    let app = TestApp::start().await;
    assert_eq!(app.mark("user0", vec![custom("first", "x")]).await, (0, vec![0]));
    let turn = app.hold_user("user0").await;
    app.assert_no_answer().await;
    // What its caller no longer waits for must not wait for the lock either.
    app.wait_for_waiting(0).await;
    turn.rollback().await.unwrap();
    assert_eq!(app.revision_and_count("user0").await, (1, 1));
}

#[actix_web::test]
async fn when_the_database_stops_and_starts_again_the_service_is_back_without_a_restart() {
    let folder = TempFolder::new("outage");
    let settings =
        Settings { folder: folder.path().join("data"), pg_bin: None, lifetime: Lifetime::Kept };
    let start = async || {
        let settings = settings.clone();
        on_runtime(async move { Cluster::start(&settings).await.unwrap() }).await
    };
    let cluster = start().await;
    let server = Arc::new(Server::on(&cluster).await);
    let app = TestApp::start_on(server, None).await;
    assert_eq!(app.mark("user0", vec![custom("first", "x")]).await, (0, vec![0]));

    on_runtime(async move { cluster.stop().await.unwrap() }).await;
    app.assert_no_answer().await;
    app.assert_no_answer().await;
    let ready = "GET /readyz HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
    let answer = raw_text(app.addresses.admin.unwrap(), ready.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 503 "), "{answer}");

    let cluster = start().await;
    assert_eq!(app.revision_and_count("user0").await, (1, 1), "nothing was written meanwhile");
    assert_eq!(app.mark("user0", peers(3)).await, (0, vec![0; 3]), "the first try succeeds");
    assert_eq!(app.marked("user0").await, 4);
    drop(app);
    on_runtime(async move { cluster.stop().await.unwrap() }).await;
}
