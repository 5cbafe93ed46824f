//! `earmark serve`: runs the service until a signal stops it.

use std::fmt::{self, Display, Formatter};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use anyhow::{Context, bail};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::migrate::migrate;
use super::{check_schema, connect_to, partitions};
use crate::config::{COMMIT, Output, Serve, VERSION};
use crate::deadline::Deadline;
use crate::http::{self, Addresses, Console, Identity, Listen, Operators};
use crate::service::{self, Service};
use crate::store::Partitions;
use crate::store::schema::server_version;

/// How long a replaced certificate stays in use without a SIGHUP.
const CERTIFICATE_AGE_MAX: Duration = Duration::from_mins(1);

/// What the first line of the log states, and `--output json` prints.
#[derive(Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "each says whether something is on")]
struct Started {
    version: &'static str,
    commit: &'static str,
    postgresql: String,
    schema: i64,
    workers: usize,
    connections: u32,
    api: SocketAddr,
    admin: Option<SocketAddr>,
    https: bool,
    console: bool,
    admin_api: bool,
    webhooks: &'static str,
    traces: bool,
    config: Option<String>,
}

impl Started {
    fn log(&self) {
        let Self { version, commit, postgresql, schema, workers, connections, .. } = self;
        let Self { api, https, console, admin_api, webhooks, traces, config, .. } = self;
        let admin = self.admin.map(|address| address.to_string());
        tracing::info!(
            version, commit, postgresql, schema, workers, connections, %api, admin, https, console, admin_api, webhooks,
            traces, config, "listening on {api}"
        );
    }
}

/// The log has the line for people.
impl Display for Started {
    fn fmt(&self, _: &mut Formatter<'_>) -> fmt::Result {
        Ok(())
    }
}

/// `config` is the configuration file.
pub(super) async fn run(
    settings: Serve,
    config: Option<PathBuf>,
    output: Output,
) -> anyhow::Result<()> {
    let mut signals = Signals::new()?;
    // From here on, SIGHUP does not end the process.
    let hangup = signal(SignalKind::hangup())?;
    let (identity, operators) = (identity(&settings)?.map(Arc::new), settings.operators()?);
    let service_settings = service::Settings {
        history: settings.history(),
        feed_retention: settings.feed_retention(),
        audit_retention: settings.audit_retention(),
        webhooks: settings.webhooks.into(),
        ..service::Settings::default()
    };
    let (partitions, postgresql, schema) = tokio::select! {
        opened = open(&settings) => opened?,
        () = signals.any() => return Ok(()),
    };
    let (workers, connections) = (settings.workers(), settings.connections()?);
    let admin_api = !matches!(operators, Operators::Off);
    let listen = Listen {
        address: settings.listen,
        admin_address: Some(settings.admin_listen),
        console: if settings.console { Console::On } else { Console::Off },
        environment: settings.environment(),
        operators,
        faults: None,
        identity: identity.clone(),
        workers,
        connections_max: settings.client_connections,
        keep_alive: Duration::from_secs(settings.keep_alive_s),
        shutdown_s: settings.shutdown_s,
    };
    let delay = Duration::from_secs(settings.shutdown_delay_s);
    let has_https = identity.is_some();
    tokio::spawn(reload(hangup, identity));
    until_signal(signals, Service::new(partitions, service_settings), listen, delay, |at| {
        let started = Started {
            version: VERSION,
            commit: COMMIT,
            postgresql,
            schema,
            workers,
            connections,
            api: at.api,
            admin: at.admin,
            https: has_https,
            console: settings.console,
            admin_api,
            webhooks: settings.webhooks.name(),
            traces: settings.requests.has_traces(),
            config: config.map(|file| file.display().to_string()),
        };
        started.log();
        output.print(&started)
    })
    .await
}

/// The database with its version and that of the schema.
async fn open(settings: &Serve) -> anyhow::Result<(Partitions, String, i64)> {
    let shared = connect_to(&settings.database()?).await?;
    if settings.migrate {
        for name in migrate(&shared, settings.migration).await? {
            tracing::info!("applied {name}");
        }
    }
    let partitions = partitions(shared).await?;
    let schema = check_schema(&partitions).await?;
    let postgresql = server_version(partitions.shared(), Deadline::of_a_request()).await;
    Ok((partitions, postgresql.context("cannot read PostgreSQL's version")?, schema))
}

