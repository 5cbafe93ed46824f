//! The PostgreSQL of the tests: one server for all tests of a process, one database for each test.

use std::process;
use std::str::FromStr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Weak};
use std::time::Duration;

use earmark::store::{Database, Store, schema};
use private_postgres::{Cluster, Lifetime, Settings};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection};
use testcontainers::core::wait::LogWaitStrategy;
use testcontainers::core::{IntoContainerPort, WaitFor};
use testcontainers::runners::AsyncRunner;
use testcontainers::{ContainerAsync, GenericImage, ImageExt};
use tokio::sync::{Mutex, OnceCell};

use super::citus::Workers;

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
    /// With Citus, the databases are on them as well.
    workers: Workers,
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

/// The tables that have rows in partitions only.
pub(super) const PARTITIONED: [&str; 5] =
    ["users", "conversations", "contact_groups", "accounts", "app_sizes"];
/// Tables of which each schema has its own rows.
pub(super) const IN_EACH_SCHEMA: [&str; 4] =
    ["feed_head", "database_epoch", "webhooks", "webhook_deliveries"];
const LOCK_WAIT: Duration = Duration::from_mins(1);

static IN_USE: Mutex<Weak<Server>> = Mutex::const_new(Weak::new());
static PRIVATE: OnceCell<Cluster> = OnceCell::const_new();
/// A template on Citus takes long, so it stays for all tests. Its cluster is there for the tests alone.
static ON_CITUS: OnceCell<Arc<Server>> = OnceCell::const_new();
static DATABASES: AtomicU32 = AtomicU32::new(1);

/// The server of this process. The first test starts it.
pub(crate) async fn server() -> Arc<Server> {
    let mut in_use = IN_USE.lock().await;
    if let Some(server) = in_use.upgrade() {
        return server;
    }
    let server = Arc::new(Server::find().await);
    *in_use = Arc::downgrade(&server);
    if server.workers.exist() {
        ON_CITUS.get_or_init(async || server.clone()).await;
    }
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

/// The number of partitions: `EARMARK_TEST_PARTITIONS`, or one.
pub(crate) fn partitions() -> u16 {
    let number = setting("EARMARK_TEST_PARTITIONS");
    number.map_or(1, |number| number.parse().expect("EARMARK_TEST_PARTITIONS: a number"))
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
            return Self::prepare(options, Source::Url, Workers::find()).await;
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
        Self::prepare(options, Source::Private, Workers::none()).await
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
        let source = Source::Container { _container: Box::new(container) };
        Ok(Self::prepare(options, source, Workers::none()).await)
    }

    /// Creates the template for the databases of the tests.
    async fn prepare(options: PgConnectOptions, source: Source, workers: Workers) -> Self {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let template = format!("{PREFIX}_{}_{number}_template", process::id());
        let server =
            Self { options: options.disable_statement_logging(), template, source, workers };
        server.run(&format!("CREATE DATABASE {}", server.template)).await;
        if server.workers.exist() {
            server.workers.join(&server.options(&server.template)).await;
        }
        let store = Store::connect(&server.database(&server.template)).await.unwrap();
        let count = partitions();
        schema::migrate_all(&store, Some(count), LOCK_WAIT).await.unwrap();
        store.close().await;
        if count > 1 {
            server.create_parents(count).await;
        }
        if server.workers.exist() {
            server.workers.create_children(&server.options(&server.template)).await;
            server.workers.close(&server.options, &server.template).await;
        }
        server
    }

    /// Creates a database for one test.
    pub(crate) async fn create_database(&self) -> String {
        let number = DATABASES.fetch_add(1, Ordering::Relaxed);
        let name = format!("{PREFIX}_{}_{number}", process::id());
        self.run(&format!("CREATE DATABASE {name} TEMPLATE {}", self.template)).await;
        if self.workers.exist() {
            self.workers.lead_to_copies(&self.options(&name)).await;
        }
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

    /// Statements of the tests see the rows of all partitions.
    pub(crate) fn options_of_all(&self, database: &str) -> PgConnectOptions {
        let options = self.options(database);
        if partitions() == 1 {
            return options;
        }
        options.options([("search_path", "all_partitions,public")])
    }

    /// A schema whose tables are the parents of those in the partitions: statements of the tests find the rows of all.
    async fn create_parents(&self, count: u16) {
        let mut statements = "CREATE SCHEMA all_partitions;".to_owned();
        let partitions: Vec<_> = (0..count).map(|number| format!("partition_{number}")).collect();
        let in_partitions = PARTITIONED.map(|table| (table, partitions.clone()));
        let schemas: Vec<_> = ["public".to_owned()].into_iter().chain(partitions).collect();
        let in_schemas = IN_EACH_SCHEMA.map(|table| (table, schemas.clone()));
        for (table, schemas) in in_partitions.into_iter().chain(in_schemas) {
            let create = format!("CREATE TABLE all_partitions.{table} (LIKE partition_0.{table});");
            statements.push_str(&create);
            // Citus keeps the rows of a partition elsewhere.
            let is_placed = |schema: &String| self.workers.exist() && schema != "public";
            for schema in schemas.iter().filter(|schema| !is_placed(schema)) {
                let child = format!("{schema}.{table}");
                let inherit = format!("ALTER TABLE {child} INHERIT all_partitions.{table};");
                statements.push_str(&inherit);
            }
        }
        let mut connection = self.options(&self.template).connect().await.unwrap();
        sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
    }

    pub(crate) fn database(&self, name: &str) -> Database {
        Database::from_options(self.options(name))
    }

    /// Runs a statement, with Citus on each node.
    async fn run(&self, statement: &str) {
        self.workers.run_on_all(&self.options, statement).await;
    }
}
