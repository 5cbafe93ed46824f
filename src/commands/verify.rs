//! `earmark verify`: checks that the database is consistent.

use std::fmt::{self, Display, Formatter};

use anyhow::{Context, bail};
use serde::Serialize;

use super::{check_schema, connect, joined};
use crate::config::{DatabaseArgs, Output};
use crate::store::verify;

#[derive(Serialize)]
struct Verified {
    users: i64,
    conversations: i64,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    sdkappid: i64,
    user: String,
    problem: String,
}

impl From<verify::Report> for Verified {
    fn from(report: verify::Report) -> Self {
        let shown = |found: verify::Finding| Finding {
            sdkappid: found.sdk_app_id,
            user: found.user_id,
            problem: found.problem,
        };
        let findings = report.findings.into_iter().map(shown).collect();
        Self { users: report.users, conversations: report.conversations, findings }
    }
}

impl Verified {
    fn checked(&self) -> String {
        format!("{} users, {} conversations", self.users, self.conversations)
    }
}

impl Display for Verified {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        if self.findings.is_empty() {
            return write!(out, "{}: nothing is broken", self.checked());
        }
        let line = |found: &Finding| {
            format!("app {}, user {:?}: {}", found.sdkappid, found.user, found.problem)
        };
        joined(out, self.findings.iter().map(line))
    }
}

pub(super) async fn run(settings: &DatabaseArgs, output: Output) -> anyhow::Result<()> {
    let partitions = connect(settings).await?;
    check_schema(&partitions).await?;
    let verified =
        Verified::from(verify::run(&partitions).await.context("cannot check the database")?);
    output.print(&verified)?;
    match verified.findings.len() {
        0 => Ok(()),
        number => bail!("{}: {number} problems found", verified.checked()),
    }
}
