//! Sends writes and reads at a constant rate, also while the service is slow. Latency counts from the moment at which a request
//! was due, so it includes the time that a request waits for a busy connection. Writes a ledger of the acknowledged writes,
//! which `bench/soak` compares with the database. `bench/soak` runs this program, and sends a plan to its standard input.
#![expect(clippy::print_stdout, reason = "the program prints its figures")]

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io::Write as _;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use futures_util::future::{join_all, try_join_all};
use serde::Deserialize;
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::LocalSet;
use tokio::time::{Instant, sleep_until};

/// One of this many requests of a connection reads a page. The others mark.
const READ_EVERY: u64 = 5;
/// The service guarantees that it has written nothing.
const OVERLOADED: u32 = 60007;

#[derive(Deserialize)]
struct Plan {
    address: SocketAddr,
    mark_path: String,
    page_path: String,
    /// Requests per second. 0: each connection sends its next request once the last one is answered.
    rate: u64,
    connections: u64,
    seconds: u64,
    /// How often the program prints figures.
    slice_seconds: u64,
    /// Part of every value that this run writes, so that runs write different values.
    stamp: u64,
    users: u64,
    /// Only these of the users 0 to `users` - 1. Empty: all of them.
    #[serde(default)]
    only: Vec<u64>,
    peers: u64,
    /// The file for the acknowledged writes.
    ledger: PathBuf,
}

impl Plan {
    fn users(&self) -> impl Iterator<Item = u64> {
        let all = if self.only.is_empty() { 0..self.users } else { 0..0 };
        all.chain(self.only.iter().copied())
    }
}

/// The figures of one time slice. All times are in microseconds.
#[derive(Default)]
struct Tally {
    /// From when a request was due to its answer, of requests that succeeded.
    latencies: Vec<u64>,
    /// How much later than due an idle connection sent its request. This delay is the load's own.
    lateness: Vec<u64>,
    /// From sending a request to its answer, by the answer's code.
    answers: BTreeMap<u32, Vec<u64>>,
    broken: u64,
    /// Reads without a mark that the service had acknowledged before.
    stale: u64,
}

/// The writes of a conversation, by number.
#[derive(Default)]
struct ConversationWrites {
    last_acknowledged: Option<u64>,
    /// Writes that the service may or may not have made.
    in_doubt: Vec<u64>,
}

/// The writes of a user. Only one connection writes to a user.
#[derive(Default)]
struct User {
    acknowledged: u64,
    in_doubt: u64,
    conversations: BTreeMap<u64, ConversationWrites>,
    /// The last write, if it was acknowledged.
    last: Option<u64>,
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

fn percentile(sorted: &[u64], percent: usize) -> u64 {
    let place = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
    sorted.get(place).copied().unwrap_or(0)
}

fn spread(mut values: Vec<u64>) -> serde_json::Value {
    values.sort_unstable();
    let [p50, p99, max] = [50, 99, 100].map(|percent| percentile(&values, percent));
    json!({ "count": values.len(), "p50_us": p50, "p99_us": p99, "max_us": max })
}

impl Tally {
    fn print(self, at: u64) {
        let answers: BTreeMap<_, _> = self
            .answers
            .into_iter()
            .map(|(code, times)| (code.to_string(), spread(times)))
            .collect();
        let line = json!({
            "at": at, "answers": answers, "latency": spread(self.latencies), "lateness": spread(self.lateness),
            "broken": self.broken, "stale": self.stale,
        });
        println!("{line}");
    }
}

/// The body of a mark. Its eight bits and its text both contain the number of the write.
fn mark(stamp: u64, nr: u64, user: u64, peer: u64) -> String {
    let bits = |wanted: u64| {
        let of = (0..8).filter(|bit| nr >> bit & 1 == wanted).map(|bit| (40 + bit).to_string());
        of.collect::<Vec<_>>().join(",")
    };
    let (set, clear) = (bits(1), bits(0));
    format!(
        r#"{{"From_Account":"w{}","MarkItem":[{{"OptType":3,"ContactItem":{{"Type":1,"To_Account":"p{}"}},"SetMark":[{set}],"ClearMark":[{clear}],"CustomMark":"{stamp}-{nr}"}}]}}"#,
        1_000_000 + user,
        1_000_000 + peer,
    )
}

/// A connection that reconnects after an error.
struct Connection {
    address: SocketAddr,
    stream: Option<TcpStream>,
    buffer: Vec<u8>,
}

impl Connection {
    async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let mut connection = Self { address, stream: None, buffer: Vec::new() };
        connection.stream().await?;
        Ok(connection)
    }

    async fn stream(&mut self) -> anyhow::Result<&mut TcpStream> {
        let stream = match self.stream.take() {
            Some(stream) => stream,
            None => TcpStream::connect(self.address).await?,
        };
        stream.set_nodelay(true)?;
        Ok(self.stream.insert(stream))
    }

    /// Returns the body of the answer.
    async fn ask(&mut self, path: &str, body: &str) -> anyhow::Result<String> {
        let outcome = self.exchange(path, body).await;
        if outcome.is_err() {
            self.stream = None;
        }
        outcome
    }

