//! How fast one consumer reads a feed over HTTP: a feed that is full, and one that grows.

use std::collections::HashMap;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use testkit::{APP, Client};
use tokio::time::Instant;

use crate::load::{Mark, send};
use crate::stand::{Connection, Stand};

/// Changes that are in the feed before the consumer begins.
const CHANGES: u32 = 200_000;
/// When the consumer must have everything.
const LAST_MAX: Duration = Duration::from_mins(1);

/// Turns the feed on, and fills it.
pub(crate) fn fill(stand: &Stand) {
    stand.earmark.app(&stand.server.url(), &["set", APP, "--feed", "on"]).expect_success();
    let mut sql = stand.server.sql("earmark");
    // A feed is read 10 s after it was turned on.
    sql.run("UPDATE feed_head SET on_since = on_since - INTERVAL '1 minute'");
    sql.run(&format!(
        "INSERT INTO feed (sdk_app_id, number, slot, kind, id, revision, appended_at)
         SELECT {APP}, n, feed_slot(now()), 0, 'user' || n % 5000, n, now() FROM generate_series(1, {CHANGES}) n"
    ));
    sql.run(&format!("UPDATE feed_head SET next_number = {CHANGES} + 1"));
    sql.run("ANALYZE feed");
}

pub(crate) async fn run(stand: &Stand, rate: u32, seconds: u64) -> anyhow::Result<()> {
    let client = stand.services.first().context("no service")?.client();
    let mut consumer = Consumer::start(&client).await?;

    let begun = Instant::now();
    while consumer.read(0).await? > 0 {}
    ensure!(consumer.changes == u64::from(CHANGES), "{} changes were read", consumer.changes);
    let took = begun.elapsed();
    println!(
        "one consumer read {CHANGES} changes in {took:.1?}, {:.0} per second",
        f64::from(CHANGES) / took.as_secs_f64()
    );

    consumer.changes = 0;
    consumer.revisions.clear();
    let (marks, changes) =
        tokio::try_join!(send(&client, rate, seconds), consumer.follow_for(seconds))?;
    let ended = marks.iter().map(|mark| mark.answered).max().context("no mark")?;
    println!(
        "{} marks per second were answered, of {rate}; the consumer read {} changes per second meanwhile",
        marks.len() as u64 / seconds,
        changes / seconds
    );
    while !consumer.has_all(&marks) {
        ensure!(ended.elapsed() < LAST_MAX, "the consumer has not read everything");
        consumer.read(1).await?;
    }
    println!("the consumer had the last change {:.1?} after the last answer", ended.elapsed());
    Ok(())
}

struct Consumer<'c> {
    client: &'c Client,
    connection: Connection,
    cursor: String,
    changes: u64,
    /// The last revision of each user.
    revisions: HashMap<String, u64>,
}

impl<'c> Consumer<'c> {
    async fn start(client: &'c Client) -> anyhow::Result<Self> {
        let (connection, cursor) = (Connection::open(client).await?, "oldest".to_owned());
        Ok(Self { client, connection, cursor, changes: 0, revisions: HashMap::new() })
    }

    /// Reads a page, and returns how many changes it has.
    async fn read(&mut self, wait_s: u32) -> anyhow::Result<usize> {
        let (cursor, sig) = (&self.cursor, &self.client.user_sig);
        let request = format!(
            "GET /v1/apps/{APP}/changes?after={cursor}&wait={wait_s} HTTP/1.1\r\nhost: test\r\nauthorization: Bearer {sig}\r\n\r\n"
        );
        let page: Value = serde_json::from_str(&self.connection.ask(&request).await?)?;
        let changes = page["changes"].as_array().with_context(|| page.to_string())?;
        for change in changes {
            let (user, revision) = (change["user"].as_str(), change["revision"].as_u64());
            let (user, revision) = user.zip(revision).with_context(|| change.to_string())?;
            self.revisions.insert(user.to_owned(), revision);
        }
        page["cursor"].as_str().context("no cursor")?.clone_into(&mut self.cursor);
        self.changes += changes.len() as u64;
        Ok(changes.len())
    }

    /// Reads for so long. Returns how many changes there were.
    async fn follow_for(&mut self, seconds: u64) -> anyhow::Result<u64> {
        let until = Instant::now() + Duration::from_secs(seconds);
        while Instant::now() < until {
            self.read(1).await?;
        }
        Ok(self.changes)
    }

    fn has_all(&self, marks: &[Mark]) -> bool {
        marks.iter().all(|mark| {
            let read = self.revisions.get(&format!("user{}", mark.user));
            read.is_some_and(|revision| *revision >= mark.nr)
        })
    }
}
