//! Database URLs, as libpq understands them and as providers print them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::str::FromStr;
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgSslMode};

use super::partition::Node;
use crate::deadline::Deadline;

/// The parameters that sqlx understands. It would log an unknown parameter with its value, and ignore it.
const KNOWN: [&str; 14] = [
    "sslmode",
    "ssl-mode",
    "sslrootcert",
    "ssl-root-cert",
    "ssl-ca",
    "sslcert",
    "ssl-cert",
    "sslkey",
    "ssl-key",
    "dbname",
    "user",
    "password",
    "application_name",
    "options",
];

/// Parameters of libpq that change nothing here. The service sets its own timeouts and keepalives.
const IGNORED: [&str; 9] = [
    "keepalives",
    "keepalives_idle",
    "keepalives_interval",
    "keepalives_count",
    "tcp_user_timeout",
    "fallback_application_name",
    "sslcompression",
    "sslsni",
    "statement-cache-capacity",
];

const FORM: &str = "must be a URL of the form postgres://user@host:5432/database";

/// The servers of a URL, in its order.
#[derive(Debug)]
pub(in crate::store::pool) struct Targets {
    pub(in crate::store::pool) hosts: Vec<PgConnectOptions>,
    connect_timeout: Option<Duration>,
}

impl Targets {
    pub(super) fn one(options: PgConnectOptions) -> Self {
        Self { hosts: vec![options], connect_timeout: None }
    }

    /// Leads to this server, with the same credentials and the same database.
    pub(super) fn lead_to(&mut self, node: &Node) {
        self.hosts.truncate(1);
        for options in &mut self.hosts {
            *options = options.clone().host(&node.host).port(node.port);
        }
    }

    /// Until when one host may take to connect.
    pub(super) fn attempt(&self, deadline: Deadline) -> Deadline {
        self.connect_timeout.map_or(deadline, |timeout| deadline.or_within(timeout))
    }
}

/// What the parameters of a URL say that sqlx does not know.
#[derive(Default)]
struct Parameters<'u> {
    /// The others, still encoded.
    for_sqlx: String,
    hosts: Option<Cow<'u, str>>,
    ports: Option<Cow<'u, str>>,
    connect_timeout: Option<Duration>,
    has_authority: bool,
    /// The server has to prove its name.
    verifies_name: bool,
}

/// Parses a URL. The error is the rest of a sentence that begins with the name of the setting. It contains nothing that may be
/// part of a password.
pub(super) fn parse(url: &str) -> Result<Targets, String> {
    let (scheme, rest) = url.split_once("://").ok_or(FORM)?;
    if !matches!(scheme, "postgres" | "postgresql") {
        return Err(FORM.to_owned());
    }
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (authority, rest) = rest.split_at(end);
    let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
    if rest.contains('#')
        || (!authority.is_empty() && !authority.contains('@') && rest.contains('@'))
    {
        return Err("has a character that must be percent-encoded in the user or the password: \
             / is %2F, ? is %3F, # is %23, @ is %40, % is %25"
            .to_owned());
    }
    let (credentials, hosts) = match authority.rsplit_once('@') {
        Some((credentials, hosts)) => (format!("{credentials}@"), hosts),
        None => (String::new(), authority),
    };
    let parameters = Parameters::read(query)?;
    let defaults = PgConnectOptions::new_without_pgpass();
    let hosts = match &parameters.hosts {
        Some(hosts) => hosts,
        None if hosts.is_empty() => defaults.get_host(),
        None => hosts,
    };
    let ports: Vec<&str> =
        parameters.ports.as_deref().map_or_else(Vec::new, |p| p.split(',').collect());
    let count = hosts.split(',').count();
    if ports.len() > 1 && ports.len() != count {
        return Err(format!("has {count} hosts and {} ports", ports.len()));
    }
    let target = |(number, host): (usize, &str)| {
        let port = ports.get(number).or(ports.first()).copied().unwrap_or_default();
        let location = location(host, port);
        let query = &parameters.for_sqlx;
        let url = format!("{scheme}://{credentials}{location}{path}?{query}");
        PgConnectOptions::from_str(&url)
            .map(|options| parameters.apply(options))
            .map_err(|_| FORM.to_owned())
    };
    let hosts = hosts.split(',').enumerate().map(target).collect::<Result<_, _>>()?;
    Ok(Targets { hosts, connect_timeout: parameters.connect_timeout })
}

