//! All settings. The doc comments are the text of `--help`, and each flag has an environment variable.

mod app;
mod audit;
mod command_line;
mod dev;
mod doctor;
mod epoch;
mod examples;
mod file;
mod listen;
mod nearest;
mod partitions;
mod prune;
mod secret;
mod serve;
mod sig;
mod telemetry;
mod token;
mod transfer;
mod user;

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use secrecy::{ExposeSecret, SecretString};

pub use app::{AppArgs, AppCommand, AppSettingArgs};
pub use audit::AuditArgs;
pub use command_line::{EffectiveSetting, Source, command, effective, is_setting};
pub use dev::Dev;
pub use doctor::Doctor;
pub use epoch::{EpochArgs, EpochCommand};
use file::ConfigFile;
pub use nearest::{UnknownVariable, unknown_variables};
pub use partitions::{PartitionsArgs, PartitionsCommand};
pub use prune::Prune;
pub use secret::KeyArgs;
use secret::given_or_read;
pub use serve::Serve;
pub use sig::Sig;
pub use telemetry::{LogArgs, RequestLogArgs};
pub use token::{TokenArgs, TokenCommand};
pub use transfer::{CompareArgs, ExportArgs, ImportArgs, PullArgs, PushArgs};
pub use user::{UserArgs, UserCommand};

use crate::domain::PARTITIONS_MAX;
use crate::store::schema::LOCK_WAIT;
use crate::store::{Database, Route};

/// Stores what each user of a chat product notes about conversations: stars, unread flags, folders and pins. The data is in
/// your PostgreSQL.
///
/// Every setting is a flag, an environment variable and a line of the configuration file. Secrets can also be read from files of
/// their own.
#[derive(Debug, Parser)]
#[command(version, long_version = long_version(), after_help = examples::EARMARK)]
pub struct Config {
    #[command(subcommand)]
    pub command: Command,

    #[command(flatten)]
    pub logs: LogArgs,

    /// The format of a command's result on standard output. `json` is one document per run.
    #[arg(long, global = true, default_value = "text", value_name = "FORMAT", help_heading = LOGS)]
    pub output: Output,

    /// A file with settings in TOML, under the names of their flags: `log-format = "json"`. A flag and an environment variable
    /// win against it.
    #[arg(long, env = "EARMARK_CONFIG", global = true, value_name = "FILE", help_heading = LOGS)]
    pub config: Option<PathBuf>,
}

pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The commit that the program was built from. A release names it; a build by hand does not, because each commit would compile
/// everything again.
pub const COMMIT: &str = match option_env!("SOURCE_COMMIT") {
    Some(commit) => commit,
    None => "unknown",
};

fn long_version() -> String {
    format!("{VERSION}, commit {COMMIT}")
}

/// The headings of settings that several commands share.
const LOGS: &str = "Output, logs and configuration";
const DATABASE: &str = "Database";

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Output {
    Text,
    Json,
}

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything for a trial: a private PostgreSQL, a demo app, the service, and a curl command to paste.
    #[command(after_help = examples::DEV)]
    Dev(Dev),
    /// Runs the service on your PostgreSQL.
    #[command(after_help = examples::SERVE)]
    Serve(Serve),
    /// Brings the database's schema up to date.
    #[command(after_help = examples::MIGRATE)]
    Migrate(Migrate),
    /// Checks that the database is consistent, and changes nothing. Exits with 0 if it is.
    #[command(after_help = examples::VERIFY)]
    Verify(DatabaseArgs),
    /// Checks the database and its settings, and says what to do. Changes nothing. Exits with 0 if the service can run on
    /// it, also if there are warnings, and with 1 if not.
    #[command(after_help = examples::DOCTOR)]
    Doctor(Doctor),
    /// Removes conversations that have been empty for a long time, and old entries of the audit trail. Run it from time to time,
    /// also while the service runs.
    #[command(after_help = examples::PRUNE)]
    Prune(Prune),
    /// Creates, changes, resets and deletes apps.
    #[command(after_help = examples::APP)]
    App(AppArgs),
    /// Shows, exports or erases a user of an app.
    #[command(after_help = examples::USER)]
    User(UserArgs),
    /// Lists what operators have changed, newest first: who, from where, what was before, and what is after.
    #[command(after_help = examples::AUDIT)]
    Audit(AuditArgs),
    /// Creates, lists and revokes the tokens of operators for the admin API.
    #[command(after_help = examples::TOKEN)]
    Token(TokenArgs),
    /// Writes an app, with all users and their state, as lines of JSON. Secret keys and settings are not in it.
    #[command(after_help = examples::EXPORT)]
    Export(ExportArgs),
    /// Stores such lines in an app. What is stored already is left alone, so it can be run again. Exits with 0 if everything
    /// was imported.
    #[command(after_help = examples::IMPORT)]
    Import(ImportArgs),
    /// Lists the differences between two exports, or between one and the database. Exits with 0 if there are none.
    #[command(after_help = examples::COMPARE)]
    Compare(CompareArgs),
    /// Reads users from Tencent Cloud Chat, or from another service with its API, into a file that `import` reads. Exits with 0
    /// if no user is missing.
    #[command(after_help = examples::PULL)]
    Pull(PullArgs),
    /// Makes users of Tencent Cloud Chat, or of another service with its API, the same as those of a file. Exits with 0 if
    /// nothing is missing.
    #[command(after_help = examples::PUSH)]
    Push(PushArgs),
    /// Shows or ends the epoch of the database. Cursors of the native API end with their epoch.
    #[command(after_help = examples::EPOCH)]
    Epoch(EpochArgs),
    /// Lists, checks and moves the partitions of the database.
    #[command(after_help = examples::PARTITIONS)]
    Partitions(PartitionsArgs),
    /// Signs a UserSig.
    #[command(after_help = examples::SIG)]
    Sig(Sig),
    /// Asks a running service whether it is ready. Exits with 0 if it is. For images without a shell.
    #[command(after_help = examples::HEALTHCHECK)]
    Healthcheck(Healthcheck),
    /// Prints all settings as a Markdown table, or the settings that a command would use and where each comes from.
    #[command(after_help = examples::SETTINGS)]
    Settings(SettingsArgs),
    /// Prints a script that completes commands and flags in a shell.
    #[command(after_help = examples::COMPLETIONS)]
    Completions {
        /// The shell.
        shell: Shell,
    },
    /// Writes manual pages: one for the program, and one for each command.
    #[command(after_help = examples::MAN)]
    Man {
        /// The folder for the pages, which must exist.
        #[arg(value_name = "FOLDER")]
        folder: PathBuf,
    },
}

