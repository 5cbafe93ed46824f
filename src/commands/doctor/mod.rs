//! `earmark doctor`: checks the database and its settings, and says what to do.

mod checks;
mod partitions;

use std::fmt::{self, Display, Formatter};
use std::process::ExitCode;
use std::time::Duration;

use serde::Serialize;
use sqlx::postgres::PgConnection;

use super::joined;
use crate::config::{DATABASE_SETTING, Doctor, Output};
use crate::deadline::Deadline;
use crate::store::{Database, doctor};

/// All checks except that of the indexes are answered in milliseconds.
const TIME_MAX: Duration = Duration::from_secs(10);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Level {
    Ok,
    /// The service works, but not as well or as safely as it could.
    Warning,
    /// The service does not work, or can lose acknowledged writes.
    Failure,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
struct Check {
    name: &'static str,
    /// The partition that it is about, if the database is divided. With the checks of a server: the first one on that server.
    #[serde(skip_serializing_if = "Option::is_none")]
    partition: Option<u16>,
    level: Level,
    /// What was found.
    found: String,
    /// What to do about it.
    advice: Option<String>,
}

impl Check {
    fn ok(name: &'static str, found: impl Into<String>) -> Self {
        Self { name, partition: None, level: Level::Ok, found: found.into(), advice: None }
    }

    fn warning(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        let advice = Some(advice.into());
        Self { name, partition: None, level: Level::Warning, found: found.into(), advice }
    }

    fn failure(name: &'static str, found: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Failure, ..Self::warning(name, found, advice) }
    }

    fn of(self, partition: u16) -> Self {
        Self { partition: Some(partition), ..self }
    }

    fn title(&self) -> String {
        match self.partition {
            None => self.name.to_owned(),
            Some(number) => format!("partition {number}: {}", self.name),
        }
    }
}

#[derive(Serialize)]
struct Diagnosis {
    failures: usize,
    warnings: usize,
    checks: Vec<Check>,
}

impl From<Vec<Check>> for Diagnosis {
    fn from(checks: Vec<Check>) -> Self {
        let count = |level| checks.iter().filter(|check| check.level == level).count();
        Self { failures: count(Level::Failure), warnings: count(Level::Warning), checks }
    }
}

/// One line per check, and a second line with the advice.
impl Display for Diagnosis {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let width = self.checks.iter().map(|check| check.title().len()).max().unwrap_or(0);
        let mut lines = Vec::new();
        for check in &self.checks {
            let (name, Check { found, advice, .. }) = (check.title(), check);
            let level = match check.level {
                Level::Ok => "ok",
                Level::Warning => "warning",
                Level::Failure => "failure",
            };
            lines.push(format!("{level:<7}  {name:<width$}  {found}"));
            lines.extend(
                advice.iter().map(|advice| format!("{:width$}  {advice}", "", width = width + 9)),
            );
        }
        let Self { failures, warnings, .. } = self;
        lines.push(format!(
            "{} checks, failures: {failures}, warnings: {warnings}",
            self.checks.len()
        ));
        joined(out, lines)
    }
}

pub(super) async fn run(settings: &Doctor, output: Output) -> anyhow::Result<ExitCode> {
    let database = settings.database.database()?;
    let examined = examine(&database, settings).await;
    let checks = examined.unwrap_or_else(|error| {
        vec![Check::failure(
            "connection",
            format!("the database does not answer: {error}"),
            format!(
                "Check that PostgreSQL runs, that {DATABASE_SETTING} has its host, port, database, role and password, \
                 and that no firewall is in between."
            ),
        )]
    });
    let diagnosis = Diagnosis::from(checks);
    output.print(&diagnosis)?;
    Ok(if diagnosis.failures == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(database: &Database, settings: &Doctor) -> Result<Vec<Check>, sqlx::Error> {
    let ask = async {
        let mut connection = doctor::connect(database).await?;
        let server = doctor::server(&mut connection).await?;
        let sharing = doctor::sharing(&mut connection, database).await?;
        let schema = doctor::schema(&mut connection).await?;
        let start = doctor::server_start(&mut connection).await?;
        let partitions = doctor::partitions(&mut connection, database).await?;
        Ok((connection, server, sharing, schema, start, partitions))
    };
    let late = |late| Err(sqlx::Error::Io(std::io::Error::other(late)));
    let answered = Deadline::within(TIME_MAX).limit(ask).await.unwrap_or_else(late);
    let (mut connection, server, sharing, schema, start, partitions) = answered?;
    let (workers, with_indexes) = (settings.workers(), settings.indexes);
    let parts = partitions::examine(&partitions, (start, &server), workers, with_indexes).await;
    let connections = database.connections_in_all().saturating_add(parts.connections);
    let mut checks = checks::server::of_server(&server, connections);
    checks.push(checks::server::pooler(sharing, database.keeps_statements()));
    checks.extend(checks::schema::of_schema(&schema));
    if with_indexes && server.has_amcheck {
        checks.push(compare_indexes(&mut connection).await);
    } else if with_indexes {
        checks.push(checks::schema::indexes(None));
    }
    checks.extend(parts.checks);
    Ok(checks)
}

/// Reads whole tables, which takes as long as it takes.
async fn compare_indexes(connection: &mut PgConnection) -> Check {
    checks::schema::indexes(Some(doctor::check_indexes(connection).await))
}
