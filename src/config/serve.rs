//! The settings of `earmark serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use secrecy::{ExposeSecret, SecretString};

use super::secret::given_or_read;
use super::telemetry::RequestLogArgs;
use super::{CONNECTIONS, DatabaseArgs, HISTORY_DAYS, days};
use crate::http::{OperatorToken, Operators};
use crate::store::Database;

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
    operator_token: Option<SecretString>,

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

    /// For how many days conversations stay stored after they have become empty, so that readers of changes learn that
    /// they have.
    #[arg(long, env = "EARMARK_HISTORY_DAYS", default_value_t = HISTORY_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub history_days: u32,

    /// Threads that read requests, commit writes and write answers; 0 = one per processor.
    #[arg(long, env = "EARMARK_WORKERS", default_value_t = 0, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(0..=512))]
    pub workers: u16,

    /// What it tells of requests.
    #[command(flatten)]
    pub requests: RequestLogArgs,

    /// How long to go on after a signal to stop, in seconds: /readyz says no already, so that load balancers send new
    /// requests elsewhere, and connections are closed as they are answered.
    #[arg(long, env = "EARMARK_SHUTDOWN_DELAY_S", default_value_t = 0, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_delay_s: u64,

    /// How long requests in flight may take after that, in seconds.
    #[arg(long, env = "EARMARK_SHUTDOWN_S", default_value_t = 10, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_s: u64,
}

impl Serve {
    /// Who may use the admin API.
    pub fn operators(&self) -> anyhow::Result<Operators> {
        let token =
            given_or_read(self.operator_token.as_ref(), self.operator_token_file.as_deref())
                .context("--operator-token-file / EARMARK_OPERATOR_TOKEN_FILE")?;
        let Some(token) = token else { return Ok(Operators::Nobody) };
        let token = OperatorToken::parse(token.expose_secret()).map_err(|problem| {
            anyhow::anyhow!("--operator-token / EARMARK_OPERATOR_TOKEN {problem}")
        })?;
        Ok(Operators::WithToken(token))
    }

    /// For how long empty conversations stay stored.
    #[must_use]
    pub fn history(&self) -> Duration {
        days(self.history_days)
    }

    /// Threads that read requests and write answers, each with a part of the connections.
    #[must_use]
    pub fn workers(&self) -> usize {
        match self.workers {
            0 => available_parallelism().map_or(1, Into::into),
            number => number.into(),
        }
    }

    /// The database, with connections for all workers: a worker's lane keeps one, and one must be left for everything
    /// else.
    pub fn database(&self) -> anyhow::Result<Database> {
        let database = self.database.database()?;
        let workers = u32::try_from(self.workers()).unwrap_or(u32::MAX);
        let needed = workers.saturating_mul(2);
        match self.database.connections {
            0 => Ok(database.connections(CONNECTIONS.max(needed + workers))),
            given if given >= needed => Ok(database),
            given => anyhow::bail!(
                "--database-connections / EARMARK_DATABASE_CONNECTIONS is {given}, must be at least {needed}: two for each \
                 of {workers} workers (--workers / EARMARK_WORKERS)"
            ),
        }
    }
}
