//! Logs go to standard error, for people or as JSON. Traces go to an OpenTelemetry collector.
//!
//! A request never waits for either: when a queue is full, we drop the log line or the span. Dropped log lines are counted.

#[cfg(feature = "otlp")]
mod otlp;
#[cfg(not(feature = "otlp"))]
#[path = "no_otlp.rs"]
mod otlp;

use std::io::{BufWriter, IsTerminal, stderr};
use std::sync::OnceLock;

use clap::ValueEnum;
use tracing::Subscriber;
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, fmt};

/// Log lines in the queue: about a second of a busy service, and one or two megabytes.
const LINES_MAX: usize = 8 * 1024;

/// Set when the log starts. A process has one log.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Which requests are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogRequests {
    /// All requests: at level `info`, or `warn` for one with an error.
    All,
    /// Requests with an error.
    Errors,
    /// No requests.
    None,
}

#[derive(Debug, Clone)]
pub struct Traces {
    /// The URL of the collector, as `http://host:port`.
    pub endpoint: String,
    /// The fraction of requests to trace, from 0 to 1.
    pub sample_ratio: f64,
}

#[derive(Debug, Clone)]
pub struct Settings {
    /// In the syntax of `RUST_LOG`, such as `info` or `earmark=debug,sqlx=warn`.
    pub filter: String,
    pub format: LogFormat,
    pub requests: LogRequests,
    /// `None` turns traces off.
    pub traces: Option<Traces>,
}

/// Keeps the log and the traces running. Its drop writes what is in the queues, within a second for each.
#[must_use = "logging ends when this is dropped"]
pub struct Telemetry {
    traces: Option<otlp::Exporter>,
    _logs: WorkerGuard,
}

impl Telemetry {
    /// Starts the log and the traces of the whole process.
    pub fn start(settings: &Settings) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(&settings.filter)
            .map_err(|error| anyhow::anyhow!("--log / EARMARK_LOG: {error}"))?;
        let filter = match settings.requests {
            LogRequests::All => filter,
            LogRequests::Errors => filter.add_directive("earmark::request=warn".parse()?),
            LogRequests::None => filter.add_directive("earmark::request=off".parse()?),
        };
        // The writer thread flushes the buffer when the queue is empty, so that many lines need only one write.
        let (writer, guard) = NonBlockingBuilder::default()
            .lossy(true)
            .buffered_lines_limit(LINES_MAX)
            .thread_name("logs")
            .finish(BufWriter::new(stderr()));
        DROPPED.get_or_init(|| writer.error_counter());
        let Some(traces) = &settings.traces else {
            let lines = lines(settings.format, writer);
            tracing_subscriber::registry().with(filter).with(lines).try_init()?;
            return Ok(Self { traces: None, _logs: guard });
        };
        let (exporter, spans) = otlp::start(traces)?;
        let lines = lines(settings.format, writer).with_filter(filter);
        tracing_subscriber::registry().with(lines).with(spans).try_init()?;
        Ok(Self { traces: Some(exporter), _logs: guard })
    }
}

impl Drop for Telemetry {
    fn drop(&mut self) {
        if let Some(exporter) = self.traces.take() {
            exporter.stop();
        }
    }
}

/// Log lines dropped since the process started.
#[must_use]
pub fn dropped_lines() -> u64 {
    DROPPED.get().map_or(0, |dropped| u64::try_from(dropped.dropped_lines()).unwrap_or(u64::MAX))
}

fn lines<S>(format: LogFormat, writer: NonBlocking) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let lines = fmt::layer().with_writer(writer).with_ansi(stderr().is_terminal());
    match format {
        LogFormat::Human => lines.compact().boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}
