//! A database connection of the test itself.

use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection};
use tokio::runtime::Runtime;

use super::runtime;

/// A connection that bypasses the service.
#[derive(Debug)]
pub struct Sql {
    connection: PgConnection,
    runtime: Runtime,
}

impl Sql {
    #[track_caller]
    pub fn connect(options: &PgConnectOptions) -> Self {
        Self::try_connect(options).unwrap()
    }

    pub fn try_connect(options: &PgConnectOptions) -> sqlx::Result<Self> {
        let runtime = runtime();
        let connection = runtime.block_on(options.connect())?;
        Ok(Self { connection, runtime })
    }

    /// Runs statements, and ignores their results.
    #[track_caller]
    pub fn run(&mut self, statements: &str) {
        let run = sqlx::raw_sql(AssertSqlSafe(statements)).execute(&mut self.connection);
        self.runtime.block_on(run).unwrap();
    }

    /// Runs a query that returns one number.
    #[track_caller]
    pub fn number(&mut self, query: &str) -> i64 {
        let ask = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut self.connection);
        self.runtime.block_on(ask).unwrap()
    }

    /// Runs a query that returns one text.
    #[track_caller]
    pub fn text(&mut self, query: &str) -> String {
        let ask = sqlx::query_scalar(AssertSqlSafe(query)).fetch_one(&mut self.connection);
        self.runtime.block_on(ask).unwrap()
    }
}
