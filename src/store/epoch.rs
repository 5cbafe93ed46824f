//! The epoch of the database. Cursors of the native API hold it, and end with it.

use super::Store;
use super::convert::number;
use crate::deadline::Deadline;
use crate::error::Error;

/// What the database says about itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Epoch {
    pub number: u64,
    /// PostgreSQL's. `None` if the server does not tell it.
    pub system_identifier: Option<i64>,
    pub timeline: Option<i64>,
}

pub async fn load(store: &Store, deadline: Deadline) -> Result<Epoch, Error> {
    let read = store.clone().read(deadline, async |reader| {
        let query = sqlx::query!(
            "SELECT epoch, system_identifier, timeline FROM database_epoch WHERE is_only_row"
        );
        Ok(query.fetch_one(reader.session()).await?)
    });
    let row = read.await?;
    Ok(Epoch {
        number: number("database_epoch.epoch", row.epoch)?,
        system_identifier: row.system_identifier,
        timeline: row.timeline,
    })
}

/// Begins another epoch, and returns its number. The number is the time if that is greater: if the database is restored
/// later, and its epoch is raised again, no number is given twice.
pub async fn raise(store: &Store, deadline: Deadline) -> Result<u64, Error> {
    let raise = store.clone().write(deadline, async |tx| {
        let query = sqlx::query_scalar!(
            "UPDATE database_epoch SET epoch = GREATEST(epoch + 1, extract(epoch FROM clock_timestamp())::bigint)
        WHERE is_only_row RETURNING epoch",
        );
        Ok(query.fetch_one(tx.session()).await?)
    });
    number("database_epoch.epoch", raise.await?)
}
