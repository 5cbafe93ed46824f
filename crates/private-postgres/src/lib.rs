//! A private PostgreSQL server, owned by this process: it is started, held on a leash, and stopped.
//!
//! `earmark dev` and the tests use it, so that a newcomer needs no database of their own.
//! Why it is done this way: `docs/adr/0004-private-postgresql.md`.

mod account;
mod binaries;
mod container;
mod error;
mod folder;
mod leash;
mod leftover;
mod native;
mod readiness;

use std::path::PathBuf;
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;

pub use self::binaries::Places;
pub use self::error::Error;
use self::folder::Folder;
use self::leash::Leash;

/// The database that every private server has, and the name of its superuser.
const NAME: &str = "earmark";
/// Connections a private server takes: many tests share one.
const CONNECTIONS_MAX: u32 = 200;
/// How long a server may take to shut down before we say so.
const STOP_LIMIT: Duration = Duration::from_secs(90);

/// Where a private server lives and how it is found.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Holds the data, the log and the lock; made when missing.
    pub folder: PathBuf,
    /// Where `postgres` and `initdb` are (`--pg-bin`); without it they are looked for.
    pub pg_bin: Option<PathBuf>,
    /// What becomes of the folder when the server stops.
    pub lifetime: Lifetime,
}

/// What becomes of the folder when the server stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lifetime {
    /// The data stays and the next start finds it: `dev`.
    Kept,
    /// The folder, empty or missing at the start, is removed however this process ends: tests.
    Ephemeral,
}

/// A running private server. Dropping it stops the server too, but only [`Cluster::stop`] waits.
#[derive(Debug)]
#[must_use = "the server stops when this is dropped"]
pub struct Cluster {
    server: Server,
    folder: Folder,
}

/// What a way of running PostgreSQL hands back once it answers.
#[derive(Debug)]
struct Server {
    leash: Leash,
    options: PgConnectOptions,
    description: String,
    psql: String,
}

impl Cluster {
    /// Starts a server and returns when it answers; waits for a left-over of an earlier one first.
    pub async fn start(settings: &Settings) -> Result<Self, Error> {
        Self::start_from(settings, &Places::of_this_machine()).await
    }

    /// As [`Cluster::start`], looking for PostgreSQL in the given places only.
    pub async fn start_from(settings: &Settings, places: &Places) -> Result<Self, Error> {
        let mut folder = Folder::open(&settings.folder, settings.lifetime)?;
        leftover::evict(&folder).await?;

        let found = binaries::find(settings.pg_bin.as_deref(), places, &folder).await?;
        let server = if let Some(binaries) = found {
            native::start(&mut folder, &binaries).await?
        } else {
            let no_docker = |why| binaries::none(places, why);
            container::check(&places.docker).await.map_err(no_docker)?;
            container::start(&mut folder, &places.docker).await?
        };
        tracing::debug!(server = server.description, folder = %folder.path().display(), "started");
        Ok(Self { server, folder })
    }

    /// How to connect: as the superuser, to the database `earmark`.
    #[must_use]
    pub fn connect_options(&self) -> PgConnectOptions {
        self.server.options.clone()
    }

    /// Which PostgreSQL this is and where it comes from, for a person.
    #[must_use]
    pub fn describe(&self) -> String {
        self.server.description.clone()
    }

    /// A command line that a person can paste to look inside.
    #[must_use]
    pub fn psql_hint(&self) -> String {
        self.server.psql.clone()
    }

    /// Resolves when the server ends by itself, with what there is to say about it.
    ///
    /// Like [`Cluster::stop`], it must run on the runtime that the server was started on.
    pub async fn exited(&mut self) -> Error {
        self.server.leash.exited().await
    }

    /// Shuts the server down without waiting for its clients, and returns when it is gone.
    pub async fn stop(self) -> Result<(), Error> {
        let Self { server, folder } = self;
        let gone = async {
            server.leash.stop().await?;
            folder.close().await
        };
        tokio::time::timeout(STOP_LIMIT, gone)
            .await
            .unwrap_or(Err(Error::NotStopped { seconds: STOP_LIMIT.as_secs() }))
    }
}
