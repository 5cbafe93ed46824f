//! Webhooks: operators manage them, and processes take turns to deliver. What is sent is in `http/webhooks/`.

use super::{Service, random_bytes};
use crate::deadline::Deadline;
use crate::domain::{
    ClaimedWebhook, Delivery, FailedDelivery, FeedPosition, FeedStart, PageOutcome, SdkAppId,
    WantedChanges, Webhook, WebhookPage, WebhookSecret, WebhookUrl,
};
use crate::error::Error;
pub use crate::store::webhooks::WebhookChange;
use crate::store::webhooks::{self, delivery};
use crate::store::{Tx, feed};

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
        let read = self
            .store
            .clone()
            .read(deadline, async move |reader| webhooks::load(reader, sdk_app_id, id).await);
        self.within(deadline, Error::late_read, read).await
    }

    /// Returns the id, or `None` if the app has [`WEBHOOKS_MAX`] already.
    pub async fn create_webhook(
        &self,
        sdk_app_id: SdkAppId,
        url: WebhookUrl,
        wants: WantedChanges,
        secret: WebhookSecret,
    ) -> Result<Option<i64>, Error> {
        self.change_webhooks(async move |tx| {
            webhooks::insert(tx, sdk_app_id, &url, wants, &secret, WEBHOOKS_MAX).await
        })
        .await
    }

    /// Returns whether the webhook exists.
    pub async fn change_webhook(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        change: WebhookChange,
    ) -> Result<bool, Error> {
        self.change_webhooks(async move |tx| webhooks::update(tx, sdk_app_id, id, &change).await)
            .await
    }

    pub async fn rotate_webhook_secret(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        secret: WebhookSecret,
    ) -> Result<bool, Error> {
        self.change_webhooks(async move |tx| webhooks::rotate(tx, sdk_app_id, id, &secret).await)
            .await
    }

    pub async fn delete_webhook(&self, sdk_app_id: SdkAppId, id: i64) -> Result<bool, Error> {
        self.change_webhooks(async move |tx| webhooks::delete(tx, sdk_app_id, id).await).await
    }

    /// Makes the dead letters with these numbers due, and returns how many there were.
    pub async fn replay_deliveries(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        first: i64,
        last: i64,
    ) -> Result<u64, Error> {
        self.change_webhooks(async move |tx| {
            webhooks::replay(tx, sdk_app_id, id, first, last).await
        })
        .await
    }

    /// The newest failed deliveries before this number of the feed.
    pub async fn failed_deliveries(
        &self,
        sdk_app_id: SdkAppId,
        id: i64,
        before: Option<i64>,
    ) -> Result<Vec<FailedDelivery>, Error> {
        let deadline = Deadline::of_a_request();
        let read = self.store.clone().read(deadline, async move |reader| {
            webhooks::failed(reader, sdk_app_id, id, before, FAILED_MAX).await
        });
        self.within(deadline, Error::late_read, read).await
    }

    async fn change_webhooks<T>(
        &self,
        change: impl AsyncFnOnce(&mut Tx<'_>) -> Result<T, Error>,
    ) -> Result<T, Error> {
        let deadline = Deadline::of_a_request();
        let changed = deadline.limit(self.store.clone().write(deadline, change)).await;
        changed.unwrap_or_else(|late| Err(Error::late_write(late)))
    }
}

/// For delivery.
impl Service {
    pub async fn claim_webhooks(
        &self,
        process: &str,
        limit: i64,
    ) -> Result<Vec<ClaimedWebhook>, Error> {
        let process = process.to_owned();
        self.change_webhooks(async move |tx| delivery::claim(tx, &process, limit).await).await
    }

    /// Returns whether the process still has its claim.
    pub async fn renew_claim(
        &self,
        webhook: &ClaimedWebhook,
        process: &str,
        keep: bool,
    ) -> Result<bool, Error> {
        let (webhook, process) = (webhook.clone(), process.to_owned());
        self.change_webhooks(async move |tx| delivery::renew(tx, &webhook, &process, keep).await)
            .await
    }

    pub async fn webhook_page(&self, webhook: &ClaimedWebhook) -> Result<WebhookPage, Error> {
        let (deadline, webhook) = (Deadline::of_a_request(), webhook.clone());
        let read = self.store.clone().read(deadline, async move |reader| {
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
        let (webhook, process) = (webhook.clone(), process.to_owned());
        self.change_webhooks(async move |tx| {
            delivery::record(tx, &webhook, &process, &outcome).await
        })
        .await
    }

    /// Reads what the gauges of all webhooks show.
    pub async fn observe_webhooks(&self) -> Result<(), Error> {
        let deadline = Deadline::of_a_request();
        let read = self.store.clone().read(deadline, async |reader| delivery::gauges(reader).await);
        let found = self.within(deadline, Error::late_read, read).await?;
        let gauges = &self.metrics().webhooks;
        gauges.failing.set(found.failing);
        gauges.dead_letters.set(found.dead_letters);
        gauges.lag_seconds.set(found.lag_s);
        Ok(())
    }
}

pub fn random_webhook_secret() -> Result<WebhookSecret, Error> {
    Ok(WebhookSecret::of_random_bytes(random_bytes()?))
}
