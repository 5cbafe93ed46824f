//! Whether the service can serve, checked once a second.
//!
//! A task of the process asks every worker on the paths that requests take: its connections for a read, its lane for a
//! write. The task needs no traffic and no probe. `/readyz` and the gauges show the last check, so PostgreSQL sees one check
//! per second however many probes arrive.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{join, join_all};
use tokio::time::{Instant, MissedTickBehavior, interval, sleep};

use super::outage::Outage;
use super::{Part, Service, last_known};
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
/// How long a part waits for servers. It is shorter than a check, so that the part's answer, which says which of them are silent,
/// is there in time.
const ASK_MAX: Duration = Duration::from_millis(2500);
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
    /// The version of the schema; `None` if the server with the shared tables did not answer.
    schema_version: Option<i64>,
    /// For each partition, whether every worker can write to it.
    are_up: Vec<bool>,
    oldest_snapshot: Duration,
}

impl Health {
    fn is_ready(&self) -> bool {
        self.failure.is_none() && self.checked_at.elapsed() < CHECK_AGE_MAX
    }
}

impl Service {
    /// Whether the last check found that every worker can serve users of a partition. Waits for the first check.
    pub async fn is_ready(&self) -> bool {
        let mut health = self.shared.health.subscribe();
        let first = Deadline::within(FIRST_CHECK_MAX).limit(health.wait_for(Option::is_some)).await;
        matches!(first, Ok(Ok(health)) if health.as_ref().is_some_and(Health::is_ready))
    }

    pub(super) fn health_gauges(&self) -> HealthGauges {
        let mut gauges = HealthGauges {
            schema_version_required: schema::expected_version(),
            are_up: vec![false; self.partitions.each().len()],
            ..HealthGauges::default()
        };
        if let Some(health) = &*self.shared.health.borrow() {
            gauges.is_ready = health.is_ready() && !self.is_stopping();
            gauges.is_database_up = health.schema_version.is_some();
            gauges.schema_version = health.schema_version.unwrap_or_default();
            gauges.oldest_snapshot = health.oldest_snapshot;
            gauges.are_up.clone_from(&health.are_up);
        }
        gauges.apps_last_known_for = self.shared.last_known.away_for().unwrap_or_default();
        gauges
    }

    /// Starts the checks. They end when the service is closed or dropped.
    pub(super) fn start_checks(&self) {
        let shared = Arc::downgrade(&self.shared);
        let checks = self.runtime.spawn(async move {
            let mut timer = interval(PERIOD);
            timer.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let (mut oldest_snapshot, mut schema, mut was_away) = (Duration::ZERO, None, false);
            let moves = Outage::new(
                "the service cannot ask Citus where the partitions are",
                "the service follows the moves of partitions again",
            );
            for nr in 0_u64.. {
                timer.tick().await;
                let Some(shared) = shared.upgrade() else { return };
                let parts = shared.parts();
                let is_due = nr.is_multiple_of(CHECKS_PER_LOOK);
                let age = async { if is_due { look_around(&parts, &moves).await } else { None } };
                let (found, age) = join(check(&parts, schema), age).await;
                let Found { failure, schema: read, are_up } = found;
                oldest_snapshot = age.unwrap_or(oldest_snapshot);
                schema = read.or(schema);
                if read.is_some() {
                    shared.last_known.note_return();
                }
                if !shared.is_stopping() {
                    let before =
                        shared.health.borrow().as_ref().map(|health| health.failure.is_none());
                    log_change(before, failure.as_deref());
                    let is_away = shared.last_known.away_for().is_some();
                    last_known::log_change(std::mem::replace(&mut was_away, is_away), is_away);
                }
                let (checked_at, schema_version) =
                    (Instant::now(), read.map(|read| read.versions().0));
                let health =
                    Health { checked_at, failure, schema_version, are_up, oldest_snapshot };
                shared.health.send_replace(Some(health));
            }
        });
        // Only `Service::new` calls this, so the cell is empty.
        drop(self.shared.checks.set(checks.abort_handle()));
    }
}

