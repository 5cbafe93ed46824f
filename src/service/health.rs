//! Is the service fit to answer?

use std::time::Duration;

use super::Service;
use crate::deadline::Deadline;
use crate::error::Error;
use crate::store::schema::{self, SchemaState};

/// How long a probe waits: a second is what Kubernetes gives.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(900);

impl Service {
    /// The database answers, soon, and its schema is not older than this binary.
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
