//! The epoch of the database. Cursors of the native API hold it, and end with it.

use serde_json::json;

use super::convert::number;
use super::pool::Session;
use super::{Partitions, Store, audit};
use crate::audit::{Action, Operator};
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

pub async fn load(partitions: &Partitions, deadline: Deadline) -> Result<Epoch, Error> {
    let read = partitions.shared().clone();
    read.read(deadline, async |reader| select(reader.session()).await).await
}

async fn select(session: Session<'_>) -> Result<Epoch, Error> {
    let query = sqlx::query!(
        "SELECT epoch, system_identifier, timeline FROM database_epoch WHERE is_only_row"
    );
    let row = query.fetch_one(session).await?;
    Ok(Epoch {
        number: number("database_epoch.epoch", row.epoch)?,
        system_identifier: row.system_identifier,
        timeline: row.timeline,
    })
}

/// Begins another epoch in every schema, and returns the number of the shared tables'. The number is the time if that is greater: if the database is restored
/// later, and its epoch is raised again, no number is given twice.
pub async fn raise(
    partitions: &Partitions,
    operator: &Operator,
    deadline: Deadline,
) -> Result<u64, Error> {
    let mut first = None;
    for schema in partitions.schemas() {
        // The first are the shared tables, which have the audit trail.
        let by = Some(operator).filter(|_| first.is_none());
        let raised = raise_in(schema, by, deadline).await?;
        first = first.or(Some(raised));
    }
    first.ok_or_else(|| Error::internal("there is no schema"))
}

async fn raise_in(
    store: &Store,
    operator: Option<&Operator>,
    deadline: Deadline,
) -> Result<u64, Error> {
    let raise = store.clone().write(deadline, async |tx| {
        let before = select(tx.session()).await?.number;
        let query = sqlx::query_scalar!(
            "UPDATE database_epoch SET epoch = GREATEST(epoch + 1, extract(epoch FROM statement_timestamp())::bigint)
            WHERE is_only_row RETURNING epoch",
        );
        let epoch = query.fetch_one(tx.session()).await?;
        if let Some(operator) = operator {
            let entry = operator.did(Action::EpochBump).before(json!({ "epoch": before }));
            audit::add(tx, &entry.after(json!({ "epoch": epoch }))).await?;
        }
        Ok(epoch)
    });
    number("database_epoch.epoch", raise.await?)
}
