//! Asks the operator before something is removed for good.

use std::io::{IsTerminal, Write, stderr, stdin};

use anyhow::{Context, bail};

/// Asks on the terminal for a text that the operator must type. Without a terminal, only `--yes` confirms.
pub(super) fn typed(warning: &str, expected: &str) -> anyhow::Result<()> {
    if !stdin().is_terminal() {
        bail!("{warning}: confirm it with --yes")
    }
    write!(stderr(), "{warning}. Type {expected} to go on: ")?;
    let mut answer = String::new();
    stdin().read_line(&mut answer).context("cannot read the answer")?;
    if answer.trim_end_matches(['\r', '\n']) != expected {
        bail!("nothing was changed")
    }
    Ok(())
}
