//! Where the database is, and how to talk to it.

use std::str::FromStr;

use sqlx::ConnectOptions;
use sqlx::postgres::{PgConnectOptions, PgSslMode};

/// The settings of every session. A statement ends before the deadline of a request, so that what was answered with a
/// timeout is not done after all. A lock that does not come in time fails its transaction early, so that many requests do
/// not wait for one. Statements that wait for a row read its newest version, which takes READ COMMITTED. All statements look
/// rows up by key: a plan that was made while a table was small must not scan it later, and one plan serves all parameters,
/// so that none is made for each execution. The server probes an idle connection after half a minute, which also keeps
/// firewalls from forgetting it, and gives the session up after a minute without an answer.
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
/// The same for one transaction, where a pooler shares the session with others.
const BEGIN_WITH_SETTINGS: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL statement_timeout = 2500; SET LOCAL lock_timeout = 250; \
    SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL enable_seqscan = off; \
    SET LOCAL plan_cache_mode = force_generic_plan";
/// The same where the server's default would let an acknowledged write be lost.
const BEGIN_DURABLY_WITH_SETTINGS: &str = "BEGIN ISOLATION LEVEL READ COMMITTED; \
    SET LOCAL statement_timeout = 2500; SET LOCAL lock_timeout = 250; \
    SET LOCAL idle_in_transaction_session_timeout = 3000; SET LOCAL enable_seqscan = off; \
    SET LOCAL plan_cache_mode = force_generic_plan; SET LOCAL synchronous_commit = on";

/// What a database URL may set after its question mark.
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

/// A database to connect to.
#[derive(Debug, Clone)]
pub struct Database {
    options: PgConnectOptions,
    connections: u32,
    keeps_statements: bool,
}

impl Database {
    /// Takes a `postgres://` URL as libpq understands it, `sslmode` included. Its text stays out of the error: it may
    /// hold a password.
    pub fn from_url(url: &str) -> Result<Self, String> {
        // sqlx would log what it does not know, with its value, and go on without it.
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
        // libpq verifies the server's certificate as soon as it is given an authority to verify it with.
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

    /// Takes a server that is already described.
    #[must_use]
    pub fn from_options(options: PgConnectOptions) -> Self {
        // A statement that is slow is the operator's to find with PostgreSQL's own log: sqlx would log its text twice.
        Self {
            options: options.disable_statement_logging(),
            connections: 10,
            keeps_statements: true,
        }
    }

    /// At most this many connections at once.
    #[must_use]
    pub fn connections(self, connections: u32) -> Self {
        Self { connections, ..self }
    }

    /// Prepared statements and settings are kept on their connection; must be off behind PgBouncer in transaction mode,
    /// where a connection is a different one for each transaction.
    #[must_use]
    pub fn statement_cache(self, on: bool) -> Self {
        Self { keeps_statements: on, ..self }
    }

    pub(super) fn connections_max(&self) -> u32 {
        self.connections
    }

    /// A connection is ours for as long as it lives, with what is kept on it.
    pub(super) fn keeps_statements(&self) -> bool {
        self.keeps_statements
    }

    /// How to connect, and how to begin, when the server by itself commits `durably`.
    pub(super) fn session(&self, durably: bool) -> (PgConnectOptions, &'static str) {
        let options = self.options.clone();
        match (self.keeps_statements, durably) {
            (true, true) => (options.options(SETTINGS), "BEGIN"),
            (true, false) => {
                (options.options(SETTINGS).options([("synchronous_commit", "on")]), "BEGIN")
            }
            (false, true) => (options.statement_cache_capacity(0), BEGIN_WITH_SETTINGS),
            (false, false) => (options.statement_cache_capacity(0), BEGIN_DURABLY_WITH_SETTINGS),
        }
    }

    /// How to connect for once, with nothing set.
    pub(super) fn plain(&self) -> PgConnectOptions {
        self.options.clone().statement_cache_capacity(if self.keeps_statements { 100 } else { 0 })
    }
}