/// Asks all workers at once.
///
/// The first part is the process's own, for operators. It is asked only until a worker has started: the service can serve
/// without it.
///
/// `known` is the schema as it was read last. If the shared tables of a divided database do not answer, it must do: the state of
/// users is in the partitions.
async fn check(parts: &[Part], known: Option<SchemaState>) -> Found {
    let deadline = Deadline::of_a_request();
    let workers = parts.get(1..).unwrap_or_default();
    let asked = if workers.is_empty() { parts } else { workers };
    let answers = asked.iter().map(|part| part.check(!workers.is_empty(), deadline));
    let answers = join_all(answers).await;
    let schema = answers.iter().flatten().find_map(|answer| answer.schema.as_ref().ok().copied());
    let partitions = parts.first().map_or(0, |part| part.partitions.each().len());
    let are_up = (0..partitions)
        .map(|number| {
            answers
                .iter()
                .all(|answer| answer.as_ref().is_ok_and(|answer| answer.can_write(number)))
        })
        .collect();
    let known = known.filter(|_| partitions > 1 && !workers.is_empty());
    let failure = answers.into_iter().zip(1..).find_map(|(answer, nr)| {
        let failure =
            answer.map_or_else(|error| Some(error.with_causes()), |answer| answer.failure(known));
        Some(format!("worker {nr}: {}", failure?))
    });
    Found { failure, schema, are_up }
}

/// What the workers have answered.
struct Found {
    /// Why the service is not ready.
    failure: Option<String>,
    /// `None` if no worker could read it.
    schema: Option<SchemaState>,
    /// For each partition, whether every worker can write to it.
    are_up: Vec<bool>,
}

/// Looks for a newer primary, and reads the age of the oldest snapshot. Returns `None` if PostgreSQL does not answer, which the
/// check reports.
async fn look_around(parts: &[Part], moves: &Outage) -> Option<Duration> {
    let (partitions, deadline) = (&parts.first()?.partitions, Deadline::of_a_request());
    let ages = partitions.schemas().map(async |store| {
        store.follow_address(deadline).await.ok()?;
        snapshots::oldest(store, deadline).await.ok()
    });
    // At once: a coordinator that is silent must keep nothing waiting. It keeps the places as they are.
    let (followed, ages) = join(partitions.follow_moves(deadline), join_all(ages)).await;
    moves.note(followed);
    ages.into_iter().flatten().max()
}

struct Answer {
    /// Read with the part's connections.
    schema: Result<SchemaState, Error>,
    /// The answers of the part's lanes, one for each partition.
    written: Vec<Result<(), Error>>,
}

impl Answer {
    fn is_ok(&self) -> bool {
        self.schema.is_ok() && self.written.iter().all(Result::is_ok)
    }

    fn can_write(&self, partition: usize) -> bool {
        self.written.get(partition).map_or(self.schema.is_ok(), Result::is_ok)
    }

    /// Why the worker cannot serve. It can if one of its lanes can write: a server that does not answer must not take the users
    /// of the others away. `known` is the schema to believe in if the server with the shared tables does not answer.
    fn failure(self, known: Option<SchemaState>) -> Option<String> {
        let schema = match (self.schema, known) {
            (Err(Error::Unavailable(_)), Some(known)) => Ok(known),
            (schema, _) => schema,
        };
        let error = match schema {
            Err(error) => error,
            Ok(SchemaState::Older { found, expected }) => {
                return Some(format!(
                    "the schema is older (version {found}) than this binary (version {expected})"
                ));
            }
            Ok(SchemaState::Current | SchemaState::Newer { .. }) => {
                let failures: Result<Vec<_>, ()> =
                    self.written.into_iter().map(|lane| lane.err().ok_or(())).collect();
                failures.ok()?.into_iter().next()?
            }
        };
        Some(error.with_causes())
    }
}

impl Part {
    /// Asks the part, on its own thread, so that a thread that hangs does not answer. A failure counts if it lasts: requests
    /// are retried as well.
    async fn check(&self, is_worker: bool, deadline: Deadline) -> Result<Answer, Error> {
        let (part, servers) = (self.clone(), deadline.or_within(ASK_MAX));
        let asked = self.runtime.spawn(async move {
            let first = part.ask(is_worker, servers).await;
            if first.is_ok() || servers.is_too_late_to_begin() {
                return first;
            }
            sleep(RETRY_PAUSE).await;
            part.ask(is_worker, servers).await
        });
        match deadline.limit(asked).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(panic)) => Err(Error::Internal(panic.into())),
            Err(late) => Err(Error::late_read(late)),
        }
    }

    /// Reads the schema's version with the part's connections and, if it is a worker, asks its lanes.
    async fn ask(&self, is_worker: bool, deadline: Deadline) -> Answer {
        let write = async { if is_worker { self.lanes.probe(deadline).await } else { Vec::new() } };
        // Not `try_join`: to drop a statement halfway closes its connection.
        let (schema, written) =
            join(schema::check(self.partitions.shared(), deadline), write).await;
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
