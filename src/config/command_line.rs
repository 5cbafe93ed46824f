//! Reads the settings. A flag comes before a variable, a variable before the configuration file, and the file before the default.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use clap::builder::BoolishValueParser;
use clap::parser::ValueSource;
use clap::{Arg, ArgAction, ArgMatches, Command, CommandFactory, FromArgMatches};

use super::{Config, ConfigFile};

/// The commands with their arguments, for help, completions and documents.
#[must_use]
pub fn command() -> Command {
    adapted(Config::command())
}

fn adapted(command: Command) -> Command {
    let command = command.mut_args(|arg| with_short_help(switch(arg)));
    let about = command.get_about().map(ToString::to_string).unwrap_or_default();
    let command = match first_sentence(&about) {
        Some(first) if command.get_long_about().is_none() => {
            command.about(first.to_owned()).long_about(about)
        }
        _ => command,
    };
    command.mut_subcommands(adapted)
}

/// Lets a switch that is a setting be turned off as well: `--console=false` wins against a variable or a file that turns the
/// console on.
fn switch(arg: Arg) -> Arg {
    if !is_setting(&arg) || !matches!(arg.get_action(), ArgAction::SetTrue) {
        return arg;
    }
    arg.action(ArgAction::Set)
        .value_parser(BoolishValueParser::new())
        .hide_possible_values(true)
        .value_name("BOOL")
        .num_args(0..=1)
        .require_equals(true)
        .default_value("false")
        .default_missing_value("true")
}

/// `-h` shows the first sentence, and `--help` all of them.
fn with_short_help(arg: Arg) -> Arg {
    let help = arg.get_help().map(ToString::to_string).unwrap_or_default();
    match first_sentence(&help) {
        Some(first) if arg.get_long_help().is_none() => arg.help(first.to_owned()).long_help(help),
        _ => arg,
    }
}

/// `None` if there is no other sentence.
fn first_sentence(text: &str) -> Option<&str> {
    let ends = text.match_indices(". ").map(|(end, _)| end);
    let mut ends = ends.filter(|end| text[end + 2..].starts_with(|next: char| next.is_uppercase()));
    ends.next().map(|end| &text[..end])
}

/// Whether the argument has a variable. Other arguments belong to a single run.
#[must_use]
pub fn is_setting(arg: &Arg) -> bool {
    arg.get_env().is_some()
}

impl Config {
    /// Reads the arguments, the environment and the configuration file of this process. Exits if the arguments or the
    /// environment are wrong, or ask for help.
    pub fn read() -> anyhow::Result<Self> {
        let mut matches = command().get_matches();
        if let Some(file) = config_file(&matches)? {
            matches = file.add_to(command()).get_matches();
        }
        Ok(Self::from_arg_matches_mut(&mut matches).unwrap_or_else(|error| error.exit()))
    }
}

/// An empty setting counts as absent: Docker Compose passes an unset variable as an empty one.
fn config_file(matches: &ArgMatches) -> anyhow::Result<Option<ConfigFile>> {
    let path = matches.get_one::<PathBuf>("config").filter(|path| **path != Path::new(""));
    path.map(|path| ConfigFile::read(path)).transpose()
}

/// A setting of one command as that command would use it.
#[derive(Debug, PartialEq, Eq)]
pub struct EffectiveSetting {
    /// With its dashes.
    pub flag: String,
    /// `None` if it is not set.
    pub value: Option<String>,
    pub source: Source,
}

#[derive(Debug, PartialEq, Eq)]
pub enum Source {
    Flag,
    /// The name of the variable.
    Variable(String),
    /// The path of the file.
    File(String),
    Default,
}

/// The command of these arguments, and its settings. Shows no secret.
pub fn effective(arguments: &[OsString]) -> anyhow::Result<(String, Vec<EffectiveSetting>)> {
    let arguments =
        || std::iter::once(OsStr::new("earmark")).chain(arguments.iter().map(AsRef::as_ref));
    let mut command = command();
    let mut all = command.clone().try_get_matches_from(arguments())?;
    let file = config_file(&all)?;
    if let Some(file) = &file {
        command = file.add_to(command);
        all = command.clone().try_get_matches_from(arguments())?;
    }
    command.build();
    let (mut command, mut matches, mut name) = (&command, &all, Vec::new());
    while let Some((inner, inner_matches)) = matches.subcommand() {
        let Some(found) = command.find_subcommand(inner) else { break };
        (command, matches) = (found, inner_matches);
        name.push(inner);
    }
    let shown = |arg: &Arg| is_setting(arg).then(|| setting(arg, matches, file.as_ref())).flatten();
    Ok((name.join(" "), command.get_arguments().filter_map(shown).collect()))
}

/// `None` if the setting has no flag, or is hidden and not set.
fn setting(arg: &Arg, matches: &ArgMatches, file: Option<&ConfigFile>) -> Option<EffectiveSetting> {
    let (flag, variable, id) = (arg.get_long()?, arg.get_env()?, arg.get_id().as_str());
    let given = matches
        .get_raw(id)
        .map(|values| values.map(|value| value.to_string_lossy()).collect::<Vec<_>>().join(","));
    if arg.is_hide_set() && given.is_none() {
        return None;
    }
    let source = match matches.value_source(id) {
        Some(ValueSource::CommandLine) => Source::Flag,
        Some(ValueSource::EnvVariable) => Source::Variable(variable.display().to_string()),
        _ => match file.filter(|file| file.has(flag)) {
            Some(file) => Source::File(file.path().display().to_string()),
            None => Source::Default,
        },
    };
    let is_secret = arg.is_hide_env_values_set();
    let value = given.map(|value| if is_secret { "(secret)".to_owned() } else { value });
    Some(EffectiveSetting { flag: format!("--{flag}"), value, source })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_short_help_is_the_first_sentence() {
        for (text, first) in [
            ("One. Two. Three", Some("One")),
            ("As `a.b`, or 1.5. Then more", Some("As `a.b`, or 1.5")),
            ("Ends with e.g. this", None),
            ("One", None),
            ("", None),
        ] {
            assert_eq!(first_sentence(text), first, "{text}");
        }
    }

    #[test]
    fn the_commands_are_consistent() {
        command().debug_assert();
    }
}
