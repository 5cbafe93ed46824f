//! What it costs to hear of changes, and how long it takes. Each measurement has a PostgreSQL of its own.
//!
//! * `idle NUMBER`: memory and processor time of so many open streams when nothing changes.
//! * `delay RATE SECONDS`: from the answer to a mark until a stream has it, at so many marks per second. One stream is on the
//!   process that marks, one on another process of the same database.
//! * `feed RATE SECONDS`: how fast one consumer reads a feed, and whether it keeps up with so many marks per second.
//!
//! `cargo run --profile optimized --example streams -- target/optimized/earmark delay 5000 30`
#![expect(clippy::print_stdout, reason = "the program prints its figures")]

mod delay;
mod feed;
mod idle;
mod load;
mod stand;

use anyhow::bail;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use tokio::task::LocalSet;

use stand::Stand;

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE)?;
    setrlimit(Resource::RLIMIT_NOFILE, most, most)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = LocalSet::new();
    match arguments.as_slice() {
        [binary, "idle", count] => {
            let count: usize = count.parse()?;
            let stand = Stand::start(binary, 1, count)?;
            local.block_on(&runtime, idle::run(&stand, count))
        }
        [binary, "delay", rate, seconds] => {
            let (rate, seconds) = (rate.parse()?, seconds.parse()?);
            let stand = Stand::start(binary, 2, 0)?;
            local.block_on(&runtime, delay::run(&stand, rate, seconds))
        }
        [binary, "feed", rate, seconds] => {
            let (rate, seconds) = (rate.parse()?, seconds.parse()?);
            let stand = Stand::start(binary, 1, 0)?;
            feed::fill(&stand);
            local.block_on(&runtime, feed::run(&stand, rate, seconds))
        }
        _ => bail!("usage: streams BINARY idle NUMBER | delay RATE SECONDS | feed RATE SECONDS"),
    }
}
