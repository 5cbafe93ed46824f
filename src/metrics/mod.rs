//! Metrics for Prometheus. `docs/metrics.md` explains each.
//!
//! A handle to a series is looked up once, when the service starts or loads an app. From then on, counting is an atomic
//! addition. Label values come from our own lists and from apps that exist, so that clients cannot create series.

mod apps;
mod family;

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry,
    TextEncoder,
};

use family::Family;

/// Apps that have series of their own. They are the first that the process sees; all later apps share the label
/// `OTHER_APPS`.
pub const LABELLED_APPS_MAX: usize = 100;
const OTHER_APPS: &str = "other";
/// The secret keys of an app, newest first. The ids of keys are no labels: each rotation would add a series.
const KEY_NAMES: [&str; 2] = ["newest", "previous"];
/// The `ErrorCode`s that mean a fault of the service or of its database.
const FAULT_CODES: [&str; 2] = ["50004", "50005"];

/// From half a millisecond, a good time for an answer, to beyond the deadline of a request.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// From an idle connection to beyond the deadline of a request.
const ACQUIRE_SECONDS: &[f64] = &[0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0];
/// Up to the largest batch of requests that share a transaction.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Declares the struct `Families` with a field for each metric, and a function that registers them all. A line gives a
/// metric's name without `earmark_`, its type, its labels, its buckets and its help text.
macro_rules! metrics {
    ($($name:ident: $type:ident $([$($label:literal),+])? $(in $buckets:ident)? = $help:literal;)+) => {
        #[derive(Debug)]
        struct Families {
            $($name: $type,)+
        }

        impl Families {
            fn register(registry: &Registry) -> prometheus::Result<Self> {
                $(
                    let opts = Opts::new(concat!("earmark_", stringify!($name)), $help);
                    let $name = $type::describe(opts, &[$($($label),+)?], metrics!(@buckets $($buckets)?))?;
                    registry.register(Box::new($name.clone()))?;
                )+
                Ok(Self { $($name,)+ })
            }
        }
    };
    (@buckets) => { &[] };
    (@buckets $buckets:ident) => { $buckets };
}

metrics! {
    requests_total: IntCounterVec["call", "code"] = "Requests answered, by call and ErrorCode";
    request_duration_seconds: HistogramVec["call"] in SECONDS = "Time from a request's head to its answer";
    requests_in_flight: IntGauge = "Requests that are being answered";
    items_total: IntCounterVec["call", "outcome"] = "Items of answered requests, by outcome";
    app_requests_total: IntCounterVec["app"] = "Requests that named an existing app";
    rate_limited_total: IntCounterVec["app"] = "Requests refused because of the rate limit of their app";
    app_key_created_timestamp_seconds: IntGaugeVec["app", "key"] = "Creation of a secret key, in Unix seconds";
    app_key_last_used_timestamp_seconds: IntGaugeVec["app", "key"] = "Last use of a secret key, in Unix seconds";
    app_users: IntGaugeVec["app"] = "Users with state, when the app was counted last";
    app_conversations: IntGaugeVec["app"] = "Stored conversations, when the app was counted last";
    app_users_at_limit: IntGaugeVec["app"] = "Users who have reached a limit, when the app was counted last";
    app_bytes: IntGaugeVec["app"] = "Estimated size of the state in the database, when the app was counted last";
    app_counted_timestamp_seconds: IntGaugeVec["app"] = "When the app was counted last, in Unix seconds";
    listeners: IntGaugeVec["kind"] = "Clients that wait for changes";
    overloaded_total: IntCounter = "Writes refused because the queue of their lane was full";

    commit_requests: Histogram in BATCH = "Requests that shared a transaction of writes";
    commit_duration_seconds: Histogram in SECONDS = "Duration of a transaction of writes";
    commit_failures_total: IntCounterVec["kind"] = "Transactions of writes that failed";
    commit_retries_total: IntCounter = "Requests retried alone after the transaction that they shared failed";
    queue_wait_seconds: Histogram in SECONDS = "Time that a write waited for its transaction to begin";
    lane_queue_depth: IntGaugeVec["lane"] = "Requests that wait in a lane";

    database_connections: IntGaugeVec["state"] = "Open connections to the database";
    database_connections_max: IntGauge = "Maximum number of connections to the database";
    database_acquire_seconds: Histogram in ACQUIRE_SECONDS = "Time until a database connection could be used";
    database_sessions_given_up_total: IntCounter = "Database sessions that did not answer in time: connection closed, statement cancelled";
    cache_lookups_total: IntCounterVec["cache", "result"] = "Cache lookups";

    ready: IntGauge = "1 if every worker can read and write, otherwise 0";
    partition_up: IntGaugeVec["partition"] = "1 if every worker can write to the partition, otherwise 0";
    partition_writes_total: IntCounterVec["partition"] = "Requests that a transaction of writes has ended";
    database_up: IntGauge = "1 if the database answers, otherwise 0";
    apps_last_known_seconds: IntGauge = "For how long apps have been served as they were last loaded, because the shared tables do not answer; otherwise 0";
    database_schema_version: IntGauge = "Version of the schema in the database; 0 if the database does not answer";
    database_schema_version_required: IntGauge = "Version of the schema that this binary needs";
    database_oldest_snapshot_seconds: IntGauge = "Age of the oldest transaction that keeps vacuum from removing row versions";
    build_info: IntGaugeVec["version"] = "Always 1; the label has the version of the binary";
    webhook_deliveries_total: IntCounterVec["outcome"] = "Attempts to deliver a change to a webhook, and changes given up";
    webhooks_failing: IntGauge = "Webhooks of which every attempt fails";
    webhook_lag_seconds: IntGauge = "Age of the oldest change that is not delivered to a webhook";
    webhook_dead_letters: IntGauge = "Changes given up that were not replayed";
    log_lines_dropped_total: IntCounter = "Log lines dropped because their reader was too slow";
}

