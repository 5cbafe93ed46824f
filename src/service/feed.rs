//! Reading an app's feed, and removing old changes from the feeds.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::Service;
use super::feed_readers::FeedReader;
use crate::deadline::Deadline;
use crate::domain::{App, FeedChange, FeedPosition, FeedStart, Refusal};
use crate::error::Error;
use crate::store::feed::{self, DirectoryChange, FeedReading};
use crate::store::{self, Tx};

/// From one look for old changes to the next.
const FORGET_PERIOD: Duration = Duration::from_mins(5);

/// Changes of an app, in the order of the commits.
#[derive(Debug)]
pub struct FeedPage {
    pub changes: Vec<FeedChange>,
    /// Where to go on.
    pub position: FeedPosition,
}

impl Service {
    /// Reads at most `limit` changes. If there is none, waits for the first one, at most for `wait` and not beyond the stop of
    /// the service. Returns `None` if the feed does not know the position.
    pub async fn read_feed(
        &self,
        app: &Arc<App>,
        start: FeedStart,
        limit: u32,
        wait: Duration,
    ) -> Result<Option<FeedPage>, Error> {
        let parts = self.shared.parts();
        // The process's own part, so that readers who wait take no connection from the workers.
        let Some(own) = parts.first() else { return Err(Error::internal("no part")) };
        let listen = || self.shared.waiting.feeds.listen(app.sdk_app_id, &own.runtime, &own.store);
        let mut reader = (!wait.is_zero()).then(listen);
        let until = Instant::now() + wait;
        loop {
            let signs = reader.as_ref().map(FeedReader::signs).unwrap_or_default();
            let reading = self.read_feed_now(app, start, limit).await?;
            if !reading.is_on {
                return Err(Refusal::FeedOff.into());
            }
            let next_number = reading.next_number;
            let Some((position, changes)) = reading.after(start, limit) else { return Ok(None) };
            let changes: Vec<_> = changes.into_iter().map(|(_, change)| change).collect();
            let is_done = !changes.is_empty() || start == FeedStart::Now || self.is_stopping();
            let Some(reader) = reader.as_mut().filter(|_| !is_done && Instant::now() < until)
            else {
                return Ok(Some(FeedPage { changes, position }));
            };
            // At the end of the time, the feed is read once more.
            drop(timeout_at(until, reader.wait(signs, next_number)).await);
        }
    }

    async fn read_feed_now(
        &self,
        app: &Arc<App>,
        start: FeedStart,
        limit: u32,
    ) -> Result<FeedReading, Error> {
        let (deadline, sdk_app_id) = (Deadline::of_a_request(), app.sdk_app_id);
        let read = self
            .store
            .clone()
            .read(deadline, async move |reader| feed::read(reader, sdk_app_id, start, limit).await);
        self.within(deadline, Error::late_read, read).await
    }

    /// Starts the task that removes old changes. It ends when the service is closed or dropped. Several processes may do this
    /// at the same time: a partition is locked before it is emptied.
    pub(super) fn start_to_forget_changes(&self) {
        let (shared, store) = (Arc::downgrade(&self.shared), self.store.clone());
        let age = self.settings.feed_retention;
        let task = self.runtime.spawn(async move {
            let mut timer = interval(FORGET_PERIOD);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shared.strong_count() > 0 {
                timer.tick().await;
                let deadline = Deadline::of_a_request();
                let forgotten = deadline.limit(feed::forget(&store, age, deadline)).await;
                match forgotten.unwrap_or_else(|late| Err(Error::late_write(late))) {
                    Ok(0) => {}
                    Ok(partitions) => {
                        tracing::info!(partitions, "old changes removed from the feeds");
                    }
                    Err(error) => {
                        let cause = format!("{:#}", anyhow::Error::from(error));
                        tracing::warn!(cause, "old changes of the feeds were not removed");
                    }
                }
            }
        });
        // Only `Service::new` calls this, so the cell is empty.
        drop(self.shared.forgetting.set(task.abort_handle()));
    }
}

/// Appends changes of the directory to their app's feed. Call it last in a transaction.
pub(super) async fn append(tx: &mut Tx<'_>, changes: &[DirectoryChange]) -> Result<(), Error> {
    if changes.is_empty() { Ok(()) } else { store::users::save(tx, &[], changes).await }
}
