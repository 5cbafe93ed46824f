//! A private PostgreSQL server that stops when our process ends.
//!
//! `earmark dev` and the tests use it, so a newcomer need not configure a server.
//! For the reasons behind it, see `docs/adr/0004-private-postgresql.md`.

mod account;
mod binaries;
mod container;
mod error;
mod folder;
mod leftover;
mod native;
mod readiness;
mod supervisor;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

pub use self::binaries::Places;
pub use self::error::Error;
use self::folder::Folder;
use self::supervisor::Supervisor;

/// The database that every private server has, and the name of its superuser.
const NAME: &str = "earmark";
/// Many tests share one server.
const CONNECTIONS_MAX: u32 = 200;
/// The time after which [`Cluster::stop`] fails.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// How to start a private server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Holds the data, the log and the lock. Created if it is missing.
    pub folder: PathBuf,
    /// The folder with `postgres` and `initdb` (`--pg-bin`). If `None`, [`Places::of_this_machine`] are searched.
    pub pg_bin: Option<PathBuf>,
    pub lifetime: Lifetime,
}

/// What happens to the folder when the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The folder stays, and the next start uses its data (`earmark dev`).
    Kept,
    /// The folder is removed, even if our process is killed. It must be empty or missing at the start (tests).
    Ephemeral,
    /// As `Ephemeral`, and fsync is off, because no one needs the data after a crash (`earmark dev --ephemeral`).
    Volatile,
}

impl Lifetime {
    /// Settings of the server. They are on its command line, so they override the configuration file.
    fn settings(self) -> &'static [&'static str] {
        match self {
            Self::Kept | Self::Ephemeral => {
                &["fsync=on", "synchronous_commit=on", "full_page_writes=on"]
            }
            Self::Volatile => &["fsync=off", "synchronous_commit=on", "full_page_writes=off"],
        }
    }
}

/// The folder with the programs that [`Cluster::start`] would use for new data. `None` if it would use a container.
pub async fn programs(places: &Places) -> Option<PathBuf> {
    binaries::newest(places).await.map(|found| found.folder)
}

/// A running private server. Dropping it stops the server too, but only [`Cluster::stop`] waits.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct Cluster {
    server: Server,
    folder: Folder,
}

/// A server that accepts connections.
#[derive(Debug)]
struct Server {
    supervisor: Supervisor,
    options: PgConnectOptions,
    description: String,
    psql: String,
}

impl Cluster {
    /// Starts a server, and waits until it accepts connections. First stops a server that an earlier process has left
    /// running on the folder.
    pub async fn start(settings: &Settings) -> Result<Self, Error> {
        Self::start_from(settings, &Places::of_this_machine()).await
    }

    /// As [`Cluster::start`], looking for PostgreSQL in the given places only.
    pub async fn start_from(settings: &Settings, places: &Places) -> Result<Self, Error> {
        let mut folder = Folder::open(&settings.folder, settings.lifetime)?;
        leftover::stop(&folder).await?;

        let found = binaries::find(settings.pg_bin.as_deref(), places, &folder).await?;
        let server = if let Some(binaries) = found {
            native::start(&mut folder, &binaries, settings.lifetime).await?
        } else {
            let no_docker = |why| binaries::none(places, why);
            container::check(&places.docker).await.map_err(no_docker)?;
            container::start(&mut folder, &places.docker, settings.lifetime).await?
        };
        tracing::debug!(server = server.description, folder = %folder.path().display(), "started");
        Ok(Self { server, folder })
    }

    /// Options to connect as the superuser to the database `earmark`.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        self.server.options.clone()
    }

    /// The version and the origin of the server, for people.
    #[must_use]
    pub fn describe(&self) -> String {
        self.server.description.clone()
    }

    /// A command line that opens a `psql` session.
    #[must_use]
    pub fn psql_hint(&self) -> String {
        self.server.psql.clone()
    }

    /// Waits until the server ends by itself, and returns the reason.
    ///
    /// As [`Cluster::stop`], this must run on the runtime on which the server was started.
    pub async fn exited(&mut self) -> Error {
        self.server.supervisor.exited().await
    }

    /// Shuts the server down without waiting for its clients, and waits until it has ended.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { server, folder } = self;
        let gone = async {
            server.supervisor.stop().await?;
            folder.close().await
        };
        tokio::time::timeout(STOP_LIMIT, gone)
            .await
            .unwrap_or(Err(Error::NotStopped { seconds: STOP_LIMIT.as_secs() }))
    }
}
