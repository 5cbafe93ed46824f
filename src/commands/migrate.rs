//! `earmark migrate`: brings the schema up to date, or prints which migrations that would run.

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;

use anyhow::Context;
use serde::Serialize;
use serde_json::json;

use super::{connect_to, joined, operator, partitions};
use crate::audit::Action;
use crate::config::{Migrate, MigrationArgs, Output};
use crate::deadline::Deadline;
use crate::store::locks::{Holder, TableLock};
use crate::store::schema::{self, MigrationState, PlannedMigration};
use crate::store::{Partitions, Store, Tx, audit};

/// The exit code of `--plan` if a migration would run.
const WOULD_CHANGE: u8 = 3;
const UP_TO_DATE: &str = "the schema is up to date";

/// The names of the migrations that have run.
#[derive(Serialize)]
struct Migrated {
    applied: Vec<String>,
}

impl Display for Migrated {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        match self.applied.as_slice() {
            [] => out.write_str(UP_TO_DATE),
            names => joined(out, names.iter().map(|name| format!("applied {name}"))),
        }
    }
}

/// Every migration with its state.
#[derive(Clone, Serialize)]
#[serde(into = "PlanDocument")]
struct Plan(Vec<PlannedMigration>);

impl Plan {
    fn is_up_to_date(&self) -> bool {
        self.0.iter().all(|migration| migration.state != MigrationState::Pending)
    }
}

impl Display for Plan {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let mut lines = Vec::new();
        for migration in &self.0 {
            let state = match migration.state {
                MigrationState::Applied => "has run",
                MigrationState::Changed => "has run, but its text has changed since",
                MigrationState::Pending => "would run",
                MigrationState::Unknown => "has run, by a newer binary",
            };
            lines.push(format!("{migration} (checksum {:016x}): {state}", migration.checksum));
            for (lock, holders) in &migration.locks {
                lines.push(format!("  takes {lock}"));
                lines.extend(holders.iter().map(|holder| format!("    held up by {holder}")));
            }
        }
        if self.is_up_to_date() {
            lines.push(UP_TO_DATE.to_owned());
        }
        joined(out, lines)
    }
}

#[derive(Serialize)]
struct PlanDocument {
    up_to_date: bool,
    migrations: Vec<MigrationDocument>,
}

#[derive(Serialize)]
struct MigrationDocument {
    version: i64,
    name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    schema: Option<String>,
    checksum: String,
    state: &'static str,
    locks: Vec<LockDocument>,
}

#[derive(Serialize)]
struct LockDocument {
    mode: &'static str,
    table: String,
    held_up_by: Vec<HolderDocument>,
}

#[derive(Serialize)]
struct HolderDocument {
    pid: Option<i32>,
    role: Option<String>,
    application_name: Option<String>,
    state: Option<String>,
    age_s: Option<i64>,
}

impl From<Plan> for PlanDocument {
    fn from(plan: Plan) -> Self {
        let up_to_date = plan.is_up_to_date();
        Self { up_to_date, migrations: plan.0.into_iter().map(Into::into).collect() }
    }
}

impl From<PlannedMigration> for MigrationDocument {
    fn from(planned: PlannedMigration) -> Self {
        let PlannedMigration { version, name, schema, checksum, state, locks } = planned;
        let state = match state {
            MigrationState::Applied => "applied",
            MigrationState::Changed => "changed",
            MigrationState::Pending => "pending",
            MigrationState::Unknown => "unknown",
        };
        let checksum = format!("{checksum:016x}");
        let locks = locks.into_iter().map(Into::into).collect();
        Self { version, name, schema, checksum, state, locks }
    }
}

impl From<(TableLock, Vec<Holder>)> for LockDocument {
    fn from((lock, holders): (TableLock, Vec<Holder>)) -> Self {
        let held_up_by = holders.into_iter().map(Into::into).collect();
        Self { mode: lock.mode.name(), table: lock.table, held_up_by }
    }
}

impl From<Holder> for HolderDocument {
    fn from(holder: Holder) -> Self {
        let Holder { pid, role, application_name, state, age_s } = holder;
        Self { pid, role, application_name, state, age_s }
    }
}

pub(super) async fn run(settings: &Migrate, output: Output) -> anyhow::Result<ExitCode> {
    let shared = connect_to(&settings.database.database()?).await?;
    if settings.plan {
        return plan(&partitions(shared).await?, output).await;
    }
    let applied = migrate(&shared, settings.migration).await?;
    output.print(&Migrated { applied })?;
    Ok(ExitCode::SUCCESS)
}

/// Runs all pending migrations, and returns their names. The audit trail is one of the tables that they make, so its entry is
/// written at the end.
pub(super) async fn migrate(shared: &Store, args: MigrationArgs) -> anyhow::Result<Vec<String>> {
    let applied = schema::migrate_all(shared, args.partitions, args.lock_wait()).await;
    let applied = applied.context("migrations")?;
    if !applied.is_empty() {
        let after = json!({ "applied": applied, "partitions": args.partitions });
        let entry = operator().did(Action::Migrate).after(after);
        let add = async |tx: &mut Tx<'_>| audit::add(tx, &entry).await;
        let added = shared.clone().write(Deadline::of_a_request(), add).await;
        added.context("cannot write into the audit trail")?;
    }
    Ok(applied)
}

async fn plan(partitions: &Partitions, output: Output) -> anyhow::Result<ExitCode> {
    let plan = schema::plan_all(partitions, Deadline::of_a_request())
        .await
        .context("cannot read which migrations have run")?;
    let plan = Plan(plan);
    output.print(&plan)?;
    Ok(if plan.is_up_to_date() { ExitCode::SUCCESS } else { ExitCode::from(WOULD_CHANGE) })
}
