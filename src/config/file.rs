//! The configuration file: TOML, with the settings under the names of their flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use clap::builder::Resettable;
use clap::{Arg, Command};
use toml::{Table, Value};

use super::command_line::{command, is_setting};
use super::nearest::nearest;

/// A configuration file whose settings exist and have values that their commands accept.
#[derive(Debug)]
pub(super) struct ConfigFile {
    path: PathBuf,
    /// By name, without dashes. `Debug` would print secrets, so the values are not in it.
    values: Values,
}

struct Values(BTreeMap<String, Vec<String>>);

impl std::fmt::Debug for Values {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_set().entries(self.0.keys()).finish()
    }
}

impl ConfigFile {
    pub(super) fn read(path: &Path) -> anyhow::Result<Self> {
        let named = || format!("--config / EARMARK_CONFIG: {}", path.display());
        let text = std::fs::read_to_string(path).with_context(named)?;
        let values = parse(&text).with_context(named)?;
        Ok(Self { path: path.to_owned(), values: Values(values) })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn has(&self, flag: &str) -> bool {
        self.values.0.contains_key(flag)
    }

    /// Makes the values of the file the defaults of the command and of its subcommands.
    pub(super) fn add_to(&self, command: Command) -> Command {
        let values = |arg: &Arg| self.values.0.get(arg.get_long()?).filter(|_| is_setting(arg));
        let command = command.mut_args(|arg| match values(&arg) {
            Some(values) => arg.default_values(values.clone()),
            None => arg,
        });
        command.mut_subcommands(|inner| self.add_to(inner))
    }
}

/// No error shows a value of a secret, nor a line of the file, which may have a secret in it.
fn parse(text: &str) -> anyhow::Result<BTreeMap<String, Vec<String>>> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
        anyhow::anyhow!("line {}: this is not TOML", before.matches('\n').count() + 1)
    })?;
    let mut settings = BTreeMap::new();
    collect(&command(), &mut settings);
    let mut values = BTreeMap::new();
    for (name, value) in table {
        let Some(arguments) = settings.get(&name) else {
            let names = settings.keys().map(String::as_str);
            let meant = nearest(&name, names).map(|name| format!("; did you mean {name}?"));
            bail!("{name} is not a setting{}", meant.unwrap_or_default())
        };
        let texts = texts(&value).with_context(|| {
            format!("{name} must be a text, a number, a boolean or a list of these")
        })?;
        for argument in arguments {
            check(argument, &name, &texts)?;
        }
        values.insert(name, texts);
    }
    Ok(values)
}

/// Every setting of the command and of its subcommands, by name. Commands that share a name can accept different values.
fn collect(command: &Command, settings: &mut BTreeMap<String, Vec<Arg>>) {
    let visible = command.get_arguments().filter(|arg| is_setting(arg) && !arg.is_hide_set());
    for arg in visible.filter(|arg| arg.get_id() != "config") {
        let name = arg.get_long().unwrap_or_default().to_owned();
        settings.entry(name).or_default().push(arg.clone());
    }
    for inner in command.get_subcommands() {
        collect(inner, settings);
    }
}

fn texts(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::String(text) => Some(vec![text.clone()]),
        Value::Integer(number) => Some(vec![number.to_string()]),
        Value::Float(number) => Some(vec![number.to_string()]),
        Value::Boolean(is_on) => Some(vec![is_on.to_string()]),
        Value::Array(values) => {
            let texts =
                values.iter().map(|value| texts(value)?.pop().filter(|_| !value.is_array()));
            texts.collect()
        }
        Value::Datetime(_) | Value::Table(_) => None,
    }
}

/// Parses the values as a command line with this argument only.
fn check(argument: &Arg, name: &str, values: &[String]) -> anyhow::Result<()> {
    let alone = argument.clone().env(Resettable::Reset).conflicts_with(Resettable::Reset);
    let given = values.iter().map(|value| format!("--{name}={value}"));
    let parsed = Command::new("file").no_binary_name(true).arg(alone).try_get_matches_from(given);
    parsed.map(|_| ()).map_err(|error| {
        let text = error.to_string();
        // The rest is about the usage of the command.
        let problem = text.split("\n\n").next().unwrap_or_default();
        anyhow::anyhow!("{}", problem.trim_start_matches("error: ").replace('\n', " "))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(text: &str) -> String {
        format!("{:#}", parse(text).unwrap_err())
    }

    #[test]
    fn values_of_every_kind_are_read() {
        let text = "workers = 2\nconsole = true\notlp-sample-ratio = 0.5\n\
                    database-url = 'postgres://h/db'\napp = ['1=key', '2=key']\nlisten = ':80' # all\n";
        let found: Vec<_> = parse(text).unwrap().into_iter().collect();
        let expected = [
            ("app", &["1=key", "2=key"][..]),
            ("console", &["true"]),
            ("database-url", &["postgres://h/db"]),
            ("listen", &[":80"]),
            ("otlp-sample-ratio", &["0.5"]),
            ("workers", &["2"]),
        ];
        let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        assert_eq!(found, expected.map(|(name, values)| (name.to_owned(), owned(values))));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, words) in [
            ("sevre = 1", &["sevre is not a setting"][..]),
            ("work-ers = 1", &["work-ers", "did you mean workers?"]),
            ("history_days = 1", &["did you mean history-days?"]),
            ("config = 'other'", &["config is not a setting"]),
            ("edition = 'pro'", &["edition is not a setting"]),
            ("workers = 1000", &["--workers", "1000", "512"]),
            ("listen = 'nonsense'", &["--listen", "nonsense", "localhost:8080"]),
            ("log-format = 'fancy'", &["--log-format", "human, json"]),
            ("workers = [1, 2]", &["--workers"]),
            ("workers = {}", &["workers must be a text"]),
            ("workers = 2026-01-01", &["workers must be a text"]),
            ("workers = [[1]]", &["workers must be a text"]),
            ("[serve]\nworkers = 1", &["serve is not a setting"]),
            ("workers = 1\nworkers = 2", &["line 2"]),
            ("workers = 1\n\nlisten", &["line 3"]),
        ] {
            let found = refused(text);
            assert!(words.iter().all(|word| found.contains(word)), "{text}: {found}");
        }
    }

    #[test]
    fn no_error_shows_a_secret() {
        for text in [
            "database-url = 'postgres://me:hidden-word@h/db",
            "database-url = postgres://me:hidden-word@h/db",
            "operator-token = \"hidden-word\\q\"",
            "app = {hidden-word = 'hidden-word'}",
        ] {
            let found = refused(text);
            assert!(!found.contains("hidden-word"), "{found}");
        }
        let file = ConfigFile {
            path: PathBuf::new(),
            values: Values(parse("secret-key = 'hidden-word'").unwrap()),
        };
        assert!(!format!("{file:?}").contains("hidden-word"));
    }
}
