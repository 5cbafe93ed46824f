//! What operators do with users and apps: show, export and erase a user, reset and delete an app.
//!
//! What removes rows works in steps, each a transaction, so that the service works on meanwhile. If a step fails, run the
//! operation again: it finds what is left.

mod app;
mod user;

use std::time::Duration;

use tokio::time::sleep;

pub use app::{RemovedApp, delete_app, reset_app};
pub use user::{ErasedUser, KnownUser, erase_user, load_user};

use super::{Service, load_app};
use crate::audit::Operator;
use crate::deadline::Deadline;
use crate::domain::{Refusal, SdkAppId, UserId, UserKey};
use crate::error::Error;
use crate::store::{Store, Tx};
use crate::transfer::export::{What, export};

/// Pause before a step is tried again.
const PAUSE: Duration = Duration::from_millis(20);
/// How long a command tries one step. A lock is waited for a quarter of a second at a time.
const STEP_PATIENCE: Duration = Duration::from_secs(30);

/// How long the work may go on.
#[derive(Debug, Clone, Copy)]
pub enum Until {
    /// All of it is done, for a command.
    Done,
    /// No step begins too late for this deadline, for a request.
    Deadline(Deadline),
}

impl Until {
    fn is_over(self) -> bool {
        match self {
            Self::Done => false,
            Self::Deadline(deadline) => deadline.is_too_late_to_begin(),
        }
    }

    /// The deadline of a step that begins now.
    fn step(self) -> Deadline {
        match self {
            Self::Done => Deadline::within(STEP_PATIENCE),
            Self::Deadline(deadline) => deadline,
        }
    }
}

/// Makes a step in a transaction.
async fn step<T>(
    store: &Store,
    until: Until,
    work: impl Clone + AsyncFnOnce(&mut Tx<'_>) -> Result<T, Error>,
) -> Result<T, Error> {
    retried(until, async |deadline| store.clone().write(deadline, work.clone()).await).await
}

/// Does something again if PostgreSQL did not do it, because of a conflict or a timeout.
async fn retried<T>(
    until: Until,
    work: impl Clone + AsyncFnOnce(Deadline) -> Result<T, Error>,
) -> Result<T, Error> {
    let deadline = until.step();
    loop {
        match work.clone()(deadline).await {
            Err(Error::Unavailable(_)) if !deadline.is_too_late_to_begin() => sleep(PAUSE).await,
            done => return done,
        }
    }
}

/// For the admin API: as much as fits into a request.
impl Service {
    /// What is known of a user.
    pub async fn known_user(&self, key: UserKey, deadline: Deadline) -> Result<KnownUser, Error> {
        let partitions = self.partitions.clone();
        let load = async move { load_user(&partitions, &key, deadline).await };
        self.within(deadline, Error::late_read, load).await
    }

    /// Everything that is stored about a user, in the form of `earmark export`. Fails if the app does not exist.
    pub async fn export_user(&self, key: UserKey, deadline: Deadline) -> Result<Vec<u8>, Error> {
        let partitions = self.partitions.clone();
        let export = async move {
            let app = load_app(partitions.shared(), key.sdk_app_id, deadline).await?;
            let app = app.ok_or(Refusal::UnknownApp)?;
            let what = What::User(&key.user_id);
            let exported = export(&partitions, &app, what, Vec::new()).await;
            let failed = |error: anyhow::Error| error.downcast().unwrap_or_else(Error::Internal);
            Ok(exported.map_err(failed)?.0)
        };
        self.within(deadline, Error::late_read, export).await
    }

    /// Goes on after `after` if an earlier call has come so far.
    pub async fn erase_user(
        &self,
        key: UserKey,
        after: Option<UserId>,
        operator: Operator,
        deadline: Deadline,
    ) -> Result<ErasedUser, Error> {
        let (partitions, app) = (self.partitions.clone(), key.sdk_app_id);
        let erase = async move {
            erase_user(&partitions, &key, after, &operator, Until::Deadline(deadline)).await
        };
        let erased = self.within(deadline, Error::late_write, erase).await;
        // The poller finds the other users.
        self.shared.waiting.tell_directory(app);
        erased
    }

    pub async fn reset_app(
        &self,
        sdk_app_id: SdkAppId,
        operator: Operator,
        deadline: Deadline,
    ) -> Result<RemovedApp, Error> {
        let partitions = self.partitions.clone();
        let reset = async move {
            reset_app(&partitions, sdk_app_id, &operator, Until::Deadline(deadline)).await
        };
        let done = self.within(deadline, Error::late_write, reset).await;
        self.shared.waiting.tell_reset(sdk_app_id);
        done
    }

    pub async fn delete_app(
        &self,
        sdk_app_id: SdkAppId,
        operator: Operator,
        deadline: Deadline,
    ) -> Result<RemovedApp, Error> {
        let partitions = self.partitions.clone();
        let delete = async move {
            delete_app(&partitions, sdk_app_id, &operator, Until::Deadline(deadline)).await
        };
        let done = self.within(deadline, Error::late_write, delete).await;
        self.forget_app(sdk_app_id);
        if done.as_ref().is_ok_and(|done| done.is_complete) {
            self.shared.numbers.note(sdk_app_id, false);
        }
        self.shared.waiting.tell_reset(sdk_app_id);
        done
    }
}
