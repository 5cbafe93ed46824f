//! What is counted and timed, for Prometheus. `docs/metrics.md` explains each.
//!
//! Handles are looked up once, when the service starts or an app is loaded; counting is then an atomic addition. Every
//! label's values come from our own lists and from apps that exist, never from a request alone.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use prometheus::core::Collector;
use prometheus::process_collector::ProcessCollector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, TextEncoder,
};

/// Apps with series of their own, in the order in which they were first seen; all others share one.
pub const LABELLED_APPS_MAX: usize = 100;
/// The label of the others.
const OTHER_APPS: &str = "other";
/// The codes by which the service says that it or its database is at fault.
const OWN_FAULTS: [&str; 2] = ["50004", "50005"];

/// From half a millisecond, which is a good answer, past the deadline of the API.
const SECONDS: &[f64] =
    &[0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0];
/// From a connection that was free, past the deadline.
const ACQUIRE_SECONDS: &[f64] = &[0.0001, 0.001, 0.01, 0.1, 0.5, 1.0, 2.5, 5.0];
/// Up to the most requests that share a commit.
const BATCH: &[f64] = &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

/// Everything that one service counts.
#[derive(Debug)]
pub struct Metrics {
    /// Requests under way.
    pub in_flight: IntGauge,
    /// Writes refused because too many waited.
    pub overloaded: IntCounter,
    /// The commits of writes.
    pub commits: Commits,
    /// Lookups of apps.
    pub app_cache: CacheLookups,
    /// Lookups of verified UserSigs.
    pub user_sig_cache: CacheLookups,
    /// How long it took until a connection to the database could be used.
    pub acquire_seconds: Histogram,
    /// Sessions of the database that were closed because they did not answer in time, and whose statement was cancelled.
    pub sessions_given_up: IntCounter,
    calls: Calls,
    apps: Apps,
    looked_at: LookedAt,
    registry: Registry,
}

/// What is counted by call.
#[derive(Debug)]
struct Calls {
    requests: IntCounterVec,
    seconds: HistogramVec,
    items: IntCounterVec,
}

/// What is counted by app.
#[derive(Debug)]
struct Apps {
    requests: IntCounterVec,
    rate_limited: IntCounterVec,
    labelled: Mutex<BTreeSet<i64>>,
}

/// What is set when somebody asks.
#[derive(Debug)]
struct LookedAt {
    connections: IntGaugeVec,
    connections_max: IntGauge,
    queue_depth: IntGaugeVec,
    log_lines_dropped: IntCounter,
}

/// The commits of writes.
#[derive(Debug)]
pub struct Commits {
    /// Requests in each.
    requests: Histogram,
    /// From the first statement to the answer of the commit.
    seconds: Histogram,
    /// How long requests waited for theirs to begin.
    wait_seconds: Histogram,
    /// Requests that were tried again, alone.
    pub retries: IntCounter,
    /// Failed before anything had happened.
    failed_before: IntCounter,
    /// Failed so that nobody knows whether they happened.
    in_doubt: IntCounter,
}

/// Lookups in a cache.
#[derive(Debug)]
pub struct CacheLookups {
    /// Found.
    pub hits: IntCounter,
    /// Not found.
    pub misses: IntCounter,
}

/// What is counted of one call of the API.
#[derive(Debug)]
pub struct CallMetrics {
    /// Its name.
    pub name: &'static str,
    seconds: Histogram,
    ok: IntCounter,
    by_code: IntCounterVec,
    items_ok: IntCounter,
    items_refused: IntCounter,
}

/// What is counted of one app.
#[derive(Debug, Clone)]
pub struct AppMetrics {
    /// Requests that named it.
    pub requests: IntCounter,
    /// Those of them above its rate.
    pub rate_limited: IntCounter,
}

/// What is looked at when somebody asks.
#[derive(Debug, Clone, Default)]
pub struct Observed {
    /// Connections to the database, those in use included.
    pub connections: u32,
    /// Those that are in use.
    pub connections_in_use: u32,
    /// As many as there may be.
    pub connections_max: u32,
    /// Requests that wait, per lane.
    pub queues: Vec<usize>,
    /// Log lines that were dropped since the start.
    pub log_lines_dropped: u64,
}

impl Commits {
    /// A request's transaction begins, after it waited so long.
    pub fn waited(&self, so_long: Duration) {
        self.wait_seconds.observe(so_long.as_secs_f64());
    }

