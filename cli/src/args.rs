//! The command line.

use crate::exit;
use annulus::{Wait, WaitBackend};
use clap::{Args, Parser, Subcommand, ValueEnum};
use std::path::PathBuf;

/// Streams data through shared-memory rings, looks at rings, measures them.
#[derive(Debug, Parser)]
#[command(
    name = "annulus",
    version,
    about = "Ring buffers in shared memory: stream data through them, look at them, measure them",
    after_long_help = exit::HELP,
    after_help = "annulus --help says more, and lists the exit statuses.",
    subcommand_required = true,
    arg_required_else_help = true
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Send a file, or stdin, to `annulus recv NAME` in another process
    #[command(long_about = SEND, after_long_help = exit::HELP)]
    Send(StreamArgs),
    /// Receive what `annulus send NAME` sends, to a file or stdout
    #[command(long_about = RECV, after_long_help = exit::HELP)]
    Recv(StreamArgs),
    /// List the rings of this machine (POSIX and System V shared memory; rings in files are not listed)
    #[command(after_long_help = exit::HELP)]
    Ls(LsArgs),
    /// Show everything that can be seen of a ring without taking part in it
    #[command(after_long_help = exit::HELP)]
    Stat(StatArgs),
    /// Remove a ring: its name at once, its memory when nobody has it mapped any more
    #[command(after_long_help = exit::HELP)]
    Rm(RmArgs),
    /// Measure rings between two processes on two pinned cores, beside the floor of the hardware
    #[command(long_about = BENCH, after_long_help = exit::HELP)]
    Bench(BenchArgs),
    /// Watch one producer and one consumer at work for a few seconds, then the same work over a pipe
    #[command(long_about = DEMO, after_long_help = exit::HELP)]
    Demo(DemoArgs),
    /// One end of the demo, in a process of its own
    #[command(hide = true)]
    DemoEnd(DemoEndArgs),
}

const SEND: &str = "\
Send a file, or stdin, to `annulus recv NAME` in another process.

    annulus send backup < disk.img          in one terminal
    annulus recv backup > copy.img          in another

The two may be started in any order: the first makes the ring and waits. Sending ends well only after the receiver has \
written everything and found the checksum right. If the receiver dies or stops, send says so and fails. One ring carries \
one stream; it is removed when the stream has ended, well or not.";

const RECV: &str = "\
Receive what `annulus send NAME` sends, to a file or stdout.

    annulus recv backup > copy.img          in one terminal
    annulus send backup < disk.img          in another

The two may be started in any order: the first makes the ring and waits. Receiving ends well only after the sender's last \
word has come and its byte count and checksum were right. Otherwise the exit status is not 0, and the output holds what \
had come until then.";

const BENCH: &str = "\
Measure rings between two processes on two pinned cores, beside the floor of the hardware.

The floor is a raw ping-pong through one cache line between the same two cores in the same second. Figures are medians \
over rounds with their quartiles, by placement of the cores (near: floor below 200 ns). Throughput is of a ring that is \
kept full; the round trip is a closed loop through two rings, one message under way. For a comparison with other rings see \
benches/peers.";

const DEMO: &str = "\
Watch one producer and one consumer at work for a few seconds, then the same work over a pipe.

Two child processes, pinned to two cores, pass 56-byte messages through a ring in /dev/shm: first as fast as they can, then \
10,000 a second to see the latency. `annulus bench` measures more carefully.";

/// Where a ring lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum BackingName {
    /// POSIX shared memory; NAME is a file name in /dev/shm
    PosixShm,
    /// System V shared memory; NAME gives the key, or is one (0x...)
    Sysv,
    /// A sealed memory file; has no name, so not for send and recv
    Memfd,
    /// A regular file; NAME is its path
    File,
    /// Memory inherited by fork; has no name, so not for send and recv
    Anon,
}

/// How an end waits for the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitName {
    /// Poll; burns a core
    Spin,
    /// Poll, then offer the core to others between polls
    Yield,
    /// Poll for a moment, then sleep in the kernel
    Park,
}

impl WaitName {
    /// The library's strategy.
    pub fn strategy(self) -> Wait {
        match self {
            Self::Spin => Wait::spin(),
            Self::Yield => Wait::spin_then_yield(),
            Self::Park => Wait::park(),
        }
    }
}

/// What sleeping ends sleep on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum WaitBackendName {
    /// A futex in the ring
    Futex,
    /// Two named POSIX semaphores
    Sem,
}

