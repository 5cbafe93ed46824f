//! Four partitions on two servers.

use std::path::PathBuf;

use serde_json::json;

use super::Postgres;
use crate::{Program, Scratch, text};

/// Two servers for a database with four partitions. The first has the shared tables and the partitions 0 and 1, the second has 2
/// and 3.
#[derive(Debug)]
pub struct TwoServers {
    pub first: Postgres,
    pub second: Postgres,
    /// A file that says where the partitions are.
    pub map: PathBuf,
    scratch: Scratch,
}

impl TwoServers {
    /// The number of partitions.
    pub const PARTITIONS: u16 = 4;

    /// Starts servers without a schema. On a machine without PostgreSQL's programs, says so and returns `None`.
    pub fn start() -> Option<Self> {
        let scratch = Scratch::create();
        let first = Postgres::start(&scratch.join("first"), &[])?;
        let second = Postgres::start_unrelated(&scratch.join("second"), &[])?;
        let map = write_map(&scratch, "map.json", &second.url());
        Some(Self { first, second, map, scratch })
    }

    /// A map with another address of the second server.
    pub fn map_to(&self, url: &str) -> PathBuf {
        write_map(&self.scratch, "other-map.json", url)
    }

    /// A program that knows where the partitions are.
    #[must_use]
    pub fn with_map(&self, program: Program) -> Program {
        program.env("EARMARK_PARTITION_MAP", text(&self.map))
    }
}

fn write_map(scratch: &Scratch, name: &str, url: &str) -> PathBuf {
    scratch.write(name, json!({ "2-3": url }).to_string())
}
