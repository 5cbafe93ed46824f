//! Where a statement is asked, and whether the connection keeps it for the next time.
//!
//! sqlx gives every statement a name in the server's session, even where its own cache of them is off, and a name does
//! not survive PgBouncer's transaction mode: there the session is somebody else's after each transaction.

use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, Postgres, SqlStr};

/// A connection for one statement. It executes like any of sqlx's.
#[derive(Debug)]
pub(super) struct Session<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) keeps_statements: bool,
}

/// A statement without a name, if it is not to be kept.
struct Asked<E> {
    statement: E,
    keep: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Asked<E> {
    fn sql(self) -> SqlStr {
        self.statement.sql()
    }

    fn statement(&self) -> Option<&PgStatement> {
        self.statement.statement()
    }

    fn take_arguments(&mut self) -> Result<Option<PgArguments>, BoxDynError> {
        self.statement.take_arguments()
    }

    fn persistent(&self) -> bool {
        self.keep && self.statement.persistent()
    }
}

impl<'c> Executor<'c> for Session<'c> {
    type Database = Postgres;

    fn fetch_many<'e, 'q: 'e, E>(
        self,
        statement: E,
    ) -> BoxStream<'e, Result<Either<PgQueryResult, PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.connection.fetch_many(Asked { statement, keep: self.keeps_statements })
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        statement: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        self.connection.fetch_optional(Asked { statement, keep: self.keeps_statements })
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        self.connection.prepare_with(sql, parameters)
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        self.connection.describe(sql)
    }
}
