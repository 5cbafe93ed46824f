//! All settings. The doc comments are the text of `--help`, and each flag has an environment variable.

mod app;
mod dev;
mod epoch;
mod secret;
mod serve;
mod telemetry;
mod transfer;
mod user;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

pub use app::{AppArgs, AppCommand, AppSettingArgs};
pub use dev::Dev;
pub use epoch::{EpochArgs, EpochCommand};
pub use secret::KeyArgs;
use secret::given_or_read;
pub use serve::Serve;
pub use telemetry::{LogArgs, RequestLogArgs};
pub use transfer::{CompareArgs, ExportArgs, ImportArgs, PullArgs, PushArgs};
pub use user::{UserArgs, UserCommand};

use crate::domain::{App, SdkAppId};
use crate::store::Database;
use crate::store::schema::LOCK_WAIT;

/// Conversation marks as a service: Tencent Cloud Chat's REST API on your own PostgreSQL.
///
/// Every setting is a flag and an environment variable; secrets can also be read from files.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Config {
    #[command(subcommand)]
    pub command: Command,

    #[command(flatten)]
    pub logs: LogArgs,

    /// The format of a command's result on standard output. `json` is one document per run.
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT")]
    pub output: Output,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything for a trial: a private PostgreSQL, a demo app, the service, and a curl command to paste.
    Dev(Dev),
    /// Runs the service on your PostgreSQL.
    Serve(Serve),
    /// Brings the database's schema up to date.
    Migrate(Migrate),
    /// Checks that the database is consistent, and changes nothing. Exits with 0 if it is.
    Verify(DatabaseArgs),
    /// Checks the database and its settings, and says what to do. Changes nothing. Exits with 0 if the service can run on
    /// it, also if there are warnings, and with 1 if not.
    Doctor(Doctor),
    /// Removes conversations that have been empty for a long time. Run it from time to time, also while the service runs.
    Prune(Prune),
    /// Creates, changes, resets and deletes apps.
    App(AppArgs),
    /// Shows, exports or erases a user of an app.
    User(UserArgs),
    /// Writes an app, with all users and their state, as lines of JSON. Secret keys and settings are not in it.
    Export(ExportArgs),
    /// Stores such lines in an app. What is stored already is left alone, so it can be run again. Exits with 0 if everything
    /// was imported.
    Import(ImportArgs),
    /// Lists the differences between two exports, or between one and the database. Exits with 0 if there are none.
    Compare(CompareArgs),
    /// Reads users from Tencent Cloud Chat, or from another service with its API, into a file that `import` reads. Exits with 0
    /// if no user is missing.
    Pull(PullArgs),
    /// Makes users of Tencent Cloud Chat, or of another service with its API, the same as those of a file. Exits with 0 if
    /// nothing is missing.
    Push(PushArgs),
    /// Shows or ends the epoch of the database. Cursors of the native API end with their epoch.
    Epoch(EpochArgs),
    /// Signs a UserSig.
    Sig(Sig),
    /// Asks a running service whether it is ready. Exits with 0 if it is. For images without a shell.
    Healthcheck(Healthcheck),
    /// Prints all settings as a Markdown table.
    Settings,
}

/// The name of the setting in messages.
pub const DATABASE_SETTING: &str = "--database-url / EARMARK_DATABASE_URL";

#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// The database, as `postgres://user:password@host:5432/name?sslmode=verify-full`. Parts that are left out come from
    /// the variables of libpq (PGHOST, PGPASSWORD, PGSSLMODE and so on).
    #[arg(
        long = "database-url",
        env = "EARMARK_DATABASE_URL",
        global = true,
        hide_env_values = true,
        value_name = "URL"
    )]
    url: Option<SecretString>,

    /// A file that contains the database URL. It is read again for each new connection, so a changed password needs no
    /// restart.
    #[arg(
        long = "database-url-file",
        env = "EARMARK_DATABASE_URL_FILE",
        global = true,
        value_name = "FILE"
    )]
    url_file: Option<PathBuf>,

    /// Maximum number of connections to the database. `serve` divides them equally among its workers. 0 means three for
    /// each worker, but at least 10 and at most 32. `serve` opens up to 5 more: 4 for health checks and operators, and 1 to
    /// end sessions that did not answer in time.
    #[arg(
        long = "database-connections",
        env = "EARMARK_DATABASE_CONNECTIONS",
        global = true,
        default_value_t = 0,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(0..=10_000)
    )]
    connections: u32,

    /// Keep prepared statements on each connection. Set to false behind PgBouncer in transaction mode.
    #[arg(
        long = "database-statement-cache",
        env = "EARMARK_DATABASE_STATEMENT_CACHE",
        global = true,
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOL"
    )]
    statement_cache: bool,

    /// Accept a database whose `fsync` or `full_page_writes` is off. If it crashes, it may lose acknowledged writes, unless
    /// its storage keeps them in another way.
    #[arg(long = "allow-unsafe-database", env = "EARMARK_ALLOW_UNSAFE_DATABASE", global = true)]
    allow_unsafe: bool,

    /// End the cursors of the native API when a standby was promoted, since it may lack changes that clients have seen. Turn
    /// it off only if every standby that may be promoted is synchronous. A restored backup may look like a promoted
    /// standby, so run `earmark epoch bump` after each restore then.
    #[arg(
        long = "epoch-after-failover",
        env = "EARMARK_EPOCH_AFTER_FAILOVER",
        global = true,
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_parser = clap::builder::BoolishValueParser::new(),
        value_name = "BOOL"
    )]
    epoch_after_failover: bool,
}

