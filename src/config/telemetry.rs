//! Settings of the log and of traces.

use clap::Args;

use super::LOGS;
use crate::telemetry::{LogFormat, LogRequests, Settings, Traces};

#[derive(Debug, Args)]
#[command(next_help_heading = LOGS)]
pub struct LogArgs {
    /// What to log: a level (error, warn, info, debug, trace), or a level for each target, as in
    /// `earmark=debug,sqlx=warn`.
    #[arg(
        long,
        global = true,
        env = "EARMARK_LOG",
        default_value = "info,actix_server=warn,actix_http=off,refinery_core=warn",
        value_name = "FILTER"
    )]
    log: String,

    /// The format of log lines.
    #[arg(long, global = true, env = "EARMARK_LOG_FORMAT", default_value = "human", value_enum)]
    log_format: LogFormat,
}

#[derive(Debug, Args)]
#[command(next_help_heading = LOGS)]
pub struct RequestLogArgs {
    /// Which requests to log: all of them, those with an error, or none. A line has the request's id, app, call, code,
    /// items and time. Its level is `info`, or `warn` if there was an error. At full load, a line for each request takes
    /// almost a tenth of the CPU time of a request.
    #[arg(long, env = "EARMARK_LOG_REQUESTS", default_value = "errors", value_enum)]
    log_requests: LogRequests,

    /// The OpenTelemetry collector to send traces to, over OTLP with HTTP, as `http://host:4318`. Without it there are no
    /// traces. The standard variable `OTEL_EXPORTER_OTLP_ENDPOINT` works too.
    #[arg(long, env = "EARMARK_OTLP_ENDPOINT", value_name = "URL", value_parser = endpoint)]
    otlp_endpoint: Option<String>,

    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_ENDPOINT",
        hide = true,
        value_name = "URL",
        value_parser = endpoint
    )]
    otel_exporter_otlp_endpoint: Option<String>,

    /// The fraction of requests to trace, from 0 to 1.
    #[arg(
        long,
        env = "EARMARK_OTLP_SAMPLE_RATIO",
        default_value_t = 0.01,
        value_name = "RATIO",
        value_parser = ratio
    )]
    otlp_sample_ratio: f64,
}

impl RequestLogArgs {
    #[must_use]
    pub fn has_traces(&self) -> bool {
        self.otlp_endpoint.is_some() || self.otel_exporter_otlp_endpoint.is_some()
    }
}

impl LogArgs {
    /// `requests` are the additional settings of `serve`.
    #[must_use]
    pub fn telemetry(&self, requests: Option<&RequestLogArgs>) -> Settings {
        let traces = |args: &RequestLogArgs| {
            let endpoint =
                args.otlp_endpoint.as_ref().or(args.otel_exporter_otlp_endpoint.as_ref());
            endpoint.map(|endpoint| Traces {
                endpoint: endpoint.clone(),
                sample_ratio: args.otlp_sample_ratio,
            })
        };
        Settings {
            filter: self.log.clone(),
            format: self.log_format,
            requests: requests.map_or(LogRequests::All, |args| args.log_requests),
            traces: requests.and_then(traces),
        }
    }
}

/// Only plain HTTP: the collector is expected on the same machine or network, from where it forwards.
fn endpoint(text: &str) -> Result<String, String> {
    let host = text.strip_prefix("http://").unwrap_or_default();
    let is_fine = !host.is_empty() && text.parse::<actix_web::http::Uri>().is_ok();
    if is_fine { Ok(text.to_owned()) } else { Err("must be http://host:port".to_owned()) }
}

fn ratio(text: &str) -> Result<f64, String> {
    match text.parse() {
        Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(ratio),
        _ => Err("must be a number from 0 to 1".to_owned()),
    }
}
