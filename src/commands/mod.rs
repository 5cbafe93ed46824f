//! The commands of the program.

mod app;
mod confirm;
mod dev;
mod doctor;
mod epoch;
mod healthcheck;
mod migrate;
mod prune;
mod serve;
mod settings;
mod transfer;
mod user;
mod verify;

use std::fmt::{self, Display, Formatter};
use std::io::Write;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, bail};
use serde::Serialize;

use crate::config::{Command, Config, DATABASE_SETTING, DatabaseArgs, Output, Sig};
use crate::deadline::Deadline;
use crate::http::user_sig::UserSig;
use crate::service;
use crate::store::schema::{self, MigrationState, SchemaState};
use crate::store::{Database, Store};
use crate::telemetry::Telemetry;

pub async fn run(config: Config) -> anyhow::Result<ExitCode> {
    let requests = if let Command::Serve(settings) = &config.command {
        Some(&settings.requests)
    } else {
        None
    };
    let _telemetry = Telemetry::start(&config.logs.telemetry(requests))?;
    let output = config.output;
    match config.command {
        Command::Dev(_) | Command::Serve(_) | Command::Healthcheck(_) if output == Output::Json => {
            bail!("--output json: this command has no result to print")
        }
        Command::Dev(settings) => dev::run(settings).await,
        Command::Serve(settings) => serve::run(settings).await,
        Command::Migrate(settings) => return migrate::run(&settings, output).await,
        Command::Doctor(settings) => return doctor::run(&settings, output).await,
        Command::Prune(settings) => prune::run(&settings, output).await,
        Command::Verify(settings) => verify::run(&settings, output).await,
        Command::App(settings) => app::run(settings, output).await,
        Command::User(settings) => user::run(settings, output).await,
        Command::Export(settings) => transfer::export(&settings, output).await,
        Command::Import(settings) => transfer::import(&settings, output).await,
        Command::Compare(settings) => transfer::compare_sides(&settings, output).await,
        Command::Pull(settings) => transfer::pull(&settings, output).await,
        Command::Push(settings) => transfer::push(&settings, output).await,
        Command::Epoch(settings) => epoch::run(&settings, output).await,
        Command::Sig(settings) => sig(settings, output).await,
        Command::Healthcheck(settings) => healthcheck::run(&settings).await,
        Command::Settings => settings::run(output),
    }?;
    Ok(ExitCode::SUCCESS)
}

async fn connect(settings: &DatabaseArgs) -> anyhow::Result<Store> {
    connect_to(&settings.database()?).await
}

async fn connect_to(database: &Database) -> anyhow::Result<Store> {
    Store::connect(database)
        .await
        .with_context(|| format!("cannot connect to the database of {DATABASE_SETTING}"))
}

/// Fails if the schema is older than this binary needs. Warns if it is newer.
async fn check_schema(store: &Store) -> anyhow::Result<()> {
    match schema::check(store, Deadline::of_a_request())
        .await
        .context("cannot read the schema's version")?
    {
        SchemaState::Current => {}
        SchemaState::Older { found, expected } => {
            let plan = schema::plan(store, Deadline::of_a_request()).await?;
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
    Ok(())
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
        let store = connect(&settings.database).await?;
        check_schema(&store).await?;
        let app = service::load_app(&store, settings.sdk_app_id, Deadline::of_a_request()).await?;
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
