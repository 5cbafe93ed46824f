//! `earmark completions` and `earmark man`: what a shell and `man` read about the commands.

use std::fmt::{self, Display, Formatter};
use std::path::Path;

use anyhow::Context;
use clap_complete::Shell;
use serde::Serialize;

use super::joined;
use crate::config::{Output, command};

#[derive(Serialize)]
struct Script {
    script: String,
}

impl Display for Script {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(self.script.trim_end())
    }
}

pub(super) fn completions(shell: Shell, output: Output) -> anyhow::Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command(), "earmark", &mut script);
    output.print(&Script { script: String::from_utf8(script)? })
}

#[derive(Serialize)]
struct Pages {
    files: Vec<String>,
}

impl Display for Pages {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        joined(out, &self.files)
    }
}

/// Writes `earmark.1`, `earmark-serve.1`, `earmark-app-create.1` and so on, and prints their names.
pub(super) fn man(folder: &Path, output: Output) -> anyhow::Result<()> {
    let written = || format!("cannot write to {}", folder.display());
    let mut earmark = command();
    earmark.build();
    let mut pages = Pages { files: Vec::new() };
    write_pages(&earmark, folder, &mut pages.files).with_context(written)?;
    pages.files.sort_unstable();
    output.print(&pages)
}

fn write_pages(
    command: &clap::Command,
    folder: &Path,
    files: &mut Vec<String>,
) -> std::io::Result<()> {
    let page = clap_mangen::Man::new(command.clone());
    let file = folder.join(page.get_filename());
    let mut text = Vec::new();
    page.render(&mut text)?;
    std::fs::write(&file, text)?;
    files.push(file.display().to_string());
    // The pages of `earmark help` would repeat all others.
    let inner = command.get_subcommands().filter(|inner| inner.get_name() != "help");
    inner.into_iter().try_for_each(|inner| write_pages(inner, folder, files))
}
