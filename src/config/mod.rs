//! Every setting, once. The doc comments are `--help`; each flag has an environment variable beside it.

mod secret;

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;

use anyhow::Context;
use clap::{Args, Parser, Subcommand, ValueEnum};

pub use secret::KeyArgs;
use secret::{Secret, secret};

use crate::domain::{App, Directory, Edition, SdkAppId};
use crate::http::{OperatorToken, Operators};
use crate::limits::LimitChange;
use crate::service;
use crate::store::Database;
use crate::telemetry::LogFormat;

/// Conversation marks as a service: Tencent Cloud Chat's REST API on your own PostgreSQL.
///
/// Every setting is a flag and an environment variable; secrets can also be read from files.
#[derive(Debug, Parser)]
#[command(version, about)]
pub struct Config {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,

    /// What to log: a level (error, warn, info, debug, trace), or targets with levels as in `earmark=debug,sqlx=warn`.
    #[arg(
        long,
        global = true,
        env = "EARMARK_LOG",
        default_value = "info,actix_server=warn,actix_http=off,refinery_core=warn",
        value_name = "FILTER"
    )]
    pub log: String,

    /// How log lines look.
    #[arg(long, global = true, env = "EARMARK_LOG_FORMAT", default_value = "human", value_enum)]
    pub log_format: LogFormat,
}

/// What the program can do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Runs everything for a try-out: a PostgreSQL of its own, a demo app, the service, and a curl line to paste.
    Dev(Dev),
    /// Runs the service on your PostgreSQL.
    Serve(Serve),
    /// Brings the database's schema up to date.
    Migrate(DatabaseArgs),
    /// Creates and changes apps.
    App(AppArgs),
    /// Signs a UserSig.
    Sig(Sig),
    /// Asks a running service whether it is ready; exits with 0 if so. For images without a shell.
    Healthcheck(Healthcheck),
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
    url: Option<Secret>,

    /// A file that holds the database URL.
    #[arg(
        long = "database-url-file",
        env = "EARMARK_DATABASE_URL_FILE",
        global = true,
        value_name = "FILE"
    )]
    url_file: Option<PathBuf>,

    /// Most connections to the database at once. `serve` gives each of its workers an equal part; 0 = 10, or as many
    /// as give each worker two besides its lanes.
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
        let url = secret(self.url.as_ref(), self.url_file.as_deref())
            .context("--database-url-file / EARMARK_DATABASE_URL_FILE")?
            .with_context(|| format!("{setting} is missing"))?;
        let database =
            Database::from_url(&url).map_err(|problem| anyhow::anyhow!("{setting} {problem}"))?;
        let connections = if self.connections == 0 { CONNECTIONS } else { self.connections };
        Ok(database.connections(connections).statement_cache(self.statement_cache))
    }
}

/// Connections to the database, where nobody says how many.
const CONNECTIONS: u32 = 10;

impl Serve {
    /// Who may use the admin API.
    pub fn operators(&self) -> anyhow::Result<Operators> {
        let token = secret(self.operator_token.as_ref(), self.operator_token_file.as_deref())
            .context("--operator-token-file / EARMARK_OPERATOR_TOKEN_FILE")?;
        let Some(token) = token else { return Ok(Operators::Nobody) };
        let token = OperatorToken::parse(&token).map_err(|problem| {
            anyhow::anyhow!("--operator-token / EARMARK_OPERATOR_TOKEN {problem}")
        })?;
        Ok(Operators::WithToken(token))
    }

    /// How writes come to their transactions.
    #[must_use]
    pub fn write_mode(&self) -> service::WriteMode {
        match self.write_mode {
            WriteMode::Single => service::WriteMode::Single,
            WriteMode::Shared => service::WriteMode::Shared { lanes: self.write_lanes.into() },
        }
    }

    /// Threads that read requests and write answers, each with a part of the connections.
    #[must_use]
    pub fn workers(&self) -> usize {
        match self.workers {
            0 => available_parallelism().map_or(1, Into::into),
            number => number.into(),
        }
    }

    /// The database, with connections for all workers: each of a worker's lanes keeps one, and one must be left for
    /// everything else.
    pub fn database(&self) -> anyhow::Result<Database> {
        let database = self.database.database()?;
        let workers = u32::try_from(self.workers()).unwrap_or(u32::MAX);
        let lanes = u32::from(self.write_lanes);
        let needed = workers.saturating_mul(lanes + 1);
        match self.database.connections {
            0 => Ok(database.connections(CONNECTIONS.max(needed + workers))),
            given if given >= needed => Ok(database),
            given => anyhow::bail!(
                "--database-connections / EARMARK_DATABASE_CONNECTIONS is {given}, must be at least {needed}: for each \
                 of {workers} workers (--workers / EARMARK_WORKERS) one more than its {lanes} lanes \
                 (--write-lanes / EARMARK_WRITE_LANES)"
            ),
        }
    }
}

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

/// The service.
#[derive(Debug, Args)]
pub struct Serve {
    /// The database.
    #[command(flatten)]
    pub database: DatabaseArgs,

    /// Where to listen.
    #[arg(long, env = "EARMARK_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS")]
    pub listen: SocketAddr,

    /// Where to answer /livez, /readyz and /metrics, always over plain HTTP.
    #[arg(
        long,
        env = "EARMARK_ADMIN_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS"
    )]
    pub admin_listen: SocketAddr,

    /// The token that operators show to the admin API, /admin/v1. Better in a file: flags can be seen by others on the
    /// machine. Without a token there is no admin API.
    #[arg(long, env = "EARMARK_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    operator_token: Option<Secret>,

    /// A file that holds the operators' token.
    #[arg(long, env = "EARMARK_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    operator_token_file: Option<PathBuf>,

    /// Serve the console at /console, on the API's address; with the admin API beside it, if there is a token.
    #[arg(long, env = "EARMARK_CONSOLE")]
    pub console: bool,

    /// Bring the schema up to date first.
    #[arg(long, env = "EARMARK_MIGRATE")]
    pub migrate: bool,

    /// A PEM file with the certificate chain; makes it https.
    #[arg(long, env = "EARMARK_TLS_CERT", value_name = "FILE", requires = "tls_key")]
    pub tls_cert: Option<PathBuf>,

    /// A PEM file with the certificate's key.
    #[arg(long, env = "EARMARK_TLS_KEY", value_name = "FILE", requires = "tls_cert")]
    pub tls_key: Option<PathBuf>,

    /// Serve https with a certificate made at start. For tests: no client knows it.
    #[arg(long, env = "EARMARK_TLS_SELF_SIGNED", conflicts_with = "tls_cert")]
    pub tls_self_signed: bool,

    /// Whether writes that wait at the same time share a transaction, or each request has its own. The latter is for
    /// comparison.
    #[arg(long, env = "EARMARK_WRITE_MODE", default_value = "shared", value_enum)]
    pub write_mode: WriteMode,

    /// Shared transactions of a worker that are under way at the same time. Each keeps a connection.
    #[arg(long, env = "EARMARK_WRITE_LANES", default_value_t = 1, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(1..=64))]
    pub write_lanes: u16,

    /// Threads that read requests, commit writes and write answers; 0 = one per processor.
    #[arg(long, env = "EARMARK_WORKERS", default_value_t = 0, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(0..=512))]
    pub workers: u16,

    /// How long requests in flight may take after a signal to stop, in seconds.
    #[arg(long, env = "EARMARK_SHUTDOWN_S", default_value_t = 10, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_s: u64,
}

/// How writes come to their transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WriteMode {
    /// Those that wait at the same time share one.
    Shared,
    /// Each request has its own.
    Single,
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
