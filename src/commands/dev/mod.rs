//! `earmark dev`: a private PostgreSQL, an app and the service, for a trial and for other programs' tests.

mod apps;
mod introduction;
mod ready_file;

use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::available_parallelism;
use std::time::Duration;

use anyhow::Context;

use super::serve::Signals;
use super::{print, serve};
use crate::config::{Dev, Output};
use crate::domain::{App, SdkAppId, SecretKey};
use crate::http::{
    Addresses, CLIENT_CONNECTIONS, Console, Environment, Faults, KEEP_ALIVE_S, Listen,
    OperatorToken, Operators,
};
use crate::service::{self, Service};
use crate::store::{Database, Partitions, Store, schema};
use apps::ADMIN;
use introduction::Introduction;
use private_postgres::{Cluster, Lifetime, Settings};
use ready_file::ReadyFile;

/// Enough for a trial. Each worker has its own connections, and the private PostgreSQL allows a hundred.
const WORKERS_MAX: usize = 4;

/// A `dev` whose settings are checked.
struct Stand {
    settings: Dev,
    /// The apps of `--app`.
    apps: Vec<(SdkAppId, SecretKey)>,
    folder: PathBuf,
    ready_file: Option<ReadyFile>,
}

pub(super) async fn run(mut settings: Dev, output: Output) -> anyhow::Result<()> {
    settings.json |= output == Output::Json;
    let mut signals = Signals::new()?.and_hangup()?;
    let apps = settings.apps()?;
    let ready_file = settings.ready_file.clone().map(ReadyFile::claim).transpose()?;
    let folder = if settings.ephemeral { temporary_folder()? } else { settings.data.clone() };
    let cluster_settings = Settings {
        folder: folder.clone(),
        pg_bin: settings.pg_bin.clone(),
        lifetime: if settings.ephemeral { Lifetime::Volatile } else { Lifetime::Kept },
    };
    let mut cluster = tokio::select! {
        started = Cluster::start(&cluster_settings) => started?,
        // PostgreSQL notices that we are gone and stops by itself, as after a kill.
        () = signals.any() => return Ok(()),
    };
    if settings.ephemeral {
        let folder = folder.display();
        tracing::warn!(
            "ephemeral: PostgreSQL runs with fsync off, and {folder} is removed at the end"
        );
    }
    let database =
        Database::from_options(cluster.connect_options()).allow_unsafe(settings.ephemeral);
    let about = format!("{}\n  look inside: {}", cluster.describe(), cluster.psql_hint());
    let lost = if settings.ephemeral {
        "the data was ephemeral, and is lost"
    } else {
        "what was acknowledged is safe: start again"
    };
    let stand = Stand { settings, apps, folder, ready_file };
    let served = tokio::select! {
        served = stand.serve(signals, &database, &about) => served,
        ended = cluster.exited() => Err(ended).context(lost),
    };
    cluster.stop().await?;
    served
}

/// A name that another user of the machine cannot guess, and so cannot take first.
fn temporary_folder() -> anyhow::Result<PathBuf> {
    let name = service::random_secret_key()?;
    Ok(std::env::temp_dir().join(format!("earmark-dev-{}", &name.reveal()[..16])))
}

impl Stand {
    async fn serve(
        self,
        mut signals: Signals,
        database: &Database,
        about: &str,
    ) -> anyhow::Result<()> {
        let (service, app) = tokio::select! {
            prepared = self.prepare(database) => prepared?,
            () = signals.any() => return Ok(()),
        };
        let key_file = self.folder.join("secret-key");
        write_secret_key(&key_file, &app.key.secret)?;
        // 64 hex digits, new at each start. Other users of the machine can connect, but cannot read our terminal.
        let token = service::random_secret_key()?;
        let listen = self.listen(&app, OperatorToken::parse(token.reveal())?);
        let ready = |at: Addresses| {
            let (url, listen) = (local(at.api), at.api);
            let introduction =
                Introduction { url, listen, app: &app, token: &token, key_file: &key_file, about };
            if let Some(file) = &self.ready_file {
                file.write(&introduction.json())?;
            }
            print(&if self.settings.json { introduction.json() } else { introduction.text() })
        };
        serve::until_signal(signals, service, listen, Duration::ZERO, ready).await
    }

    async fn prepare(&self, database: &Database) -> anyhow::Result<(Service, Arc<App>)> {
        let shared = Store::connect(database).await?;
        schema::migrate(&shared).await.context("migrations")?;
        let partitions = Partitions::of(shared).await?;
        // A trial has its receivers on the same machine.
        let webhooks = service::WebhookHosts::Any;
        let settings = service::Settings { webhooks, ..service::Settings::default() };
        let service = Service::new(partitions.clone(), settings);
        let app = match &*self.apps {
            [] => {
                let is_empty = self.settings.empty || self.settings.seed.is_some();
                apps::demo(&partitions, &service, is_empty).await?
            }
            [first, others @ ..] => {
                let app = apps::given(&partitions, first).await?;
                for other in others {
                    apps::given(&partitions, other).await?;
                }
                app
            }
        };
        if let Some(file) = &self.settings.seed {
            apps::seed(&partitions, &app, file).await?;
        }
        Ok((service, app))
    }

    fn listen(&self, app: &App, token: OperatorToken) -> Listen {
        let operators = if self.settings.allow_remote {
            Operators::WithToken(token)
        } else {
            Operators::ThisMachine(token)
        };
        let (sdk_app_id, identifier) = (app.sdk_app_id, ADMIN.to_owned());
        Listen {
            address: self.settings.listen,
            admin_address: None,
            console: Console::SignedIn { sdk_app_id, identifier },
            environment: Environment::default(),
            operators,
            faults: Some(Faults::default()),
            identity: None,
            workers: available_parallelism().map_or(1, Into::into).min(WORKERS_MAX),
            connections_max: CLIENT_CONNECTIONS,
            keep_alive: Duration::from_secs(KEEP_ALIVE_S),
            shutdown_s: 10,
        }
    }
}

/// Only the owner of the file may read it, also if the file exists with another mode.
fn write_secret_key(file: &Path, key: &SecretKey) -> anyhow::Result<()> {
    let write = || {
        let mut options = std::fs::OpenOptions::new();
        options.write(true).create(true).truncate(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
        let mut file = options.open(file)?;
        file.set_permissions(std::fs::Permissions::from_mode(0o600))?;
        std::io::Write::write_all(&mut file, format!("{}\n", key.reveal()).as_bytes())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// The address for a client on this machine. The service answers the console and the admin API only to a `Host` that names
/// this machine, which 0.0.0.0 does not.
fn local(address: SocketAddr) -> SocketAddr {
    let is_any = address.ip().is_unspecified();
    if is_any { SocketAddr::from((Ipv4Addr::LOCALHOST, address.port())) } else { address }
}
