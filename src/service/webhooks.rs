//! Webhooks: operators manage them, and processes take turns to deliver. What is sent is in `http/webhooks/`.

use futures_util::future::{join_all, try_join_all};
use serde_json::json;

use super::copies::copy_app;
use super::{Service, random_bytes};
use crate::audit::{Action, Operator, webhook_difference, webhook_document};
use crate::deadline::Deadline;
use crate::domain::{
    ClaimedWebhook, Delivery, FailedDelivery, FeedPosition, FeedStart, PageOutcome, SdkAppId,
    WantedChanges, Webhook, WebhookPage, WebhookSecret, WebhookUrl,
};
use crate::error::Error;
use crate::store::webhooks;
pub use crate::store::webhooks::WebhookChange;
use crate::store::webhooks::delivery::{self, WebhookGauges};
use crate::store::{self, Store, Tx, feed};

/// Webhooks that an app may have.
pub const WEBHOOKS_MAX: i64 = 20;
/// Changes that are delivered before the outcome is recorded.
const PAGE_CHANGES: u32 = 50;
/// Failed deliveries in one answer.
const FAILED_MAX: i64 = 100;

/// Where webhooks may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum WebhookHosts {
    /// This process delivers nothing.
    Off,
    /// Public addresses, over https.
    #[default]
    Public,
    /// Any address, also over http: for tests, and for receivers in the operator's own network.
    Any,
}

impl Service {
    #[must_use]
    pub fn webhook_hosts(&self) -> WebhookHosts {
        self.settings.webhooks
    }

    pub async fn list_webhooks(
        &self,
        sdk_app_id: SdkAppId,
        id: Option<i64>,
    ) -> Result<Vec<Webhook>, Error> {
        let deadline = Deadline::of_a_request();
        let reads = self.partitions.schemas().map(|schema| {
            let read = schema
                .clone()
                .read(deadline, async move |reader| webhooks::load(reader, sdk_app_id, id).await);
            self.within(deadline, Error::late_read, read)
        });
        let mut schemas = try_join_all(reads).await?.into_iter();
        // The shared tables are first, and say which webhooks there are.
        let mut all = schemas.next().unwrap_or_default();
        for webhook in schemas.flatten() {
            if let Some(of_all) = all.iter_mut().find(|other| other.id == webhook.id) {
                of_all.add_feed(webhook);
            }
        }
        Ok(all)
    }

    /// Returns the id, or `None` if the app has [`WEBHOOKS_MAX`] already.
    pub async fn create_webhook(
        &self,
        sdk_app_id: SdkAppId,
        url: WebhookUrl,
        wants: WantedChanges,
        secret: WebhookSecret,
        operator: &Operator,
    ) -> Result<Option<i64>, Error> {
        let entry = operator.did(Action::WebhookCreate).in_app(sdk_app_id);
        self.change_webhooks(sdk_app_id, async move |tx| {
            let insert = webhooks::insert(tx, sdk_app_id, &url, wants, &secret, WEBHOOKS_MAX);
            let id = insert.await?;
            if let Some(id) = id {
                let entry = entry.about(&id).after(webhook_document(&url, wants, false));
                store::audit::add(tx, &entry).await?;
            }
            Ok(id)
        })
        .await
    }

    /// Returns whether the webhook exists.
    pub async fn change_webhook(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        change: WebhookChange,
        operator: &Operator,
    ) -> Result<bool, Error> {
        let entry = operator.did(Action::WebhookSet).in_app(sdk_app_id).about(&id);
        self.change_webhooks(sdk_app_id, async move |tx| {
            let Some(before) = webhooks::lock(tx, sdk_app_id, id).await? else { return Ok(false) };
            webhooks::update(tx, sdk_app_id, id, &change).await?;
            let after = webhooks::lock(tx, sdk_app_id, id).await?;
            let difference = after.and_then(|after| webhook_difference(&before, &after));
            if let Some((before, after)) = difference {
                store::audit::add(tx, &entry.before(before).after(after)).await?;
            }
            Ok(true)
        })
        .await
    }

    pub async fn rotate_webhook_secret(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        secret: WebhookSecret,
        operator: &Operator,
    ) -> Result<bool, Error> {
        let entry = operator.did(Action::WebhookRotateSecret).in_app(sdk_app_id).about(&id);
        self.change_webhooks(sdk_app_id, async move |tx| {
            let exists = webhooks::rotate(tx, sdk_app_id, id, &secret).await?;
            if exists {
                store::audit::add(tx, &entry).await?;
            }
            Ok(exists)
        })
        .await
    }

