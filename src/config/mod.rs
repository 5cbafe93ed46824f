//! Every setting, once. The doc comments are `--help`; each flag has an environment variable beside it.

mod secret;
mod serve;
mod telemetry;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use secrecy::{ExposeSecret, SecretString};

pub use secret::KeyArgs;
use secret::given_or_read;
pub use serve::Serve;
pub use telemetry::{LogArgs, RequestLogArgs};

use crate::domain::{App, Directory, Edition, SdkAppId};
use crate::limits::LimitChange;
use crate::store::Database;

/// Conversation marks as a service: Tencent Cloud Chat's REST API on your own PostgreSQL.
///
/// Every setting is a flag and an environment variable; secrets can also be read from files.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// What to log.
    #[command(flatten)]
    pub logs: LogArgs,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything for a try-out: a PostgreSQL of its own, a demo app, the service, and a curl line to paste.
    Dev(Dev),
    /// Runs the service on your PostgreSQL.
    Serve(Serve),
    /// Brings the database's schema up to date.
    Migrate(Migrate),
    /// Looks for what must never be in the database, without changing anything; exits with 0 if there is nothing.
    Verify(DatabaseArgs),
    /// Remove conversations that have been empty for long. Run it now and then; it does not disturb the service.
    Prune(Prune),
    /// Creates and changes apps.
    App(AppArgs),
    /// Signs a UserSig.
    Sig(Sig),
    /// Asks a running service whether it is ready; exits with 0 if so. For images without a shell.
    Healthcheck(Healthcheck),
    /// Prints all settings as a table, in Markdown.
    Settings,
}

/// The setting that says where the database is, for messages.
pub const DATABASE_SETTING: &str = "--database-url / EARMARK_DATABASE_URL";

/// Where the database is.
#[derive(Debug, Clone, Args)]
pub struct DatabaseArgs {
    /// The database, as `postgres://user:password@host:5432/name?sslmode=verify-full`. What is left out comes from
    /// libpq's own variables (PGHOST, PGPASSWORD, PGSSLMODE and so on).
    #[arg(
        long = "database-url",
        env = "EARMARK_DATABASE_URL",
        global = true,
        hide_env_values = true,
        value_name = "URL"
    )]
    url: Option<SecretString>,

    /// A file that holds the database URL.
    #[arg(
        long = "database-url-file",
        env = "EARMARK_DATABASE_URL_FILE",
        global = true,
        value_name = "FILE"
    )]
    url_file: Option<PathBuf>,

    /// Most connections to the database at once. `serve` gives each of its workers an equal part; 0 = 10, or three
    /// for each worker if that is more.
    #[arg(
        long = "database-connections",
        env = "EARMARK_DATABASE_CONNECTIONS",
        global = true,
        default_value_t = 0,
        value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(0..=10_000)
    )]
    connections: u32,

    /// Keep prepared statements on their connection. Set to false behind PgBouncer in transaction mode.
    #[arg(
        long = "database-statement-cache",
        env = "EARMARK_DATABASE_STATEMENT_CACHE",
        global = true,
        default_value_t = true,
        action = clap::ArgAction::Set,
        value_name = "BOOL"
    )]
    statement_cache: bool,
}

impl DatabaseArgs {
    /// The database that these settings describe.
    pub fn database(&self) -> anyhow::Result<Database> {
        let setting = DATABASE_SETTING;
        let url = given_or_read(self.url.as_ref(), self.url_file.as_deref())
            .context("--database-url-file / EARMARK_DATABASE_URL_FILE")?
            .with_context(|| format!("{setting} is missing"))?;
        let database = Database::from_url(url.expose_secret())
            .map_err(|problem| anyhow::anyhow!("{setting} {problem}"))?;
        let connections = if self.connections == 0 { CONNECTIONS } else { self.connections };
        Ok(database.connections(connections).statement_cache(self.statement_cache))
    }
}

/// Connections to the database, where nobody says how many.
const CONNECTIONS: u32 = 10;

/// The service for a try-out.
#[derive(Debug, Args)]
pub struct Dev {
    /// Where everything is kept: the database, its log, the demo app's secret key.
    #[arg(long, env = "EARMARK_DATA", default_value = "data", value_name = "FOLDER")]
    pub data: PathBuf,

    /// Where to listen.
    #[arg(long, env = "EARMARK_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// The folder with PostgreSQL's programs (15 or newer). Looked for when not given.
    #[arg(long, env = "EARMARK_PG_BIN", value_name = "FOLDER")]
    pub pg_bin: Option<PathBuf>,
}

/// Bringing the schema up to date.
#[derive(Debug, Args)]
pub struct Migrate {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Print what would run, and change nothing. Exits with 0 if the schema is up to date, with 3 if not.
    #[arg(long)]
    pub plan: bool,
}

