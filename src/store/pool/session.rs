//! Executes one statement with a deadline, and decides whether the session keeps the statement prepared.
//!
//! sqlx names every prepared statement, even where its statement cache is off. A named statement does not survive
//! PgBouncer's transaction mode, where each transaction may run in another session.

use std::io::ErrorKind;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, Postgres, SqlStr};

use crate::deadline::Deadline;

#[derive(Debug)]
pub(super) struct Usage {
    /// When the server must have answered.
    pub(super) deadline: Deadline,
    /// An answer is outstanding, or could not be understood. The connection cannot be used for another statement.
    pub(super) is_busy: bool,
}

impl Usage {
    pub(super) async fn wait<T>(
        &mut self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.is_busy = true;
        let answer = self.deadline.limit(answer).await.unwrap_or_else(|_| Err(timeout()));
        self.is_busy = answer.as_ref().is_err_and(breaks_connection);
        answer
    }
}

/// The error for an answer that did not come before the deadline.
pub(super) fn timeout() -> Error {
    Error::Io(ErrorKind::TimedOut.into())
}

/// After this error the connection cannot be used. An error that the server reports is complete, so the connection can.
fn breaks_connection(error: &Error) -> bool {
    error.as_database_error().is_none() && !matches!(error, Error::RowNotFound)
}

/// A connection for one statement: an executor for sqlx.
#[derive(Debug)]
pub(in crate::store) struct Session<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) usage: &'c mut Usage,
    pub(super) keeps_statements: bool,
}

/// A statement that sqlx prepares without a name unless `keep` is set.
struct Statement<E> {
    statement: E,
    keep: bool,
}

impl<'q, E: Execute<'q, Postgres>> Execute<'q, Postgres> for Statement<E> {
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
        let Self { connection, usage, keeps_statements: keep } = self;
        usage.is_busy = true;
        let stream = connection.fetch_many(Statement { statement, keep });
        let next = |open: Option<(BoxStream<'e, _>, &'e mut Usage)>| async move {
            let (mut stream, usage) = open?;
            let item =
                usage.deadline.limit(stream.next()).await.unwrap_or_else(|_| Some(Err(timeout())));
            match item {
                Some(Ok(item)) => Some((Ok(item), Some((stream, usage)))),
                Some(Err(error)) => {
                    usage.is_busy = breaks_connection(&error);
                    Some((Err(error), None))
                }
                None => {
                    usage.is_busy = false;
                    None
                }
            }
        };
        unfold(Some((stream, usage)), next).boxed()
    }

    fn fetch_optional<'e, 'q: 'e, E>(
        self,
        statement: E,
    ) -> BoxFuture<'e, Result<Option<PgRow>, Error>>
    where
        'c: 'e,
        E: 'q + Execute<'q, Postgres>,
    {
        let Self { connection, usage, keeps_statements: keep } = self;
        let answer = connection.fetch_optional(Statement { statement, keep });
        Box::pin(usage.wait(answer))
    }

    fn prepare_with<'e>(
        self,
        sql: SqlStr,
        parameters: &'e [PgTypeInfo],
    ) -> BoxFuture<'e, Result<PgStatement, Error>>
    where
        'c: 'e,
    {
        let Self { connection, usage, .. } = self;
        Box::pin(usage.wait(connection.prepare_with(sql, parameters)))
    }

    fn describe<'e>(self, sql: SqlStr) -> BoxFuture<'e, Result<Describe<Postgres>, Error>>
    where
        'c: 'e,
    {
        let Self { connection, usage, .. } = self;
        Box::pin(usage.wait(connection.describe(sql)))
    }
}