/// Host and port for the authority of a URL. A path names the folder of a Unix socket.
fn location(host: &str, port: &str) -> String {
    let mut location = String::new();
    if host.starts_with('/') {
        location.extend(form_urlencoded::byte_serialize(host.as_bytes()));
    } else if host.contains(':') && !host.starts_with('[') && host.matches(':').count() > 1 {
        // An IPv6 address in a parameter has no brackets.
        _ = write!(location, "[{host}]");
    } else {
        location.push_str(host);
    }
    if !port.is_empty() {
        _ = write!(location, ":{port}");
    }
    location
}

impl<'u> Parameters<'u> {
    fn read(query: &'u str) -> Result<Self, String> {
        let mut read = Self::default();
        let mut for_sqlx = form_urlencoded::Serializer::new(String::new());
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "host" => read.hosts = read.hosts.or(Some(value)),
                // libpq connects to this address, and compares the certificate with `host`.
                "hostaddr" => read.hosts = Some(value),
                "port" => read.ports = Some(value),
                "connect_timeout" => read.connect_timeout = seconds(&value)?,
                "target_session_attrs" => check_session_attributes(&value)?,
                // sqlx has no channel binding, whose purpose is to notice a false server. So we check the certificate.
                "channel_binding" => read.verifies_name |= binds_channel(&value)?,
                // The authorities of the system are the default of sqlx. libpq wants `verify-full` with them.
                "sslrootcert" if value == "system" => read.verifies_name = true,
                "gssencmode" | "load_balance_hosts" if value != "disable" && value != "prefer" => {
                    return Err(format!("has {name}, which must be `disable` or left out"));
                }
                "sslnegotiation" if value != "postgres" => {
                    return Err(
                        "has sslnegotiation, which must be `postgres` or left out".to_owned()
                    );
                }
                "gssencmode" | "load_balance_hosts" | "sslnegotiation" => {}
                "ssl" => return Err("has ssl=…: write sslmode=require instead".to_owned()),
                "pgbouncer" => {
                    return Err(
                        "has pgbouncer=…: leave it out, and set --database-statement-cache / \
                         EARMARK_DATABASE_STATEMENT_CACHE to false"
                            .to_owned(),
                    );
                }
                "passfile" => return Err("has passfile: set PGPASSFILE instead".to_owned()),
                known if KNOWN.contains(&known) || known.starts_with("options[") => {
                    read.has_authority |=
                        matches!(known, "sslrootcert" | "ssl-root-cert" | "ssl-ca");
                    check_ssl_mode(known, &value)?;
                    for_sqlx.append_pair(known, &value);
                }
                ignored if IGNORED.contains(&ignored) => {}
                unknown => {
                    return Err(format!(
                        "has a parameter that is not known, leave it out: {unknown}"
                    ));
                }
            }
        }
        read.for_sqlx = for_sqlx.finish();
        Ok(read)
    }

    fn apply(&self, options: PgConnectOptions) -> PgConnectOptions {
        let mode = options.get_ssl_mode();
        let mode = if self.verifies_name {
            PgSslMode::VerifyFull
        } else if self.has_authority && matches!(mode, PgSslMode::Require) {
            // libpq verifies the server's certificate as soon as the URL names an authority.
            PgSslMode::VerifyCa
        } else {
            mode
        };
        // The brackets of an IPv6 address belong to the URL.
        let host = options.get_host().trim_start_matches('[').trim_end_matches(']').to_owned();
        options.ssl_mode(mode).host(&host)
    }
}

