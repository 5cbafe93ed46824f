//! Delivers the changes of feeds to webhooks.
//!
//! A process claims a webhook, so that one process at a time delivers to it. It sends a page of changes, records what became of
//! them, and goes on until there is nothing left. Changes of one user are sent one after the other, those of different users at
//! the same time. What was sent but not recorded is sent again by the next process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::stream::{self, StreamExt};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::client::{SendError, send};
use super::message::Message;
use crate::domain::{ClaimedWebhook, Delivery, FeedChange, PageOutcome, WebhookPage};
use crate::error::Error;
use crate::http::door::unix_now;
use crate::service::{Service, WebhookHosts};

/// The time between two looks for webhooks with something to deliver.
const LOOK_PERIOD: Duration = Duration::from_millis(250);
/// The time between two readings for the metrics.
const OBSERVE_PERIOD: Duration = Duration::from_secs(5);
/// A claim lasts for 15 s.
const RENEW_PERIOD: Duration = Duration::from_secs(5);
/// Webhooks that a process delivers to at the same time, or somewhat more in a database with many partitions.
const WEBHOOKS_AT_ONCE: usize = 32;
/// Messages to one webhook at the same time.
const MESSAGES_AT_ONCE: usize = 8;
/// After so many failures and no success, the rest of a page is not tried.
const FAILURES_MAX: usize = 3;
/// Stored of an error.
const ERROR_CHARS_MAX: usize = 300;

/// Delivers until the service stops.
pub(in crate::http) async fn deliver(service: Service) {
    let process: Arc<str> = Uuid::now_v7().to_string().into();
    let mut running = JoinSet::new();
    let mut observed: Option<Instant> = None;
    while !service.is_stopping() {
        sleep(LOOK_PERIOD).await;
        while running.try_join_next().is_some() {}
        if observed.is_none_or(|at| at.elapsed() >= OBSERVE_PERIOD) {
            observed = Some(Instant::now());
            // The health checks report a database that does not answer.
            drop(service.observe_webhooks().await);
        }
        let free = WEBHOOKS_AT_ONCE.saturating_sub(running.len());
        let limit = i64::try_from(free).unwrap_or_default();
        for webhook in service.claim_webhooks(&process, limit).await {
            running.spawn(deliver_to(service.clone(), process.clone(), webhook));
        }
    }
    // Each delivery ends after its page.
    while running.join_next().await.is_some() {}
}

async fn deliver_to(service: Service, process: Arc<str>, webhook: ClaimedWebhook) {
    let work = async {
        let done = deliver_pages(&service, &process, webhook.clone()).await;
        if let Err(error) = done {
            let cause = error.with_causes();
            tracing::warn!(app = %webhook.sdk_app_id, webhook = webhook.id, cause, "a delivery was interrupted");
        }
        drop(service.renew_claim(&webhook, &process, false).await);
    };
    tokio::select! {
        () = work => {}
        // Another process delivers now, or an operator has disabled or deleted the webhook.
        () = lose_claim(&service, &process, &webhook) => {}
    }
}

/// Renews the claim until it is lost.
async fn lose_claim(service: &Service, process: &str, webhook: &ClaimedWebhook) {
    loop {
        sleep(RENEW_PERIOD).await;
        if matches!(service.renew_claim(webhook, process, true).await, Ok(false)) {
            return;
        }
    }
}

async fn deliver_pages(
    service: &Service,
    process: &str,
    mut webhook: ClaimedWebhook,
) -> Result<(), Error> {
    while !service.is_stopping() {
        let outcome = match service.webhook_page(&webhook).await? {
            WebhookPage::Resync(position) => {
                let shown = service.shown_position(webhook.feed, position);
                let message = Message::resync(&webhook, shown, unix_now());
                let sent = send(service.webhook_hosts(), &webhook.url, &message).await;
                count(service, sent.is_ok());
                match sent {
                    Ok(()) => PageOutcome {
                        position: Some(position),
                        is_alive: true,
                        ..PageOutcome::default()
                    },
                    Err(error) => {
                        PageOutcome { failure: Some(text(&error)), ..PageOutcome::default() }
                    }
                }
            }
            WebhookPage::Changes { deliveries, blocked, end } => {
                if deliveries.is_empty() && end == webhook.position {
                    return Ok(());
                }
                let sent = send_all(service, &webhook, deliveries).await;
                outcome(&webhook, sent, blocked, end)
            }
        };
        let (next, is_failing) = (outcome.position, outcome.failure.is_some());
        log_failure(&webhook, &outcome);
        let given_up = if webhook.gives_up { outcome.failed.len() } else { 0 };
        if !service.record_page(&webhook, process, outcome).await? {
            return Ok(());
        }
        service.metrics().webhooks.given_up.inc_by(given_up as u64);
        webhook.position = next.unwrap_or(webhook.position);
        if is_failing {
            return Ok(());
        }
    }
    Ok(())
}

/// The deliveries of a page, each with what became of it. `None` was not tried.
type Sent = Vec<(Delivery, Option<Result<(), SendError>>)>;

