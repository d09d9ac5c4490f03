//! What a stream tells the person in front of it, on stderr: a bar while it runs, a line at its end.

use super::format::{Hello, Total};
use crate::words;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::time::Instant;

/// Bytes between two updates of the bar.
const STEP: u64 = 1 << 20;

/// The progress of one stream.
pub struct Progress {
    bar: ProgressBar,
    quiet: bool,
    begun: Instant,
    bytes: u64,
    shown: u64,
}

impl Progress {
    /// Nothing has moved. The bar is there only if stderr is a terminal; `total` is known for regular files.
    pub fn begin(quiet: bool, total: Option<u64>) -> Self {
        let target = if quiet {
            ProgressDrawTarget::hidden()
        } else {
            ProgressDrawTarget::stderr()
        };
        let bar = ProgressBar::with_draw_target(total, target);
        let template = match total {
            Some(_) => {
                "{wide_bar} {binary_bytes}/{binary_total_bytes} {binary_bytes_per_sec} {eta}"
            }
            None => "{spinner} {binary_bytes} {binary_bytes_per_sec} {elapsed}",
        };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self {
            bar,
            quiet,
            begun: Instant::now(),
            bytes: 0,
            shown: 0,
        }
    }

    /// `n` more bytes went through.
    pub fn add(&mut self, n: usize) {
        self.bytes += n as u64;
        if self.bytes - self.shown >= STEP {
            self.shown = self.bytes;
            self.bar.set_position(self.bytes);
        }
    }

    /// Bytes so far.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Takes the bar away.
    pub fn clear(&self) {
        self.bar.finish_and_clear();
    }

    /// The line at the end of a good stream.
    pub fn done(&self, verb: &str, total: Total, checked_by: &str) {
        self.clear();
        if self.quiet {
            return;
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        let rate = (total.bytes as f64 / seconds.max(1e-9)) as u64;
        words::tell(&format!(
            "{verb} {} bytes ({}) in {seconds:.3} s, {}/s; xxh3 {:016x}, {checked_by}",
            words::grouped(total.bytes),
            words::bytes(total.bytes),
            words::bytes(rate),
            total.checksum,
        ));
    }

    /// The lines at the end of a good stream at the receiver: one a sender, and if there were several one for all.
    pub fn received(&self, ended: &[(Hello, Total)]) {
        self.clear();
        if let [(_, total)] = ended {
            self.done("received", *total, "verified");
            return;
        }
        if self.quiet {
            return;
        }
        for (hello, total) in ended {
            words::tell(&format!(
                "from process {}: {} bytes; xxh3 {:016x}, verified",
                hello.pid,
                words::grouped(total.bytes),
                total.checksum
            ));
        }
        let seconds = self.begun.elapsed().as_secs_f64();
        words::tell(&format!(
            "received {} bytes ({}) from {} senders in {seconds:.3} s",
            words::grouped(self.bytes),
            words::bytes(self.bytes),
            ended.len()
        ));
    }
}