    pub async fn delete_webhook(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        operator: &Operator,
    ) -> Result<bool, Error> {
        let entry = operator.did(Action::WebhookDelete).in_app(sdk_app_id).about(&id);
        self.change_webhooks(sdk_app_id, async move |tx| {
            let Some(before) = webhooks::lock(tx, sdk_app_id, id).await? else { return Ok(false) };
            webhooks::delete(tx, sdk_app_id, id).await?;
            let before = webhook_document(&before.url, before.wants, before.disabled);
            store::audit::add(tx, &entry.before(before)).await?;
            Ok(true)
        })
        .await
    }

    /// Makes the dead letters with these numbers due, and returns how many there were.
    pub async fn replay_deliveries(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        first: i64,
        last: i64,
        operator: &Operator,
    ) -> Result<u64, Error> {
        let mut count = 0;
        // It is written with what the first feed has, which is that of the shared tables.
        let entry = operator.did(Action::WebhookReplay).in_app(sdk_app_id).about(&id);
        let mut entry = Some(entry.after(json!({ "from": first, "to": last })));
        for feed in 0..self.feeds() {
            // The first number that is not lower, and the last that is not higher.
            let (first, last) = (
                self.stored_number(feed, first.saturating_sub(1)) + 1,
                self.stored_number(feed, last),
            );
            let entry = entry.take();
            let replay = async move |tx: &mut Tx<'_>| {
                if let Some(entry) = entry {
                    store::audit::add(tx, &entry).await?;
                }
                webhooks::replay(tx, sdk_app_id, id, first, last).await
            };
            count += self.change_in(feed, replay).await?;
        }
        Ok(count)
    }

    /// The newest failed deliveries before this number of the feed.
    pub async fn failed_deliveries(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        before: Option<i64>,
    ) -> Result<Vec<FailedDelivery>, Error> {
        let deadline = Deadline::of_a_request();
        let reads = self.partitions.schemas().enumerate().map(|(feed, schema)| {
            let before =
                before.map(|before| self.stored_number(feed, before.saturating_sub(1)) + 1);
            let read = schema.clone().read(deadline, async move |reader| {
                webhooks::failed(reader, sdk_app_id, id, before, FAILED_MAX).await
            });
            self.within(deadline, Error::late_read, read)
        });
        let mut all = Vec::new();
        for (feed, found) in try_join_all(reads).await?.into_iter().enumerate() {
            all.extend(found.into_iter().map(|failed| FailedDelivery {
                position: self.shown_position(feed, failed.position),
                ..failed
            }));
        }
        all.sort_unstable_by_key(|failed| std::cmp::Reverse(failed.position.number));
        all.truncate(usize::try_from(FAILED_MAX).unwrap_or(usize::MAX));
        Ok(all)
    }

    /// Changes webhooks in the shared tables, and then in the partitions.
    async fn change_webhooks<T>(
        &self,
        sdk_app_id: SdkAppId,
        change: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let changed = self.change_in(0, change).await?;
        let copied = copy_app(&self.partitions, sdk_app_id, Deadline::of_a_request()).await;
        copied.map_err(Error::after_commit)?;
        Ok(changed)
    }

    async fn change_in<T>(
        &self,
        feed: usize,
        change: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let deadline = Deadline::of_a_request();
        let schema = self.feed(feed)?;
        let changed = deadline.limit(schema.clone().write(deadline, change)).await;
        changed.unwrap_or_else(|late| Err(Error::late_write(late)))
    }

    /// How many schemas have a feed.
    fn feeds(&self) -> usize {
        self.partitions.schemas().count()
    }

    fn feed(&self, number: usize) -> Result<&Store, Error> {
        let feed = self.partitions.schemas().nth(number);
        feed.ok_or_else(|| Error::internal("there is no such feed"))
    }

    /// A position in one of the feeds as clients see it: the numbers of all feeds are different.
    #[must_use]
    pub fn shown_position(&self, feed: usize, position: FeedPosition) -> FeedPosition {
        let number = position.number * self.feeds() as u64 + feed as u64;
        FeedPosition { number, ..position }
    }

    /// The highest number of a feed that clients see as this number or a lower one.
    fn stored_number(&self, feed: usize, shown: i64) -> i64 {
        let stored = |number: usize| i64::try_from(number).unwrap_or(i64::MAX);
        shown.saturating_sub(stored(feed)).div_euclid(stored(self.feeds()))
    }
}