    /// A transaction of so many requests has ended, whatever came of it.
    pub fn ended(&self, requests: usize, took: Duration) {
        self.requests.observe(f64::from(u32::try_from(requests).unwrap_or(u32::MAX)));
        self.seconds.observe(took.as_secs_f64());
    }

    /// A transaction has failed.
    pub fn failed(&self, is_in_doubt: bool) {
        if is_in_doubt { &self.in_doubt } else { &self.failed_before }.inc();
    }
}

impl CallMetrics {
    /// Counts an answer with this `ErrorCode` that took so long.
    pub fn answered(&self, code: u32, took: Duration) {
        if code == 0 {
            self.ok.inc();
        } else {
            self.by_code.with_label_values(&[self.name, &code.to_string()]).inc();
        }
        self.seconds.observe(took.as_secs_f64());
    }

    /// Counts items by what became of them.
    pub fn items(&self, ok: u64, refused: u64) {
        self.items_ok.inc_by(ok);
        self.items_refused.inc_by(refused);
    }
}

impl Metrics {
    /// Fails only if a name here is wrong.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        registry.register(Box::new(ProcessCollector::for_self()))?;
        let made = Made(&registry);
        made.build_info()?;
        let help = "Lookups in a cache";
        let lookups = made.counters("earmark_cache_lookups_total", help, &["cache", "result"])?;
        let lookups = |cache| CacheLookups {
            hits: lookups.with_label_values(&[cache, "hit"]),
            misses: lookups.with_label_values(&[cache, "miss"]),
        };
        let help = "Writes refused because too many waited in their lane";
        let overloaded = made.counter("earmark_overloaded_total", help)?;
        let help = "Time until a connection to the database could be used";
        let acquire_seconds =
            made.histogram("earmark_database_acquire_seconds", help, ACQUIRE_SECONDS)?;
        let help = "Database sessions closed, and their statement cancelled, as they did not answer in time";
        let sessions_given_up = made.counter("earmark_database_sessions_given_up_total", help)?;
        Ok(Self {
            in_flight: made.gauge("earmark_requests_in_flight", "Requests being answered")?,
            overloaded,
            commits: Commits::new(&made)?,
            app_cache: lookups("app"),
            user_sig_cache: lookups("user_sig"),
            acquire_seconds,
            sessions_given_up,
            calls: Calls::new(&made)?,
            apps: Apps::new(&made)?,
            looked_at: LookedAt::new(&made)?,
            registry,
        })
    }

    /// What is counted of this call. The name is one of ours.
    #[must_use]
    pub fn call(&self, name: &'static str) -> CallMetrics {
        let calls = &self.calls;
        // Alerts watch these grow, and a counter that begins with its first event has not grown.
        for code in OWN_FAULTS {
            calls.requests.with_label_values(&[name, code]);
        }
        CallMetrics {
            name,
            seconds: calls.seconds.with_label_values(&[name]),
            ok: calls.requests.with_label_values(&[name, "0"]),
            by_code: calls.requests.clone(),
            items_ok: calls.items.with_label_values(&[name, "ok"]),
            items_refused: calls.items.with_label_values(&[name, "refused"]),
        }
    }

    /// What is counted of this app, which exists: a number that somebody has made up must not come here.
    #[must_use]
    pub fn app(&self, number: i64) -> AppMetrics {
        let apps = &self.apps;
        let mut labelled = apps.labelled.lock().unwrap_or_else(PoisonError::into_inner);
        if labelled.len() < LABELLED_APPS_MAX {
            labelled.insert(number);
        }
        let label = if labelled.contains(&number) { &number.to_string() } else { OTHER_APPS };
        AppMetrics {
            requests: apps.requests.with_label_values(&[label]),
            rate_limited: apps.rate_limited.with_label_values(&[label]),
        }
    }

    /// All of it, in Prometheus's text format.
    pub fn render(&self, now: &Observed) -> Result<String, prometheus::Error> {
        self.looked_at.set(now);
        TextEncoder::new().encode_to_string(&self.registry.gather())
    }
}

impl Commits {
    fn new(made: &Made<'_>) -> prometheus::Result<Self> {
        let help = "Transactions of writes that failed";
        let failures = made.counters("earmark_commit_failures_total", help, &["kind"])?;
        let requests = made.histogram(
            "earmark_commit_requests",
            "Requests that shared a transaction of writes",
            BATCH,
        )?;
        let seconds = made.histogram(
            "earmark_commit_duration_seconds",
            "Time of a transaction of writes",
            SECONDS,
        )?;
        let wait_seconds = made.histogram(
            "earmark_queue_wait_seconds",
            "Time that a write waited for its transaction to begin",
            SECONDS,
        )?;
        let retries = made.counter(
            "earmark_commit_retries_total",
            "Requests tried again alone, after the transaction that they shared had failed",
        )?;
        Ok(Self {
            requests,
            seconds,
            wait_seconds,
            retries,
            failed_before: failures.with_label_values(&["before_commit"]),
            in_doubt: failures.with_label_values(&["in_doubt"]),
        })
    }
}

