//! Whole apps: what export reads and import writes, some hundred users at a time.

mod directory;
mod loading;
mod saving;
mod snapshot;

use std::time::Duration;

use super::{Store, Tx};
use crate::deadline::Deadline;
use crate::error::Error;

pub use directory::{Saved, save_chat_groups, save_gone};
pub use loading::{load, lock};
pub use saving::{
    ImportedUser, gone_among, remove_new, save, save_accounts, set_directory_revision,
};
pub use snapshot::{AppCounts, GoneMember, Snapshot};

/// How long one statement may take: it moves thousands of rows, perhaps from a cold disk.
const STATEMENT_TIME: Duration = Duration::from_mins(1);

/// The timeouts of a transaction that writes: a statement may take long, and a user may be locked for a moment.
const WRITE_TIMEOUTS: &str = "SET LOCAL statement_timeout = '50s'; SET LOCAL lock_timeout = '10s'";

/// Writes in a transaction, which is committed if `is_kept` says so, and rolled back otherwise.
pub async fn write<T>(
    store: &Store,
    is_kept: impl FnOnce(&T) -> bool,
    write: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    let mut connection = store.connection(Deadline::within(STATEMENT_TIME)).await?;
    let mut tx = connection.begin().await?;
    sqlx::raw_sql(WRITE_TIMEOUTS).execute(tx.session()).await?;
    let done = write(&mut tx).await?;
    tx.extend(STATEMENT_TIME);
    if is_kept(&done) {
        tx.commit().await?;
    } else {
        tx.rollback().await?;
    }
    Ok(done)
}
