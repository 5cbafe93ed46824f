//! Traces over OTLP. A thread of its own sends them from a bounded queue. If the collector is slow or unreachable, we drop
//! spans, and no request waits.

use std::time::Duration;

use anyhow::Context;
use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_otlp::{SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracerProvider,
};
use tracing::Subscriber;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;
use tracing_subscriber::registry::LookupSpan;

use super::Traces;

/// The target of all spans that go into traces.
const SPANS: &str = "earmark::span";
/// Spans in the queue.
const SPANS_MAX: usize = 4096;
/// How often the thread sends a batch.
const PERIOD: Duration = Duration::from_secs(1);
const EXPORT_TIME_MAX: Duration = Duration::from_secs(3);
const STOP_TIME_MAX: Duration = Duration::from_secs(1);

pub(super) struct Exporter(SdkTracerProvider);

impl Exporter {
    /// Sends the rest of the queue, as far as that takes no longer than [`STOP_TIME_MAX`].
    pub(super) fn stop(self) {
        if let Err(error) = self.0.shutdown_with_timeout(STOP_TIME_MAX) {
            tracing::debug!(cause = %error, "the last traces were not sent");
        }
    }
}

pub(super) fn start<S>(traces: &Traces) -> anyhow::Result<(Exporter, impl Layer<S> + use<S>)>
where
    S: Subscriber + for<'span> LookupSpan<'span>,
{
    let exporter = SpanExporter::builder()
        .with_http()
        .with_endpoint(format!("{}/v1/traces", traces.endpoint.trim_end_matches('/')))
        .with_timeout(EXPORT_TIME_MAX)
        .build()
        .context("--otlp-endpoint / EARMARK_OTLP_ENDPOINT")?;
    let batches = BatchConfigBuilder::default()
        .with_max_queue_size(SPANS_MAX)
        .with_scheduled_delay(PERIOD)
        .build();
    let resource = Resource::builder()
        .with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")))
        .with_service_name("earmark")
        .build();
    let sampled = Sampler::TraceIdRatioBased(traces.sample_ratio);
    let provider = SdkTracerProvider::builder()
        .with_span_processor(
            BatchSpanProcessor::builder(exporter).with_batch_config(batches).build(),
        )
        .with_sampler(Sampler::ParentBased(Box::new(sampled)))
        .with_resource(resource)
        .build();
    let spans = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("earmark"))
        .with_location(false)
        .with_threads(false)
        .with_filter(Targets::new().with_target(SPANS, LevelFilter::TRACE));
    Ok((Exporter(provider), spans))
}