impl Calls {
    fn new(made: &Made<'_>) -> prometheus::Result<Self> {
        let requests = "Requests answered, by call and ErrorCode";
        let seconds = "Time from a request's head to its answer";
        let items = "Items of requests that were answered, by what became of them";
        Ok(Self {
            requests: made.counters("earmark_requests_total", requests, &["call", "code"])?,
            seconds: made.histograms("earmark_request_duration_seconds", seconds, "call")?,
            items: made.counters("earmark_items_total", items, &["call", "outcome"])?,
        })
    }
}

impl Apps {
    fn new(made: &Made<'_>) -> prometheus::Result<Self> {
        let requests = "Requests that named an app that exists";
        let rate_limited = "Requests refused because their app called too often";
        Ok(Self {
            requests: made.counters("earmark_app_requests_total", requests, &["app"])?,
            rate_limited: made.counters("earmark_rate_limited_total", rate_limited, &["app"])?,
            labelled: Mutex::default(),
        })
    }
}

impl LookedAt {
    fn new(made: &Made<'_>) -> prometheus::Result<Self> {
        let connections =
            made.gauges("earmark_database_connections", "Connections to the database", "state")?;
        let connections_max = made.gauge(
            "earmark_database_connections_max",
            "Connections to the database that there may be",
        )?;
        let queue_depth =
            made.gauges("earmark_lane_queue_depth", "Requests that wait in a lane", "lane")?;
        let log_lines_dropped = made.counter(
            "earmark_log_lines_dropped_total",
            "Log lines dropped because they were not taken as fast as they came",
        )?;
        Ok(Self { connections, connections_max, queue_depth, log_lines_dropped })
    }

    fn set(&self, now: &Observed) {
        let connections = |state, number: u32| {
            self.connections.with_label_values(&[state]).set(number.into());
        };
        connections("in_use", now.connections_in_use);
        connections("idle", now.connections.saturating_sub(now.connections_in_use));
        self.connections_max.set(now.connections_max.into());
        for (lane, depth) in now.queues.iter().enumerate() {
            let depth = i64::try_from(*depth).unwrap_or(i64::MAX);
            self.queue_depth.with_label_values(&[&lane.to_string()]).set(depth);
        }
        let more = now.log_lines_dropped.saturating_sub(self.log_lines_dropped.get());
        self.log_lines_dropped.inc_by(more);
    }
}

/// Makes metrics that the registry knows.
struct Made<'r>(&'r Registry);

impl Made<'_> {
    fn registered<M: Collector + Clone + 'static>(
        &self,
        made: prometheus::Result<M>,
    ) -> prometheus::Result<M> {
        let metric = made?;
        self.0.register(Box::new(metric.clone()))?;
        Ok(metric)
    }

    fn counter(&self, name: &str, help: &str) -> prometheus::Result<IntCounter> {
        self.registered(IntCounter::new(name, help))
    }

    fn counters(
        &self,
        name: &str,
        help: &str,
        labels: &[&str],
    ) -> prometheus::Result<IntCounterVec> {
        self.registered(IntCounterVec::new(Opts::new(name, help), labels))
    }

    fn gauge(&self, name: &str, help: &str) -> prometheus::Result<IntGauge> {
        self.registered(IntGauge::new(name, help))
    }

    fn gauges(&self, name: &str, help: &str, label: &str) -> prometheus::Result<IntGaugeVec> {
        self.registered(IntGaugeVec::new(Opts::new(name, help), &[label]))
    }

    fn histogram(&self, name: &str, help: &str, buckets: &[f64]) -> prometheus::Result<Histogram> {
        let opts = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(Histogram::with_opts(opts))
    }

    fn histograms(&self, name: &str, help: &str, label: &str) -> prometheus::Result<HistogramVec> {
        let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
        self.registered(HistogramVec::new(opts, &[label]))
    }

    /// A metric that is always 1, and says in its label what runs.
    fn build_info(&self) -> prometheus::Result<()> {
        let info = self.gauges("earmark_build_info", "The binary that runs", "version")?;
        info.with_label_values(&[env!("CARGO_PKG_VERSION")]).set(1);
        Ok(())
    }
}
