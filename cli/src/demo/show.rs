//! The demo's face: a line per phase that moves while it runs, then the table. Plain lines where there is no terminal.

use super::report::Report;
use super::{CAPACITY, PACE_PER_S, Phase, Via};
use crate::args::WaitName;
use crate::exit::{Failure, stdout_failed};
use crate::scenario::pin::Cpus;
use crate::words;
use std::cell::Cell;
use std::io::{IsTerminal, Write};

/// Moments (of 100 ms) between lines where lines cannot be overwritten.
const MOMENTS_PER_LINE: u32 = 5;

/// When others use more of the two CPUs than this, it is said.
const QUIET: f64 = 0.05;

/// stdout.
pub struct Screen {
    terminal: bool,
    moments: Cell<u32>,
}

/// The last words of all phases.
#[derive(Default)]
pub struct Results {
    ring_flat: Option<Report>,
    ring_spin: Option<Report>,
    ring_park: Option<Report>,
    pipe_flat: Option<Report>,
    pipe_paced: Option<Report>,
}

impl Results {
    /// Keeps the last word of a phase.
    pub fn file(&mut self, phase: Phase, whole: Report) {
        let place = match (phase.via, phase.every_ns) {
            (Via::Ring(_), 0) => &mut self.ring_flat,
            (Via::Ring(WaitName::Park), _) => &mut self.ring_park,
            (Via::Ring(_), _) => &mut self.ring_spin,
            (Via::Pipe, 0) => &mut self.pipe_flat,
            (Via::Pipe, _) => &mut self.pipe_paced,
        };
        *place = Some(whole);
    }
}

fn name_of(phase: Phase) -> &'static str {
    match (phase.via, phase.every_ns) {
        (Via::Ring(_), 0) => "ring, flat out",
        (Via::Ring(WaitName::Park), _) => "ring, 10,000/s, sleeping",
        (Via::Ring(_), _) => "ring, 10,000/s, polling",
        (Via::Pipe, 0) => "pipe, flat out",
        (Via::Pipe, _) => "pipe, 10,000/s",
    }
}

/// The figures of a report in one line.
fn figures(phase: Phase, report: &Report) -> String {
    let times = format!(
        "one-way p50 {:>8}  p99 {:>8}  p99.9 {:>8}",
        words::duration(report.p50_ns),
        words::duration(report.p99_ns),
        words::duration(report.p999_ns)
    );
    match phase.every_ns {
        0 => format!("{:>7} msg/s  {times} (queue)", words::count(report.rate())),
        _ => format!("{:>7} msg/s  {times}", words::count(report.rate())),
    }
}

