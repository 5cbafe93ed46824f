//! `earmark settings`: prints `docs/settings.md`, a table of all settings.

use clap::{Arg, Command, CommandFactory};

use super::print;
use crate::config::Config;

const INTRODUCTION: &str = "\
# Settings

Each setting is a flag and an environment variable. If both are set, the flag counts. If a setting is invalid, the program
prints its name and exits before it listens. Arguments of a single run, such as the edition of an app, are not in this table;
`earmark <command> --help` lists them.

`earmark settings` prints this page, and a test compares them.

| Flag | Variable | Default | Commands | Meaning |
|---|---|---|---|---|";

struct SettingRow {
    /// Flag, variable and default.
    setting: String,
    meaning: String,
    commands: Vec<String>,
}

pub(super) fn run() -> anyhow::Result<()> {
    let mut rows = Vec::new();
    collect(&Config::command(), "all", &mut rows);
    print(INTRODUCTION)?;
    rows.iter().try_for_each(|SettingRow { setting, commands, meaning }| {
        print(&format!("| {setting} | {} | {meaning} |", commands.join(", ")))
    })
}

fn collect(command: &Command, name: &str, rows: &mut Vec<SettingRow>) {
    for argument in command.get_arguments() {
        let Some(setting) = setting(argument) else { continue };
        let meaning = meaning(argument);
        match rows.iter_mut().find(|row| row.setting == setting && row.meaning == meaning) {
            Some(row) => row.commands.push(format!("`{name}`")),
            None => rows.push(SettingRow { setting, meaning, commands: vec![format!("`{name}`")] }),
        }
    }
    for inner in command.get_subcommands() {
        let inner_name = inner.get_name();
        let name =
            if name == "all" { inner_name.to_owned() } else { format!("{name} {inner_name}") };
        collect(inner, &name, rows);
    }
}

/// The first three columns; `None` if the argument has no variable or is hidden.
fn setting(argument: &Arg) -> Option<String> {
    let (flag, variable) = (argument.get_long()?, argument.get_env()?);
    if argument.is_hide_set() {
        return None;
    }
    let defaults = argument.get_default_values();
    let default = match defaults.first() {
        Some(default) => format!("`{}`", default.display()),
        None if argument.get_action().takes_values() => String::new(),
        None => "`false`".to_owned(),
    };
    Some(format!("`--{flag}` | `{}` | {default}", variable.display()))
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
    meaning.replace('|', "\\|")
}
