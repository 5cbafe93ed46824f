//! `earmark settings`: prints `docs/settings.md`, a table of all settings, or the settings that a command would use.

use std::ffi::OsString;
use std::fmt::{self, Display, Formatter};

use clap::{Arg, Command};
use serde::Serialize;

use super::joined;
use crate::config::{EffectiveSetting, Output, SettingsArgs, Source, command, effective};

const INTRODUCTION: &str = r#"# Settings

Each setting is a flag, an environment variable and a line of the configuration file. The flag counts first, then the variable,
then the file, then the default. If a setting is invalid, the program prints its name and exits before it listens. Arguments of
a single run, such as the edition of an app, are not in this table; `earmark <command> --help` lists them.

The configuration file is TOML. It has the settings under the names of their flags, for all commands together:

```toml
# earmark serve --config earmark.toml
listen = ":8080"
database-url-file = "/etc/earmark/database-url"
log-format = "json"
console = true
```

A switch needs no value: `--console` is `--console=true`. `--console=false` turns it off where a variable or the file turns it
on. Variables take `true`, `1`, `yes` and `on`, and their opposites.

`earmark settings --effective` prints what `earmark serve` would use, and where each value comes from. After `--`, it takes
another command. A variable whose name begins with `EARMARK_` and that is no setting is logged at the start, with the name
that was probably meant.

`earmark settings` prints this page, and a test compares them.

| Flag | Variable | Default | Commands | Meaning |
|---|---|---|---|---|"#;

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

pub(super) fn run(settings: &SettingsArgs, output: Output) -> anyhow::Result<()> {
    if settings.effective {
        return print_effective(&settings.command, output);
    }
    let mut settings = Vec::new();
    collect(&command(), "all", &mut settings);
    output.print(&Settings { settings })
}

/// What one command would use.
#[derive(Serialize)]
struct Effective {
    command: String,
    settings: Vec<EffectiveRow>,
}

#[derive(Serialize)]
struct EffectiveRow {
    flag: String,
    /// `None` if it is not set.
    value: Option<String>,
    /// `flag`, `variable`, `file` or `default`.
    source: &'static str,
    /// The variable, or the path of the file.
    from: Option<String>,
}

impl From<EffectiveSetting> for EffectiveRow {
    fn from(setting: EffectiveSetting) -> Self {
        let (source, from) = match setting.source {
            Source::Flag => ("flag", None),
            Source::Variable(variable) => ("variable", Some(variable)),
            Source::File(path) => ("file", Some(path)),
            Source::Default => ("default", None),
        };
        Self { flag: setting.flag, value: setting.value, source, from }
    }
}

impl Display for Effective {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        let value =
            |row: &EffectiveRow| row.value.clone().unwrap_or_else(|| "(not set)".to_owned());
        let width =
            |text: fn(&EffectiveRow) -> usize| self.settings.iter().map(text).max().unwrap_or(0);
        let flags = width(|row| row.flag.len());
        // One long value does not push all sources to the right.
        let values = width(|row| row.value.as_ref().map_or(0, String::len)).min(40);
        let line = |row: &EffectiveRow| {
            let EffectiveRow { flag, source, from, .. } = row;
            let from = from.as_ref().map(|from| format!(" {from}")).unwrap_or_default();
            format!("{flag:<flags$}  {:<values$}  {source}{from}", value(row))
        };
        joined(out, self.settings.iter().map(line))
    }
}

fn print_effective(arguments: &[OsString], output: Output) -> anyhow::Result<()> {
    let serve = ["serve".into()];
    let arguments = if arguments.is_empty() { &serve } else { arguments };
    let (command, settings) = effective(arguments)?;
    output.print(&Effective { command, settings: settings.into_iter().map(Into::into).collect() })
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
    let meaning = help.map(ToString::to_string).unwrap_or_default();
    let mut meaning = meaning.split_whitespace().collect::<Vec<_>>().join(" ");
    if !meaning.ends_with('.') {
        meaning.push('.');
    }
    let values: Vec<_> = argument
        .get_possible_values()
        .iter()
        .filter(|_| argument.get_action().takes_values() && !argument.is_hide_possible_values_set())
        .map(|value| format!("`{}`", value.get_name()))
        .collect();
    if !values.is_empty() {
        meaning = format!("{meaning} One of {}.", values.join(", "));
    }
    meaning
}
