//! A Citus cluster as the server of the tests (`just bench citus tests`). `TEST_DATABASE_URL` leads to its coordinator, and
//! `EARMARK_TEST_CITUS_WORKERS` has the addresses of its workers.

use std::fmt::Write as _;

use futures_util::future::join_all;
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::database::{IN_EACH_SCHEMA, PARTITIONED, setting};

/// The addresses of the workers; none without Citus.
#[derive(Debug)]
pub(super) struct Workers(Vec<(String, u16)>);

impl Workers {
    pub(super) fn none() -> Self {
        Self(Vec::new())
    }

    pub(super) fn find() -> Self {
        let list = setting("EARMARK_TEST_CITUS_WORKERS").unwrap_or_default();
        let parse = |address: &str| {
            let (host, port) = address.rsplit_once(':')?;
            Some((host.to_owned(), port.parse().ok()?))
        };
        let addresses = list.split_terminator(',').map(parse).collect::<Option<_>>();
        Self(addresses.expect("EARMARK_TEST_CITUS_WORKERS: HOST:PORT,HOST:PORT"))
    }

    pub(super) fn exist(&self) -> bool {
        !self.0.is_empty()
    }

    /// Runs a statement on the coordinator and on each worker.
    pub(super) async fn run_on_all(&self, coordinator: &PgConnectOptions, statement: &str) {
        let worker = |(host, port): &(String, u16)| coordinator.clone().host(host).port(*port);
        let nodes = [coordinator.clone()].into_iter().chain(self.0.iter().map(worker));
        join_all(nodes.map(async |node| run(&node, statement).await)).await;
    }

    /// Makes a cluster of the databases with one name, so that Citus places partitions.
    pub(super) async fn join(&self, coordinator: &PgConnectOptions) {
        self.run_on_all(coordinator, "CREATE EXTENSION citus").await;
        let (host, port) = (coordinator.get_host(), coordinator.get_port());
        let mut connection = coordinator.connect().await.unwrap();
        execute(&mut connection, &format!("SELECT citus_set_coordinator_host('{host}', {port})"))
            .await;
        for (host, port) in &self.0 {
            execute(&mut connection, &format!("SELECT citus_add_node('{host}', {port})")).await;
        }
        connection.close().await.unwrap();
    }

    /// Ends all sessions with a database, also those of Citus, and allows no new ones: PostgreSQL copies no database in use.
    pub(super) async fn close(&self, coordinator: &PgConnectOptions, database: &str) {
        let close = format!("ALTER DATABASE {database} ALLOW_CONNECTIONS false");
        self.run_on_all(coordinator, &close).await;
        let end = format!(
            "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{database}'"
        );
        self.run_on_all(coordinator, &end).await;
    }

    /// Makes the rows of the partitions visible in the tables of `all_partitions`, as foreign tables: Citus forwards simple
    /// statements only, and PostgreSQL can run all statements of the tests on these.
    pub(super) async fn create_children(&self, coordinator: &PgConnectOptions) {
        let user = coordinator.get_username();
        let mut statements =
            "SET citus.enable_ddl_propagation = off; CREATE EXTENSION postgres_fdw;".to_owned();
        for (host, port) in &self.0 {
            write!(
                statements,
                "CREATE SERVER \"{host}:{port}\" FOREIGN DATA WRAPPER postgres_fdw OPTIONS (
                    host '{host}', port '{port}', dbname '{}', use_remote_estimate 'false',
                    options '-c citus.enable_manual_changes_to_shards=on');
                CREATE USER MAPPING FOR CURRENT_USER SERVER \"{host}:{port}\"
                    OPTIONS (user '{user}', password_required 'false');",
                coordinator.get_database().unwrap()
            )
            .unwrap();
        }
        let mut connection = coordinator.connect().await.unwrap();
        let tables = [&PARTITIONED[..], &IN_EACH_SCHEMA].concat().join("|");
        let shards: Vec<(String, String, String, String)> =
            sqlx::query_as(AssertSqlSafe(format!(
                "SELECT substring(table_name::text, '^(partition_\\d+)'), substring(table_name::text, '\\.(.*)$'),
                    substring(shard_name, '[^.]*$'), nodename || ':' || nodeport
                FROM citus_shards WHERE table_name::text ~ '^partition_\\d+\\.({tables})$'",
            )))
            .fetch_all(&mut connection)
            .await
            .unwrap();
        assert!(!shards.is_empty(), "Citus has placed no partition");
        for (schema, table, shard, server) in shards {
            write!(
                statements,
                "CREATE FOREIGN TABLE all_partitions.{schema}_{table} ()
                INHERITS (all_partitions.{table}) SERVER \"{server}\"
                OPTIONS (schema_name '{schema}', table_name '{shard}');"
            )
            .unwrap();
        }
        execute(&mut connection, &statements).await;
        connection.close().await.unwrap();
    }

    /// Lets the foreign tables of a copied database lead to the copies on the workers.
    pub(super) async fn lead_to_copies(&self, coordinator: &PgConnectOptions) {
        let name = coordinator.get_database().unwrap();
        let mut statements = "SET citus.enable_ddl_propagation = off;".to_owned();
        for (host, port) in &self.0 {
            write!(statements, "ALTER SERVER \"{host}:{port}\" OPTIONS (SET dbname '{name}');")
                .unwrap();
        }
        run(coordinator, &statements).await;
    }
}

/// Runs statements. The names in them are those of the tests, so they need no quotes.
async fn run(server: &PgConnectOptions, statements: &str) {
    let mut connection = server.connect().await.unwrap();
    execute(&mut connection, statements).await;
    connection.close().await.unwrap();
}

async fn execute(connection: &mut PgConnection, statements: &str) {
    sqlx::raw_sql(AssertSqlSafe(statements)).execute(connection).await.unwrap();
}
