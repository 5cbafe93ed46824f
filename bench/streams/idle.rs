//! What open streams of `events` cost a process when nothing changes: memory, and processor time of the process and of its
//! PostgreSQL. Then, how long all of them take to hear of a change of each user.

use std::fs;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use futures_util::future::try_join_all;
use nix::unistd::{Pid, SysconfVar, sysconf};
use testkit::Client;
use testkit::postgres::Postgres;
use tokio::io::AsyncBufReadExt as _;
use tokio::time::{Instant, sleep, timeout};

use crate::stand::{Stand, line, open};

/// Streams that are opened at the same time.
const AT_ONCE: usize = 200;
/// How long the idle streams are watched: four comments, and a few rounds of `malloc_trim`.
const WATCHED: Duration = Duration::from_mins(1);

pub(crate) async fn run(stand: &Stand, count: usize) -> anyhow::Result<()> {
    let [service] = stand.services.as_slice() else { unreachable!("one service was started") };
    let client = service.client();
    // What a process takes that has answered calls.
    for nr in 0..1000 {
        client.must_mark(&format!("warm{nr}"), "friend");
    }
    measure(&client, service.process.pid(), &stand.server, count).await
}

async fn measure(
    client: &Client,
    service: Pid,
    server: &Postgres,
    count: usize,
) -> anyhow::Result<()> {
    sleep(Duration::from_secs(10)).await;
    let before = memory(service)?;
    println!("{before} KiB before");
    let mut streams = Vec::with_capacity(count);
    for start in (0..count).step_by(AT_ONCE) {
        let users = start..count.min(start + AT_ONCE);
        streams.extend(try_join_all(users.map(|nr| open(client, nr))).await?);
    }
    sleep(Duration::from_secs(10)).await;
    let (begun, used, used_by_database) = (Instant::now(), processor(service)?, database(server));
    sleep(WATCHED).await;
    let share = |used: f64| 100.0 * used / begun.elapsed().as_secs_f64();
    let (used, by_database) =
        (share(processor(service)? - used), share(database(server) - used_by_database));
    let after = memory(service)?;
    println!("{after} KiB with {count} streams: {} KiB more", after - before);
    println!(
        "{used:.1} % of a processor, and {by_database:.1} % for PostgreSQL, when nothing changes"
    );

    // Comments came meanwhile.
    for stream in &mut streams {
        while timeout(Duration::ZERO, stream.fill_buf()).await.is_ok() {
            let length = stream.buffer().len();
            stream.consume(length);
        }
    }
    let begun = Instant::now();
    let client = client.clone();
    let marks = std::thread::spawn(move || {
        for nr in 0..count {
            client.must_mark(&format!("user{nr}"), "friend");
        }
        begun.elapsed()
    });
    for stream in &mut streams {
        line(stream, "friend").await?;
    }
    let all = begun.elapsed();
    let marked = marks.join().map_err(|_| anyhow::anyhow!("a mark failed"))?;
    println!("marks of {count} users took {marked:.1?}, and all streams had them after {all:.1?}");
    Ok(())
}

/// Resident memory, in KiB.
fn memory(process: Pid) -> anyhow::Result<i64> {
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    Ok(line.trim().trim_end_matches(" kB").parse()?)
}

/// Processor time of a process since its start, in seconds.
fn processor(process: Pid) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"))?;
    let (_, fields) = stat.rsplit_once(") ").context("stat")?;
    let ticks = fields.split(' ').skip(11).take(2).map(str::parse::<f64>);
    let ticks: f64 = ticks.sum::<Result<f64, _>>()?;
    #[expect(clippy::cast_precision_loss, reason = "a hundred ticks a second")]
    let per_second = sysconf(SysconfVar::CLK_TCK)?.context("CLK_TCK")? as f64;
    Ok(ticks / per_second)
}

/// Processor time of all sessions of the database.
fn database(server: &Postgres) -> f64 {
    // A session may end meanwhile.
    let each = server.processes().into_iter().filter_map(|process| processor(process).ok());
    each.sum()
}
