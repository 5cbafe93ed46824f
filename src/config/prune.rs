//! The settings of `earmark prune`.

use std::time::Duration;

use clap::Args;

use super::{AUDIT_DAYS, DatabaseArgs, HISTORY_DAYS, days};

#[derive(Debug, Args)]
pub struct Prune {
    /// For how many days to keep a conversation after its last mark, contact group and pin were removed.
    #[arg(long, env = "EARMARK_HISTORY_DAYS", default_value_t = HISTORY_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    history_days: u32,

    /// For how many days to keep entries of the audit trail.
    #[arg(long, env = "EARMARK_AUDIT_DAYS", default_value_t = AUDIT_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=36_500))]
    audit_days: u32,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

impl Prune {
    #[must_use]
    pub fn history(&self) -> Duration {
        days(self.history_days)
    }

    #[must_use]
    pub fn audit_retention(&self) -> Duration {
        days(self.audit_days)
    }
}
