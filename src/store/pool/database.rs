//! Settings of the database: address, number of connections, what the service demands of it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use secrecy::{ExposeSecret, SecretString};
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions as _, SqlStr};

use super::UNDIVIDED_CONNECTIONS_MAX;
use super::epoch::Raises;
use super::fence::Fence;
use super::partition::{Identity, Partition, Place, read_map};
use super::texts::Texts;
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
    route: Route,
    /// A file that says on which servers partitions are.
    partition_map: Option<PathBuf>,
    /// `None`: the schema that the role's `search_path` names first.
    partition: Option<Partition>,
    texts: Arc<Texts>,
}

/// Where the address comes from. It is read and parsed for each new connection, because credentials may have changed: in
/// the file of the URL, and in the password file of libpq.
#[derive(Debug, Clone)]
enum Source {
    Options(Box<PgConnectOptions>),
    Url(SecretString),
    File(PathBuf),
}

/// How statements reach a partition that Citus has placed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Route {
    /// The service connects to the server that has the partition.
    Direct,
    /// It connects to the coordinator, the server of the URL, which forwards them.
    Coordinator,
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
            route: Route::Direct,
            partition_map: None,
            partition: None,
            texts: Arc::new(Texts::new(None)),
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

    /// Reads from this file, for each new connection, on which server a partition is (`docs/scale-out.md`). Partitions that the
    /// file does not name are on the server of the URL.
    #[must_use]
    pub fn partition_map(self, file: PathBuf) -> Self {
        Self { partition_map: Some(file), ..self }
    }

    #[must_use]
    pub fn route(self, route: Route) -> Self {
        Self { route, ..self }
    }

    /// The same settings for the sessions of a partition, which is one of `count`.
    pub(in crate::store) fn of_partition(&self, partition: Partition, count: u16) -> Self {
        Self {
            connections: self.connections / u32::from(count),
            preferred: Arc::default(),
            fence: Arc::default(),
            texts: Arc::new(Texts::new(Some(&partition))),
            partition: Some(partition),
            ..self.clone()
        }
    }

    pub(super) fn partition(&self) -> Option<&Partition> {
        self.partition.as_ref()
    }

    /// Whether these settings are for that partition of that database.
    pub(in crate::store) fn is_partition(&self, number: u16, identity: &Identity) -> bool {
        self.partition.as_ref().is_some_and(|own| own.is(number, identity))
    }

    pub(super) fn texts(&self) -> &Arc<Texts> {
        &self.texts
    }

    pub(super) fn raises_epoch(&self) -> Raises {
        Raises::new(self.raises_epoch_after_failover, self.place().is_some())
    }

    /// Where Citus has the partition; `None` without Citus.
    pub(in crate::store) fn place(&self) -> Option<&Place> {
        self.partition()?.place.as_ref()
    }

    /// Where partitions are does not depend on Citus.
    pub(in crate::store) fn has_partition_map(&self) -> bool {
        self.partition_map.is_some()
    }

    pub(super) fn connections_max(&self) -> u32 {
        self.connections
    }

    /// The connections of one worker of `shares`: its lane keeps one, and reads need one.
    pub(super) fn connections_of_share(&self, shares: usize) -> u32 {
        (self.connections / u32::try_from(shares).unwrap_or(u32::MAX).max(1)).max(2)
    }

    /// The maximum that a process opens: those of the workers, those of the undivided store, and one to end sessions that did
    /// not answer.
    pub(crate) fn connections_in_all(&self) -> u32 {
        self.connections.saturating_add(UNDIVIDED_CONNECTIONS_MAX + 1)
    }

    /// The maximum that a process with this many workers opens in a partition of a divided database.
    pub(crate) fn connections_in_partition(&self, workers: usize) -> u32 {
        let number = u32::try_from(workers).unwrap_or(u32::MAX);
        let of_workers = self.connections_of_share(workers).saturating_mul(number);
        of_workers.saturating_add(UNDIVIDED_CONNECTIONS_MAX + 1)
    }

    /// The statement that begins a transaction in the partition of these settings.
    pub(in crate::store) fn begin(&self) -> SqlStr {
        self.texts.begin_plain.clone()
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
        let mut targets = match self.mapped_url().await? {
            Some(url) => url::parse(url.expose_secret()).map_err(|problem| {
                format!("the URL of a partition in the partition map {problem}")
            })?,
            None => self.own_targets().await?,
        };
        if let Some(place) = self.place().filter(|_| self.route == Route::Direct) {
            targets.lead_to(&place.node());
        }
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

    /// The URL of the partition, if the map names one.
    async fn mapped_url(&self) -> Result<Option<SecretString>, String> {
        match (&self.partition_map, &self.partition) {
            (Some(file), Some(partition)) => read_map(file, partition.number).await,
            _ => Ok(None),
        }
    }

    async fn own_targets(&self) -> Result<Targets, String> {
        Ok(match &self.source {
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
        })
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
