//! `earmark prune`: removes conversations that have been empty for a long time, and old entries of the audit trail.

use std::fmt::{self, Display, Formatter};

use anyhow::Context;
use serde::Serialize;

use super::{check_schema, connect, operator, unix_now};
use crate::audit::Action;
use crate::config::{Output, Prune};
use crate::deadline::Deadline;
use crate::service;
use crate::store::{audit, forgetting};

/// What was removed.
#[derive(Serialize)]
struct Removed {
    conversations: u64,
    users: u64,
    audit_entries: u64,
}

impl Display for Removed {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "removed {} empty conversations of {} users", self.conversations, self.users)?;
        match self.audit_entries {
            0 => Ok(()),
            entries => write!(out, ", and {entries} entries of the audit trail"),
        }
    }
}

pub(super) async fn run(settings: &Prune, output: Output) -> anyhow::Result<()> {
    let partitions = connect(&settings.database).await?;
    check_schema(&partitions).await?;
    let changed_before = unix_now().saturating_sub(settings.history().as_secs());
    let entry = operator().did(Action::Prune);
    let number = service::begin(&partitions, &entry, Deadline::of_a_request()).await?;
    let pruned = forgetting::prune(&partitions, changed_before)
        .await
        .context("cannot remove conversations")?;
    let (retention, deadline) = (settings.audit_retention(), Deadline::of_a_request());
    let audit_entries = audit::forget(partitions.shared(), retention, deadline)
        .await
        .context("cannot remove entries of the audit trail")?;
    let removed =
        Removed { conversations: pruned.conversations, users: pruned.users, audit_entries };
    service::finish(&partitions, number, serde_json::to_value(&removed)?).await;
    output.print(&removed)
}
