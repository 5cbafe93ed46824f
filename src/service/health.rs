//! Is the service fit to answer?

use std::time::Duration;

use tokio::time::timeout;

use super::Service;
use crate::error::Error;
use crate::store::SchemaState;

/// Who asks whether the service is ready waits less long than who wants something of it: a second is what Kubernetes gives.
const ANSWER_TIME_MAX: Duration = Duration::from_millis(900);

impl Service {
    /// The database answers, soon, and its schema is not older than this binary.
    pub async fn check_ready(&self) -> Result<(), Error> {
        let store = self.store.clone();
        let asked = self.within_deadline(async move { store.schema_state().await });
        let schema = timeout(ANSWER_TIME_MAX, asked).await.unwrap_or(Err(Error::Timeout(None)))?;
        match schema {
            SchemaState::Current | SchemaState::Newer { .. } => Ok(()),
            SchemaState::Older { .. } => {
                Err(Error::internal("the schema is older than this binary"))
            }
        }
    }
}
