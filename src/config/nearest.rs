//! Names of settings that somebody has misspelt.

use clap::Command;

use super::command_line::{command, is_setting};

/// How alike two names must be, from 0 to 1, so that one is offered for the other. clap uses 0.7 for flags. Our variables share
/// their first eight letters, so the same number would offer a variable for any other.
const LIKENESS_MIN: f64 = 0.8;
const PREFIX: &str = "EARMARK_";
/// Variables of `docker-compose.yml`, of which `.env` has some beside the settings.
const OF_COMPOSE: [&str; 5] =
    ["EARMARK_DB_PASSWORD", "EARMARK_TAG", "EARMARK_BIND", "EARMARK_PORT", "EARMARK_GRAFANA_PORT"];

/// The name that is most like this one, if one is like it at all.
pub(super) fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    let likeness = |other: &'n str| (strsim::jaro(name, other), other);
    let alike = names.map(likeness).filter(|(likeness, _)| *likeness >= LIKENESS_MIN);
    alike.max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, other)| other)
}

/// A variable that looks like a setting and is none.
#[derive(Debug, PartialEq, Eq)]
pub struct UnknownVariable {
    pub name: String,
    /// The setting that was probably meant.
    pub nearest: Option<String>,
}

/// The variables among these names that look like settings of this program, and are none.
pub fn unknown_variables(names: impl Iterator<Item = String>) -> Vec<UnknownVariable> {
    let mut settings = Vec::new();
    collect(&command(), &mut settings);
    let is_known =
        |name: &str| settings.iter().any(|known| known == name) || OF_COMPOSE.contains(&name);
    let unknown = names
        .filter(|name| name.starts_with(PREFIX) && !is_known(name) && !is_from_kubernetes(name));
    let described = unknown.map(|name| {
        let short = name.trim_start_matches(PREFIX);
        let known = settings.iter().filter_map(|known| known.strip_prefix(PREFIX));
        let nearest = nearest(short, known).map(|nearest| format!("{PREFIX}{nearest}"));
        UnknownVariable { name, nearest }
    });
    described.collect()
}

fn collect(command: &Command, variables: &mut Vec<String>) {
    let settings =
        command.get_arguments().filter(|arg| is_setting(arg)).filter_map(clap::Arg::get_env);
    variables.extend(settings.map(|variable| variable.display().to_string()));
    for inner in command.get_subcommands() {
        collect(inner, variables);
    }
}

/// Kubernetes gives a pod such variables for each Service of its namespace, which may be called `earmark` or `earmark-admin`:
/// `EARMARK_SERVICE_HOST`, `EARMARK_ADMIN_SERVICE_PORT_HTTP`, `EARMARK_PORT_8080_TCP_ADDR`.
fn is_from_kubernetes(name: &str) -> bool {
    name.contains("_SERVICE_HOST")
        || name.contains("_SERVICE_PORT")
        || name.ends_with("_PORT")
        || (name.contains("_PORT_") && name.contains("_TCP"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unknown(names: &[&str]) -> Vec<UnknownVariable> {
        unknown_variables(names.iter().map(|name| (*name).to_owned()))
    }

    #[test]
    fn a_misspelt_variable_is_found_with_the_nearest_setting() {
        for (name, nearest) in [
            ("EARMARK_DATABASE_ULR", Some("EARMARK_DATABASE_URL")),
            ("EARMARK_LISTEN_ADDRESS", Some("EARMARK_LISTEN")),
            ("EARMARK_LISTN", Some("EARMARK_LISTEN")),
            ("EARMARK_WORKER", Some("EARMARK_WORKERS")),
            ("EARMARK_LOGFORMAT", Some("EARMARK_LOG_FORMAT")),
            ("EARMARK_KEEPALIVE", Some("EARMARK_KEEP_ALIVE_S")),
            ("EARMARK_NONSENSE", None),
            ("EARMARK_X", None),
        ] {
            let found = unknown(&[name]);
            let expected =
                UnknownVariable { name: name.to_owned(), nearest: nearest.map(str::to_owned) };
            assert_eq!(found, [expected]);
        }
    }

    #[test]
    fn other_variables_are_left_alone() {
        let names = [
            "EARMARK_LISTEN",
            "EARMARK_APP",
            "EARMARK_CONFIG",
            "EARMARK_DB_PASSWORD",
            "EARMARK_SERVICE_HOST",
            "EARMARK_SERVICE_PORT_HTTP",
            "EARMARK_PORT",
            "EARMARK_PORT_8080_TCP_ADDR",
            "EARMARK_ADMIN_PORT",
            "EARMARKS",
            "PATH",
        ];
        assert_eq!(unknown(&names), []);
    }
}