#[derive(Debug, Args)]
pub struct SettingsArgs {
    /// Print each setting of a command with its value, and whether a flag, a variable, the configuration file or the default
    /// gives it. Shows no secret.
    #[arg(long)]
    pub effective: bool,

    /// The command with its arguments; `serve` by default.
    #[arg(requires = "effective", last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// The name of the setting in messages.
pub const DATABASE_SETTING: &str = "--database-url / EARMARK_DATABASE_URL";

#[derive(Debug, Clone, Args)]
#[command(next_help_heading = DATABASE)]
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
        value_parser = clap::builder::BoolishValueParser::new(),
        hide_possible_values = true,
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
        hide_possible_values = true,
        value_name = "BOOL"
    )]
    epoch_after_failover: bool,

    /// A JSON file that says on which servers partitions are, for several PostgreSQL servers without Citus:
    /// `{"0-1": "postgres://…", "2-3": "postgres://…"}`. The others are in the database of the URL. It is read again for each
    /// new connection.
    #[arg(
        long = "partition-map",
        env = "EARMARK_PARTITION_MAP",
        global = true,
        value_name = "FILE"
    )]
    partition_map: Option<PathBuf>,

    /// With Citus: connect to the server that has the partition (`direct`), or let the coordinator forward the statements
    /// (`coordinator`), where the service cannot reach the other servers. That costs the coordinator processor time. Without
    /// Citus, this changes nothing.
    #[arg(
        long = "partition-route",
        env = "EARMARK_PARTITION_ROUTE",
        global = true,
        value_enum,
        default_value_t = PartitionRoute::Direct,
        value_name = "ROUTE"
    )]
    partition_route: PartitionRoute,
}

#[derive(Debug, Clone, Copy, clap::ValueEnum)]
enum PartitionRoute {
    Direct,
    Coordinator,
}

impl From<PartitionRoute> for Route {
    fn from(route: PartitionRoute) -> Self {
        match route {
            PartitionRoute::Direct => Self::Direct,
            PartitionRoute::Coordinator => Self::Coordinator,
        }
    }
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
        if let Some(file) = self.partition_map.clone().filter(|file| !file.as_os_str().is_empty()) {
            database = database.partition_map(file);
        }
        let connections = if self.connections == 0 { CONNECTIONS } else { self.connections };
        Ok(database
            .connections(connections)
            .statement_cache(self.statement_cache)
            .allow_unsafe(self.allow_unsafe)
            .epoch_after_failover(self.epoch_after_failover)
            .route(self.partition_route.into()))
    }
}

/// Default number of connections to the database.
const CONNECTIONS: u32 = 10;

#[derive(Debug, Args)]
pub struct Migrate {
    /// Print which migrations would run, which locks they take and who holds these locks now, and change nothing. Exits
    /// with 0 if the schema is up to date, with 3 if not.
    #[arg(long)]
    pub plan: bool,

    #[command(flatten)]
    pub migration: MigrationArgs,

    #[command(flatten)]
    pub database: DatabaseArgs,
}

#[derive(Debug, Clone, Copy, Args)]
pub struct MigrationArgs {
    /// How long a migration keeps trying to get a lock, in seconds. Each try is short, so that the service can read and
    /// write meanwhile.
    #[arg(long, env = "EARMARK_LOCK_WAIT_S", default_value_t = LOCK_WAIT.as_secs(), value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=86_400))]
    lock_wait_s: u64,

    /// How many partitions a new database is divided into: schemas that may be on different servers. It is chosen before the
    /// first app is created. Without it, a new database has one, and another keeps what it has.
    #[arg(long, env = "EARMARK_PARTITIONS", value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=i64::from(PARTITIONS_MAX)))]
    pub partitions: Option<u16>,
}

impl MigrationArgs {
    #[must_use]
    pub fn lock_wait(&self) -> Duration {
        Duration::from_secs(self.lock_wait_s)
    }
}

/// Default of `--history-days`.
const HISTORY_DAYS: u32 = 30;

/// Default of `--feed-retention-days`.
const FEED_RETENTION_DAYS: u32 = 7;

/// Default of `--audit-days`.
const AUDIT_DAYS: u32 = 400;

fn days(number: u32) -> Duration {
    Duration::from_hours(u64::from(number) * 24)
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
