//! The settings of `earmark serve`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use secrecy::{ExposeSecret, SecretString};

use super::listen::listen_address;
use super::secret::given_or_read;
use super::telemetry::RequestLogArgs;
use super::{
    AUDIT_DAYS, CONNECTIONS, DatabaseArgs, FEED_RETENTION_DAYS, HISTORY_DAYS, MigrationArgs, days,
};
use crate::http::{CLIENT_CONNECTIONS, Environment, KEEP_ALIVE_S, OperatorToken, Operators};
use crate::service::WebhookHosts;
use crate::store::Database;

/// Most workers, and most connections for them, that are chosen by default.
const WORKERS_MAX: usize = 8;
const CONNECTIONS_MAX: u32 = 32;
/// What fits into the header of the console.
const CONSOLE_LABEL_CHARS_MAX: usize = 32;

const OPERATORS: &str = "Operators";
const HTTPS: &str = "HTTPS";
const RETENTION: &str = "Retention";
const LOAD: &str = "Load and shutdown";

#[derive(Debug, Args)]
pub struct Serve {
    /// The address to listen on. `localhost:8080` works too, and `:8080` means every address of the machine.
    #[arg(long, env = "EARMARK_LISTEN", default_value = "127.0.0.1:8080", value_name = "ADDRESS",
        value_parser = listen_address)]
    pub listen: SocketAddr,

    /// The address for operators: /livez, /readyz, /metrics and the admin API, always over plain HTTP.
    #[arg(
        long,
        help_heading = OPERATORS,
        env = "EARMARK_ADMIN_LISTEN",
        default_value = "127.0.0.1:8081",
        value_name = "ADDRESS",
        value_parser = listen_address
    )]
    pub admin_listen: SocketAddr,

    /// A token that lets operators do everything in the admin API, /admin/v1. `earmark token create` makes others, which can
    /// do less. Without any token there is no admin API. Prefer a file, since other users of the machine can see the flags of a
    /// process.
    #[arg(long, help_heading = OPERATORS, env = "EARMARK_OPERATOR_TOKEN", hide_env_values = true, value_name = "TOKEN")]
    operator_token: Option<SecretString>,

    /// A file that contains the operator token.
    #[arg(long, help_heading = OPERATORS, env = "EARMARK_OPERATOR_TOKEN_FILE", value_name = "FILE")]
    operator_token_file: Option<PathBuf>,

    /// Serve the console at /console on the address of the API, and the admin API too if there is an operator token.
    #[arg(long, help_heading = OPERATORS, env = "EARMARK_CONSOLE")]
    pub console: bool,

    /// The name of this environment, such as `production`, which the console shows on every page. At most 32 characters.
    #[arg(long, env = "EARMARK_CONSOLE_LABEL", value_name = "TEXT", value_parser = parse_label)]
    console_label: Option<String>,

    /// The colour of that label.
    #[arg(long, env = "EARMARK_CONSOLE_COLOR", default_value = "grey", value_name = "COLOR")]
    console_color: Color,

    /// Bring the database's schema up to date before the service starts.
    #[arg(long, env = "EARMARK_MIGRATE")]
    pub migrate: bool,

    #[command(flatten)]
    pub migration: MigrationArgs,

    /// A PEM file with the certificate chain. With it, the API is served over https.
    #[arg(long, help_heading = HTTPS, env = "EARMARK_TLS_CERT", value_name = "FILE")]
    pub tls_cert: Option<PathBuf>,

    /// A PEM file with the private key of the certificate.
    #[arg(long, help_heading = HTTPS, env = "EARMARK_TLS_KEY", value_name = "FILE")]
    pub tls_key: Option<PathBuf>,

    /// Serve https with a certificate that is made at the start. For tests, since no client trusts it.
    #[arg(long, help_heading = HTTPS, env = "EARMARK_TLS_SELF_SIGNED")]
    pub tls_self_signed: bool,

    /// For how many days to keep a conversation after its last mark, contact group and pin were removed, so that clients
    /// that read changes learn of the removal.
    #[arg(long, help_heading = RETENTION, env = "EARMARK_HISTORY_DAYS", default_value_t = HISTORY_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=3650))]
    pub history_days: u32,

    /// For how many days changes stay in the feeds of apps, at least. A reader who comes back later has to read the state of
    /// all users again.
    #[arg(long, help_heading = RETENTION, env = "EARMARK_FEED_RETENTION_DAYS", default_value_t = FEED_RETENTION_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=14))]
    pub feed_retention_days: u32,

    /// For how many days entries stay in the audit trail, which says what operators have changed.
    #[arg(long, help_heading = RETENTION, env = "EARMARK_AUDIT_DAYS", default_value_t = AUDIT_DAYS, value_name = "DAYS",
        value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub audit_days: u32,

    /// Where webhooks may be: at `public` addresses over https, at `any` address, also over http, or nowhere (`off`): then this
    /// process delivers nothing. Customers choose the addresses, so `any` lets them reach what this machine can reach.
    #[arg(long, env = "EARMARK_WEBHOOKS", default_value = "public", value_name = "HOSTS")]
    pub webhooks: WebhookSetting,

    /// Number of threads that serve requests. 0 means one for each processor that the process may use, at most 8. The CPU
    /// limit of a container (cgroup) counts.
    #[arg(long, help_heading = LOAD, env = "EARMARK_WORKERS", default_value_t = 0, value_name = "NUMBER",
        value_parser = clap::value_parser!(u16).range(0..=512))]
    pub workers: u16,

    /// How long a connection of a client may be idle, in seconds. It must be longer than the idle time of a load balancer
    /// in front, which otherwise sends requests on connections that the service is closing.
    #[arg(long, help_heading = LOAD, env = "EARMARK_KEEP_ALIVE_S", default_value_t = KEEP_ALIVE_S, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(1..=3600))]
    pub keep_alive_s: u64,

    /// Maximum number of connections of clients, on each address. More wait until one ends.
    #[arg(long, help_heading = LOAD, env = "EARMARK_CLIENT_CONNECTIONS", default_value_t = CLIENT_CONNECTIONS, value_name = "NUMBER",
        value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub client_connections: u32,

    /// How long to keep serving after a signal to stop, in seconds. Meanwhile /readyz fails, so that load balancers send
    /// new requests elsewhere, and the service closes each connection after the next answer.
    #[arg(long, help_heading = LOAD, env = "EARMARK_SHUTDOWN_DELAY_S", default_value_t = 0, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_delay_s: u64,

    /// How long requests in flight may take after that delay, in seconds.
    #[arg(long, help_heading = LOAD, env = "EARMARK_SHUTDOWN_S", default_value_t = 10, value_name = "SECONDS",
        value_parser = clap::value_parser!(u64).range(0..=3600))]
    pub shutdown_s: u64,

    #[command(flatten)]
    pub database: DatabaseArgs,

    #[command(flatten)]
    pub requests: RequestLogArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum WebhookSetting {
    Public,
    Any,
    Off,
}

