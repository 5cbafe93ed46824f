//! The PostgreSQL of the tests: one server for all tests of a process, one database for each test.

use std::process;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};

use earmark::store::{Database, Store, schema};
use private_postgres::{Cluster, Lifetime, Settings};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use testcontainers::core::wait::LogWaitStrategy;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::sync::{Mutex, OnceCell};

const PASSWORD: &str = "earmark-tests";
/// The process id follows, so that several runs of the tests can share a server.
const PREFIX: &str = "earmark_test";

/// A server with a migrated database to copy. The last test that uses it drops it. The `static` below holds only a weak
/// reference, because Rust never drops a `static`.
#[derive(Debug)]
pub(crate) struct Server {
    options: PgConnectOptions,
    template: String,
    source: Source,
}

#[derive(Debug)]
enum Source {
    /// A server that the tests did not start: they must drop the databases that they create.
    Url,
    /// A private server, which ends with this process and removes its data.
    Private,
    /// A container, which ends when it is dropped.
    Container { _container: Box<ContainerAsync<GenericImage>> },
}

static IN_USE: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
static PRIVATE: OnceCell<Cluster> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(1);

/// The server of this process. The first test starts it.
pub(crate) async fn server() -> Arc<Server> {
    let mut in_use = IN_USE.lock().await;
    if let Some(server) = in_use.upgrade() {
        return server;
    }
    let server = Arc::new(Server::find().await);
    *in_use = Arc::downgrade(&server);
    server
}

/// Releases the server. The last test to do so drops the template database.
pub(crate) async fn release(server: Arc<Server>) {
    if let Some(server) = Arc::into_inner(server) {
        server.drop_database(&server.template).await;
    }
}

/// A setting of the tests themselves.
pub(crate) fn setting(name: &str) -> Option<String> {
    #[expect(clippy::disallowed_methods, reason = "the tests read their settings only here")]
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Prints a line for the person who runs the tests.
fn print(text: &str) {
    #[expect(
        clippy::print_stderr,
        reason = "a person should know which database the tests use, and why"
    )]
    {
        eprintln!("{text}");
    }
}

impl Server {
    /// Uses `TEST_DATABASE_URL` if it is set. Otherwise starts what `EARMARK_TEST_DATABASE` says (`private` or
    /// `container`). Otherwise starts a container, or, without Docker, a private server like that of `earmark dev`.
    async fn find() -> Self {
        if let Some(url) = setting("TEST_DATABASE_URL") {
            let options =
                PgConnectOptions::from_str(&url).expect("TEST_DATABASE_URL: a postgres:// URL");
            return Self::prepare(options, Source::Url).await;
        }
        match setting("EARMARK_TEST_DATABASE").as_deref() {
            Some("private") => Self::private().await,
            Some("container") => {
                Self::container().await.expect("EARMARK_TEST_DATABASE=container: a container")
            }
            Some(other) => panic!("EARMARK_TEST_DATABASE: private or container, got {other}"),
            None => match Self::container().await {
                Ok(server) => server,
                Err(why) => {
                    print(&format!("no container ({why}): the tests use a private PostgreSQL"));
                    Self::private().await
                }
            },
        }
    }

    async fn private() -> Self {
        let folder = std::env::temp_dir().join(format!("{PREFIX}-{}-shared", process::id()));
        let settings = Settings { folder, pg_bin: None, lifetime: Lifetime::Ephemeral };
        let start = async || Cluster::start(&settings).await.unwrap();
        Self::on(PRIVATE.get_or_init(start).await.connect_options()).await
    }

    /// Uses a server of the test's own.
    pub(crate) async fn on(options: PgConnectOptions) -> Self {
        Self::prepare(options, Source::Private).await
    }

    async fn container() -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        let image = setting("EARMARK_TEST_IMAGE").unwrap_or_else(|| "postgres:15".to_owned());
        let (name, tag) = image.rsplit_once(':').unwrap_or((&image, "latest"));
        // The image starts PostgreSQL twice: the first time only to create its data.
        let ready = "database system is ready to accept connections";
        let container = GenericImage::new(name, tag)
            .with_exposed_port(5432.tcp())
            .with_wait_for(WaitFor::Log(LogWaitStrategy::stdout_or_stderr(ready).with_times(2)))
            .with_env_var("POSTGRES_PASSWORD", PASSWORD)
            .with_cmd(["-c", "max_connections=200"])
            .start()
            .await?;
        let options = PgConnectOptions::new_without_pgpass()
            .host(&container.get_host().await?.to_string())
            .port(container.get_host_port_ipv4(5432).await?)
            .username("postgres")
            .password(PASSWORD)
            .database("postgres");
        Ok(Self::prepare(options, Source::Container { _container: Box::new(container) }).await)
    }

    /// Creates the template for the databases of the tests.
    async fn prepare(options: PgConnectOptions, source: Source) -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let template = format!("{PREFIX}_{}_{number}_template", process::id());
        let server = Self { options: options.disable_statement_logging(), template, source };
        server.run(&format!("CREATE DATABASE {}", server.template)).await;
        let store = Store::connect(&server.database(&server.template)).await.unwrap();
        schema::migrate(&store).await.unwrap();
        store.close().await;
        server
    }

    /// Creates a database for one test.
    pub(crate) async fn create_database(&self) -> String {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}_{}_{number}", process::id());
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {}", self.template)).await;
        name
    }

    /// Drops a database, unless the whole server goes away anyway.
    pub(crate) async fn drop_database(&self, name: &str) {
        if matches!(self.source, Source::Url) {
            self.run(&format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)")).await;
        }
    }

    pub(crate) fn options(&self, database: &str) -> PgConnectOptions {
        self.options.clone().database(database)
    }

    pub(crate) fn database(&self, name: &str) -> Database {
        Database::from_options(self.options(name))
    }

    /// Runs a statement. Its names come from this file, so it needs no quotes.
    async fn run(&self, statement: &str) {
        let mut connection = self.options.connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }
}
