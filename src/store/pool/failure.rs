//! What an error of PostgreSQL means for the request and for the connection.

use sqlx::error::DatabaseError;

use crate::domain::Refusal;
use crate::error::Error;

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        if is_of_missing_app(&error) {
            Refusal::UnknownApp.into()
        } else if is_unavailable(&error) {
            Self::Unavailable(Some(error.into()))
        } else {
            Self::Internal(error.into())
        }
    }
}

/// The row belongs to an app that was deleted after the request had loaded it. 23503: a foreign key.
fn is_of_missing_app(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| state == "23503")
        && error.as_database_error().and_then(DatabaseError::constraint).is_some_and(points_at_apps)
}

/// Foreign keys that point at `apps` are named after their table: `users_app`. Citus adds the number of the shard: `users_app_102008`.
fn points_at_apps(constraint: &str) -> bool {
    let name = constraint.trim_end_matches(|c: char| c.is_ascii_digit()).trim_end_matches('_');
    name.ends_with("_app")
}

/// The SQLSTATE of an error that the server reports.
fn sqlstate(error: &sqlx::Error) -> Option<std::borrow::Cow<'_, str>> {
    error.as_database_error().and_then(DatabaseError::code)
}

/// The database could not be reached, gave up waiting, or cannot serve us now, so a retry may work.
fn is_unavailable(error: &sqlx::Error) -> bool {
    // SQLSTATE classes: 08 connection, 28 the role may not log in, 53 resources, 57 operator intervention (shutdown,
    // statement timeout), 40 deadlock and serialization. 25P03 idle in transaction, 55P03 lock timeout.
    let by_state = |state: &str| {
        matches!(state.get(..2), Some("08" | "28" | "40" | "53" | "57"))
            || matches!(state, "25P03" | "55P03")
    };
    sqlstate(error).is_some_and(|state| by_state(&state))
        || is_outdated(error)
        || is_not_for_reuse(error)
        || matches!(
            error,
            sqlx::Error::Io(_)
                | sqlx::Error::Tls(_)
                | sqlx::Error::Protocol(_)
                | sqlx::Error::PoolTimedOut
                | sqlx::Error::PoolClosed
                | sqlx::Error::WorkerCrashed
        )
}

/// The session's prepared statements cannot be executed any more. 0A000: the schema has changed ("cached plan must not
/// change result type"). 26000 and 42P05: a pooler has given the session's statements to another client. The statement was
/// not executed.
pub(super) fn is_outdated(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| matches!(&*state, "0A000" | "26000" | "42P05"))
}

/// The session belongs to a server that accepts no writes (25006), or that shuts down (57P).
pub(super) fn is_not_for_reuse(error: &sqlx::Error) -> bool {
    sqlstate(error).is_some_and(|state| &*state == "25006" || state.starts_with("57P"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_foreign_key_to_apps_is_known_on_citus_too() {
        assert!(points_at_apps("users_app") && points_at_apps("users_app_102008"));
        assert!(!points_at_apps("users_pkey") && !points_at_apps("conversations_user_102008"));
    }
}
