//! Several processes deliver to webhooks, and some die.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::thread;

use serde_json::Value;
use testkit::postgres::Database;
use testkit::{APP, Service, wait_until};

use crate::EARMARK;

/// The users and revisions of the messages that were answered with 200, in order.
type Received = Arc<Mutex<Vec<(String, u64)>>>;

/// Starts a receiver that answers every message with 200. Returns its URL.
fn receiver(received: &Received) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let received = received.clone();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let received = received.clone();
            // A sender that is killed halfway has sent no message.
            thread::spawn(move || take(&stream.unwrap(), &received));
        }
    });
    url
}

fn take(mut stream: &TcpStream, received: &Received) -> Option<()> {
    let mut reader = BufReader::new(stream);
    let (mut line, mut length) = (String::new(), 0);
    while reader.read_line(&mut line).ok()? > 2 {
        if let Some(value) = line.to_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        line.clear();
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    let message: Value = serde_json::from_slice(&body).unwrap();
    let data = &message["data"];
    let change = (data["user"].as_str()?.to_owned(), data["revision"].as_u64()?);
    received.lock().unwrap().push(change);
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").ok()
}

fn start(database: &Database) -> Service {
    EARMARK.start(EARMARK.serve(&database.url).args(["--webhooks", "any"]))
}

#[test]
fn killed_processes_lose_no_change_and_keep_the_order_of_each_user() {
    let database = Database::create();
    EARMARK.prepare(&database.url);
    EARMARK.app(&database.url, &["set", APP, "--feed", "on"]).expect_success();
    let received = Received::default();
    let url = receiver(&received);
    let mut sql = database.connect();
    sql.run("UPDATE feed_head SET on_since = on_since - INTERVAL '1 minute'");
    sql.run(&format!(
        "INSERT INTO webhooks (sdk_app_id, url, wants_users, wants_directory, secret, epoch, number)
         VALUES ({APP}, '{url}', TRUE, TRUE, 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw', 1, 0)"
    ));
    let writer = start(&database);
    let client = writer.client();
    let mut processes = vec![start(&database)];
    for round in 0..2 {
        let marks = 40 * (round + 1);
        for nr in 0..40 {
            client.must_mark(&format!("user{}", nr % 4), &format!("peer-{round}-{nr}"));
        }
        let count = || received.lock().unwrap().len();
        wait_until("some are delivered", || count() > marks / 2);
        // Whichever process delivers now, one of the two dies, and in the other round the other one.
        processes.push(start(&database));
        processes.remove(0).process.kill();
    }
    writer.process.kill();
    let claimed = "SELECT count(*) FROM feed_head h, webhooks w WHERE w.number < h.next_number - 1";
    wait_until("the survivor has delivered the rest", || sql.number(claimed) == 0);

    let mut last = BTreeMap::new();
    for (user, revision) in received.lock().unwrap().iter() {
        let seen: &mut Vec<u64> = last.entry(user.clone()).or_default();
        if !seen.contains(revision) {
            seen.push(*revision);
        }
    }
    for (user, seen) in &last {
        assert_eq!(*seen, (1..=20).collect::<Vec<u64>>(), "{user}");
    }
    assert_eq!(last.len(), 4);
}