impl WebhookSetting {
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Any => "any",
            Self::Off => "off",
        }
    }
}

impl From<WebhookSetting> for WebhookHosts {
    fn from(setting: WebhookSetting) -> Self {
        match setting {
            WebhookSetting::Public => Self::Public,
            WebhookSetting::Any => Self::Any,
            WebhookSetting::Off => Self::Off,
        }
    }
}

/// The colours that the style sheet of the console knows. Each can be read in its light and its dark theme.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Color {
    Grey,
    Blue,
    Green,
    Orange,
    Red,
    Violet,
}

impl Color {
    fn name(self) -> &'static str {
        match self {
            Self::Grey => "grey",
            Self::Blue => "blue",
            Self::Green => "green",
            Self::Orange => "orange",
            Self::Red => "red",
            Self::Violet => "violet",
        }
    }
}

fn parse_label(text: &str) -> Result<String, String> {
    let length = text.chars().count();
    if length > CONSOLE_LABEL_CHARS_MAX {
        return Err(format!("must be at most {CONSOLE_LABEL_CHARS_MAX} characters, got {length}"));
    }
    Ok(text.to_owned())
}

impl Serve {
    #[must_use]
    pub fn environment(&self) -> Environment {
        let label = self.console_label.clone().unwrap_or_default();
        Environment { label, color: self.console_color.name() }
    }

