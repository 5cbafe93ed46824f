//! Waits until a new server accepts connections, and creates the database.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::{Instant, sleep, timeout};

use super::supervisor::Supervisor;
use super::{Error, NAME};

const PAUSE: Duration = Duration::from_millis(20);
/// The proxy of a container may accept a connection long before the server does.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(5);

/// Connects to the database `postgres` as soon as the server accepts connections.
pub(super) async fn wait(
    supervisor: &mut Supervisor,
    options: &PgConnectOptions,
    limit: Duration,
) -> Result<PgConnection, Error> {
    let options = options.clone().database("postgres");
    let deadline = Instant::now() + limit;
    loop {
        let refused = match timeout(ATTEMPT_LIMIT, options.connect()).await {
            Ok(Ok(connection)) => return Ok(connection),
            Ok(Err(error)) if is_final(&error) => return Err(error.into()),
            Ok(Err(error)) => Some(error),
            Err(_) => None,
        };
        if let Some(exited) = supervisor.try_exited() {
            return Err(exited);
        }
        if Instant::now() >= deadline {
            let (seconds, log) = (limit.as_secs(), supervisor.log());
            let (log, tail) = (log.path.clone(), log.tail());
            return Err(Error::NotReady { seconds, log, tail, source: refused });
        }
        sleep(PAUSE).await;
    }
}

/// Creates the database if it is missing, and closes the connection.
pub(super) async fn make_database(mut connection: PgConnection) -> Result<(), Error> {
    let found = sqlx::query("SELECT FROM pg_database WHERE datname = $1")
        .bind(NAME)
        .fetch_optional(&mut connection)
        .await?;
    if found.is_none() {
        sqlx::query("CREATE DATABASE earmark").execute(&mut connection).await?;
    }
    Ok(connection.close().await?)
}

/// A wrong password or role (class 28) stays wrong.
fn is_final(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(sqlx::error::DatabaseError::code);
    code.is_some_and(|code| code.starts_with("28"))
}
