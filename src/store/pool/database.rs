//! Settings of the database: address, number of connections, session settings.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The settings of every session.
///
/// - READ COMMITTED: a statement that waited for a row reads its newest version.
/// - `statement_timeout` ends a statement before the deadline of its request, so that no write happens after the client
///   was told of a timeout.
/// - `lock_timeout` fails a transaction early, so that many requests do not wait for one.
/// - `enable_seqscan`: all statements look rows up by key. A plan that PostgreSQL made while a table was small must not
///   scan the table later.
/// - `plan_cache_mode`: one plan serves all parameters, so that PostgreSQL does not plan each execution.
/// - `tcp_*`: the server probes an idle connection after 30 s, which also keeps firewalls from forgetting it, and ends a
///   session after 60 s without an answer.
const SETTINGS: [(&str, &str); 9] = [
    ("default_transaction_isolation", "read committed"),
    ("statement_timeout", "2500"),
    ("lock_timeout", "250"),
    ("idle_in_transaction_session_timeout", "3000"),
    ("enable_seqscan", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_user_timeout", "60000"),
];
/// The same settings for one transaction, where a pooler shares the session with other clients.
const BEGIN_WITH_SETTINGS: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL statement_timeout = 2500; SET LOCAL lock_timeout = 250; \
    SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL enable_seqscan = off; \
    SET LOCAL plan_cache_mode = force_generic_plan";
/// The same settings where the server's default for `synchronous_commit` would let it lose an acknowledged write.
const BEGIN_DURABLY_WITH_SETTINGS: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL statement_timeout = 2500; SET LOCAL lock_timeout = 250; \
    SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL enable_seqscan = off; \
    SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL synchronous_commit = on";

/// Query parameters that a database URL may have.
const PARAMETERS: [&str; 18] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "statement-cache-capacity",
    "host",
    "hostaddr",
    "port",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    connections: u32,
    keeps_statements: bool,
}

impl Database {
    /// Parses a `postgres://` URL as libpq understands it. The error does not quote the URL, which may hold a password.
    pub fn from_url(url: &str) -> Result<Self, String> {
        // sqlx would log an unknown parameter with its value, and ignore it.
        let query = url.split_once('?').map_or("", |(_, query)| query);
        let unknown = form_urlencoded::parse(query.as_bytes())
            .map(|(name, _)| name)
            .find(|name| !PARAMETERS.contains(&&**name) && !name.starts_with("options["));
        if let Some(name) = unknown {
            return Err(format!("has a parameter that is not known: {name}"));
        }
        let is_ours = ["postgres://", "postgresql://"].iter().any(|scheme| url.starts_with(scheme));
        let options =
            PgConnectOptions::from_str(url).ok().filter(|_| is_ours).ok_or_else(|| {
                "must be a URL of the form postgres://user@host:5432/database".to_owned()
            })?;
        // libpq verifies the server's certificate as soon as the URL names an authority.
        let has_authority =
            ["sslrootcert=", "ssl-root-cert=", "ssl-ca="].iter().any(|set| url.contains(set));
        Ok(Self::from_options(
            if has_authority && matches!(options.get_ssl_mode(), PgSslMode::Require) {
                options.ssl_mode(PgSslMode::VerifyCa)
            } else {
                options
            },
        ))
    }

    #[must_use]
    pub fn from_options(options: PgConnectOptions) -> Self {
        // Operators find slow statements in PostgreSQL's own log. sqlx would log the text of each statement twice.
        Self {
            options: options.disable_statement_logging(),
            connections: 10,
            keeps_statements: true,
        }
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

    pub(crate) fn connections_max(&self) -> u32 {
        self.connections
    }

    pub(crate) fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    /// The options of a session and its BEGIN statement. `is_durable` says whether the server's default setting makes
    /// commits durable.
    pub(super) fn session(&self, is_durable: bool) -> (PgConnectOptions, &'static str) {
        let options = self.options.clone();
        match (self.keeps_statements, is_durable) {
            (true, true) => (options.options(SETTINGS), "BEGIN"),
            (true, false) => {
                (options.options(SETTINGS).options([("synchronous_commit", "on")]), "BEGIN")
            }
            (false, true) => (options.statement_cache_capacity(0), BEGIN_WITH_SETTINGS),
            (false, false) => (options.statement_cache_capacity(0), BEGIN_DURABLY_WITH_SETTINGS),
        }
    }

    /// The options of a single connection, without session settings.
    pub(in crate::store) fn plain(&self) -> PgConnectOptions {
        self.options.clone().statement_cache_capacity(if self.keeps_statements { 100 } else { 0 })
    }
}
