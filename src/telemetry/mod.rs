//! Logs, to standard error, for people or as JSON; traces, to an OpenTelemetry collector.
//!
//! Neither is waited for: a log line or a span that finds its queue full is dropped, and counted.

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

/// Log lines that may wait to be written: about a second of a busy service, a megabyte or two.
const LINES_MAX: usize = 8 * 1024;

/// How many log lines were dropped. There is one log per process.
static DROPPED: OnceLock<ErrorCounter> = OnceLock::new();

/// How a log line looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Human,
    /// One JSON object per line.
    Json,
}

/// Which requests have a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogRequests {
    /// Each: at `info` if it went well, at `warn` if not.
    All,
    /// Those that did not go well.
    Errors,
    /// None.
    None,
}

/// Where traces go, and how many.
#[derive(Debug, Clone)]
pub struct Traces {
    /// The collector, as `http://host:port`.
    pub endpoint: String,
    /// The part of all requests that is traced, from 0 to 1.
    pub sample_ratio: f64,
}

/// What to log and to trace.
#[derive(Debug, Clone)]
pub struct Settings {
    /// In the syntax of `RUST_LOG`, such as `info` or `earmark=debug,sqlx=warn`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
    /// Which requests have one.
    pub requests: LogRequests,
    /// Nothing is traced without it.
    pub traces: Option<Traces>,
}

/// Logs and traces flow while this exists. Dropping it writes what waits, but does not wait long for whoever takes it.
#[must_use = "logging ends when this is dropped"]
pub struct Telemetry {
    traces: Option<otlp::Exporter>,
    _logs: WorkerGuard,
}

impl Telemetry {
    /// Starts both, for the whole process.
    pub fn start(settings: &Settings) -> anyhow::Result<Self> {
        let filter = EnvFilter::try_new(&settings.filter)
            .map_err(|error| anyhow::anyhow!("--log / EARMARK_LOG: {error}"))?;
        let filter = match settings.requests {
            LogRequests::All => filter,
            LogRequests::Errors => filter.add_directive("earmark::request=warn".parse()?),
            LogRequests::None => filter.add_directive("earmark::request=off".parse()?),
        };
        // The buffer is emptied as soon as nothing waits: many lines are one write when there are many.
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

/// Log lines that were dropped since the process began.
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
