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

use super::failure::{is_not_for_reuse, is_outdated};
use super::notice::with_warnings;
use crate::deadline::Deadline;

#[derive(Debug)]
pub(super) struct Usage {
    /// When the server must have answered.
    pub(super) deadline: Deadline,
    pub(super) state: State,
    /// The statement that runs may commit.
    pub(super) commits: bool,
    /// A transaction has begun, and neither its COMMIT nor its ROLLBACK was answered.
    pub(super) is_in_transaction: bool,
}

/// What can still be done with a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    Ready,
    /// An answer is outstanding, or could not be understood. The server may still execute the statement.
    Waiting,
    /// The server cannot serve us: it accepts no writes, for example.
    Unusable,
    /// What the session has prepared no longer fits the schema. Other sessions of this age have the same problem.
    Outdated,
}

impl Usage {
    pub(super) fn until(deadline: Deadline) -> Self {
        Self { deadline, state: State::Ready, commits: false, is_in_transaction: false }
    }

    pub(super) async fn wait<T>(
        &mut self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.state = State::Waiting;
        let answer = self.deadline.limit(answer).await.unwrap_or_else(|_| Err(timeout()));
        self.state = after(&answer);
        answer
    }

    /// Waits for a statement that commits. A warning from the server is an error: it does not say that the commit is
    /// durable.
    pub(super) async fn wait_for_commit<T>(
        &mut self,
        answer: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        self.commits = true;
        let (answer, has_warned) = with_warnings(self.wait(answer)).await;
        // After an answer, nothing of the commit runs any more. Without one, it may.
        self.commits = self.state == State::Waiting;
        if has_warned && answer.is_ok() {
            self.state = State::Unusable;
            return Err(Error::Protocol("PostgreSQL sent a warning when it committed".to_owned()));
        }
        answer
    }
}

fn after<T>(answer: &Result<T, Error>) -> State {
    match answer {
        Ok(_) | Err(Error::RowNotFound) => State::Ready,
        Err(error) if is_outdated(error) => State::Outdated,
        Err(error) if is_not_for_reuse(error) => State::Unusable,
        // An error that the server reports is complete.
        Err(error) if error.as_database_error().is_some() => State::Ready,
        Err(_) => State::Waiting,
    }
}

/// The error for an answer that did not come before the deadline.
pub(super) fn timeout() -> Error {
    Error::Io(ErrorKind::TimedOut.into())
}

/// A connection for one statement: an executor for sqlx.
#[derive(Debug)]
pub(in crate::store) struct Session<'c> {
    pub(super) connection: &'c mut PgConnection,
    pub(super) usage: &'c mut Usage,
    pub(super) keeps_statements: bool,
    /// The statement is a transaction of its own that writes.
    pub(super) commits: bool,
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
        let Self { connection, usage, keeps_statements: keep, .. } = self;
        usage.state = State::Waiting;
        let stream = connection.fetch_many(Statement { statement, keep });
        let next = |open: Option<(BoxStream<'e, _>, &'e mut Usage)>| async move {
            let (mut stream, usage) = open?;
            let item =
                usage.deadline.limit(stream.next()).await.unwrap_or_else(|_| Some(Err(timeout())));
            match item {
                Some(Ok(item)) => Some((Ok(item), Some((stream, usage)))),
                Some(Err(error)) => {
                    let answer = Err(error);
                    usage.state = after(&answer);
                    Some((answer, None))
                }
                None => {
                    usage.state = State::Ready;
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
        let Self { connection, usage, keeps_statements: keep, commits } = self;
        let answer = connection.fetch_optional(Statement { statement, keep });
        if commits { Box::pin(usage.wait_for_commit(answer)) } else { Box::pin(usage.wait(answer)) }
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
