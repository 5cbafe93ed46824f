//! The arguments of `earmark partitions`.

use clap::{Args, Subcommand};

use super::DatabaseArgs;
use crate::store::Node;

#[derive(Debug, Args)]
pub struct PartitionsArgs {
    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(subcommand)]
    pub command: PartitionsCommand,
}

#[derive(Debug, Clone, Subcommand)]
pub enum PartitionsCommand {
    /// Lists the partitions: on which server each is, how many users it has, and its size.
    List,
    /// Checks that each partition can be reached, is the one that it should be, has the newest schema, and has copies of the shared
    /// tables. Changes nothing. Exits with 0 if all is well.
    Check,
    /// Moves a partition to another server of Citus, while the service reads and writes it, and waits until it is there. Needs free
    /// disk for a second copy.
    Move {
        /// The partition's number.
        partition: u16,

        /// The server, as `SELECT nodename, nodeport FROM pg_dist_node` names it.
        #[arg(long, value_name = "HOST:PORT", value_parser = parse_node)]
        to: Node,
    },
}

fn parse_node(text: &str) -> Result<Node, String> {
    let parsed = text.rsplit_once(':').and_then(|(host, port)| {
        Some(Node { host: host.to_owned(), port: port.parse().ok()? }).filter(|_| !host.is_empty())
    });
    parsed.ok_or_else(|| "expected a host and a port, like worker2.example:5432".to_owned())
}
