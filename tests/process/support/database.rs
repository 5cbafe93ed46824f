//! Databases: one server for all tests, a database for each; a server of its own for a test that stops it.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use private_postgres::{Cluster, Lifetime, Settings};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};
use tokio::runtime::{Builder, Runtime};

use super::Scratch;

fn runtime() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

/// An empty database of one test.
pub(crate) struct Database {
    pub(crate) url: String,
    options: PgConnectOptions,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self::on(shared_server())
    }

    pub(crate) fn on(server: &PgConnectOptions) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("process_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Sql::connect(server).run(&format!("CREATE DATABASE {name}"));
        let options = server.clone().database(&name);
        Self { url: options.to_url_lossy().to_string(), options }
    }

    pub(crate) fn name(&self) -> &str {
        self.options.get_database().unwrap()
    }

    /// The folder of the server's socket, if it has one.
    pub(crate) fn socket(&self) -> Option<&PathBuf> {
        self.options.get_socket()
    }

    pub(crate) fn connect(&self) -> Sql {
        Sql::connect(&self.options)
    }
}

/// The server that lives as long as this process: the kernel lets go of its leash at the end.
fn shared_server() -> &'static PgConnectOptions {
    static SERVER: OnceLock<PgConnectOptions> = OnceLock::new();
    SERVER.get_or_init(|| {
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            runtime().block_on(async {
                let name = format!("earmark-process-{}-server", std::process::id());
                let folder = std::env::temp_dir().join(name);
                let settings = Settings { folder, pg_bin: None, lifetime: Lifetime::Ephemeral };
                let cluster = Cluster::start(&settings).await.unwrap();
                tell.send(cluster.connect_options()).unwrap();
                std::future::pending::<()>().await;
                drop(cluster);
            });
        });
        told.recv().expect("a PostgreSQL starts")
    })
}

/// A server that its test stops and starts again.
pub(crate) struct Server {
    runtime: Runtime,
    cluster: Option<Cluster>,
    scratch: Scratch,
}

impl Server {
    pub(crate) fn start() -> Self {
        let mut server = Self { runtime: runtime(), cluster: None, scratch: Scratch::new() };
        server.start_again();
        server
    }

    pub(crate) fn start_again(&mut self) {
        let folder = self.scratch.join("data");
        let settings = Settings { folder, pg_bin: None, lifetime: Lifetime::Kept };
        self.cluster = Some(self.runtime.block_on(Cluster::start(&settings)).unwrap());
    }

    pub(crate) fn stop(&mut self) {
        self.runtime.block_on(self.cluster.take().unwrap().stop()).unwrap();
    }

    pub(crate) fn options(&self) -> PgConnectOptions {
        self.cluster.as_ref().unwrap().connect_options()
    }

    pub(crate) fn describe(&self) -> String {
        self.cluster.as_ref().unwrap().describe()
    }

    pub(crate) fn scratch(&self) -> &Scratch {
        &self.scratch
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(cluster) = self.cluster.take() {
            _ = self.runtime.block_on(cluster.stop());
        }
    }
}

/// A connection of the test's own.
pub(crate) struct Sql {
    connection: PgConnection,
    runtime: Runtime,
}

impl Sql {
    pub(crate) fn connect(options: &PgConnectOptions) -> Self {
        Self::try_connect(options).unwrap()
    }

    pub(crate) fn try_connect(options: &PgConnectOptions) -> sqlx::Result<Self> {
        let runtime = runtime();
        let connection = runtime.block_on(options.connect())?;
        Ok(Self { connection, runtime })
    }

    /// Runs statements without an answer.
    #[track_caller]
    pub(crate) fn run(&mut self, statements: &str) {
        let run = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.connection);
        self.runtime.block_on(run).unwrap();
    }

    /// The one number that a query answers with.
    #[track_caller]
    pub(crate) fn number(&mut self, query: &str) -> i64 {
        let ask = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut self.connection);
        self.runtime.block_on(ask).unwrap()
    }
}
