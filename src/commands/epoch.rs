//! `earmark epoch`: shows the epoch of the database, or begins another one.

use std::fmt::{self, Display, Formatter};
use std::io::{IsTerminal, Write, stderr, stdin};

use anyhow::{Context, bail};
use serde::Serialize;

use super::{check_schema, connect, operator};
use crate::config::{EpochArgs, EpochCommand, Output};
use crate::deadline::Deadline;
use crate::store::epoch;

#[derive(Serialize)]
struct ShownEpoch {
    epoch: u64,
    /// `null` if the server does not tell it, as with some providers.
    system_identifier: Option<i64>,
    timeline: Option<i64>,
}

impl Display for ShownEpoch {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let shown = |number: Option<i64>| number.map_or("unknown".to_owned(), |it| it.to_string());
        write!(
            out,
            "epoch {}, system identifier {}, timeline {}",
            self.epoch,
            shown(self.system_identifier),
            shown(self.timeline)
        )
    }
}

#[derive(Serialize)]
struct BegunEpoch {
    epoch: u64,
}

impl Display for BegunEpoch {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "epoch {}", self.epoch)
    }
}

pub(super) async fn run(settings: &EpochArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    match settings.command {
        EpochCommand::Show => {
            let found = epoch::load(&partitions, Deadline::of_a_request()).await;
            let found = found.context("cannot read the epoch")?;
            output.print(&ShownEpoch {
                epoch: found.number,
                system_identifier: found.system_identifier,
                timeline: found.timeline,
            })
        }
        EpochCommand::Bump { yes } => {
            if !yes && !is_confirmed()? {
                bail!("nothing was changed")
            }
            let begun = epoch::raise(&partitions, &operator(), Deadline::of_a_request()).await;
            let epoch = begun.context("cannot begin another epoch")?;
            tracing::warn!(
                epoch,
                "an operator has ended the epoch: clients with a cursor read their state anew"
            );
            output.print(&BegunEpoch { epoch })
        }
    }
}

fn is_confirmed() -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        bail!("this makes every client with a cursor read its state anew: confirm it with --yes")
    }
    write!(stderr(), "Every client with a cursor will read its state anew. Go on? [y/N] ")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("cannot read the answer")?;
    Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
}
