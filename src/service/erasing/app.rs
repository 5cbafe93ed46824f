//! Resetting and deleting apps.

use super::{Until, retried, step};
use crate::domain::{Refusal, SdkAppId};
use crate::error::Error;
use crate::service::apps::{AppChange, AppSettings, update_app};
use crate::store::erasing::app::{self, Removed};
use crate::store::{Store, Tx};

/// What was removed of an app.
#[derive(Debug, Clone, Copy)]
pub struct RemovedApp {
    pub removed: Removed,
    /// If not, there is more to remove: call again.
    pub is_complete: bool,
}

/// Removes the state of all users and the directory. Keys, admins, limits and other settings stay, and so do webhooks. Every cursor
/// ends.
pub async fn reset_app(
    store: &Store,
    sdk_app_id: SdkAppId,
    until: Until,
) -> Result<RemovedApp, Error> {
    let mut all = Removed::default();
    loop {
        let removal = async |tx: &mut Tx<'_>| app::remove_state(tx, sdk_app_id).await;
        let (removed, is_complete) = match step(store, until, removal).await {
            // The caller must hear of what is done.
            Err(Error::Unavailable(_)) if until.is_over() && all != Removed::default() => {
                return Ok(RemovedApp { removed: all, is_complete: false });
            }
            done => done?,
        };
        all = all.plus(removed);
        if is_complete || until.is_over() {
            return Ok(RemovedApp { removed: all, is_complete });
        }
    }
}

/// Disables the app, removes its state, and then the app itself.
///
/// Other processes may use what they have cached of the app for some seconds. What they write meanwhile is removed as well: the
/// app's row can only be deleted once no other row belongs to it.
pub async fn delete_app(
    store: &Store,
    sdk_app_id: SdkAppId,
    until: Until,
) -> Result<RemovedApp, Error> {
    let mut all = Removed::default();
    loop {
        // With the feed off, nothing is appended to it any more.
        let settings =
            AppSettings { disabled: Some(true), feed: Some(false), ..AppSettings::default() };
        let disable = async |deadline| {
            update_app(store, sdk_app_id, AppChange::Set(settings), deadline).await
        };
        let disabled = retried(until, disable).await?;
        disabled.ok_or(Refusal::UnknownApp)?;
        let done = reset_app(store, sdk_app_id, until).await?;
        all = all.plus(done.removed);
        if !done.is_complete {
            return Ok(RemovedApp { removed: all, is_complete: false });
        }
        let deleted = step(store, until, async |tx| app::delete_app(tx, sdk_app_id).await).await;
        let is_complete = match deleted {
            // Something was written meanwhile.
            Err(Error::Refused(Refusal::UnknownApp)) => false,
            deleted => deleted?,
        };
        if is_complete || until.is_over() {
            return Ok(RemovedApp { removed: all, is_complete });
        }
    }
}
