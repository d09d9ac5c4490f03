//! `demo`: market data from one publisher to three strategies, their orders to a gateway, as real processes, for people to
//! watch.
//!
//! Every part is this program again, as `demo-part`, and reports a few times a second on its stdout. Invariant: however
//! this ends, the children are gone and the rings' names are removed.

mod market;
pub mod part;
mod report;
mod show;

use crate::args::{DemoArgs, DemoRole};
use crate::exit::{Failure, Kind};
use crate::sys;
use annulus::{BroadcastRecords, MpscRecords, Ring};
use clap::ValueEnum;
use report::Report;
use show::{Row, Screen};
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

/// Bytes of the ring with market data. Some 75 ms of it at the usual rate.
const FEED_BYTES: u64 = 256 << 10;
/// Bytes of the ring with orders.
const ORDER_BYTES: u64 = 64 << 10;
/// Time between two pictures.
const FRAME: Duration = Duration::from_millis(250);
/// How long after its time the demo may still run.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs the command.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    sys::catch_stop_signals();
    let mut screen = Screen::new();
    screen.title(args.rate, args.seconds)?;
    let stage = Stage::build()?;
    let mut company = Company::new(&stage, args);
    for (role, name) in [
        (DemoRole::Gateway, "gateway"),
        (DemoRole::Lossy, "strategy, lossy"),
        (DemoRole::Slow, "strategy, slow, lossy"),
        (DemoRole::Lossless, "strategy, lossless"),
        (DemoRole::Publisher, "publisher"),
    ] {
        company.hire(role, name)?;
    }
    let begun = Instant::now();
    let whole = Duration::from_secs(args.seconds.into());
    let mut replaced = !args.kill;
    let mut closed = false;
    while company.is_working() {
        if let Some(signal) = sys::stop_signal() {
            return Err(Failure::new(Kind::Signal(signal), "interrupted"));
        }
        if begun.elapsed() > whole + PATIENCE {
            return Err(Failure::new(
                Kind::Failed,
                "the demo did not come to its end",
            ));
        }
        if !replaced && begun.elapsed() > whole / 2 {
            replaced = true;
            company.replace_lossless()?;
        }
        company.listen(FRAME)?;
        if !closed && company.only_gateway_works() {
            closed = true;
            // All strategies have gone: ends the gateway.
            stage.orders.producer()?.close();
        }
        screen.live(&company.rows())?;
    }
    screen.settled(&company.rows(), args.kill)
}

/// The rings, which do not outlive the demo.
struct Stage {
    feed_name: String,
    order_name: String,
    feed: Ring<BroadcastRecords>,
    orders: Ring<MpscRecords>,
}

impl Stage {
    fn build() -> Result<Self, Failure> {
        let pid = std::process::id();
        let (feed_name, order_name) = (
            format!("annulus-demo-{pid}-feed"),
            format!("annulus-demo-{pid}-orders"),
        );
        let feed = annulus::broadcast_records(&feed_name)
            .capacity_bytes(FEED_BYTES)
            .create()?;
        let orders = annulus::mpsc_records(&order_name)
            .capacity_bytes(ORDER_BYTES)
            .create()
            .inspect_err(|_| {
                let _ = feed.unlink();
            })?;
        Ok(Self {
            feed_name,
            order_name,
            feed,
            orders,
        })
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The parts may have removed them. Any other failure leaves a name that `annulus ls` shows.
        let _ = self.feed.unlink();
        let _ = self.orders.unlink();
    }
}

/// A child that does not outlive the demo.
struct Player {
    role: DemoRole,
    child: Child,
    row: Row,
    /// It has ended, and well.
    done: bool,
}

impl Drop for Player {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What was heard of a player: a report, or that there will be no more.
type Heard = (usize, Option<Result<Report, String>>);

/// All children.
struct Company<'a> {
    stage: &'a Stage,
    args: &'a DemoArgs,
    players: Vec<Player>,
    speak: Sender<Heard>,
    hear: Receiver<Heard>,
}

impl<'a> Company<'a> {
    fn new(stage: &'a Stage, args: &'a DemoArgs) -> Self {
        let (speak, hear) = channel();
        Self {
            stage,
            args,
            players: Vec::new(),
            speak,
            hear,
        }
    }

