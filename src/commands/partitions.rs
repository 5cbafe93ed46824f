//! `earmark partitions`: lists and checks the partitions of the database.

use std::fmt::{self, Display, Formatter};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use futures_util::future::join_all;
use serde::Serialize;

use super::{connect, joined};
use crate::config::{Output, PartitionsArgs, PartitionsCommand};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::service::differing_copies;
use crate::store::partitions::{PartitionState, changes, state};
use crate::store::schema::{self, SchemaState};
use crate::store::{Node, Partitions, Store, citus};

/// PostgreSQL adds up what its processes have counted about once a second.
const COUNTED: Duration = Duration::from_secs(2);

#[derive(Serialize)]
struct Listed {
    partitions: Vec<ListedPartition>,
}

#[derive(Serialize)]
struct ListedPartition {
    partition: usize,
    #[serde(flatten)]
    state: Option<ShownState>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

#[derive(Serialize)]
struct ShownState {
    server: String,
    /// `null` until they are counted.
    users: Option<i64>,
    bytes: i64,
    /// Rows of conversations that were inserted or updated.
    changes_per_second: f64,
}

impl Display for Listed {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        joined(out, &self.partitions)
    }
}

impl Display for ListedPartition {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "partition {}: ", self.partition)?;
        match (&self.state, &self.problem) {
            (Some(ShownState { server, users, bytes, changes_per_second }), _) => {
                let users = users.map_or("not counted yet".to_owned(), |users| users.to_string());
                write!(
                    out,
                    "on {server}, users: {users}, bytes: {bytes}, changes per second: {changes_per_second:.0}"
                )
            }
            (None, problem) => write!(out, "{}", problem.as_deref().unwrap_or("unknown")),
        }
    }
}

#[derive(Serialize)]
struct Checked {
    partitions: usize,
    problems: Vec<String>,
}

impl Display for Checked {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { partitions, problems } = self;
        write!(out, "{partitions} partitions, problems: {}", problems.len())?;
        problems.iter().try_for_each(|problem| write!(out, "\n{problem}"))
    }
}

pub(super) async fn run(settings: &PartitionsArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    match &settings.command {
        PartitionsCommand::List => output.print(&list(&partitions).await),
        PartitionsCommand::Check => {
            let checked = check(&partitions).await;
            output.print(&checked)?;
            match checked.problems.len() {
                0 => Ok(()),
                count => bail!("{count} problems"),
            }
        }
        PartitionsCommand::Move { partition, to } => {
            output.print(&move_to(&partitions, *partition, to).await?)
        }
    }
}

#[derive(Serialize)]
struct Moved {
    partition: u16,
    from: String,
    to: String,
    /// False if it was there already.
    changed: bool,
    seconds: f64,
}

impl Display for Moved {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { partition, from, to, changed, seconds } = self;
        if *changed {
            write!(out, "moved partition {partition} from {from} to {to} in {seconds:.1} s")
        } else {
            write!(out, "unchanged: partition {partition} is on {to}")
        }
    }
}

async fn move_to(partitions: &Partitions, number: u16, to: &Node) -> anyhow::Result<Moved> {
    let count = partitions.each().len();
    if usize::from(number) >= count {
        bail!("there is no partition {number}: expected 0 to {}", count - 1);
    }
    let Some(from) = partitions.node(number.into()) else {
        bail!(
            "only Citus can move a partition while the service runs; docs/scale-out.md says how to move one to another plain server"
        );
    };
    let begun = Instant::now();
    let changed = from != *to;
    if changed {
        citus::move_partition(partitions.shared(), number, to).await?;
    }
    let seconds = begun.elapsed().as_secs_f64();
    Ok(Moved { partition: number, from: from.to_string(), to: to.to_string(), changed, seconds })
}

async fn list(partitions: &Partitions) -> Listed {
    let listed =
        partitions.each().iter().enumerate().map(async |(partition, store)| {
            match look_at(store).await {
                Ok(state) => ListedPartition { partition, state: Some(state), problem: None },
                Err(error) => {
                    ListedPartition { partition, state: None, problem: Some(error.with_causes()) }
                }
            }
        });
    Listed { partitions: join_all(listed).await }
}

/// Looks twice at what PostgreSQL has counted.
async fn look_at(store: &Store) -> Result<ShownState, Error> {
    let before = changes(store, Deadline::of_a_request()).await?;
    let begun = Instant::now();
    tokio::time::sleep(COUNTED).await;
    let PartitionState { server, users, bytes } = state(store, Deadline::of_a_request()).await?;
    let changed = changes(store, Deadline::of_a_request()).await?.saturating_sub(before);
    #[expect(clippy::cast_precision_loss, reason = "it is shown without fractions")]
    let changes_per_second = changed as f64 / begun.elapsed().as_secs_f64();
    Ok(ShownState { server, users, bytes, changes_per_second })
}

async fn check(partitions: &Partitions) -> Checked {
    let mut problems = Vec::new();
    for (number, store) in partitions.each().iter().enumerate() {
        if let Err(error) = check_one(store).await {
            problems.push(format!("partition {number}: {error:#}"));
        }
    }
    match differing_copies(partitions).await {
        Ok(apps) => problems.extend(apps.iter().map(|app| {
            format!("app {app}: a partition has another copy of it; a running service corrects that within 10 seconds")
        })),
        Err(error) => problems.push(format!("the copies cannot be compared: {}", error.with_causes())),
    }
    Checked { partitions: partitions.each().len(), problems }
}

/// The session of the store has checked the identity of the partition and the durability of its server.
async fn check_one(store: &Store) -> anyhow::Result<()> {
    let found = schema::check(store, Deadline::of_a_request()).await;
    match found.context("it cannot be reached")? {
        SchemaState::Older { found, expected } => {
            bail!(
                "its schema is older (version {found}) than this binary (version {expected}); run `earmark migrate`"
            )
        }
        SchemaState::Current | SchemaState::Newer { .. } => Ok(()),
    }
}