/// For delivery.
impl Service {
    /// Claims some `limit` webhooks with something to deliver: an equal part in each schema, and at least one in each. All
    /// schemas are asked at once, so that one that does not answer delays the others only once.
    pub async fn claim_webhooks(&self, process: &str, limit: i64) -> Vec<ClaimedWebhook> {
        if limit <= 0 {
            return Vec::new();
        }
        let part = (limit / i64::try_from(self.feeds()).unwrap_or(limit)).max(1);
        let claims = (0..self.feeds()).map(async |feed| {
            let process = process.to_owned();
            let claim = async move |tx: &mut Tx<'_>| delivery::claim(tx, &process, part).await;
            // The health checks report a schema that does not answer.
            let found = self.change_in(feed, claim).await.unwrap_or_default();
            found.into_iter().map(move |webhook| ClaimedWebhook { feed, ..webhook })
        });
        join_all(claims).await.into_iter().flatten().collect()
    }

    /// Returns whether the process still has its claim.
    pub async fn renew_claim(
        &self,
        webhook: &ClaimedWebhook,
        process: &str,
        keep: bool,
    ) -> Result<bool, Error> {
        let (feed, webhook, process) = (webhook.feed, webhook.clone(), process.to_owned());
        let renew =
            async move |tx: &mut Tx<'_>| delivery::renew(tx, &webhook, &process, keep).await;
        self.change_in(feed, renew).await
    }

    pub async fn webhook_page(&self, webhook: &ClaimedWebhook) -> Result<WebhookPage, Error> {
        let (deadline, webhook) = (Deadline::of_a_request(), webhook.clone());
        let read = self.feed(webhook.feed)?.clone().read(deadline, async move |reader| {
            let (app, start) = (webhook.sdk_app_id, FeedStart::After(webhook.position));
            let mut deliveries = delivery::due(reader, &webhook, PAGE_CHANGES.into()).await?;
            let reading = feed::read(reader, app, start, PAGE_CHANGES).await?;
            if !reading.is_on {
                let (blocked, end) = (Vec::new(), webhook.position);
                return Ok(WebhookPage::Changes { deliveries: Vec::new(), blocked, end });
            }
            let newest = reading.newest();
            let Some((end, changes)) = reading.after(start, PAGE_CHANGES) else {
                return Ok(WebhookPage::Resync(newest));
            };
            let of_feed = |(number, change)| Delivery {
                position: FeedPosition { epoch: end.epoch, number },
                change,
                attempts: None,
            };
            let changes = changes.into_iter().filter(|(_, change)| webhook.wants.includes(change));
            let changes: Vec<_> = changes.map(of_feed).collect();
            let mut blocked = Vec::new();
            let are_blocked = delivery::are_blocked(reader, &webhook, &changes).await?;
            for (change, is_blocked) in changes.into_iter().zip(are_blocked) {
                if is_blocked { &mut blocked } else { &mut deliveries }.push(change);
            }
            Ok(WebhookPage::Changes { deliveries, blocked, end })
        });
        self.within(deadline, Error::late_read, read).await
    }

    /// Returns whether the process still has its claim. Without it, nothing is recorded.
    pub async fn record_page(
        &self,
        webhook: &ClaimedWebhook,
        process: &str,
        outcome: PageOutcome,
    ) -> Result<bool, Error> {
        let (feed, webhook, process) = (webhook.feed, webhook.clone(), process.to_owned());
        let record =
            async move |tx: &mut Tx<'_>| delivery::record(tx, &webhook, &process, &outcome).await;
        self.change_in(feed, record).await
    }

    /// Reads what the gauges of all webhooks show.
    pub async fn observe_webhooks(&self) -> Result<(), Error> {
        let deadline = Deadline::of_a_request();
        let reads = self.partitions.schemas().map(|schema| {
            let read = schema.clone().read(deadline, async |reader| delivery::gauges(reader).await);
            self.within(deadline, Error::late_read, read)
        });
        let found = try_join_all(reads).await?;
        let gauges = &self.metrics().webhooks;
        let most = |number: fn(&WebhookGauges) -> i64| found.iter().map(number).max().unwrap_or(0);
        gauges.failing.set(most(|schema| schema.failing));
        gauges.dead_letters.set(found.iter().map(|schema| schema.dead_letters).sum());
        gauges.lag_seconds.set(most(|schema| schema.lag_s));
        Ok(())
    }
}

pub fn random_webhook_secret() -> Result<WebhookSecret, Error> {
    Ok(WebhookSecret::of_random_bytes(random_bytes()?))
}