fn identity(settings: &Serve) -> anyhow::Result<Option<Identity>> {
    Ok(match (&settings.tls_cert, &settings.tls_key, settings.tls_self_signed) {
        (None, None, false) => None,
        (None, None, true) => Some(Identity::self_signed(&settings.listen.ip().to_string())?),
        (Some(certificate), Some(key), false) => Some(Identity::from_files(certificate, key)?),
        (Some(_), Some(_), true) => {
            bail!(
                "--tls-self-signed / EARMARK_TLS_SELF_SIGNED and --tls-cert / EARMARK_TLS_CERT exclude each other"
            )
        }
        _ => bail!("--tls-cert / EARMARK_TLS_CERT and --tls-key / EARMARK_TLS_KEY need each other"),
    })
}

/// Reads the files of the certificate again, at SIGHUP and once a minute. Tools that renew a certificate replace its files,
/// and not all of them can send a signal.
async fn reload(mut hangup: Signal, identity: Option<Arc<Identity>>) {
    loop {
        let is_asked = tokio::select! {
            received = hangup.recv() => received.is_some(),
            () = tokio::time::sleep(CERTIFICATE_AGE_MAX) => false,
        };
        let Some(identity) = identity.clone() else {
            if is_asked {
                tracing::info!("SIGHUP: there is no certificate to reload");
            }
            continue;
        };
        match tokio::task::spawn_blocking(move || identity.reload()).await {
            Ok(Ok(true)) => tracing::info!("new connections use the new certificate"),
            Ok(Ok(false)) if is_asked => tracing::info!("SIGHUP: the certificate is unchanged"),
            Ok(Ok(false)) => {}
            Ok(Err(error)) => {
                tracing::error!(cause = %error, "cannot load the new certificate, the one before stays in use");
            }
            Err(panic) => tracing::error!(cause = %panic, "cannot load the new certificate"),
        }
    }
}

/// The signals that stop the service. While a `Signals` exists, they do not end the process.
pub(super) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// SIGHUP, if it stops the service.
    hangup: Option<Signal>,
}

impl Signals {
    pub(super) fn new() -> anyhow::Result<Self> {
        let (interrupt, terminate) = (SignalKind::interrupt(), SignalKind::terminate());
        Ok(Self { interrupt: signal(interrupt)?, terminate: signal(terminate)?, hangup: None })
    }

    /// SIGHUP, which a process gets when its terminal is closed, stops the service too.
    pub(super) fn and_hangup(self) -> anyhow::Result<Self> {
        Ok(Self { hangup: Some(signal(SignalKind::hangup())?), ..self })
    }

    pub(super) async fn any(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
            Some(()) = async { self.hangup.as_mut()?.recv().await } => {}
        }
    }
}

/// Serves until SIGINT or SIGTERM, then shuts down in four steps:
///
/// 1. For the time of `delay`, or until a second signal, `/readyz` fails while the service still serves.
/// 2. The servers stop to accept connections.
/// 3. The servers finish the requests in flight.
/// 4. The service closes its database connections.
pub(super) async fn until_signal(
    mut signals: Signals,
    service: Service,
    listen: Listen,
    delay: Duration,
    ready: impl FnOnce(Addresses) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    if let Err(error) = service.learn_apps().await {
        tracing::warn!(cause = ?error, "cannot list the apps, so their first calls may be refused with 60007");
    }
    let (addresses, servers) = http::listen(service.clone(), listen)?;
    let handles: Vec<_> = servers.iter().map(Server::handle).collect();
    let running = tokio::spawn(join_all(servers));
    ready(addresses)?;
    signals.any().await;
    tracing::info!("stopping");
    service.announce_stop();
    tokio::select! {
        () = tokio::time::sleep(delay) => {}
        () = signals.any() => {}
    }
    join_all(handles.iter().map(|handle| handle.stop(true))).await;
    for ended in running.await.context("server")? {
        ended.context("server")?;
    }
    service.close().await;
    tracing::info!("stopped");
    Ok(())
}

#[cfg(test)]
mod tests {
    use testkit::{Scratch, certificate};

    use super::*;

    /// The clock is paused: Tokio advances it to the next timer when all tasks wait.
    #[tokio::test(start_paused = true)]
    async fn a_renewed_certificate_is_read_within_a_minute_without_a_signal() {
        let scratch = Scratch::create();
        let [old, new, newer] = ["localhost"; 3].map(certificate);
        let certificate_file = scratch.write("cert.pem", old.certificate);
        let key_file = scratch.write("key.pem", old.key);
        let identity = Arc::new(Identity::from_files(&certificate_file, &key_file).unwrap());
        tokio::spawn(reload(signal(SignalKind::hangup()).unwrap(), Some(identity.clone())));
        for renewed in [new, newer] {
            scratch.write("cert.pem", &renewed.certificate);
            scratch.write("key.pem", &renewed.key);

            tokio::time::sleep(Duration::from_secs(61)).await;

            assert!(!identity.reload().unwrap(), "the files were not read");
        }
    }
}