/// A page that is being sent.
struct Sending<'s> {
    service: &'s Service,
    webhook: &'s ClaimedWebhook,
    failures: AtomicUsize,
    successes: AtomicUsize,
}

async fn send_all(service: &Service, webhook: &ClaimedWebhook, deliveries: Vec<Delivery>) -> Sent {
    let (failures, successes) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let sending = Sending { service, webhook, failures, successes };
    let chains: Vec<_> =
        chains(deliveries).into_iter().map(|chain| sending.send_chain(chain)).collect();
    let sent: Vec<Sent> = stream::iter(chains).buffer_unordered(MESSAGES_AT_ONCE).collect().await;
    sent.into_iter().flatten().collect()
}

impl Sending<'_> {
    /// Sends the changes of one user, up to the first that fails.
    async fn send_chain(&self, chain: Vec<Delivery>) -> Sent {
        let (mut sent, mut has_failed) = (Vec::new(), false);
        for delivery in chain {
            if has_failed || self.is_hopeless() {
                sent.push((delivery, None));
                continue;
            }
            let Delivery { position, change, .. } = &delivery;
            let shown = self.service.shown_position(self.webhook.feed, *position);
            let message = Message::change(self.webhook, shown, change, unix_now());
            let done = send(self.service.webhook_hosts(), &self.webhook.url, &message).await;
            count(self.service, done.is_ok());
            has_failed = done.is_err();
            if has_failed { &self.failures } else { &self.successes }
                .fetch_add(1, Ordering::Relaxed);
            sent.push((delivery, Some(done)));
        }
        sent
    }

    fn is_hopeless(&self) -> bool {
        self.failures.load(Ordering::Relaxed) >= FAILURES_MAX
            && self.successes.load(Ordering::Relaxed) == 0
    }
}

/// Groups the deliveries by whom they are about. Each group is in the order of the page.
fn chains(deliveries: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let mut chains: Vec<Vec<Delivery>> = Vec::new();
    for delivery in deliveries {
        let is_own = |chain: &&mut Vec<Delivery>| {
            chain.first().is_some_and(|first| is_same(&first.change, &delivery.change))
        };
        match chains.iter_mut().find(is_own) {
            Some(chain) => chain.push(delivery),
            None => chains.push(vec![delivery]),
        }
    }
    chains
}

fn is_same(one: &FeedChange, other: &FeedChange) -> bool {
    match (one, other) {
        (FeedChange::User { user_id: one, .. }, FeedChange::User { user_id: other, .. }) => {
            one == other
        }
        (
            FeedChange::Directory { member: one, .. },
            FeedChange::Directory { member: other, .. },
        ) => one == other,
        (FeedChange::User { .. }, FeedChange::Directory { .. })
        | (FeedChange::Directory { .. }, FeedChange::User { .. }) => false,
    }
}

/// If every attempt failed, the webhook is failing: its position stays, and the feed keeps the changes. If some succeeded, only
/// the changes that failed are set aside, with those behind them. A webhook that has failed for three days gives changes up.
fn outcome(
    webhook: &ClaimedWebhook,
    sent: Sent,
    blocked: Vec<Delivery>,
    end: crate::domain::FeedPosition,
) -> PageOutcome {
    let mut outcome = PageOutcome { behind: blocked, ..PageOutcome::default() };
    let mut has_tried_new = false;
    for (delivery, done) in sent {
        has_tried_new |= delivery.attempts.is_none();
        match done {
            Some(Ok(())) => outcome.delivered.push(delivery),
            Some(Err(error)) => outcome.failed.push((delivery, text(&error))),
            None => outcome.behind.push(delivery),
        }
    }
    outcome.is_alive = !outcome.delivered.is_empty();
    let error = outcome.failed.first().map(|(_, error)| error.clone());
    let is_failing = error.is_some() && !outcome.is_alive && has_tried_new;
    outcome.failure = error.filter(|_| is_failing);
    outcome.position = (!is_failing || webhook.gives_up).then_some(end);
    outcome
}

fn log_failure(webhook: &ClaimedWebhook, outcome: &PageOutcome) {
    let (app, webhook) = (webhook.sdk_app_id, webhook.id);
    if let Some(cause) = &outcome.failure {
        tracing::warn!(%app, webhook, cause, "a webhook fails");
    } else if let Some((_, cause)) = outcome.failed.first() {
        let changes = outcome.failed.len();
        tracing::warn!(%app, webhook, changes, cause, "changes were not delivered to a webhook");
    }
}

fn text(error: &SendError) -> String {
    error.to_string().chars().take(ERROR_CHARS_MAX).collect()
}

fn count(service: &Service, is_delivered: bool) {
    let webhooks = &service.metrics().webhooks;
    if is_delivered { &webhooks.delivered } else { &webhooks.failed }.inc();
}

/// Whether this process delivers.
pub(in crate::http) fn is_on(service: &Service) -> bool {
    service.webhook_hosts() != WebhookHosts::Off
}
