//! `earmark prune`: removes conversations that have been empty for a long time.

use anyhow::Context;

use super::{check_schema, connect, print, unix_now};
use crate::config::Prune;
use crate::store::forgetting;

pub(super) async fn run(settings: &Prune) -> anyhow::Result<()> {
    let store = connect(&settings.database).await?;
    check_schema(&store).await?;
    let changed_before = unix_now().saturating_sub(settings.history().as_secs());
    let pruned =
        forgetting::prune(&store, changed_before).await.context("cannot remove conversations")?;
    print(&format!(
        "removed {} empty conversations of {} users",
        pruned.conversations, pruned.users
    ))
}