/// The metrics of one service.
#[derive(Debug)]
pub struct Metrics {
    pub in_flight: IntGauge,
    /// Writes refused because the queue of their lane was full.
    pub overloaded: IntCounter,
    pub commits: Commits,
    pub app_cache: CacheLookups,
    pub user_sig_cache: CacheLookups,
    pub acquire_seconds: Histogram,
    /// Database sessions that did not answer in time.
    pub sessions_given_up: IntCounter,
    pub webhooks: WebhookMetrics,
    families: Families,
    labelled_apps: Mutex<BTreeSet<i64>>,
    /// The labels of the apps whose sizes are shown.
    sized_apps: Mutex<BTreeSet<String>>,
    registry: Registry,
}

/// Transactions of writes.
#[derive(Debug)]
pub struct Commits {
    requests: Histogram,
    seconds: Histogram,
    wait_seconds: Histogram,
    /// Requests retried alone after the transaction that they shared failed.
    pub retries: IntCounter,
    failed_before_commit: IntCounter,
    in_doubt: IntCounter,
}

#[derive(Debug)]
pub struct WebhookMetrics {
    pub delivered: IntCounter,
    pub failed: IntCounter,
    pub given_up: IntCounter,
    /// The gauges show all webhooks of the database, whichever process delivers.
    pub failing: IntGauge,
    pub lag_seconds: IntGauge,
    pub dead_letters: IntGauge,
}

#[derive(Debug)]
pub struct CacheLookups {
    pub hits: IntCounter,
    pub misses: IntCounter,
}

/// The series of one call of the API.
#[derive(Debug)]
pub struct CallMetrics {
    pub name: &'static str,
    seconds: Histogram,
    ok: IntCounter,
    by_code: IntCounterVec,
    items_ok: IntCounter,
    items_refused: IntCounter,
}

/// The series of one app.
#[derive(Debug, Clone)]
pub struct AppMetrics {
    pub requests: IntCounter,
    pub rate_limited: IntCounter,
}

/// The times of a secret key, in Unix seconds.
#[derive(Debug, Clone, Copy)]
pub struct KeyTimes {
    pub created_at: u64,
    pub last_used_at: Option<u64>,
}

