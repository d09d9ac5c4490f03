//! The demo's face: a table that moves while it runs, and stays at the end. Without a terminal only the end is shown.

use super::report::Report;
use crate::exit::{Failure, stdout_failed};
use crate::words;
use std::io::{IsTerminal, Write};

/// A row of the table.
#[derive(Clone, Debug)]
pub struct Row {
    /// Who.
    pub name: String,
    /// Its last report, if there was one.
    pub report: Option<Report>,
    /// It was killed.
    pub killed: bool,
}

/// stdout.
pub struct Screen {
    terminal: bool,
    /// Lines of the table that is there now.
    drawn: usize,
}

const TITLES: [&str; 8] = [
    "per s", "in all", "lost", "lag", "p50", "p99", "p99.9", "max",
];

impl Screen {
    /// Looks at stdout.
    pub fn new() -> Self {
        Self {
            terminal: std::io::stdout().is_terminal(),
            drawn: 0,
        }
    }

    fn say(&self, text: &str) -> Result<(), Failure> {
        let mut out = std::io::stdout().lock();
        out.write_all(text.as_bytes())
            .and_then(|()| out.flush())
            .map_err(stdout_failed)
    }

    /// What is going to happen.
    pub fn title(&self, rate: u32, seconds: u32) -> Result<(), Failure> {
        let rate = words::grouped(rate.into());
        self.say(&format!(
            "One publisher, three strategies, one gateway: six processes with this one, for {seconds} s.\n\
             {rate} records of 20 to 300 bytes a second on a broadcast ring; orders on a ring with many producers.\n\n"
        ))
    }

    /// The table as it is now. Shown on terminals only.
    pub fn live(&mut self, rows: &[Row]) -> Result<(), Failure> {
        if !self.terminal {
            return Ok(());
        }
        self.draw(rows, "lag")
    }

    /// The table at the end, and what it means.
    pub fn settled(&mut self, rows: &[Row], replaced: bool) -> Result<(), Failure> {
        self.draw(rows, "most lag")?;
        let mut out = String::from(
            "\n\
             Every byte was checked, and every loss that a reader was told of was exactly as large as it was told.\n\
             Publisher: time within push; the lossless strategy holds it up, the others do not. Strategies: from\n\
             push to having read. Gateway: likewise, of orders. Lag: bytes published and not read. Ends that find\n\
             nothing sleep, so times are mostly those of waking up, and with more processes than cores of the\n\
             scheduler; `annulus bench` measures polling ends beside the hardware's floor.\n",
        );
        if replaced {
            out.push_str(
                "The lossless strategy was killed half way; nobody else stopped, and its successor began with the\n\
                 next record.\n",
            );
        }
        self.say(&out)
    }

    fn draw(&mut self, rows: &[Row], lag: &str) -> Result<(), Failure> {
        let mut out = String::new();
        if self.drawn > 0 {
            out.push_str(&format!("\x1b[{}A", self.drawn));
        }
        let end = if self.terminal { "\x1b[K\n" } else { "\n" };
        let line = |name: &str, cells: [String; 8]| {
            let [rate, total, lost, lag, times @ ..] = cells;
            let times = times.map(|cell| format!("{cell:>9}")).concat();
            format!("{name:<27}{rate:>8}{total:>12}{lost:>11}{lag:>11}{times}{end}")
        };
        let mut titles = TITLES.map(str::to_owned);
        lag.clone_into(&mut titles[3]);
        out.push_str(&line("", titles));
        for row in rows {
            let name = match row.killed {
                true => format!("{} (killed)", row.name),
                false => row.name.clone(),
            };
            out.push_str(&line(&name, cells(row.report.as_ref())));
        }
        self.drawn = if self.terminal { rows.len() + 1 } else { 0 };
        self.say(&out)
    }
}

/// The figures of a report.
fn cells(report: Option<&Report>) -> [String; 8] {
    let Some(report) = report else {
        return [(); 8].map(|()| "-".to_owned());
    };
    let times = [report.p50_ns, report.p99_ns, report.p999_ns, report.max_ns];
    let [a, b, c, d] = times.map(words::duration);
    [
        words::count(report.rate()),
        words::grouped(report.total),
        words::grouped(report.lost),
        words::bytes(report.lag_bytes),
        a,
        b,
        c,
        d,
    ]
}