/// libpq waits without a limit if the number is not positive. We have our own limit.
fn seconds(value: &str) -> Result<Option<Duration>, String> {
    let seconds: i64 = value
        .parse()
        .map_err(|_| "has connect_timeout, which must be a whole number of seconds".to_owned())?;
    Ok(u64::try_from(seconds).ok().filter(|seconds| *seconds > 0).map(Duration::from_secs))
}

/// The service always takes the first server that can write.
fn check_session_attributes(value: &str) -> Result<(), String> {
    if matches!(value, "any" | "read-write" | "primary") {
        return Ok(());
    }
    Err("has target_session_attrs, which must be `read-write`: the service writes".to_owned())
}

fn binds_channel(value: &str) -> Result<bool, String> {
    match value {
        "disable" | "prefer" => Ok(false),
        "require" => Ok(true),
        _ => Err("has channel_binding, which must be `disable`, `prefer` or `require`".to_owned()),
    }
}

fn check_ssl_mode(name: &str, value: &str) -> Result<(), String> {
    if !matches!(name, "sslmode" | "ssl-mode") || PgSslMode::from_str(value).is_ok() {
        return Ok(());
    }
    Err("has sslmode, which must be `disable`, `allow`, `prefer`, `require`, `verify-ca` or `verify-full`"
        .to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Host or socket, port, user, database and `sslmode` of each server.
    fn servers(url: &str) -> Result<Vec<String>, String> {
        let text = |options: &PgConnectOptions| {
            let socket = options.get_socket().map(|socket| socket.display().to_string());
            let host = socket.unwrap_or_else(|| options.get_host().to_owned());
            let database = options.get_database().unwrap_or_default();
            let (port, user, mode) =
                (options.get_port(), options.get_username(), options.get_ssl_mode());
            format!("{user} {host} {port} {database} {mode:?}")
        };
        parse(url).map(|targets| targets.hosts.iter().map(text).collect())
    }

    #[track_caller]
    fn good(url: &str, expected: &[&str]) {
        assert_eq!(
            servers(url).as_deref(),
            Ok(&*expected.iter().map(ToString::to_string).collect::<Vec<_>>()),
            "{url}"
        );
    }

    #[track_caller]
    fn bad(url: &str, expected: &str) {
        let error = servers(url).expect_err(url);
        assert!(error.contains(expected), "{url}: {error}");
        assert!(!error.contains("hunter"), "{url}: {error}");
    }

    #[test]
    fn urls_of_providers_work_as_they_are_printed() {
        // Neon, direct and pooled.
        good(
            "postgresql://me:hunter2@ep-cool-1.eu-central-1.aws.neon.tech/neondb?sslmode=require&channel_binding=require",
            &["me ep-cool-1.eu-central-1.aws.neon.tech 5432 neondb VerifyFull"],
        );
        good(
            "postgresql://me:hunter2@h.neon.tech/neondb?sslmode=require&options=endpoint%3Dep-cool-1",
            &["me h.neon.tech 5432 neondb Require"],
        );
        good(
            "postgresql://me:hunter2@h.neon.tech/neondb?sslmode=verify-full&sslrootcert=system",
            &["me h.neon.tech 5432 neondb VerifyFull"],
        );
        // Amazon RDS.
        good(
            "postgres://me:hunter2@db.abc.eu-west-1.rds.amazonaws.com:5432/app?sslmode=verify-full&sslrootcert=global-bundle.pem",
            &["me db.abc.eu-west-1.rds.amazonaws.com 5432 app VerifyFull"],
        );
        // Supabase: session mode, and transaction mode.
        good(
            "postgresql://postgres.ref:hunter2@aws-0-eu-central-1.pooler.supabase.com:5432/postgres",
            &["postgres.ref aws-0-eu-central-1.pooler.supabase.com 5432 postgres Prefer"],
        );
        good(
            "postgresql://postgres.ref:hunter2@aws-0-eu-central-1.pooler.supabase.com:6543/postgres",
            &["postgres.ref aws-0-eu-central-1.pooler.supabase.com 6543 postgres Prefer"],
        );
        // Heroku.
        good(
            "postgres://u1:hunter2@ec2-1-2-3-4.eu-west-1.compute.amazonaws.com:5432/d1",
            &["u1 ec2-1-2-3-4.eu-west-1.compute.amazonaws.com 5432 d1 Prefer"],
        );
        // Fly.io.
        good(
            "postgres://postgres:hunter2@db.flycast:5432/app?sslmode=disable",
            &["postgres db.flycast 5432 app Disable"],
        );
        // Cloud SQL, through a socket.
        good(
            "postgresql://me:hunter2@/app?host=/cloudsql/project:region:db",
            &["me /cloudsql/project:region:db 5432 app Prefer"],
        );
        // Azure.
        good(
            "postgres://me%40server:hunter2@server.postgres.database.azure.com/app?sslmode=require",
            &["me@server server.postgres.database.azure.com 5432 app Require"],
        );
    }

    #[test]
    fn several_hosts_are_tried_in_their_order() {
        good(
            "postgres://me@one:5433,two/app?target_session_attrs=read-write&connect_timeout=2",
            &["me one 5433 app Prefer", "me two 5432 app Prefer"],
        );
        good(
            "postgres://me@/app?host=one,two&port=1,2",
            &["me one 1 app Prefer", "me two 2 app Prefer"],
        );
        good("postgres://me@one,two/app?port=7", &["me one 7 app Prefer", "me two 7 app Prefer"]);
        good("postgres://me@[::1]:7,one/app", &["me ::1 7 app Prefer", "me one 5432 app Prefer"]);
        good("postgres://me@%2Frun%2Fpg/app", &["me /run/pg 5432 app Prefer"]);
        bad("postgres://me@one,two/app?port=1,2,3", "2 hosts and 3 ports");
    }

    #[test]
    fn the_time_to_connect_can_be_limited() {
        let timeout = |value| {
            parse(&format!("postgres://me@one/app?connect_timeout={value}"))
                .map(|t| t.connect_timeout)
        };
        assert_eq!(timeout("10"), Ok(Some(Duration::from_secs(10))));
        assert_eq!(timeout("0"), Ok(None), "no limit but our own");
        assert_eq!(timeout("-1"), Ok(None));
        bad("postgres://me@one/app?connect_timeout=soon", "connect_timeout, which must be");
    }

    #[test]
    fn a_password_may_be_percent_encoded() {
        good("postgres://me:hunter%2F%40%3A%3F%23%25@one/app", &["me one 5432 app Prefer"]);
        for raw in ["hunter/2", "hunter?2", "hunter#2"] {
            bad(&format!("postgres://me:{raw}@one/app"), "must be percent-encoded");
        }
        // The last @ ends the password.
        good("postgres://me:hunter@2@one/app", &["me one 5432 app Prefer"]);
    }

    #[test]
    fn an_error_says_what_to_write() {
        bad("host=one user=me", "must be a URL of the form postgres://");
        bad("mysql://me@one/app", "must be a URL of the form postgres://");
        bad("postgres://me:hunter2@one:port/app", "must be a URL of the form postgres://");
        bad("postgres://me@one/app?sslmode=no-verify", "sslmode, which must be");
        bad("postgres://me@one/app?ssl=true", "write sslmode=require");
        bad("postgres://me@one/app?pgbouncer=true", "--database-statement-cache");
        bad("postgres://me@one/app?target_session_attrs=standby", "must be `read-write`");
        bad("postgres://me@one/app?target_session_attrs=prefer-standby", "must be `read-write`");
        bad("postgres://me@one/app?channel_binding=maybe", "channel_binding, which must be");
        bad("postgres://me@one/app?gssencmode=require", "gssencmode, which must be");
        bad("postgres://me@one/app?schema=public", "not known, leave it out: schema");
        bad("postgres://me@one/app?passfile=x", "PGPASSFILE");
    }
}