/// Values that are read when Prometheus asks, instead of counted.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Open connections to the database, in use or idle.
    pub connections: u32,
    pub connections_in_use: u32,
    pub connections_max: u32,
    /// Requests that wait, by lane.
    pub queues: Vec<usize>,
    /// Since the process started.
    pub log_lines_dropped: u64,
    pub health: HealthGauges,
}

/// What the last check of the service has found.
#[derive(Debug, Clone, Default)]
pub struct HealthGauges {
    pub is_ready: bool,
    pub is_database_up: bool,
    /// 0 if the database does not answer.
    pub schema_version: i64,
    pub schema_version_required: i64,
    /// For each partition, whether every worker can write to it.
    pub are_up: Vec<bool>,
    pub oldest_snapshot: Duration,
    /// For how long apps have been served as they were last loaded; zero if they are not.
    pub apps_last_known_for: Duration,
}

impl Commits {
    /// A request's transaction begins after the request waited for `time`.
    pub fn waited(&self, time: Duration) {
        self.wait_seconds.observe(time.as_secs_f64());
    }

    /// A transaction has ended, committed or not.
    pub fn ended(&self, requests: usize, took: Duration) {
        self.requests.observe(f64::from(u32::try_from(requests).unwrap_or(u32::MAX)));
        self.seconds.observe(took.as_secs_f64());
    }

    /// A transaction has failed. It is in doubt if PostgreSQL did not answer its COMMIT.
    pub fn failed(&self, is_in_doubt: bool) {
        if is_in_doubt { &self.in_doubt } else { &self.failed_before_commit }.inc();
    }
}

impl CallMetrics {
    pub fn answered(&self, error_code: u32, took: Duration) {
        if error_code == 0 {
            self.ok.inc();
        } else {
            self.by_code.with_label_values(&[self.name, &error_code.to_string()]).inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }

    pub fn items(&self, ok: u64, refused: u64) {
        self.items_ok.inc_by(ok);
        self.items_refused.inc_by(refused);
    }
}

impl Metrics {
    /// Fails only if two metrics have the same name, or a name is invalid.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let families = Families::register(&registry)?;
        families.build_info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        let lookups = |cache| CacheLookups {
            hits: families.cache_lookups_total.with_label_values(&[cache, "hit"]),
            misses: families.cache_lookups_total.with_label_values(&[cache, "miss"]),
        };
        let deliveries = |outcome| families.webhook_deliveries_total.with_label_values(&[outcome]);
        let failures = |kind| families.commit_failures_total.with_label_values(&[kind]);
        Ok(Self {
            in_flight: families.requests_in_flight.clone(),
            overloaded: families.overloaded_total.clone(),
            commits: Commits {
                requests: families.commit_requests.clone(),
                seconds: families.commit_duration_seconds.clone(),
                wait_seconds: families.queue_wait_seconds.clone(),
                retries: families.commit_retries_total.clone(),
                failed_before_commit: failures("before_commit"),
                in_doubt: failures("in_doubt"),
            },
            app_cache: lookups("app"),
            user_sig_cache: lookups("user_sig"),
            acquire_seconds: families.database_acquire_seconds.clone(),
            sessions_given_up: families.database_sessions_given_up_total.clone(),
            webhooks: WebhookMetrics {
                delivered: deliveries("delivered"),
                failed: deliveries("failed"),
                given_up: deliveries("given_up"),
                failing: families.webhooks_failing.clone(),
                lag_seconds: families.webhook_lag_seconds.clone(),
                dead_letters: families.webhook_dead_letters.clone(),
            },
            labelled_apps: Mutex::default(),
            sized_apps: Mutex::default(),
            families,
            registry,
        })
    }

    /// The series of a call. `name` must come from our own list, not from a request.
    #[must_use]
    pub fn call(&self, name: &'static str) -> CallMetrics {
        let Families { requests_total, request_duration_seconds, items_total, .. } = &self.families;
        // Alerts watch these codes increase, and Prometheus sees no increase in a series that starts with its first event.
        for code in FAULT_CODES {
            requests_total.with_label_values(&[name, code]);
        }
        CallMetrics {
            name,
            seconds: request_duration_seconds.with_label_values(&[name]),
            ok: requests_total.with_label_values(&[name, "0"]),
            by_code: requests_total.clone(),
            items_ok: items_total.with_label_values(&[name, "ok"]),
            items_refused: items_total.with_label_values(&[name, "refused"]),
        }
    }

