//! Reading an app's feed, and removing old changes from the feeds.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::try_join_all;
use tokio::time::{Instant, MissedTickBehavior, interval, timeout_at};

use super::Service;
use super::feed_readers::FeedReader;
use crate::deadline::Deadline;
use crate::domain::{App, FeedChange, FeedPosition, FeedStart, Refusal};
use crate::error::Error;
use crate::store::feed::{self, DirectoryChange, FeedReading};
use crate::store::{self, Store, Tx};

/// From one look for old changes to the next.
const FORGET_PERIOD: Duration = Duration::from_mins(5);

/// Changes of an app. Those of one schema are in the order of the commits.
#[derive(Debug)]
pub struct FeedPage {
    pub changes: Vec<FeedChange>,
    /// Where to go on: in the feed of each schema.
    pub positions: Vec<FeedPosition>,
}

impl Service {
    /// Reads at most `limit` changes. If there is none, waits for the first one, at most for `wait` and not beyond the stop of
    /// the service. Returns `None` if the feed does not know the position.
    pub async fn read_feed(
        &self,
        app: &Arc<App>,
        start: FeedStart<Vec<FeedPosition>>,
        limit: u32,
        wait: Duration,
    ) -> Result<Option<FeedPage>, Error> {
        let parts = self.shared.parts();
        // The process's own part, so that readers who wait take no connection from the workers.
        let Some(own) = parts.first() else { return Err(Error::internal("no part")) };
        let listen =
            || self.shared.waiting.feeds.listen(app.sdk_app_id, &own.runtime, &own.partitions);
        let mut reader = (!wait.is_zero()).then(listen);
        let until = Instant::now() + wait;
        loop {
            let signs = reader.as_ref().map(FeedReader::signs).unwrap_or_default();
            let Some((page, next_number)) = self.read_feeds_now(app, &start, limit).await? else {
                return Ok(None);
            };
            let is_done = !page.changes.is_empty() || start == FeedStart::Now || self.is_stopping();
            let Some(reader) = reader.as_mut().filter(|_| !is_done && Instant::now() < until)
            else {
                return Ok(Some(page));
            };
            // At the end of the time, the feed is read once more.
            drop(timeout_at(until, reader.wait(signs, next_number)).await);
        }
    }

    /// Reads the feeds of all schemas. Returns a page, and the sum of the feeds' next numbers, which grows with each change.
    async fn read_feeds_now(
        &self,
        app: &Arc<App>,
        start: &FeedStart<Vec<FeedPosition>>,
        limit: u32,
    ) -> Result<Option<(FeedPage, u64)>, Error> {
        let feeds = self.partitions.schemas();
        let count = feeds.clone().count();
        let starts = match start {
            FeedStart::Now => vec![FeedStart::Now; count],
            FeedStart::Oldest => vec![FeedStart::Oldest; count],
            FeedStart::After(positions) if positions.len() == count => {
                positions.iter().map(|position| FeedStart::After(*position)).collect()
            }
            // A cursor from before the users were moved to another number of partitions.
            FeedStart::After(_) => return Ok(None),
        };
        // Each feed has a part of the page, so that none waits for another that grows faster than it is read.
        let part = (limit / u32::try_from(count).unwrap_or(u32::MAX)).max(1);
        let (deadline, sdk_app_id) = (Deadline::of_a_request(), app.sdk_app_id);
        let reads = feeds.zip(&starts).map(|(feed, start)| {
            let start = *start;
            let read = feed.clone().read(deadline, async move |reader| {
                feed::read(reader, sdk_app_id, start, part).await
            });
            self.within(deadline, Error::late_read, read)
        });
        let readings: Vec<FeedReading> = try_join_all(reads).await?;
        if readings.iter().any(|reading| !reading.is_on) {
            return Err(Refusal::FeedOff.into());
        }
        let next_number = readings.iter().map(|reading| reading.next_number).sum();
        let (mut changes, mut positions) = (Vec::new(), Vec::new());
        for (reading, start) in readings.into_iter().zip(starts) {
            let Some((position, found)) = reading.after(start, part) else { return Ok(None) };
            positions.push(position);
            changes.extend(found.into_iter().map(|(_, change)| change));
        }
        Ok(Some((FeedPage { changes, positions }, next_number)))
    }

    /// Starts the task that removes old changes, and old entries of the audit trail. It ends when the service is closed or
    /// dropped. Several processes may do this at the same time: a partition is locked before it is emptied.
    pub(super) fn start_to_forget_changes(&self) {
        let (shared, partitions) = (Arc::downgrade(&self.shared), self.partitions.clone());
        let (age, audit_age) = (self.settings.feed_retention, self.settings.audit_retention);
        let task = self.runtime.spawn(async move {
            let mut timer = interval(FORGET_PERIOD);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            while shared.strong_count() > 0 {
                timer.tick().await;
                for schema in partitions.schemas() {
                    forget(schema, age).await;
                }
                forget_audit(partitions.shared(), audit_age).await;
            }
        });
        // Only `Service::new` calls this, so the cell is empty.
        drop(self.shared.forgetting.set(task.abort_handle()));
    }
}

async fn forget(schema: &Store, age: Duration) {
    let deadline = Deadline::of_a_request();
    let forgotten = deadline.limit(feed::forget(schema, age, deadline)).await;
    match forgotten.unwrap_or_else(|late| Err(Error::late_write(late))) {
        Ok(0) => {}
        Ok(days) => tracing::info!(days, "old changes removed from a feed"),
        Err(error) => {
            let cause = error.with_causes();
            tracing::warn!(cause, "old changes of a feed were not removed");
        }
    }
}

async fn forget_audit(shared: &Store, age: Duration) {
    let deadline = Deadline::of_a_request();
    let forgotten = deadline.limit(store::audit::forget(shared, age, deadline)).await;
    match forgotten.unwrap_or_else(|late| Err(Error::late_write(late))) {
        Ok(0) => {}
        Ok(entries) => tracing::info!(entries, "old entries removed from the audit trail"),
        Err(error) => {
            let cause = error.with_causes();
            tracing::warn!(cause, "old entries of the audit trail were not removed");
        }
    }
}

/// Appends changes of the directory to their app's feed. Call it last in a transaction.
pub(super) async fn append(tx: &mut Tx<'_>, changes: &[DirectoryChange]) -> Result<(), Error> {
    if changes.is_empty() { Ok(()) } else { store::users::save(tx, &[], changes).await }
}
