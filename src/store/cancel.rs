//! Cancels on the server what was given up on a connection: it would hold its locks until its own timeout.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::ANSWER_MAX;
use crate::metrics::Metrics;

/// Cancels statements through a connection of its own.
///
/// PostgreSQL's `CancelRequest` would need no session, but sqlx keeps the secret that it takes to itself
/// (`PgConnection` reads `BackendKeyData` and exposes neither half), so this asks `pg_cancel_backend`.
#[derive(Debug, Clone)]
pub(super) struct Canceller {
    options: Arc<PgConnectOptions>,
    metrics: Arc<Metrics>,
}

impl Canceller {
    pub(super) fn new(options: PgConnectOptions, metrics: Arc<Metrics>) -> Self {
        Self { options: options.into(), metrics }
    }

    /// Cancels what a process of the server does. Its connection must have been closed by us, so that nothing else can run
    /// on it. Best effort: where the server cannot be reached, its `statement_timeout` ends the statement.
    pub(super) fn cancel(&self, process: i32) {
        self.metrics.sessions_given_up.inc();
        // Without a runtime, the process is about to end and its connections with it.
        let Ok(runtime) = Handle::try_current() else { return };
        let options = self.options.clone();
        runtime.spawn(timeout(ANSWER_MAX, async move {
            let mut connection = options.connect().await?;
            sqlx::query_scalar!("SELECT pg_cancel_backend($1)", process)
                .fetch_one(&mut connection)
                .await?;
            connection.close().await
        }));
    }
}