    /// How many clients wait for changes. `kind` must come from our own list.
    #[must_use]
    pub fn listeners(&self, kind: &'static str) -> IntGauge {
        self.families.listeners.with_label_values(&[kind])
    }

    /// Requests that a transaction of writes in this partition has ended.
    #[must_use]
    pub fn partition_writes(&self, number: usize) -> IntCounter {
        self.families.partition_writes_total.with_label_values(&[&number.to_string()])
    }

    /// The series of an app. The app must exist: otherwise clients could use up [`LABELLED_APPS_MAX`] with invented
    /// numbers.
    #[must_use]
    pub fn app(&self, sdk_app_id: i64) -> AppMetrics {
        let label = self.label(sdk_app_id).unwrap_or_else(|| OTHER_APPS.to_owned());
        AppMetrics {
            requests: self.families.app_requests_total.with_label_values(&[&label]),
            rate_limited: self.families.rate_limited_total.with_label_values(&[&label]),
        }
    }

    /// `None` if the app shares the label [`OTHER_APPS`].
    fn label(&self, sdk_app_id: i64) -> Option<String> {
        let mut labelled = self.labelled_apps.lock().unwrap_or_else(PoisonError::into_inner);
        if labelled.len() < LABELLED_APPS_MAX {
            labelled.insert(sdk_app_id);
        }
        labelled.contains(&sdk_app_id).then(|| sdk_app_id.to_string())
    }

    /// Sets the times of an app's secret keys, newest first. Not for apps that share the label `OTHER_APPS`.
    pub fn set_app_keys(&self, sdk_app_id: i64, keys: &[KeyTimes]) {
        let Some(app) = self.label(sdk_app_id) else { return };
        let Families {
            app_key_created_timestamp_seconds: created,
            app_key_last_used_timestamp_seconds: last_used,
            ..
        } = &self.families;
        for (nr, name) in KEY_NAMES.into_iter().enumerate() {
            let key = keys.get(nr);
            set_or_remove(created, &[&app, name], key.map(|key| key.created_at));
            set_or_remove(last_used, &[&app, name], key.and_then(|key| key.last_used_at));
        }
    }

    /// All metrics in Prometheus's text format.
    pub fn render(&self, observed: &Observed) -> Result<String, prometheus::Error> {
        self.families.set(observed);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

fn set_or_remove(gauges: &IntGaugeVec, labels: &[&str], value: Option<u64>) {
    if let Some(value) = value {
        gauges.with_label_values(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
    } else {
        // An error means that the series does not exist.
        _ = gauges.remove_label_values(labels);
    }
}

impl Families {
    fn set(&self, observed: &Observed) {
        let connections = |state, number: u32| {
            self.database_connections.with_label_values(&[state]).set(number.into());
        };
        connections("in_use", observed.connections_in_use);
        connections("idle", observed.connections.saturating_sub(observed.connections_in_use));
        self.database_connections_max.set(observed.connections_max.into());
        for (lane, depth) in observed.queues.iter().enumerate() {
            let depth = i64::try_from(*depth).unwrap_or(i64::MAX);
            self.lane_queue_depth.with_label_values(&[&lane.to_string()]).set(depth);
        }
        let HealthGauges { is_ready, is_database_up, oldest_snapshot, are_up, .. } =
            &observed.health;
        self.ready.set((*is_ready).into());
        self.database_up.set((*is_database_up).into());
        for (number, is_up) in are_up.iter().enumerate() {
            let part = self.partition_up.with_label_values(&[&number.to_string()]);
            part.set((*is_up).into());
        }
        self.database_schema_version.set(observed.health.schema_version);
        self.database_schema_version_required.set(observed.health.schema_version_required);
        let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        self.database_oldest_snapshot_seconds.set(seconds(*oldest_snapshot));
        self.apps_last_known_seconds.set(seconds(observed.health.apps_last_known_for));
        let counted = self.log_lines_dropped_total.get();
        self.log_lines_dropped_total.inc_by(observed.log_lines_dropped.saturating_sub(counted));
    }
}
