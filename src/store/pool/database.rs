//! Settings of the database: address, number of connections, what the service demands of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::{ExposeSecret, SecretString};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::UNDIVIDED_CONNECTIONS_MAX;
use super::fence::Fence;
use super::url;
pub(super) use super::url::Targets;

#[derive(Debug, Clone)]
pub struct Database {
    source: Source,
    connections: u32,
    keeps_statements: bool,
    allows_unsafe: bool,
    raises_epoch_after_failover: bool,
    /// The index of the host that served us last.
    preferred: Arc<AtomicUsize>,
    fence: Arc<Fence>,
}

/// Where the address comes from. It is read and parsed for each new connection, because credentials may have changed: in
/// the file of the URL, and in the password file of libpq.
#[derive(Debug, Clone)]
enum Source {
    Options(Box<PgConnectOptions>),
    Url(SecretString),
    File(PathBuf),
}

impl Database {
    /// Checks a `postgres://` URL as libpq understands it. The error does not quote the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self, String> {
        url::parse(url)?;
        Ok(Self::new(Source::Url(url.into())))
    }

    #[must_use]
    pub fn from_options(options: PgConnectOptions) -> Self {
        Self::new(Source::Options(options.into()))
    }

    fn new(source: Source) -> Self {
        Self {
            source,
            connections: 10,
            keeps_statements: true,
            allows_unsafe: false,
            raises_epoch_after_failover: true,
            preferred: Arc::default(),
            fence: Arc::default(),
        }
    }

    /// Reads the URL again from this file for each new connection.
    #[must_use]
    pub fn url_file(self, file: PathBuf) -> Self {
        Self { source: Source::File(file), ..self }
    }

    /// Sets the maximum number of connections, 10 by default.
    #[must_use]
    pub fn connections(self, connections: u32) -> Self {
        Self { connections, ..self }
    }

    /// Keeps prepared statements and settings in the session. Must be off behind PgBouncer in transaction mode, where each
    /// transaction may run in another session.
    #[must_use]
    pub fn statement_cache(self, on: bool) -> Self {
        Self { keeps_statements: on, ..self }
    }

    /// Accepts a server that may lose acknowledged writes when it crashes.
    #[must_use]
    pub fn allow_unsafe(self, on: bool) -> Self {
        Self { allows_unsafe: on, ..self }
    }

    /// Lets cursors of the native API live on after a standby was promoted. Only if every standby that may be promoted is
    /// synchronous.
    #[must_use]
    pub fn epoch_after_failover(self, on: bool) -> Self {
        Self { raises_epoch_after_failover: on, ..self }
    }

    pub(super) fn raises_epoch_after_failover(&self) -> bool {
        self.raises_epoch_after_failover
    }

    pub(super) fn connections_max(&self) -> u32 {
        self.connections
    }

    /// The maximum that a process opens: those of the workers, those of the undivided store, and one to end sessions that did
    /// not answer.
    pub(crate) fn connections_in_all(&self) -> u32 {
        self.connections.saturating_add(UNDIVIDED_CONNECTIONS_MAX + 1)
    }

    pub(crate) fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    pub(super) fn fence(&self) -> &Arc<Fence> {
        &self.fence
    }

    pub(super) fn allows_unsafe(&self) -> bool {
        self.allows_unsafe
    }

    /// The servers to try. The error does not quote the URL.
    pub(super) async fn targets(&self) -> Result<Targets, String> {
        let mut targets = match &self.source {
            Source::Options(options) => Targets::one(options.as_ref().clone()),
            Source::Url(url) => url::parse(url.expose_secret())?,
            Source::File(file) => {
                let text = tokio::fs::read_to_string(file).await;
                let text: SecretString = text
                    .map_err(|error| format!("cannot read {}: {error}", file.display()))?
                    .into();
                url::parse(text.expose_secret().trim_end_matches(['\r', '\n']))
                    .map_err(|problem| format!("the URL in {} {problem}", file.display()))?
            }
        };
        for options in &mut targets.hosts {
            // Operators find slow statements in PostgreSQL's own log. sqlx would log the text of each statement twice.
            // PgBouncer refuses the startup parameter `extra_float_digits`, which only matters for floating-point numbers.
            *options = options
                .clone()
                .disable_statement_logging()
                .extra_float_digits(None)
                .statement_cache_capacity(if self.keeps_statements { 100 } else { 0 });
        }
        Ok(targets)
    }

    /// The indexes of the hosts, beginning with the one that served us last.
    pub(super) fn in_order(&self, targets: &Targets) -> impl Iterator<Item = usize> + use<> {
        let (count, first) = (targets.hosts.len(), self.preferred.load(Ordering::Relaxed));
        (0..count).map(move |number| (first + number) % count)
    }

    pub(super) fn prefer(&self, target: usize) {
        self.preferred.store(target, Ordering::Relaxed);
    }
}
