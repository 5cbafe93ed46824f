//! `earmark settings`: every setting with its variable, its default and its meaning, as `docs/settings.md` has them.

use clap::{Arg, Command, CommandFactory};

use super::print;
use crate::config::Config;

const INTRODUCTION: &str = "\
# Settings

Each setting is a flag and an environment variable; a flag wins over its variable. A setting that is wrong ends the program
at once, with its name, before anything listens. What is said on the spot and is no setting of a program that runs on, such
as the edition of an app, is in `earmark <command> --help`.

This page is printed by `earmark settings`, and a test compares it.

| Flag | Variable | Default | For | Meaning |
|---|---|---|---|---|";

/// A setting, and the commands that read it.
struct Row {
    setting: String,
    meaning: String,
    commands: Vec<String>,
}

pub(super) fn run() -> anyhow::Result<()> {
    let mut rows = Vec::new();
    collect(&Config::command(), "all", &mut rows);
    print(INTRODUCTION)?;
    rows.iter().try_for_each(|Row { setting, commands, meaning }| {
        print(&format!("| {setting} | {} | {meaning} |", commands.join(", ")))
    })
}

fn collect(command: &Command, name: &str, rows: &mut Vec<Row>) {
    for argument in command.get_arguments() {
        let Some(setting) = setting(argument) else { continue };
        let meaning = meaning(argument);
        match rows.iter_mut().find(|row| row.setting == setting && row.meaning == meaning) {
            Some(row) => row.commands.push(format!("`{name}`")),
            None => rows.push(Row { setting, meaning, commands: vec![format!("`{name}`")] }),
        }
    }
    for inner in command.get_subcommands() {
        let inner_name = inner.get_name();
        let name =
            if name == "all" { inner_name.to_owned() } else { format!("{name} {inner_name}") };
        collect(inner, &name, rows);
    }
}

/// Flag, variable and default; `None` for what is no setting.
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

/// The help, on one line.
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
