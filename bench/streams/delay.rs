//! How long it takes from the answer to a mark until a stream has it.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use testkit::Client;
use tokio::io::BufReader;
use tokio::net::TcpStream;
use tokio::task::spawn_local;
use tokio::time::{Instant, sleep};

use crate::load::{Mark, USERS, send};
use crate::stand::{Stand, line, open, percentile};

/// One of this many users has a stream on each process.
const FOLLOWED_EVERY: usize = 50;
/// When all streams must have everything.
const LAST_MAX: Duration = Duration::from_secs(10);

/// The numbers of marks that a user's stream has shown, and when.
type Seen = Rc<RefCell<Vec<(u64, Instant)>>>;

pub(crate) async fn run(stand: &Stand, rate: u32, seconds: u64) -> anyhow::Result<()> {
    let clients: Vec<Client> = stand.services.iter().map(testkit::Service::client).collect();
    let mut seen: Vec<BTreeMap<usize, Seen>> = Vec::new();
    for client in &clients {
        let mut by_user = BTreeMap::new();
        for user in (0..USERS).step_by(FOLLOWED_EVERY) {
            let of_user = Seen::default();
            spawn_local(follow(open(client, user).await?, of_user.clone()));
            by_user.insert(user, of_user);
        }
        seen.push(by_user);
    }
    let writer = clients.first().context("no service")?;
    let marks = send(writer, rate, seconds).await?;
    println!("{} marks per second were answered, of {rate}", marks.len() as u64 / seconds);
    for (by_user, what) in seen.iter().zip(["the process that marks", "another process"]) {
        let mut delays = delays(&marks, by_user).await?;
        delays.sort_unstable();
        let [median, p99, most] = [50, 99, 100].map(|percent| percentile(&delays, percent));
        println!(
            "streams of {what}: median {:.1?}, 99th percentile {:.1?}, at most {:.1?}, of {} marks",
            median.unwrap_or_default(),
            p99.unwrap_or_default(),
            most.unwrap_or_default(),
            delays.len(),
        );
    }
    Ok(())
}

/// Notes what a stream shows, until it ends.
async fn follow(mut stream: BufReader<TcpStream>, seen: Seen) -> anyhow::Result<()> {
    loop {
        let line = line(&mut stream, "data: ").await?;
        let now = Instant::now();
        let event: Value = serde_json::from_str(line.trim_start_matches("data: "))?;
        let shown = event.pointer("/conversations/0/custom").and_then(Value::as_str);
        seen.borrow_mut().push((shown.context("no custom mark")?.parse()?, now));
    }
}

/// Of each mark of a user who is followed. A stream may show a mark before it is answered; that is no delay. It may leave out
/// a mark that another one has followed.
async fn delays(marks: &[Mark], by_user: &BTreeMap<usize, Seen>) -> anyhow::Result<Vec<Duration>> {
    let begun = Instant::now();
    let mut delays = Vec::new();
    for mark in marks {
        let Some(seen) = by_user.get(&mark.user) else { continue };
        let at = loop {
            let shown = seen.borrow().iter().find(|(nr, _)| *nr >= mark.nr).map(|(_, at)| *at);
            if let Some(at) = shown {
                break at;
            }
            ensure!(begun.elapsed() < LAST_MAX, "a stream has not shown {mark:?}");
            sleep(Duration::from_millis(10)).await;
        };
        delays.push(at.saturating_duration_since(mark.answered));
    }
    Ok(delays)
}
