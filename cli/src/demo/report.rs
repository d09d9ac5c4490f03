//! What a process of the demo tells the demo: one line of JSON a few times a second, and one at its end.

use crate::exit::{Failure, Kind, stdout_failed};
use crate::scenario::clock::now_ns;
use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};
use std::io::Write;
use std::time::{Duration, Instant};

/// Time between reports.
const MOMENT: Duration = Duration::from_millis(200);
/// Times longer than this count as this.
const LONGEST_NS: u64 = 60_000_000_000;

/// What a report is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Span {
    /// The time since the last report.
    Moment,
    /// Everything.
    Whole,
}

/// What went through one process.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Report {
    /// What `elapsed_ns`, `messages` and the times are of.
    pub span: Span,
    /// How long that was.
    pub elapsed_ns: u64,
    /// Messages that went through it.
    pub messages: u64,
    /// Messages since the beginning.
    pub total: u64,
    /// Messages lost since the beginning.
    pub lost: u64,
    /// Bytes published and not yet read at this moment; of the whole, the most that was seen.
    pub lag_bytes: u64,
    /// Median of the times.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// The longest.
    pub max_ns: u64,
}

impl Report {
    /// Messages per second.
    pub fn rate(&self) -> f64 {
        self.messages as f64 * 1e9 / self.elapsed_ns.max(1) as f64
    }
}

/// Keeps the times and tells the demo.
pub struct Reporter {
    begun_ns: u64,
    told_ns: u64,
    due: Instant,
    count: u64,
    told: u64,
    lost: u64,
    most_lag: u64,
    moment: Histogram<u64>,
    whole: Histogram<u64>,
}

impl Reporter {
    /// Begins now.
    pub fn new() -> Result<Self, Failure> {
        let histogram = || {
            Histogram::new_with_bounds(1, LONGEST_NS, 3).map_err(|e| Failure::new(Kind::Failed, e))
        };
        let now = now_ns();
        Ok(Self {
            begun_ns: now,
            told_ns: now,
            due: Instant::now() + MOMENT,
            count: 0,
            told: 0,
            lost: 0,
            most_lag: 0,
            moment: histogram()?,
            whole: histogram()?,
        })
    }

    /// One message more, which took so long.
    pub fn count(&mut self, took_ns: u64) {
        self.count += 1;
        self.moment.saturating_record(took_ns.max(1));
    }

    /// Messages that were lost.
    pub fn lose(&mut self, n: u64) {
        self.lost += n;
    }

    /// When the next report is due.
    pub fn due(&self) -> Instant {
        self.due
    }

    /// Reports if it is time to; `lag` is asked only then.
    pub fn tell_if_due(&mut self, lag: impl FnOnce() -> u64) -> Result<(), Failure> {
        if Instant::now() < self.due {
            return Ok(());
        }
        self.due += MOMENT;
        let (now, lag) = (now_ns(), lag());
        self.most_lag = self.most_lag.max(lag);
        let messages = self.count - self.told;
        self.tell(Span::Moment, now - self.told_ns, messages, lag)?;
        self.file()?;
        (self.told_ns, self.told) = (now, self.count);
        Ok(())
    }

    /// The last report.
    pub fn end(mut self) -> Result<(), Failure> {
        self.file()?;
        let elapsed = now_ns() - self.begun_ns;
        self.tell(Span::Whole, elapsed, self.count, self.most_lag)
    }

    fn file(&mut self) -> Result<(), Failure> {
        let added = self.whole.add(&self.moment);
        added.map_err(|e| Failure::new(Kind::Failed, e))?;
        self.moment.reset();
        Ok(())
    }

    fn tell(&self, span: Span, elapsed_ns: u64, messages: u64, lag: u64) -> Result<(), Failure> {
        let times = match span {
            Span::Moment => &self.moment,
            Span::Whole => &self.whole,
        };
        let report = Report {
            span,
            elapsed_ns,
            messages,
            total: self.count,
            lost: self.lost,
            lag_bytes: lag,
            p50_ns: times.value_at_quantile(0.5),
            p99_ns: times.value_at_quantile(0.99),
            p999_ns: times.value_at_quantile(0.999),
            max_ns: times.max(),
        };
        let line = serde_json::to_string(&report).map_err(|e| Failure::new(Kind::Failed, e))?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")
            .and_then(|()| out.flush())
            .map_err(stdout_failed)
    }
}
