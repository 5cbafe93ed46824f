//! Cancels a statement on the server after we have closed its connection: it would hold its locks until
//! `statement_timeout`.

use std::sync::Arc;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection as _};
use tokio::runtime::Handle;
use tokio::time::timeout;

use super::connection::ANSWER_MAX;
use crate::metrics::Metrics;

/// Cancels statements through a connection of its own.
///
/// PostgreSQL's `CancelRequest` needs no session, but sqlx does not expose the secret for it: `PgConnection` reads
/// `BackendKeyData` and keeps it private. So we call `pg_cancel_backend`.
#[derive(Debug, Clone)]
pub(super) struct Canceller {
    options: Arc<PgConnectOptions>,
    metrics: Arc<Metrics>,
}

impl Canceller {
    pub(super) fn new(options: PgConnectOptions, metrics: Arc<Metrics>) -> Self {
        Self { options: options.into(), metrics }
    }

    /// Cancels the statement of a server process. The caller must have closed the connection of that process, so that no
    /// other statement can run on it. If the server cannot be reached, its `statement_timeout` ends the statement.
    pub(super) fn cancel(&self, process: i32) {
        self.metrics.sessions_given_up.inc();
        // Without a runtime our process is about to end, and its connections end with it.
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