impl DatabaseArgs {
    pub fn database(&self) -> anyhow::Result<Database> {
        let setting = DATABASE_SETTING;
        let url = given_or_read(self.url.as_ref(), self.url_file.as_deref())
            .context("--database-url-file / EARMARK_DATABASE_URL_FILE")?
            .with_context(|| format!("{setting} is missing"))?;
        let mut database = Database::from_url(url.expose_secret())
            .map_err(|problem| anyhow::anyhow!("{setting} {problem}"))?;
        if let Some(file) = self.url_file.clone().filter(|file| !file.as_os_str().is_empty()) {
            database = database.url_file(file);
        }
        let connections = if self.connections == 0 { CONNECTIONS } else { self.connections };
        Ok(database
            .connections(connections)
            .statement_cache(self.statement_cache)
            .allow_unsafe(self.allow_unsafe)
            .epoch_after_failover(self.epoch_after_failover))
    }
}

/// Default number of connections to the database.
const CONNECTIONS: u32 = 10;

#[derive(Debug, Args)]
pub struct Migrate {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Print which migrations would run, which locks they take and who holds these locks now, and change nothing. Exits
    /// with 0 if the schema is up to date, with 3 if not.
    #[arg(long)]
    pub plan: bool,

    #[command(flatten)]
    pub lock_wait: LockWaitArgs,
}

#[derive(Debug, Args)]
pub struct LockWaitArgs {
    /// How long a migration keeps trying to get a lock, in seconds. Each try is short, so that the service can read and
    /// write meanwhile.
    #[arg(long, env = "EARMARK_LOCK_WAIT_S", default_value_t = LOCK_WAIT.as_secs(), value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    lock_wait_s: u64,
}

impl LockWaitArgs {
    #[must_use]
    pub fn time(&self) -> Duration {
        Duration::from_secs(self.lock_wait_s)
    }
}

#[derive(Debug, Args)]
pub struct Doctor {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Also compare each index with its table. Needs the extension amcheck, and reads all of both.
    #[arg(long)]
    pub indexes: bool,
}

#[derive(Debug, Args)]
pub struct Prune {
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// For how many days to keep a conversation after its last mark, contact group and pin were removed.
    #[arg(long, env = "EARMARK_HISTORY_DAYS", default_value_t = HISTORY_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    history_days: u32,
}

impl Prune {
    #[must_use]
    pub fn history(&self) -> Duration {
        days(self.history_days)
    }
}

/// Default of `--history-days`.
const HISTORY_DAYS: u32 = 30;

/// Default of `--feed-retention-days`.
const FEED_RETENTION_DAYS: u32 = 7;

fn days(number: u32) -> Duration {
    Duration::from_hours(u64::from(number) * 24)
}

#[derive(Debug, Args)]
pub struct Sig {
    /// The number of the app.
    #[arg(value_name = "SDKAPPID")]
    pub sdk_app_id: SdkAppId,

    /// The user that the UserSig is for.
    #[arg(long, default_value = "administrator", value_parser = App::check_admin)]
    pub identifier: String,

    /// How long the UserSig is valid, in seconds.
    #[arg(long, default_value_t = 180 * 24 * 3600, value_name = "SECONDS")]
    pub lifetime_s: u64,

    /// Without a key, the command takes the key of the app from the database.
    #[command(flatten)]
    pub key: KeyArgs,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The URL of the service's /readyz, on its admin listener.
    #[arg(
        long,
        env = "EARMARK_HEALTHCHECK_URL",
        default_value = "http://127.0.0.1:8081/readyz",
        value_name = "URL"
    )]
    pub url: String,
}
