//! What the consumer tells the demo: one line of JSON per moment, and one for the whole phase.

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Span {
    /// The time since the last report.
    Moment,
    /// Everything but the first moments.
    Whole,
}

/// Messages and one-way times of a span.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What it is about.
    pub span: Span,
    /// How long that was.
    pub elapsed_ns: u64,
    /// Messages that came.
    pub messages: u64,
    /// How many of them were timed.
    pub samples: u64,
    /// One-way times; meaningless without samples.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// The largest.
    pub max_ns: u64,
}

impl Report {
    /// Sums up.
    pub fn new(span: Span, elapsed_ns: u64, messages: u64, times: &Histogram<u64>) -> Self {
        Self {
            span,
            elapsed_ns,
            messages,
            samples: times.len(),
            p50_ns: times.value_at_quantile(0.5),
            p99_ns: times.value_at_quantile(0.99),
            p999_ns: times.value_at_quantile(0.999),
            max_ns: times.max(),
        }
    }

    /// Messages per second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }
}