impl Screen {
    /// Looks at stdout.
    pub fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            moments: Cell::new(0),
        }
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(stdout_failed)
    }

    /// What is going to happen.
    pub fn title(&self, cpus: Option<Cpus>) -> Result<(), Failure> {
        let place = match cpus {
            Some(cpus) => format!("pinned to CPUs {} and {}", cpus.far, cpus.near),
            None => "sharing one CPU, so nothing here is fast".to_owned(),
        };
        self.say(&format!(
            "One producer, one consumer: two processes, {place}.\n\
             Messages of 56 bytes through a ring of {} slots in /dev/shm, then through a pipe.\n\n",
            words::grouped(CAPACITY)
        ))
    }

    /// A moment of a phase.
    pub fn live(&self, phase: Phase, report: &Report) -> Result<(), Failure> {
        let moments = self.moments.replace(self.moments.get() + 1);
        let line = format!("  {:<25} {}", name_of(phase), figures(phase, report));
        match self.terminal {
            true => self.say(&format!("\r{line}\x1b[K")),
            false if moments % MOMENTS_PER_LINE == MOMENTS_PER_LINE - 1 => {
                self.say(&format!("{line}\n"))
            }
            false => Ok(()),
        }
    }

    /// The whole of a phase.
    pub fn settled(&self, phase: Phase, whole: &Report) -> Result<(), Failure> {
        self.moments.set(0);
        let line = format!("{:<25} {}", name_of(phase), figures(phase, whole));
        match self.terminal {
            true => self.say(&format!("\r\x1b[1m> {line}\x1b[0m\x1b[K\n")),
            false => self.say(&format!("> {line}\n")),
        }
    }

    /// The table, and what it means. `others` is the share of the two CPUs that went to somebody else.
    pub fn summary(&self, results: &Results, others: Option<f64>) -> Result<(), Failure> {
        let mut out = format!(
            "\n{:<24}{:>16}{:>16}{:>12}{:>14}\n",
            "", "ring, polling", "ring, sleeping", "pipe", "ring is"
        );
        let rate = |report: &Option<Report>| report.as_ref().map(Report::rate);
        let (ring, pipe) = (rate(&results.ring_flat), rate(&results.pipe_flat));
        out.push_str(&format!(
            "{:<24}{:>16}{:>16}{:>12}{:>14}\n",
            "messages per second",
            shown(ring.map(words::count)),
            "-",
            shown(pipe.map(words::count)),
            times(ring, pipe, ["faster", "slower"])
        ));
        let [spin, park, pipe] = [&results.ring_spin, &results.ring_park, &results.pipe_paced]
            .map(|report| report.as_ref().filter(|r| r.samples > 0).map(one_way_times));
        for (row, name) in ROWS.into_iter().enumerate() {
            let [spin, park, pipe] = [spin, park, pipe].map(|times| times.map(|times| times[row]));
            let ratio = times(
                pipe.map(|ns| ns as f64),
                spin.map(|ns| ns as f64),
                ["shorter", "longer"],
            );
            out.push_str(&format!(
                "{name:<24}{:>16}{:>16}{:>12}{ratio:>14}\n",
                shown(spin.map(words::duration)),
                shown(park.map(words::duration)),
                shown(pipe.map(words::duration)),
            ));
        }
        out.push_str(&format!(
            "\n\
             Messages per second: both ends go flat out; the consumer has every message in full and checks it.\n\
             The pipe carries the same messages, one write and one read each: two system calls per message.\n\
             One-way time: from the moment a message was due to the moment the consumer had it, at {} a\n\
             second. Polling ends burn a core each; sleeping ends and the pipe's reader wait in the kernel.\n\
             Flat out, one-way times are those of a full queue. p99.9 and max are mostly the machine's other\n\
             work. Ratios of one run on one machine; `annulus bench` measures beside the hardware's floor.\n",
            words::grouped(PACE_PER_S)
        ));
        if let Some(share) = others.filter(|&share| share > QUIET) {
            out.push_str(&format!(
                "\nThe machine was not quiet: others used {:.0} % of these two CPUs, and the figures show it.\n",
                share * 100.0
            ));
        }
        self.say(&out)
    }
}

/// The rows of one-way times.
const ROWS: [&str; 4] = [
    "one-way time, p50",
    "              p99",
    "              p99.9",
    "              max",
];

/// In the order of [`ROWS`].
fn one_way_times(report: &Report) -> [u64; 4] {
    [report.p50_ns, report.p99_ns, report.p999_ns, report.max_ns]
}

fn shown(figure: Option<String>) -> String {
    figure.unwrap_or_else(|| "-".to_owned())
}

/// How many times `a` is `b`, in the word that fits: "312x faster", or "1.5x slower" the other way round.
fn times(a: Option<f64>, b: Option<f64>, [more, less]: [&str; 2]) -> String {
    let Some((a, b)) = a.zip(b).map(|(a, b)| (a.max(1.0), b.max(1.0))) else {
        return "-".to_owned();
    };
    let (ratio, word) = if a >= b { (a / b, more) } else { (b / a, less) };
    match ratio {
        ratio if ratio >= 10.0 => format!("{ratio:.0}x {word}"),
        ratio => format!("{ratio:.1}x {word}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_says_which_way_it_goes() {
        let words = ["faster", "slower"];
        assert_eq!(times(Some(300.0), Some(2.0), words), "150x faster");
        assert_eq!(times(Some(2.0), Some(3.0), words), "1.5x slower");
        assert_eq!(times(None, Some(3.0), words), "-");
    }
}
