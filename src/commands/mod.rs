//! The commands of the program.

mod app;
mod audit;
mod confirm;
mod dev;
mod doctor;
mod epoch;
mod healthcheck;
mod migrate;
mod partitions;
mod prune;
mod serve;
mod settings;
mod shell;
mod token;
mod transfer;
mod user;
mod verify;

use std::fmt::{self, Display, Formatter};
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::audit::{COMMAND_LINE, Operator};
use crate::config::{
    Command, Config, DATABASE_SETTING, DatabaseArgs, Output, Sig, UnknownVariable,
    unknown_variables,
};
use crate::deadline::Deadline;
use crate::http::user_sig::UserSig;
use crate::service;
use crate::store::schema::{self, MigrationState, SchemaState};
use crate::store::{Database, Partitions, Store};
use crate::telemetry::Telemetry;

pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let requests = if let Command::Serve(settings) = &config.command {
        Some(&settings.requests)
    } else {
        None
    };
    let _telemetry = Telemetry::start(&config.logs.telemetry(requests))?;
    warn_of_unknown_variables();
    let output = config.output;
    match config.command {
        Command::Dev(settings) => dev::run(settings, output).await,
        Command::Serve(settings) => serve::run(settings, config.config, output).await,
        Command::Migrate(settings) => return migrate::run(&settings, output).await,
        Command::Doctor(settings) => return doctor::run(&settings, output).await,
        Command::Prune(settings) => prune::run(&settings, output).await,
        Command::Verify(settings) => verify::run(&settings, output).await,
        Command::App(settings) => app::run(settings, output).await,
        Command::User(settings) => user::run(settings, output).await,
        Command::Audit(settings) => audit::run(&settings, output).await,
        Command::Token(settings) => token::run(settings, output).await,
        Command::Export(settings) => transfer::export(&settings, output).await,
        Command::Import(settings) => transfer::import(&settings, output).await,
        Command::Compare(settings) => transfer::compare_sides(&settings, output).await,
        Command::Pull(settings) => transfer::pull(&settings, output).await,
        Command::Push(settings) => transfer::push(&settings, output).await,
        Command::Epoch(settings) => epoch::run(&settings, output).await,
        Command::Partitions(settings) => partitions::run(&settings, output).await,
        Command::Sig(settings) => sig(settings, output).await,
        Command::Healthcheck(settings) => healthcheck::run(&settings, output).await,
        Command::Settings(settings) => settings::run(&settings, output),
        Command::Completions { shell } => shell::completions(shell, output),
        Command::Man { folder } => shell::man(&folder, output),
    }?;
    Ok(ExitCode::SUCCESS)
}

/// Warns of a variable with a misspelt name, which no command reads. Logs no values, because they may be secrets.
fn warn_of_unknown_variables() {
    let names = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
    for UnknownVariable { name, nearest } in unknown_variables(names) {
        if let Some(nearest) = nearest {
            tracing::warn!("{name} is not a setting: did you mean {nearest}?");
        } else {
            tracing::warn!("{name} is not a setting: see `earmark settings`");
        }
    }
}

/// Who runs this command: the user of the operating system, since variables such as `USER` can say anything.
fn operator() -> Operator {
    let user = nix::unistd::getuid();
    let name = nix::unistd::User::from_uid(user).ok().flatten().map(|user| user.name);
    let name = name.unwrap_or_else(|| format!("user {user}"));
    Operator { name, origin: COMMAND_LINE.to_owned(), request_id: None }
}

/// How long before `now` the time was, in the largest unit that fits. Both are Unix seconds.
fn ago(time: u64, now: u64) -> String {
    let (number, unit) = match now.saturating_sub(time) {
        seconds @ 0..60 => (seconds, "second"),
        seconds @ 60..3_600 => (seconds / 60, "minute"),
        seconds @ 3_600..86_400 => (seconds / 3_600, "hour"),
        seconds => (seconds / 86_400, "day"),
    };
    format!("{number} {unit}{} ago", if number == 1 { "" } else { "s" })
}

async fn connect(settings: &DatabaseArgs) -> anyhow::Result<Partitions> {
    let shared = connect_to(&settings.database()?).await?;
    partitions(shared).await
}

