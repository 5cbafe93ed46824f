//! `earmark verify`: checks that the database is consistent.

use anyhow::{Context, bail};

use super::{check_schema, connect, print};
use crate::config::DatabaseArgs;
use crate::store::verify;

pub(super) async fn run(settings: &DatabaseArgs) -> anyhow::Result<()> {
    let store = connect(settings).await?;
    check_schema(&store).await?;
    let report = verify::run(&store).await.context("cannot check the database")?;
    for found in &report.findings {
        print(&format!("app {}, user {:?}: {}", found.sdk_app_id, found.user_id, found.problem))?;
    }
    let checked = format!("{} users, {} conversations", report.users, report.conversations);
    match report.findings.len() {
        0 => print(&format!("{checked}: nothing is broken")),
        number => bail!("{checked}: {number} problems found"),
    }
}