impl WaitBackendName {
    /// The library's word for it.
    pub fn backend(self) -> WaitBackend {
        match self {
            Self::Futex => WaitBackend::Futex,
            Self::Sem => WaitBackend::Semaphore,
        }
    }
}

/// Options of `send` and `recv`.
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// Name of the ring; with --backing file a path
    pub name: String,
    /// The file to send, or to put what comes into (replaced if it exists); "-" or nothing: stdin, stdout
    pub file: Option<PathBuf>,
    /// Where the ring lives
    #[arg(long, value_enum, default_value = "posix-shm")]
    pub backing: BackingName,
    /// Slots of the ring, a power of two. A ring that is there already is used as it is, unless this says otherwise
    /// [default: 64]
    #[arg(long, value_name = "SLOTS")]
    pub capacity: Option<u64>,
    /// Bytes per slot, 24 or more, 8 of which are the frame's header. A ring that is there already is used as it is,
    /// unless this says otherwise [default: 65536]
    #[arg(long, value_name = "BYTES")]
    pub slot_size: Option<usize>,
    /// How to wait for the other end; each end chooses for itself
    #[arg(long, value_enum, default_value = "park")]
    pub wait_strategy: WaitName,
    /// What to sleep on, chosen by whoever makes the ring [default: futex]
    #[arg(long, value_enum)]
    pub wait_backend: Option<WaitBackendName>,
    /// Permission bits of the ring; both ends must be able to write it
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = octal)]
    pub mode: u32,
    /// Leave the ring when the stream has ended, to look at (say it at both ends); it carries no other stream
    #[arg(long)]
    pub keep: bool,
    /// Fail at once if the other end is not there yet
    #[arg(long)]
    pub no_wait: bool,
    /// Say nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("an octal number up to 777, such as 660".to_owned()),
    }
}

/// Options of `ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// One JSON array on stdout
    #[arg(long)]
    pub json: bool,
}

/// Options of `stat`.
#[derive(Debug, Args)]
pub struct StatArgs {
    /// Name of the ring, a path with a slash, or a System V key (0x...)
    pub name: String,
    /// Where the ring lives [default: where a ring of that name is found]
    #[arg(long, value_enum)]
    pub backing: Option<BackingName>,
    /// One JSON object on stdout
    #[arg(long)]
    pub json: bool,
}

/// Options of `rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Name of the ring, a path with a slash, or a System V key (0x...)
    pub name: String,
    /// Where the ring lives [default: where a ring of that name is found]
    #[arg(long, value_enum)]
    pub backing: Option<BackingName>,
    /// Remove it even if somebody uses it; who has it mapped goes on
    #[arg(long, short)]
    pub force: bool,
}

/// Kinds of ring that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// One producer, one consumer
    Spsc,
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Kind of ring
    #[arg(long, value_enum, default_value = "spsc")]
    pub kind: KindName,
    /// Check that it works and get rough figures, in a few seconds
    #[arg(long)]
    pub quick: bool,
    /// One JSON object on stdout; the table goes to stderr
    #[arg(long)]
    pub json: bool,
    /// Message sizes in bytes: 8, 56, 120, 256, 1024, 4096 or 65536
    #[arg(
        long,
        value_name = "N,...",
        value_delimiter = ',',
        default_value = "8,56,1024"
    )]
    pub payload: Vec<usize>,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How long to run in all, 1 to 600 seconds
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
}

/// Which end of the demo a child is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoRole {
    /// Sends.
    Producer,
    /// Receives and reports.
    Consumer,
}

/// Options of the demo's children.
#[derive(Debug, Args)]
pub struct DemoEndArgs {
    /// Which end.
    #[arg(long, value_enum)]
    pub role: DemoRole,
    /// The ring's name; without it messages go through stdin and stdout.
    #[arg(long)]
    pub ring: Option<String>,
    /// How the ends of the ring wait.
    #[arg(long, value_enum, default_value = "spin")]
    pub wait: WaitName,
    /// Nanoseconds between messages; 0: as fast as it goes.
    #[arg(long, default_value_t = 0)]
    pub every_ns: u64,
    /// How long to send.
    #[arg(long, default_value_t = 0)]
    pub run_ms: u64,
    /// The CPU to be on.
    #[arg(long)]
    pub cpu: Option<usize>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }

    #[test]
    fn modes_are_octal_permission_bits() {
        assert_eq!(octal("660"), Ok(0o660));
        assert!(octal("1000").is_err());
        assert!(octal("8").is_err());
    }
}
