//! `earmark settings`: prints `docs/settings.md`, a table of all settings.

use std::fmt::{self, Display, Formatter};

use clap::{Arg, Command, CommandFactory};
use serde::Serialize;

use super::joined;
use crate::config::{Config, Output};

const INTRODUCTION: &str = "\
# Settings

Each setting is a flag and an environment variable. If both are set, the flag counts. If a setting is invalid, the program
prints its name and exits before it listens. Arguments of a single run, such as the edition of an app, are not in this table;
`earmark <command> --help` lists them.

`earmark settings` prints this page, and a test compares them.

| Flag | Variable | Default | Commands | Meaning |
|---|---|---|---|---|";

#[derive(Serialize)]
struct Settings {
    settings: Vec<SettingRow>,
}

#[derive(Serialize)]
struct SettingRow {
    flag: String,
    variable: String,
    default: Option<String>,
    commands: Vec<String>,
    /// In Markdown.
    meaning: String,
}

impl Display for Settings {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        writeln!(out, "{INTRODUCTION}")?;
        joined(out, &self.settings)
    }
}

impl Display for SettingRow {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let Self { flag, variable, default, commands, meaning } = self;
        let default = default.as_ref().map(|default| format!("`{default}`")).unwrap_or_default();
        let meaning = meaning.replace('|', "\\|");
        write!(
            out,
            "| `{flag}` | `{variable}` | {default} | `{}` | {meaning} |",
            commands.join("`, `")
        )
    }
}

pub(super) fn run(output: Output) -> anyhow::Result<()> {
    let mut settings = Vec::new();
    collect(&Config::command(), "all", &mut settings);
    output.print(&Settings { settings })
}

fn collect(command: &Command, name: &str, rows: &mut Vec<SettingRow>) {
    for argument in command.get_arguments() {
        let Some(row) = setting(argument, name) else { continue };
        let same = rows.iter_mut().find(|other| {
            (&other.flag, &other.variable, &other.default, &other.meaning)
                == (&row.flag, &row.variable, &row.default, &row.meaning)
        });
        match same {
            Some(other) => other.commands.extend(row.commands),
            None => rows.push(row),
        }
    }
    for inner in command.get_subcommands() {
        let inner_name = inner.get_name();
        let name =
            if name == "all" { inner_name.to_owned() } else { format!("{name} {inner_name}") };
        collect(inner, &name, rows);
    }
}

/// `None` if the argument has no variable or is hidden.
fn setting(argument: &Arg, command: &str) -> Option<SettingRow> {
    let (flag, variable) = (argument.get_long()?, argument.get_env()?);
    if argument.is_hide_set() {
        return None;
    }
    let default = match argument.get_default_values().first() {
        Some(default) => Some(default.display().to_string()),
        None if argument.get_action().takes_values() => None,
        None => Some("false".to_owned()),
    };
    Some(SettingRow {
        flag: format!("--{flag}"),
        variable: variable.display().to_string(),
        default,
        commands: vec![command.to_owned()],
        meaning: meaning(argument),
    })
}

/// The help text in one line.
fn meaning(argument: &Arg) -> String {
    let help = argument.get_long_help().or(argument.get_help());
    let mut meaning = help.map(ToString::to_string).unwrap_or_default().replace('\n', " ");
    if !meaning.ends_with('.') {
        meaning.push('.');
    }
    let values: Vec<_> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        meaning = format!("{meaning} One of {}.", values.join(", "));
    }
    meaning
}
