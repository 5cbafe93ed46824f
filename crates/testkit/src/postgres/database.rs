//! Databases: all tests of a process share one server, and each test has a database of its own.

use std::path::PathBuf;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use private_postgres::{Cluster, Lifetime, Settings};
use sqlx::ConnectOptions as _;
use sqlx::postgres::PgConnectOptions;

use super::{Sql, runtime};

/// An empty database.
#[derive(Debug)]
pub struct Database {
    pub url: String,
    options: PgConnectOptions,
}

impl Database {
    /// Creates a database on the shared server.
    pub fn create() -> Self {
        Self::create_on(shared_server())
    }

    pub fn create_on(server: &PgConnectOptions) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("process_{}", COUNT.fetch_add(1, Ordering::Relaxed));
        Sql::connect(server).run(&format!("CREATE DATABASE {name}"));
        let options = server.clone().database(&name);
        Self { url: options.to_url_lossy().to_string(), options }
    }

    pub fn name(&self) -> &str {
        self.options.get_database().unwrap()
    }

    /// The folder of the server's Unix socket. A server in a container has none.
    pub fn socket(&self) -> Option<&PathBuf> {
        self.options.get_socket()
    }

    pub fn connect(&self) -> Sql {
        Sql::connect(&self.options)
    }
}

/// A server that stops when the process of the tests ends.
fn shared_server() -> &'static PgConnectOptions {
    static SERVER: OnceLock<PgConnectOptions> = OnceLock::new();
    SERVER.get_or_init(|| {
        let (sender, receiver) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            runtime().block_on(async {
                let name = format!("earmark-test-{}-server", std::process::id());
                let folder = std::env::temp_dir().join(name);
                let settings = Settings { folder, pg_bin: None, lifetime: Lifetime::Ephemeral };
                let cluster = Cluster::start(&settings).await.unwrap();
                sender.send(cluster.connect_options()).unwrap();
                std::future::pending::<()>().await;
                drop(cluster);
            });
        });
        receiver.recv().expect("a PostgreSQL starts")
    })
}
