//! How each type of metric is described to Prometheus.

use prometheus::core::Collector;
use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
};

pub(super) trait Family: Collector + Clone + 'static {
    /// `labels` and `buckets` are empty for a type that has none.
    fn describe(opts: Opts, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self>;
}

impl Family for IntCounter {
    fn describe(opts: Opts, _: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::with_opts(opts)
    }
}

impl Family for IntCounterVec {
    fn describe(opts: Opts, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(opts, labels)
    }
}

impl Family for IntGauge {
    fn describe(opts: Opts, _: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::with_opts(opts)
    }
}

impl Family for IntGaugeVec {
    fn describe(opts: Opts, labels: &[&str], _: &[f64]) -> prometheus::Result<Self> {
        Self::new(opts, labels)
    }
}

impl Family for Histogram {
    fn describe(opts: Opts, _: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::with_opts(HistogramOpts::from(opts).buckets(buckets.to_vec()))
    }
}

impl Family for HistogramVec {
    fn describe(opts: Opts, labels: &[&str], buckets: &[f64]) -> prometheus::Result<Self> {
        Self::new(HistogramOpts::from(opts).buckets(buckets.to_vec()), labels)
    }
}
