//! Whether the service can serve, checked once a second.
//!
//! A task of the process asks every worker on the paths that requests take: its connections for a read, its lane for a
//! write. The task needs no traffic and no probe. `/readyz` and the gauges show the last check, so PostgreSQL sees one check
//! per second however many probes arrive.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::{Part, Service};
use crate::deadline::Deadline;
use crate::error::Error;
use crate::metrics::HealthGauges;
use crate::store::schema::{self, SchemaState};
use crate::store::snapshots;

/// From the begin of a check to the begin of the next, unless the check takes longer.
const PERIOD: Duration = Duration::from_secs(1);
/// In every fifth check, the age of the oldest snapshot is read, which alerts compare with an hour, and a new session is opened,
/// which shows whether another server has become the primary.
const CHECKS_PER_LOOK: u64 = 5;
/// A check takes at most [`Deadline::OF_A_REQUEST`], 3 seconds. If the last check is older, the task itself hangs.
const CHECK_AGE_MAX: Duration = Duration::from_secs(5);
/// A part that fails is asked once more after this pause. It is as long as a write waits for a lock.
const RETRY_PAUSE: Duration = Duration::from_millis(250);
/// How long `/readyz` waits for the first check. By default, Kubernetes gives a probe 1 second.
const FIRST_CHECK_MAX: Duration = Duration::from_millis(900);

/// What a check has found.
#[derive(Debug)]
pub(super) struct Health {
    checked_at: Instant,
    /// Why the service is not ready, for the log.
    failure: Option<String>,
    /// The version of the schema; `None` if PostgreSQL did not answer.
    schema_version: Option<i64>,
    oldest_snapshot: Duration,
}

impl Health {
    fn is_ready(&self) -> bool {
        self.failure.is_none() && self.checked_at.elapsed() < CHECK_AGE_MAX
    }
}

impl Service {
    /// Whether the last check found that every worker can read and write. Waits for the first check.
    pub async fn is_ready(&self) -> bool {
        let mut health = self.shared.health.subscribe();
        let first = Deadline::within(FIRST_CHECK_MAX).limit(health.wait_for(Option::is_some)).await;
        matches!(first, Ok(Ok(health)) if health.as_ref().is_some_and(Health::is_ready))
    }

    pub(super) fn health_gauges(&self) -> HealthGauges {
        let mut gauges = HealthGauges {
            schema_version_required: schema::expected_version(),
            ..HealthGauges::default()
        };
        if let Some(health) = &*self.shared.health.borrow() {
            gauges.is_ready = health.is_ready() && !self.is_stopping();
            gauges.is_database_up = health.schema_version.is_some();
            gauges.schema_version = health.schema_version.unwrap_or_default();
            gauges.oldest_snapshot = health.oldest_snapshot;
        }
        gauges
    }

    /// Starts the checks. They end when the service is closed or dropped.
    pub(super) fn start_checks(&self) {
        let shared = Arc::downgrade(&self.shared);
        let checks = self.runtime.spawn(async move {
            let mut timer = interval(PERIOD);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let mut oldest_snapshot = Duration::ZERO;
            for nr in 0_u64.. {
                timer.tick().await;
                let Some(shared) = shared.upgrade() else { return };
                let parts = shared.parts();
                let is_due = nr.is_multiple_of(CHECKS_PER_LOOK);
                let age = async { if is_due { look_around(&parts).await } else { None } };
                let ((failure, schema_version), age) = join(check(&parts), age).await;
                oldest_snapshot = age.unwrap_or(oldest_snapshot);
                if !shared.is_stopping() {
                    let before =
                        shared.health.borrow().as_ref().map(|health| health.failure.is_none());
                    log_change(before, failure.as_deref());
                }
                let checked_at = Instant::now();
                let health = Health { checked_at, failure, schema_version, oldest_snapshot };
                shared.health.send_replace(Some(health));
            }
        });
        // Only `Service::new` calls this, so the cell is empty.
        drop(self.shared.checks.set(checks.abort_handle()));
    }
}

/// Asks all workers at once. Returns why the service is not ready, and the version of the schema.
///
/// The first part is the process's own, for operators. It is asked only until a worker has started: the service can serve
/// without it.
async fn check(parts: &[Part]) -> (Option<String>, Option<i64>) {
    let deadline = Deadline::of_a_request();
    let workers = parts.get(1..).unwrap_or_default();
    let asked = if workers.is_empty() { parts } else { workers };
    let answers = asked.iter().map(|part| part.check(!workers.is_empty(), deadline));
    let answers = join_all(answers).await;
    let schema_version =
        answers.iter().find_map(|answer| Some(answer.schema.as_ref().ok()?.versions().0));
    let failure = answers
        .into_iter()
        .zip(1..)
        .find_map(|(answer, nr)| Some(format!("worker {nr}: {}", answer.failure()?)));
    (failure, schema_version)
}

/// Looks for a newer primary, and reads the age of the oldest snapshot. Returns `None` if PostgreSQL does not answer, which the
/// check reports.
async fn look_around(parts: &[Part]) -> Option<Duration> {
    let store = &parts.first()?.store;
    store.follow_address(Deadline::of_a_request()).await.ok()?;
    snapshots::oldest(store, Deadline::of_a_request()).await.ok()
}

struct Answer {
    /// Read with the part's connections.
    schema: Result<SchemaState, Error>,
    /// The answer of the part's lane.
    written: Result<(), Error>,
}

impl Answer {
    fn is_ok(&self) -> bool {
        self.schema.is_ok() && self.written.is_ok()
    }

    fn failure(self) -> Option<String> {
        let error = match self.schema {
            Err(error) => error,
            Ok(SchemaState::Older { found, expected }) => {
                return Some(format!(
                    "the schema is older (version {found}) than this binary (version {expected})"
                ));
            }
            Ok(SchemaState::Current | SchemaState::Newer { .. }) => self.written.err()?,
        };
        Some(format!("{:#}", anyhow::Error::new(error)))
    }
}

impl Part {
    /// Asks the part, on its own thread, so that a thread that hangs does not answer. A failure counts if it lasts: requests
    /// are retried as well.
    async fn check(&self, is_worker: bool, deadline: Deadline) -> Answer {
        let part = self.clone();
        let asked = self.runtime.spawn(async move {
            let first = part.ask(is_worker, deadline).await;
            if first.is_ok() || deadline.is_too_late_to_begin() {
                return first;
            }
            sleep(RETRY_PAUSE).await;
            part.ask(is_worker, deadline).await
        });
        let error = match deadline.limit(asked).await {
            Ok(Ok(answer)) => return answer,
            Ok(Err(panic)) => Error::Internal(panic.into()),
            Err(late) => Error::late_read(late),
        };
        Answer { schema: Err(error), written: Ok(()) }
    }

    /// Reads the schema's version with the part's connections and, if it is a worker, asks its lane.
    async fn ask(&self, is_worker: bool, deadline: Deadline) -> Answer {
        let write = async { if is_worker { self.lane.probe(deadline).await } else { Ok(()) } };
        // Not `try_join`: to drop a statement halfway closes its connection.
        let (schema, written) = join(schema::check(&self.store, deadline), write).await;
        Answer { schema, written }
    }
}

/// Logs when the service stops or starts being ready, and not each check.
fn log_change(was_ready: Option<bool>, failure: Option<&str>) {
    match (was_ready, failure) {
        (None | Some(true), Some(cause)) => tracing::warn!(cause, "not ready"),
        (Some(false), None) => tracing::info!("ready again"),
        (None | Some(true), None) | (Some(false), Some(_)) => {}
    }
}
