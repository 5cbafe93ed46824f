//! Settings of `earmark doctor`.

use clap::Args;

use super::DatabaseArgs;
use super::serve::workers;

#[derive(Debug, Args)]
pub struct Doctor {
    /// Also compare each index with its table. Needs the extension amcheck, and reads all of both.
    #[arg(long)]
    pub indexes: bool,

    /// Number of workers of each process of the service. 0 means as many as `serve` would have on this machine. Matters for a
    /// divided database only: each worker has at least two connections in each partition.
    #[arg(long, env = "EARMARK_WORKERS", default_value_t = 0, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(0..=512))]
    workers: u16,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

impl Doctor {
    #[must_use]
    pub fn workers(&self) -> usize {
        workers(self.workers)
    }
}