    pub fn operators(&self) -> anyhow::Result<Operators> {
        let token =
            given_or_read(self.operator_token.as_ref(), self.operator_token_file.as_deref())
                .context("--operator-token-file / EARMARK_OPERATOR_TOKEN_FILE")?;
        let Some(token) = token else { return Ok(Operators::Off) };
        let token = OperatorToken::parse(token.expose_secret()).map_err(|problem| {
            anyhow::anyhow!("--operator-token / EARMARK_OPERATOR_TOKEN {problem}")
        })?;
        Ok(Operators::WithToken(token))
    }

    #[must_use]
    pub fn history(&self) -> Duration {
        days(self.history_days)
    }

    #[must_use]
    pub fn feed_retention(&self) -> Duration {
        days(self.feed_retention_days)
    }

    #[must_use]
    pub fn audit_retention(&self) -> Duration {
        days(self.audit_days)
    }

    #[must_use]
    pub fn workers(&self) -> usize {
        workers(self.workers)
    }

    /// The number of connections that the workers divide among them.
    pub fn connections(&self) -> anyhow::Result<u32> {
        let workers = u32::try_from(self.workers()).unwrap_or(u32::MAX);
        let needed = connections_needed(workers);
        match self.database.connections {
            0 => Ok(default_connections(workers)),
            given if given >= needed => Ok(given),
            given => anyhow::bail!(
                "--database-connections / EARMARK_DATABASE_CONNECTIONS is {given}, must be at least {needed}: two for each \
                 of {workers} workers (--workers / EARMARK_WORKERS)"
            ),
        }
    }

    pub fn database(&self) -> anyhow::Result<Database> {
        Ok(self.database.database()?.connections(self.connections()?))
    }
}

/// The number of workers that a setting means.
pub(super) fn workers(setting: u16) -> usize {
    match setting {
        // It respects the CPU quotas of cgroups v1 and v2, and the processors that the process is bound to.
        0 => default_workers(available_parallelism().map_or(1, Into::into)),
        number => number.into(),
    }
}

/// Each worker has connections of its own, so on a machine with many processors the processes would use up PostgreSQL's
/// `max_connections`. Eight workers make more marks than one PostgreSQL commits (`docs/performance.md`).
fn default_workers(processors: usize) -> usize {
    processors.clamp(1, WORKERS_MAX)
}

fn default_connections(workers: u32) -> u32 {
    workers.saturating_mul(3).clamp(CONNECTIONS, CONNECTIONS_MAX).max(connections_needed(workers))
}

/// A worker needs two connections: its lane keeps one, and reads share the rest.
fn connections_needed(workers: u32) -> u32 {
    workers.saturating_mul(2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn by_default_a_process_has_at_most_eight_workers_and_thirty_two_connections() {
        for (processors, workers, connections) in
            [(0, 1, 10), (1, 1, 10), (4, 4, 12), (7, 7, 21), (8, 8, 24), (9, 8, 24), (64, 8, 24)]
        {
            let found = default_workers(processors);
            assert_eq!(found, workers, "{processors} processors");
            assert_eq!(default_connections(u32::try_from(found).unwrap()), connections);
        }
    }

    #[test]
    fn more_workers_than_by_default_get_the_two_connections_that_each_needs() {
        for (workers, connections) in [(10, 30), (11, 32), (16, 32), (17, 34), (512, 1024)] {
            assert_eq!(default_connections(workers), connections, "{workers} workers");
        }
    }
}
