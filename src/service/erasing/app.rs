//! Resetting and deleting apps.

use serde_json::{Value, json};

use super::{Until, retried, step};
use crate::audit::{Action, Operator};
use crate::domain::{Refusal, SdkAppId};
use crate::error::Error;
use crate::service::audit::{begin, finish};
use crate::service::changing_apps::disable_to_delete;
use crate::store::erasing::app::{self, Removed};
use crate::store::{Partitions, Store, Tx};

/// What was removed of an app.
#[derive(Debug, Clone, Copy)]
pub struct RemovedApp {
    pub removed: Removed,
    /// If not, there is more to remove: call again.
    pub is_complete: bool,
}

impl RemovedApp {
    /// For the audit trail.
    fn document(&self) -> Value {
        let Removed {
            users, conversations, contact_groups, accounts, chat_groups, changes, ..
        } = self.removed;
        json!({
            "removed": {
                "users": users, "conversations": conversations, "contact_groups": contact_groups, "accounts": accounts,
                "chat_groups": chat_groups, "changes": changes,
            },
            "complete": self.is_complete,
        })
    }
}

/// Removes the state of all users and the directory. Keys, admins, limits and other settings stay, and so do webhooks. Every cursor
/// ends.
pub async fn reset_app(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    operator: &Operator,
    until: Until,
) -> Result<RemovedApp, Error> {
    let entry = operator.did(Action::AppReset).in_app(sdk_app_id);
    let number = retried(until, async |deadline| begin(partitions, &entry, deadline).await).await?;
    let done = remove_state(partitions, sdk_app_id, until).await?;
    finish(partitions, number, done.document()).await;
    Ok(done)
}

async fn remove_state(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    until: Until,
) -> Result<RemovedApp, Error> {
    let mut all = Removed::default();
    let removal = async |tx: &mut Tx<'_>| app::remove_state(tx, sdk_app_id).await;
    // The shared tables come last: until then, no one can write about a chat group that is gone.
    let schemas = partitions.each().iter();
    let schemas = schemas.chain(partitions.is_divided().then_some(partitions.shared()));
    let is_copy = |store: &Store| !store.is_same_schema(partitions.shared());
    for store in schemas {
        loop {
            let (removed, is_complete) = match step(store, until, removal).await {
                // The caller must hear of what is done.
                Err(Error::Unavailable(_)) if until.is_over() && all != Removed::default() => {
                    return Ok(RemovedApp { removed: all, is_complete: false });
                }
                // The partition has no copy of the app, or not any more.
                Err(Error::Refused(Refusal::UnknownApp)) if is_copy(store) => break,
                done => done?,
            };
            all = all.plus(removed);
            if is_complete {
                break;
            }
            if until.is_over() {
                return Ok(RemovedApp { removed: all, is_complete: false });
            }
        }
    }
    Ok(RemovedApp { removed: all, is_complete: true })
}

/// Disables the app, removes its state, and then the app itself.
///
/// Other processes may use what they have cached of the app for some seconds. What they write meanwhile is removed as well: the
/// app's row can only be deleted once no other row belongs to it.
pub async fn delete_app(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    operator: &Operator,
    until: Until,
) -> Result<RemovedApp, Error> {
    let disable =
        async |deadline| disable_to_delete(partitions, sdk_app_id, Some(operator), deadline).await;
    let number = retried(until, disable).await?;
    let done = remove_app(partitions, sdk_app_id, until).await?;
    if let Some(number) = number {
        finish(partitions, number, done.document()).await;
    }
    Ok(done)
}

/// Removes the state of a disabled app, and then the app.
async fn remove_app(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    until: Until,
) -> Result<RemovedApp, Error> {
    let mut all = Removed::default();
    loop {
        let done = remove_state(partitions, sdk_app_id, until).await?;
        all = all.plus(done.removed);
        if !done.is_complete {
            return Ok(RemovedApp { removed: all, is_complete: false });
        }
        let is_complete = delete_rows(partitions, sdk_app_id, until).await?;
        if is_complete || until.is_over() {
            return Ok(RemovedApp { removed: all, is_complete });
        }
        // Someone may have enabled it meanwhile.
        let disable =
            async |deadline| disable_to_delete(partitions, sdk_app_id, None, deadline).await;
        retried(until, disable).await?;
    }
}

/// Deletes the app from the partitions, and then from the shared tables. Returns false if something was written meanwhile.
async fn delete_rows(
    partitions: &Partitions,
    sdk_app_id: SdkAppId,
    until: Until,
) -> Result<bool, Error> {
    let deletion = async |tx: &mut Tx<'_>| app::delete_app(tx, sdk_app_id).await;
    let copies = partitions.each().iter().filter(|_| partitions.is_divided());
    for part in copies {
        match step(part, until, deletion).await {
            Err(Error::Refused(Refusal::UnknownApp)) => return Ok(false),
            // An earlier attempt may have deleted the copy.
            deleted => deleted?,
        };
    }
    match step(partitions.shared(), until, deletion).await {
        Err(Error::Refused(Refusal::UnknownApp)) => Ok(false),
        deleted => deleted,
    }
}
