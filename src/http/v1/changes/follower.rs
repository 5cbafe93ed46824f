//! A client that follows a user's state: it waits for changes, and reads them.

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use crate::deadline::Deadline;
use crate::domain::{App, Moment, UserId, UserKey};
use crate::http::failure::Failure;
use crate::http::v1::caller::LastingCaller;
use crate::service::{Changes, Listener, ListenerKind, Woken};

pub(super) struct Follower {
    caller: LastingCaller,
    listener: Listener,
    /// What the client has, or has been told that it is the same.
    since: Option<Moment>,
}

/// Why a follower stopped to wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    /// There may be changes.
    Changed,
    /// The time is up.
    Late,
    /// The service stops.
    Stopping,
}

impl Follower {
    /// Listens from now on. The first [`Self::read`] tells what is different since `since`; if that is `None`, nothing.
    pub(super) fn new(
        caller: LastingCaller,
        user: UserId,
        app: &App,
        since: Option<Moment>,
        kind: ListenerKind,
    ) -> Self {
        let key = UserKey { sdk_app_id: app.sdk_app_id, user_id: user };
        let listener = caller.door.service.listen(key, kind);
        Self { caller, listener, since }
    }

    pub(super) fn key(&self) -> &UserKey {
        self.listener.user()
    }

    /// Reads what is different since the last read.
    pub(super) async fn read(&mut self, app: &App, deadline: Deadline) -> Result<Changes, Failure> {
        let user = &self.listener.user().user_id;
        let read = self.caller.door.service.changes(app, user, self.since, deadline).await?;
        let changes = read.ok_or(Failure::CursorUnknown)?;
        self.since = Some(changes.head.at);
        self.listener.note(changes.head.at);
        Ok(changes)
    }

    /// Waits until something may be different. It holds no connection to the database meanwhile.
    pub(super) async fn wait(&mut self, until: Instant) -> Event {
        match timeout_at(until, self.listener.wait()).await {
            Ok(Woken::Changed) => Event::Changed,
            Ok(Woken::Stopping) => Event::Stopping,
            Err(_) => Event::Late,
        }
    }

    /// Waits for the stop of the service only. Returns whether it came.
    pub(super) async fn is_stopping_before(&mut self, until: Instant) -> bool {
        timeout_at(until, self.listener.wait_for_stop()).await.is_ok()
    }

    /// Checks whether the client may still call.
    pub(super) async fn check_again(&self) -> Result<Arc<App>, Failure> {
        self.caller.check_again().await
    }

    /// Checks the client again, and reads. If many clients were woken at once, they take turns.
    pub(super) async fn read_again(&mut self) -> Result<(Arc<App>, Changes), Failure> {
        let _turn = self.caller.door.service.listener_read().await;
        let app = self.check_again().await?;
        let changes = self.read(&app, Deadline::of_a_request()).await?;
        Ok((app, changes))
    }
}
