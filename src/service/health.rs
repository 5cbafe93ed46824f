//! The readiness check.

use std::time::Duration;

use super::Service;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::store::schema::{self, SchemaState};

/// Time limit of the check. By default, Kubernetes gives a probe 1 second.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(900);

impl Service {
    /// Fails if PostgreSQL does not answer in time, or if its schema is older than this binary.
    pub async fn check_ready(&self) -> Result<(), Error> {
        let (store, deadline) = (self.store.clone(), Deadline::within(ANSWER_TIME_MAX));
        let schema =
            self.within(deadline, async move { schema::check(&store, deadline).await }).await?;
        match schema {
            SchemaState::Current | SchemaState::Newer { .. } => Ok(()),
            SchemaState::Older { .. } => {
                Err(Error::internal("the schema is older than this binary"))
            }
        }
    }
}
