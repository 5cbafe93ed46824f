//! The arguments of `earmark epoch`.

use clap::{Args, Subcommand};

use super::DatabaseArgs;

#[derive(Debug, Args)]
pub struct EpochArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(subcommand)]
    pub command: EpochCommand,
}

#[derive(Debug, Subcommand)]
pub enum EpochCommand {
    /// Shows the epoch, and PostgreSQL's system identifier and timeline that were noted with it.
    Show,
    /// Begins another epoch: every client with a cursor reads its state anew. Run it after a backup was restored into the same
    /// server.
    Bump {
        /// Do not ask.
        #[arg(long)]
        yes: bool,
    },
}
