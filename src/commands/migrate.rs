//! `earmark migrate`: brings the schema up to date, or prints which migrations that would run.

use std::process::ExitCode;

use anyhow::Context;

use super::{connect, print};
use crate::config::Migrate;
use crate::deadline::Deadline;
use crate::store::Store;
use crate::store::schema::{self, MigrationState};

/// The exit code of `--plan` if a migration would run.
const WOULD_CHANGE: u8 = 3;

pub(super) async fn run(settings: &Migrate) -> anyhow::Result<ExitCode> {
    let store = connect(&settings.database).await?;
    if settings.plan {
        return plan(&store).await;
    }
    match schema::migrate(&store).await.context("migrations")?.as_slice() {
        [] => print("the schema is up to date")?,
        names => names.iter().try_for_each(|name| print(&format!("applied {name}")))?,
    }
    Ok(ExitCode::SUCCESS)
}

async fn plan(store: &Store) -> anyhow::Result<ExitCode> {
    let plan = schema::plan(store, Deadline::of_a_request())
        .await
        .context("cannot read which migrations have run")?;
    for migration in &plan {
        let state = match migration.state {
            MigrationState::Applied => "has run",
            MigrationState::Changed => "has run, but its text has changed since",
            MigrationState::Pending => "would run",
            MigrationState::Unknown => "has run, by a newer binary",
        };
        print(&format!("{migration} (checksum {:016x}): {state}", migration.checksum))?;
    }
    if plan.iter().any(|migration| migration.state == MigrationState::Pending) {
        Ok(ExitCode::from(WOULD_CHANGE))
    } else {
        print("the schema is up to date")?;
        Ok(ExitCode::SUCCESS)
    }
}
