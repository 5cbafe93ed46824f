//! Marks at a constant rate.

use std::time::Duration;

use anyhow::ensure;
use futures_util::future::try_join_all;
use testkit::{Client, MARK_CONTACT};
use tokio::time::{Instant, MissedTickBehavior, interval_at};

use crate::stand::Connection;

/// The marks are of so many users, one after the other.
pub(crate) const USERS: usize = 5000;
/// Enough for the rate: a connection sends its next mark when the last one is answered.
const CONNECTIONS: usize = 100;

/// A mark that was answered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    pub(crate) user: usize,
    /// Counts the marks of the user, from 1. Also the text of the custom mark, and the user's revision.
    pub(crate) nr: u64,
    pub(crate) answered: Instant,
}

/// Sends so many marks per second, and returns them. If the service is too slow, they are fewer.
pub(crate) async fn send(client: &Client, rate: u32, seconds: u64) -> anyhow::Result<Vec<Mark>> {
    let until = Instant::now() + Duration::from_secs(seconds);
    let connections = (0..CONNECTIONS).map(|nr| send_on_one(client, rate, until, nr));
    let marks = try_join_all(connections).await?;
    Ok(marks.into_iter().flatten().collect())
}

/// Each connection has users of its own, so the marks of a user are in order.
async fn send_on_one(
    client: &Client,
    rate: u32,
    until: Instant,
    nr: usize,
) -> anyhow::Result<Vec<Mark>> {
    let mut connection = Connection::open(client).await?;
    let connections = u32::try_from(CONNECTIONS)?;
    let period = Duration::from_secs(1) * connections / rate;
    let first = Instant::now() + period * u32::try_from(nr)? / connections;
    let mut ticks = interval_at(first, period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let (path, mut marks) = (client.path(MARK_CONTACT), Vec::new());
    for round in 1.. {
        for user in (nr..USERS).step_by(CONNECTIONS) {
            if ticks.tick().await >= until {
                return Ok(marks);
            }
            let body = format!(
                r#"{{"From_Account":"user{user}","MarkItem":[{{"OptType":2,"ContactItem":{{"Type":1,"To_Account":"peer"}},"CustomMark":"{round}"}}]}}"#
            );
            let length = body.len();
            let request = format!(
                "POST {path} HTTP/1.1\r\nhost: test\r\ncontent-length: {length}\r\n\r\n{body}"
            );
            let answer = connection.ask(&request).await?;
            ensure!(answer.contains(r#""ResultCode":0"#), "a mark was answered {answer}");
            marks.push(Mark { user, nr: round, answered: Instant::now() });
        }
    }
    Ok(marks)
}
