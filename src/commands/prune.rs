//! `earmark prune`: removes conversations that have been empty for a long time.

use std::fmt::{self, Display, Formatter};

use anyhow::Context;
use serde::Serialize;

use super::{check_schema, connect, unix_now};
use crate::config::{Output, Prune};
use crate::store::forgetting;

/// What was removed.
#[derive(Serialize)]
struct Removed {
    conversations: u64,
    users: u64,
}

impl Display for Removed {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        write!(out, "removed {} empty conversations of {} users", self.conversations, self.users)
    }
}

pub(super) async fn run(settings: &Prune, output: Output) -> anyhow::Result<()> {
    let store = connect(&settings.database).await?;
    check_schema(&store).await?;
    let changed_before = unix_now().saturating_sub(settings.history().as_secs());
    let pruned =
        forgetting::prune(&store, changed_before).await.context("cannot remove conversations")?;
    output.print(&Removed { conversations: pruned.conversations, users: pruned.users })
}