    async fn exchange(&mut self, path: &str, body: &str) -> anyhow::Result<String> {
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        let stream = self.stream().await?;
        let length = body.len();
        let request = format!(
            "POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(request.as_bytes()).await?;
        let mut end = None;
        while end.is_none_or(|end| buffer.len() < end) {
            if stream.read_buf(&mut buffer).await? == 0 {
                bail!("the service closed the connection");
            }
            end = end.or(end_of_answer(&buffer)?);
        }
        let start = buffer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(0) + 4;
        let answer = String::from_utf8(buffer[start..].to_vec())?;
        self.buffer = buffer;
        Ok(answer)
    }
}

/// The length of head and body, once the whole head has arrived.
fn end_of_answer(read: &[u8]) -> anyhow::Result<Option<usize>> {
    let Some(head) = read.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let text = std::str::from_utf8(&read[..head])?.to_ascii_lowercase();
    let length = text.split("content-length:").nth(1).and_then(|rest| rest.lines().next());
    let length: usize = length.context("an answer has no Content-Length")?.trim().parse()?;
    Ok(Some(head + 4 + length))
}

/// The code of the request, or if that is 0, of its first item.
fn code(answer: &str) -> Option<u32> {
    let number = |name: &str| {
        let rest = answer.split(name).nth(1)?;
        rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()
    };
    match number("\"ErrorCode\":")? {
        0 => Some(number("\"ResultCode\":").unwrap_or(0)),
        code => Some(code),
    }
}

/// Sends the requests of one connection at regular intervals until the time is over.
async fn send(
    plan: &Plan,
    number: u64,
    start: Instant,
    mut connection: Connection,
    tally: &RefCell<Tally>,
) -> BTreeMap<u64, User> {
    let own: Vec<_> = plan.users().skip(index(number)).step_by(step(plan.connections)).collect();
    let mut users: BTreeMap<u64, User> = own.iter().map(|user| (*user, User::default())).collect();
    let end = start + Duration::from_secs(plan.seconds);
    let due_at = |nr: u64| {
        let place = number + nr * plan.connections;
        start + Duration::from_nanos(place.saturating_mul(1_000_000_000) / plan.rate.max(1))
    };
    for nr in 0_u64.. {
        let now = Instant::now();
        let due = if plan.rate == 0 { now.max(start) } else { due_at(nr) };
        if now.max(due) >= end {
            break;
        }
        if due > now {
            sleep_until(due).await;
            tally.borrow_mut().lateness.push(micros(due.elapsed()));
        }
        let count = own.len() as u64;
        let (user, peer) = (own[index(nr % count)], nr / count % plan.peers);
        let reads = nr % READ_EVERY == READ_EVERY - 1;
        let Some(state) = users.get_mut(&user) else { continue };
        let sent = Instant::now();
        let answer = if reads {
            let body = format!(r#"{{"From_Account":"w{}","StartIndex":0}}"#, 1_000_000 + user);
            connection.ask(&plan.page_path, &body).await
        } else {
            connection.ask(&plan.mark_path, &mark(plan.stamp, nr, user, peer)).await
        };
        let code = answer.as_deref().ok().and_then(code);
        let mut tally = tally.borrow_mut();
        if !reads {
            state.record_write(nr, peer, code);
        } else if let (Some(0), Some(last), Ok(answer)) = (code, state.last, &answer)
            && !answer.contains(&format!(r#""CustomMark":"{}-{last}""#, plan.stamp))
        {
            tally.stale += 1;
        }
        let Some(code) = code else {
            tally.broken += 1;
            continue;
        };
        tally.answers.entry(code).or_default().push(micros(sent.elapsed()));
        if code == 0 {
            tally.latencies.push(micros(due.elapsed()));
        }
    }
    users
}

fn step(count: u64) -> usize {
    usize::try_from(count.max(1)).unwrap_or(usize::MAX)
}

fn index(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

impl User {
    fn record_write(&mut self, nr: u64, peer: u64, code: Option<u32>) {
        let writes = self.conversations.entry(peer).or_default();
        match code {
            Some(0) => {
                self.acknowledged += 1;
                writes.last_acknowledged = Some(nr);
                self.last = Some(nr);
            }
            Some(OVERLOADED) => {}
            _ => {
                self.in_doubt += 1;
                writes.in_doubt.push(nr);
                self.last = None;
            }
        }
    }
}

async fn run(plan: Rc<Plan>) -> anyhow::Result<()> {
    let opened = (0..plan.connections).map(|_| Connection::open(plan.address));
    let connections = try_join_all(opened).await.context("cannot connect")?;
    let tally = Rc::new(RefCell::new(Tally::default()));
    let start = Instant::now() + Duration::from_millis(50);
    let clients = connections.into_iter().zip(0..).map(|(connection, number)| {
        let (plan, tally) = (Rc::clone(&plan), Rc::clone(&tally));
        tokio::task::spawn_local(
            async move { send(&plan, number, start, connection, &tally).await },
        )
    });
    let clients: Vec<_> = clients.collect();
    let mut at = 0;
    while at < plan.seconds {
        at = (at + plan.slice_seconds).min(plan.seconds);
        sleep_until(start + Duration::from_secs(at)).await;
        tally.take().print(at);
    }
    let users = join_all(clients).await;
    // The requests that were still in flight at the end.
    tally.take().print(plan.seconds);
    let mut ledger = std::io::BufWriter::new(std::fs::File::create(&plan.ledger)?);
    for (number, user) in users.into_iter().collect::<Result<Vec<_>, _>>()?.into_iter().flatten() {
        let conversations: Vec<_> = user
            .conversations
            .into_iter()
            .map(|(peer, writes)| json!([peer, writes.last_acknowledged, writes.in_doubt]))
            .collect();
        let line = json!({
            "user": number, "acknowledged": user.acknowledged, "in_doubt": user.in_doubt,
            "conversations": conversations,
        });
        writeln!(ledger, "{line}")?;
    }
    ledger.flush()?;
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let plan: Plan = serde_json::from_reader(std::io::stdin()).context("cannot read the plan")?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(LocalSet::new().run_until(run(Rc::new(plan))))
}
