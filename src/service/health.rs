//! Is the service fit to answer?

use super::Service;
use crate::error::Error;
use crate::store::SchemaState;

impl Service {
    /// The database answers, and its schema is not older than this binary.
    pub async fn check_ready(&self) -> Result<(), Error> {
        let store = self.store.clone();
        let schema = self.within_deadline(async move { store.schema_state().await }).await?;
        match schema {
            SchemaState::Current | SchemaState::Newer { .. } => Ok(()),
            SchemaState::Older { .. } => {
                Err(Error::internal("the schema is older than this binary"))
            }
        }
    }
}