/// Connects to the shared tables.
async fn connect_to(database: &Database) -> anyhow::Result<Store> {
    Store::connect(database)
        .await
        .with_context(|| format!("cannot connect to the database of {DATABASE_SETTING}"))
}

async fn partitions(shared: Store) -> anyhow::Result<Partitions> {
    Partitions::of(shared).await.context("cannot find the partitions of the database")
}

/// Fails if the schema is older than this binary needs. Warns if it is newer. Returns its version.
async fn check_schema(partitions: &Partitions) -> anyhow::Result<i64> {
    let state = schema::check_all(partitions, Deadline::of_a_request()).await;
    let state = state.context("cannot read the schema's version")?;
    match state {
        SchemaState::Current => {}
        SchemaState::Older { found, expected } => {
            let plan = schema::plan_all(partitions, Deadline::of_a_request()).await?;
            let missing = plan.iter().filter(|one| one.state == MigrationState::Pending);
            let missing: Vec<_> = missing.map(ToString::to_string).collect();
            bail!(
                "the schema is older (version {found}) than this binary (version {expected}); missing: {}; \
                 run `earmark migrate`, or start `earmark serve` with --migrate",
                missing.join(", ")
            )
        }
        SchemaState::Newer { found, expected } => tracing::warn!(
            "the schema is newer (version {found}) than this binary (version {expected}): \
             expected during a rolling upgrade, otherwise upgrade the binary"
        ),
    }
    Ok(state.versions().0)
}

#[derive(Serialize)]
struct SignedUserSig {
    user_sig: String,
}

impl Display for SignedUserSig {
    fn fmt(&self, out: &mut Formatter<'_>) -> fmt::Result {
        out.write_str(&self.user_sig)
    }
}

async fn sig(settings: Sig, output: Output) -> anyhow::Result<()> {
    let key = if let Some(key) = settings.key.secret_key()? {
        key
    } else {
        let partitions = connect(&settings.database).await?;
        check_schema(&partitions).await?;
        let store = partitions.shared();
        let app = service::load_app(store, settings.sdk_app_id, Deadline::of_a_request()).await?;
        app.with_context(|| format!("there is no app {}", settings.sdk_app_id))?.key.secret
    };
    let Sig { sdk_app_id, identifier, lifetime_s, .. } = settings;
    let user_sig = UserSig::sign(&key, sdk_app_id, &identifier, unix_now(), lifetime_s);
    output.print(&SignedUserSig { user_sig })
}

impl Output {
    /// Writes the command's result to standard output: as text that ends a line, or as a JSON document. Everything else
    /// goes to the log.
    fn print(self, result: &(impl Display + Serialize)) -> anyhow::Result<()> {
        match self {
            Self::Text => match result.to_string() {
                nothing if nothing.is_empty() => Ok(()),
                text => print(&text),
            },
            Self::Json => print(&serde_json::to_string(result)?),
        }
    }
}

/// Writes lines with a line break between them.
fn joined(out: &mut Formatter<'_>, lines: impl IntoIterator<Item = impl Display>) -> fmt::Result {
    for (number, line) in lines.into_iter().enumerate() {
        if number > 0 {
            writeln!(out)?;
        }
        write!(out, "{line}")?;
    }
    Ok(())
}

fn print(line: &str) -> anyhow::Result<()> {
    writeln!(std::io::stdout(), "{line}").context("cannot write to standard output")
}

fn unix_now() -> u64 {
    #[expect(
        clippy::disallowed_methods,
        reason = "a command runs once, and needs only the time of its start"
    )]
    let now = SystemTime::now();
    now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_the_largest_unit_that_fits() {
        for (age, text) in [
            (0, "0 seconds ago"),
            (1, "1 second ago"),
            (59, "59 seconds ago"),
            (60, "1 minute ago"),
            (3_599, "59 minutes ago"),
            (3_600, "1 hour ago"),
            (86_399, "23 hours ago"),
            (86_400, "1 day ago"),
            (1_000 * 86_400, "1000 days ago"),
        ] {
            assert_eq!(ago(2_000_000_000 - age, 2_000_000_000), text);
        }
        assert_eq!(ago(101, 100), "0 seconds ago", "the clocks of two machines differ");
    }
}
