//! The feed of an app, when processes stop and die.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;
use serde_json::Value;
use testkit::postgres::Database;
use testkit::{APP, Client, Connection, Service};

use crate::EARMARK;

/// The database of an app whose feed is on, since a minute ago.
fn with_feed() -> Database {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    let set = EARMARK.app(&database.url, &["set", APP, "--feed", "on"]).expect_success();
    assert!(set.contains("enabled, feed on, 1 key good"), "{set}");
    database.connect().run("UPDATE feed_head SET on_since = on_since - INTERVAL '1 minute'");
    database
}

fn ask(connection: &mut Connection, client: &Client, query: &str) {
    let headers = format!("host: test\r\nauthorization: Bearer {}\r\n", client.user_sig);
    connection.send_with("GET", &format!("/v1/apps/{APP}/changes?{query}"), &headers, "").unwrap();
}

/// The changes that match the query, and where they end.
fn read(address: SocketAddr, client: &Client, query: &str) -> (String, Vec<Value>) {
    let mut connection = Connection::open(address).unwrap();
    ask(&mut connection, client, query);
    page(&mut connection)
}

fn page(connection: &mut Connection) -> (String, Vec<Value>) {
    let answer = connection.answer().unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    let page = answer.json();
    (page["cursor"].as_str().unwrap().to_owned(), page["changes"].as_array().unwrap().clone())
}

#[test]
fn a_stop_ends_the_wait_of_a_reader() {
    let database = with_feed();
    let service = EARMARK.start(EARMARK.serve(&database.url));
    let client = service.client();
    let (cursor, _) = read(service.api, &client, "");
    let mut waiting = Connection::open(service.api).unwrap();
    ask(&mut waiting, &client, &format!("after={cursor}&wait=60"));
    // The worker that has the waiting request has taken it: a later one on the same connection would wait as well.
    let gauge = "earmark_requests_in_flight 1\n";
    testkit::wait_until("the request waits", || {
        testkit::request(service.admin, "GET", "/metrics", "").unwrap().body.contains(gauge)
    });
    let asked = Instant::now();
    service.process.send(Signal::SIGTERM);
    let (after, changes) = page(&mut waiting);
    assert!(changes.is_empty() && after == cursor);
    assert_eq!(service.process.wait().code, Some(0));
    let took = asked.elapsed();
    assert!(took < Duration::from_secs(10), "{took:?}");
}

/// Marks until the process is gone. Each mark is new, so each is a change.
fn mark_until_killed(service: &Service, round: usize, writer: usize) -> thread::JoinHandle<()> {
    let client = service.client();
    thread::spawn(move || {
        for nr in 0.. {
            let user = format!("user-{round}-{writer}-{}", nr / 100);
            if client.mark(&user, &format!("peer{nr}")).is_err() {
                return;
            }
        }
    })
}

#[test]
fn a_killed_process_leaves_a_feed_without_gaps() {
    let database = with_feed();
    let survivor = EARMARK.start(EARMARK.serve(&database.url));
    let client = survivor.client();
    let (mut cursor, _) = read(survivor.api, &client, "");
    let mut followed = BTreeMap::new();
    for round in 0..2 {
        let victim = EARMARK.start(EARMARK.serve(&database.url));
        let writers: Vec<_> =
            (0..4).map(|writer| mark_until_killed(&victim, round, writer)).collect();
        for _ in 0..5 {
            let (next, changes) = read(survivor.api, &client, &format!("after={cursor}&wait=60"));
            follow(&mut followed, &changes);
            cursor = next;
        }
        victim.process.kill();
        for writer in writers {
            writer.join().unwrap();
        }
    }
    // The sessions of the killed processes have ended when this writer gets their locks.
    (0..10).for_each(|nr| survivor.client().must_mark(&format!("user{nr}"), "last"));
    loop {
        let (next, changes) = read(survivor.api, &client, &format!("after={cursor}"));
        if changes.is_empty() {
            break;
        }
        follow(&mut followed, &changes);
        cursor = next;
    }
    let mut sql = database.connect();
    for (user, revision) in followed {
        let stored = format!("SELECT revision FROM users WHERE user_id = '{user}'");
        assert_eq!(sql.number(&stored), i64::try_from(revision).unwrap(), "{user}");
    }
    assert_eq!(sql.number("SELECT max(number) - count(*) FROM feed"), 0);
    survivor.process.stop();
}

fn follow(followed: &mut BTreeMap<String, u64>, changes: &[Value]) {
    for change in changes {
        let (user, revision) =
            (change["user"].as_str().unwrap(), change["revision"].as_u64().unwrap());
        let before = followed.insert(user.to_owned(), revision);
        assert!(before.is_none_or(|before| before < revision), "{user}: {before:?}, {revision}");
    }
}