    /// Starts a child.
    fn hire(&mut self, role: DemoRole, name: &str) -> Result<(), Failure> {
        let failed = |e: std::io::Error| {
            Failure::new(Kind::System, format!("starting a process of the demo: {e}"))
        };
        let word = role.to_possible_value();
        let word = word.as_ref().map_or("", |value| value.get_name());
        let mut child = Command::new(std::env::current_exe().map_err(failed)?)
            .args(["demo-part", "--role", word])
            .args(["--feed", &self.stage.feed_name])
            .args(["--orders", &self.stage.order_name])
            .arg(format!("--rate={}", self.args.rate))
            .arg(format!("--run-ms={}", u64::from(self.args.seconds) * 1000))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let reports = child.stdout.take();
        let row = Row {
            name: name.to_owned(),
            report: None,
            killed: false,
        };
        self.players.push(Player {
            role,
            child,
            row,
            done: false,
        });
        if let Some(reports) = reports {
            let (index, speak) = (self.players.len() - 1, self.speak.clone());
            std::thread::spawn(move || relay(reports, index, &speak));
        }
        Ok(())
    }

    /// Takes in what children report for as long as one picture stays.
    fn listen(&mut self, frame: Duration) -> Result<(), Failure> {
        let until = Instant::now() + frame;
        while self.is_working() && sys::stop_signal().is_none() {
            let left = until.saturating_duration_since(Instant::now());
            match self.hear.recv_timeout(left) {
                Ok((index, Some(Ok(report)))) => self.players[index].row.report = Some(report),
                Ok((_, Some(Err(e)))) => {
                    return Err(Failure::new(Kind::Failed, format!("a report: {e}")));
                }
                Ok((index, None)) => {
                    self.ended(index)?;
                    return Ok(());
                }
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Ok(()),
            }
        }
        Ok(())
    }

    /// A child says nothing more.
    fn ended(&mut self, index: usize) -> Result<(), Failure> {
        let player = &mut self.players[index];
        let status = player.child.wait();
        let status = status.map_err(|e| Failure::new(Kind::System, e))?;
        player.done = true;
        if status.success() || player.row.killed {
            return Ok(());
        }
        // The terminal sends a stop signal to the children as well.
        match sys::stop_signal() {
            Some(signal) => Err(Failure::new(Kind::Signal(signal), "interrupted")),
            None => {
                let name = &player.row.name;
                let message = format!("a process of the demo failed ({name}: {status})");
                Err(Failure::new(Kind::Failed, message))
            }
        }
    }

    /// Kills the lossless strategy and starts another.
    fn replace_lossless(&mut self) -> Result<(), Failure> {
        let lossless = |player: &&mut Player| player.role == DemoRole::Lossless;
        if let Some(player) = self.players.iter_mut().find(lossless) {
            player.row.killed = true;
            // Fails only when it has ended already.
            let _ = player.child.kill();
        }
        self.hire(DemoRole::Lossless, "strategy, successor")
    }

    fn is_working(&self) -> bool {
        self.players.iter().any(|player| !player.done)
    }

    fn only_gateway_works(&self) -> bool {
        let mut working = self.players.iter().filter(|player| !player.done);
        working.all(|player| player.role == DemoRole::Gateway)
    }

    /// In the order of the picture: publisher, strategies, gateway.
    fn rows(&self) -> Vec<Row> {
        let place = |role| match role {
            DemoRole::Publisher => 0,
            DemoRole::Gateway => 2,
            _ => 1,
        };
        let mut players: Vec<_> = self.players.iter().collect();
        players.sort_by_key(|player| place(player.role));
        players.iter().map(|player| player.row.clone()).collect()
    }
}

/// Hands on what child `index` says, line by line, to its end.
fn relay(reports: ChildStdout, index: usize, speak: &Sender<Heard>) {
    for line in BufReader::new(reports).lines() {
        let report = match line {
            Ok(line) => serde_json::from_str(&line).map_err(|e| e.to_string()),
            Err(e) => Err(e.to_string()),
        };
        // Nobody listens: the demo is over.
        if speak.send((index, Some(report))).is_err() {
            return;
        }
    }
    let _ = speak.send((index, None));
}
