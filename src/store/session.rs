//! One statement on a connection: until when it may take, and whether the connection keeps it prepared.
//!
//! sqlx names every statement in the server's session, even where its own cache of statements is off. A name does not
//! survive PgBouncer's transaction mode, where each transaction may run in another session.

use std::io::ErrorKind;

use futures_util::future::BoxFuture;
use futures_util::stream::{BoxStream, StreamExt, unfold};
use sqlx::error::BoxDynError;
use sqlx::postgres::{PgArguments, PgConnection, PgQueryResult, PgRow, PgStatement, PgTypeInfo};
use sqlx::{Describe, Either, Error, Execute, Executor, Postgres, SqlStr};

use crate::deadline::Deadline;

/// How a connection is used at the moment.
#[derive(Debug)]
pub(super) struct Usage {
    /// Until when whatever is asked on it must be answered.
    pub(super) deadline: Deadline,
    /// The answer to something that was asked on it has not come, or was not understood: nothing else can be asked.
    pub(super) is_busy: bool,
}

impl Usage {
    /// Waits for an answer until the deadline.
    pub(super) async fn wait<T>(
        &mut self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.is_busy = true;
        let answer = self.deadline.limit(answer).await.unwrap_or_else(|_| Err(late()));
        self.is_busy = answer.as_ref().is_err_and(breaks_off);
        answer
    }
}

/// What sqlx says when an answer does not come in time.
pub(super) fn late() -> Error {
    Error::Io(ErrorKind::TimedOut.into())
}

/// After this error the connection cannot be used any more. What the server says itself, it has said to the end.
fn breaks_off(error: &Error) -> bool {
    error.as_database_error().is_none() && !matches!(error, Error::RowNotFound)
}

/// A connection for one statement. It executes like any of sqlx's.
#[derive(Debug)]
pub(super) struct Session<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) usage: &'c mut Usage,
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
        let Self { connection, usage, keeps_statements: keep } = self;
        usage.is_busy = true;
        let stream = connection.fetch_many(Asked { statement, keep });
        let next = |going: Option<(BoxStream<'e, _>, &'e mut Usage)>| async move {
            let (mut stream, usage) = going?;
            let item =
                usage.deadline.limit(stream.next()).await.unwrap_or_else(|_| Some(Err(late())));
            match item {
                Some(Ok(item)) => Some((Ok(item), Some((stream, usage)))),
                Some(Err(error)) => {
                    usage.is_busy = breaks_off(&error);
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
        let answer = connection.fetch_optional(Asked { statement, keep });
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