/// Removing empty conversations.
#[derive(Debug, Args)]
pub struct Prune {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// For how many days conversations stay stored after they have become empty.
    #[arg(long, env = "EARMARK_HISTORY_DAYS", default_value_t = HISTORY_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    history_days: u32,
}

impl Prune {
    /// For how long empty conversations stay stored.
    #[must_use]
    pub fn history(&self) -> Duration {
        days(self.history_days)
    }
}

/// For how many days empty conversations stay stored by default.
const HISTORY_DAYS: u32 = 30;

fn days(number: u32) -> Duration {
    Duration::from_hours(u64::from(number) * 24)
}

/// Creating and changing apps.
#[derive(Debug, Args)]
pub struct AppArgs {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// What to do.
    #[command(subcommand)]
    pub command: AppCommand,
}

/// What can be done with apps.
#[derive(Debug, Subcommand)]
pub enum AppCommand {
    /// Adds an app and prints it; prints its secret key when that was made here.
    Create {
        /// The app's number.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// What it may write: `trial`, `standard`, `pro`, `pro_plus`, `enterprise` or `premium` (the default).
        #[arg(long)]
        edition: Option<Edition>,
        /// Who must have been imported: nobody (`open`), the user (`owners`, the default), or the other end too
        /// (`strict`).
        #[arg(long)]
        directory: Option<Directory>,
        /// Who may call; can be given several times. `administrator` if nobody is named.
        #[arg(long = "admin", value_name = "IDENTIFIER", value_parser = App::check_admin)]
        admins: Vec<String>,
        /// The secret key.
        #[command(flatten)]
        key: KeyArgs,
        /// A limit to change, as NAME=NUMBER; can be given several times. `app show` names them.
        #[arg(long = "limit", value_name = "NAME=NUMBER")]
        limits: Vec<LimitChange>,
    },
    /// Lists all apps.
    List,
    /// Shows one app, without its keys.
    Show {
        /// The app's number.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
    },
    /// Changes an app's edition, directory mode or limits.
    Set {
        /// The app's number.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// What it may write: `trial`, `standard`, `pro`, `pro_plus`, `enterprise` or `premium`.
        #[arg(long)]
        edition: Option<Edition>,
        /// Who must have been imported: nobody (`open`), the user (`owners`), or the other end too (`strict`).
        #[arg(long)]
        directory: Option<Directory>,
        /// A limit to change, as NAME=NUMBER; can be given several times. `app show` names them.
        #[arg(long = "limit", value_name = "NAME=NUMBER")]
        limits: Vec<LimitChange>,
    },
    /// Gives an app a new secret key, and prints it when it was made here. The one before stays good until `--retire`.
    RotateKey {
        /// The app's number.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// The new secret key.
        #[command(flatten)]
        key: KeyArgs,
        /// Make no new key: end the one before the last rotation instead.
        #[arg(long, conflicts_with_all = ["secret_key", "secret_key_file"])]
        retire: bool,
    },
    /// Lets one more identifier call.
    AddAdmin {
        /// The app's number.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// Who.
        #[arg(value_parser = App::check_admin)]
        identifier: String,
    },
    /// Lets an identifier call no more.
    RemoveAdmin {
        /// The app's number.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// Who.
        #[arg(value_parser = App::check_admin)]
        identifier: String,
    },
    /// Refuses all calls of an app (60016) until it is enabled again.
    Disable {
        /// The app's number.
        #[arg(value_name = "SDKAPPID")]
        sdk_app_id: SdkAppId,
        /// Enable it again.
        #[arg(long)]
        undo: bool,
    },
}

/// Signing a UserSig.
#[derive(Debug, Args)]
pub struct Sig {
    /// The app's number.
    #[arg(value_name = "SDKAPPID")]
    pub sdk_app_id: SdkAppId,

    /// Whose UserSig.
    #[arg(long, default_value = "administrator", value_parser = App::check_admin)]
    pub identifier: String,

    /// How long it is good, in seconds.
    #[arg(long, default_value_t = 180 * 24 * 3600, value_name = "SECONDS")]
    pub lifetime_s: u64,

    /// The secret key; taken from the database when not given.
    #[command(flatten)]
    pub key: KeyArgs,

    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,
}

/// Asking a running service.
#[derive(Debug, Args)]
pub struct Healthcheck {
    /// The service's readiness page, on its admin listener.
    #[arg(
        long,
        env = "EARMARK_HEALTHCHECK_URL",
        default_value = "http://127.0.0.1:8081/readyz",
        value_name = "URL"
    )]
    pub url: String,
}
