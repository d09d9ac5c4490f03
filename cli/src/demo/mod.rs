//! `demo`: one producer and one consumer as real processes, for people to watch.
//!
//! Every phase has fresh children (this program again, as `demo-end`) and a fresh ring or pipe. The consumer reports a few
//! times a second on its stdout. Invariant: however this ends, the children are gone and the ring's name is removed.

pub mod ends;
mod report;
mod show;

use crate::args::{DemoArgs, DemoRole, WaitName};
use crate::exit::{Failure, Kind};
use crate::scenario::load::Load;
use crate::scenario::pin::Cpus;
use crate::sys;
use annulus::Ring;
use ends::Message;
use report::{Report, Span};
use show::{Results, Screen};
use std::ffi::OsString;
use std::io::{BufRead, BufReader};
use std::process::{Child, ChildStdout, Command, Stdio};

/// Slots of the ring, and messages the pipe is asked to hold.
pub const CAPACITY: u64 = 4096;
/// Messages a second in the phases that show latency.
const PACE_PER_S: u64 = 10_000;
/// Nanoseconds between them.
const PACE_NS: u64 = 1_000_000_000 / PACE_PER_S;

/// What carries the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Via {
    /// A ring whose ends wait like this.
    Ring(WaitName),
    /// A pipe, one write and one read per message.
    Pipe,
}

/// One part of the demo.
#[derive(Clone, Copy, Debug)]
pub struct Phase {
    via: Via,
    /// Nanoseconds between messages; 0: as fast as it goes.
    every_ns: u64,
    /// Percent of the whole time.
    share: u64,
}

const fn phase(via: Via, every_ns: u64, share: u64) -> Phase {
    Phase {
        via,
        every_ns,
        share,
    }
}

/// The phases in their order.
fn phases(spin: WaitName) -> [Phase; 5] {
    [
        phase(Via::Ring(spin), 0, 30),
        phase(Via::Ring(spin), PACE_NS, 20),
        phase(Via::Ring(WaitName::Park), PACE_NS, 20),
        phase(Via::Pipe, 0, 15),
        phase(Via::Pipe, PACE_NS, 15),
    ]
}

/// Runs the command.
pub fn run(args: &DemoArgs) -> Result<(), Failure> {
    sys::catch_stop_signals();
    let cpus = Cpus::choose().ok();
    // Without a core for each end spinning would only keep the other from running.
    let spin = if cpus.is_some() {
        WaitName::Spin
    } else {
        WaitName::Yield
    };
    let screen = Screen::new();
    screen.title(cpus)?;
    let load = || cpus.and_then(Load::now);
    let before = load();
    let mut results = Results::default();
    for phase in phases(spin) {
        let run_ms = u64::from(args.seconds) * 10 * phase.share;
        let whole = play(phase, run_ms, cpus, |report| screen.live(phase, report))?;
        screen.settled(phase, &whole)?;
        results.file(phase, whole);
    }
    screen.summary(&results, Load::others_share(before, load()))
}

/// A child that does not outlive its phase.
struct Player(Child);

impl Drop for Player {
    fn drop(&mut self) {
        // Both fail only when it has ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A ring that does not outlive its phase.
struct Stage {
    name: String,
    ring: Ring<annulus::Spsc<Message>>,
}

impl Drop for Stage {
    fn drop(&mut self) {
        // The consumer may have removed it. Any other failure leaves a name that `annulus ls` shows.
        let _ = self.ring.unlink();
    }
}

impl Stage {
    fn build() -> Result<Self, Failure> {
        let name = format!("annulus-demo-{}", std::process::id());
        let ring = annulus::spsc::<Message>(&name)
            .capacity(CAPACITY)
            .create()?;
        Ok(Self { name, ring })
    }
}

/// Runs one phase, shows what the consumer reports, and gives its last word.
fn play(
    phase: Phase,
    run_ms: u64,
    cpus: Option<Cpus>,
    mut live: impl FnMut(&Report) -> Result<(), Failure>,
) -> Result<Report, Failure> {
    let stage = match phase.via {
        Via::Ring(_) => Some(Stage::build()?),
        Via::Pipe => None,
    };
    let mut options: Vec<OsString> = Vec::new();
    if let (Some(stage), Via::Ring(wait)) = (&stage, phase.via) {
        let wait = match wait {
            WaitName::Spin => "spin",
            WaitName::Yield => "yield",
            WaitName::Park => "park",
        };
        options.extend(["--ring", &stage.name, "--wait", wait].map(OsString::from));
    }
    options.push(format!("--every-ns={}", phase.every_ns).into());
    options.push(format!("--run-ms={run_ms}").into());
    let start = |role, cpu, stdin: Stdio, stdout: Stdio| -> Result<Player, Failure> {
        start(role, cpu, &options)
            .and_then(|mut command| command.stdin(stdin).stdout(stdout).spawn())
            .map(Player)
            .map_err(|e| Failure::new(Kind::System, format!("starting a process of the demo: {e}")))
    };
    let piped = || {
        if stage.is_none() {
            Stdio::piped()
        } else {
            Stdio::null()
        }
    };
    let (near, far) = (cpus.map(|cpus| cpus.near), cpus.map(|cpus| cpus.far));
    let mut producer = start(DemoRole::Producer, far, Stdio::null(), piped())?;
    let messages = producer
        .0
        .stdout
        .take()
        .map_or_else(Stdio::null, Stdio::from);
    let mut consumer = start(DemoRole::Consumer, near, messages, Stdio::piped())?;
    let whole = match consumer.0.stdout.take() {
        Some(reports) => listen(reports, &mut live)?,
        None => None,
    };
    for player in [&mut producer, &mut consumer] {
        stop_if_told()?;
        let status = player.0.wait().map_err(|e| Failure::new(Kind::System, e))?;
        if !status.success() {
            let message = format!("a process of the demo failed ({status})");
            return Err(Failure::new(Kind::Failed, message));
        }
    }
    whole.ok_or_else(|| Failure::new(Kind::Failed, "the consumer said nothing"))
}

fn start(role: DemoRole, cpu: Option<usize>, options: &[OsString]) -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    let role = match role {
        DemoRole::Producer => "producer",
        DemoRole::Consumer => "consumer",
    };
    command.args(["demo-end", "--role", role]).args(options);
    if let Some(cpu) = cpu {
        command.arg(format!("--cpu={cpu}"));
    }
    Ok(command)
}

/// Reads the consumer's reports to their end; the last is of the whole phase.
fn listen(
    reports: ChildStdout,
    live: &mut impl FnMut(&Report) -> Result<(), Failure>,
) -> Result<Option<Report>, Failure> {
    let mut whole = None;
    for line in BufReader::new(reports).lines() {
        stop_if_told()?;
        let line = line.map_err(|e| Failure::new(Kind::Failed, e))?;
        let report: Report = serde_json::from_str(&line)
            .map_err(|e| Failure::new(Kind::Failed, format!("a report of the consumer: {e}")))?;
        match report.span {
            Span::Moment => live(&report)?,
            Span::Whole => whole = Some(report),
        }
    }
    stop_if_told()?;
    Ok(whole)
}

fn stop_if_told() -> Result<(), Failure> {
    match sys::stop_signal() {
        Some(signal) => Err(Failure::new(Kind::Signal(signal), "interrupted")),
        None => Ok(()),
    }
}
