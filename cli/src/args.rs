//! The command line.

use crate::{exit, help};
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
    #[command(long_about = help::SEND, after_long_help = exit::HELP)]
    Send(SendArgs),
    /// Receive what `annulus send NAME` sends, to a file or stdout
    #[command(long_about = help::RECV, after_long_help = exit::HELP)]
    Recv(RecvArgs),
    /// Print the records of a ring as they pass, without taking them
    #[command(long_about = help::TAIL, after_long_help = exit::HELP)]
    Tail(TailArgs),
    /// List the rings of this machine (POSIX and System V shared memory; rings in files are not listed)
    #[command(long_about = help::LS, after_long_help = exit::HELP)]
    Ls(LsArgs),
    /// Show everything that can be seen of a ring without taking part in it
    #[command(long_about = help::STAT, after_long_help = exit::HELP)]
    Stat(StatArgs),
    /// Remove a ring: its name at once, its memory when nobody has it mapped any more
    #[command(after_long_help = exit::HELP)]
    Rm(RmArgs),
    /// Measure rings between two processes on two pinned cores, beside the floor of the hardware
    #[command(long_about = help::BENCH, after_long_help = exit::HELP)]
    Bench(BenchArgs),
    /// Watch one producer and one consumer at work for a few seconds, then the same work over a pipe
    #[command(long_about = help::DEMO, after_long_help = exit::HELP)]
    Demo(DemoArgs),
    /// One end of the demo, in a process of its own
    #[command(hide = true)]
    DemoEnd(DemoEndArgs),
}

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

/// How many senders share a stream's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamKind {
    /// One sender, one receiver
    Spsc,
    /// Several senders, one receiver
    Mpsc,
}

/// Options of `send` and of `recv`.
#[derive(Debug, Args)]
pub struct StreamArgs {
    /// Name of the ring; with --backing file a path
    pub name: String,
    /// The file to send, or to put what comes into (replaced if it exists); "-" or nothing: stdin, stdout
    pub file: Option<PathBuf>,
    /// Where the ring lives
    #[arg(long, value_enum, default_value = "posix-shm")]
    pub backing: BackingName,
    /// How many may send. A ring that is there already is used as it is, unless this says otherwise [default: spsc; mpsc
    /// for recv --senders 2 or more]
    #[arg(long, value_enum)]
    pub kind: Option<StreamKind>,
    /// Size of the ring in bytes, a power of two from 256 to 4G; K, M and G are understood (64K, 1M). Half of it is the
    /// longest record, less 8 bytes. A ring that is there already is used as it is, unless this says otherwise
    /// [default: 4M]
    #[arg(long, value_name = "BYTES", value_parser = capacity)]
    pub capacity: Option<u64>,
    /// How to wait for the other end; each end chooses for itself
    #[arg(long, value_enum, default_value = "park")]
    pub wait_strategy: WaitName,
    /// What to sleep on, chosen by whoever makes the ring [default: futex]
    #[arg(long, value_enum)]
    pub wait_backend: Option<WaitBackendName>,
    /// Permission bits of the ring; both ends must be able to write it
    #[arg(long, value_name = "OCTAL", default_value = "600", value_parser = octal)]
    pub mode: u32,
    /// Leave the ring when the stream has ended, to look at (say it at every end); it carries no other stream
    #[arg(long)]
    pub keep: bool,
    /// Fail at once if the other end is not there yet
    #[arg(long)]
    pub no_wait: bool,
    /// Say nothing but errors
    #[arg(long, short)]
    pub quiet: bool,
}

/// Options of `send`.
#[derive(Debug, Args)]
pub struct SendArgs {
    /// What both ends have.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// The most bytes of input in one record; K, M and G are understood. At most what a record of the ring holds
    /// [default: 64K, or as much as fits]
    #[arg(long, value_name = "BYTES", alias = "slot-size", value_parser = chunk)]
    pub chunk: Option<usize>,
    /// Send each line as one record. Its newline is taken off and put back by the receiver. A line longer than a record
    /// is an error
    #[arg(long, conflicts_with_all = ["frames", "chunk"])]
    pub lines: bool,
    /// The input is messages, each behind its length in 4 bytes, little-endian; send each as one record. The receiver puts
    /// the length back. A message longer than a record is an error
    #[arg(long, conflicts_with = "chunk")]
    pub frames: bool,
}

/// Options of `recv`.
#[derive(Debug, Args)]
pub struct RecvArgs {
    /// What both ends have.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// How many senders are to end before receiving ends, 1 to 1024. Two or more need --kind mpsc, and imply it
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub senders: u32,
}

/// Where `tail` begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Begin {
    /// With what is in the ring
    Oldest,
    /// With what comes from now on
    Newest,
}

/// Options of `tail`.
#[derive(Debug, Args)]
pub struct TailArgs {
    /// Name of the ring, a path with a slash, or a System V key (0x...)
    pub name: String,
    /// Where the ring lives [default: where a ring of that name is found]
    #[arg(long, value_enum)]
    pub backing: Option<BackingName>,
    /// Where to begin [default: oldest]
    #[arg(long, value_enum, conflicts_with = "take")]
    pub from: Option<Begin>,
    /// End after so many records
    #[arg(long, short = 'n', value_name = "N")]
    pub count: Option<u64>,
    /// The most bytes that are shown in hexadecimal of a record that is no text
    #[arg(long, value_name = "N", default_value_t = 64)]
    pub bytes: usize,
    /// Write the records' bytes and nothing else, one record behind the other
    #[arg(long, conflicts_with_all = ["tags", "bytes"])]
    pub raw: bool,
    /// Put each record's position and tag in front of it
    #[arg(long)]
    pub tags: bool,
    /// Take the records, as the ring's consumer. Refused while there is one
    #[arg(long)]
    pub take: bool,
}

/// A number of bytes: "4096", "64K", "1M", "2g".
fn size(text: &str) -> Result<u64, String> {
    let rule = "a number of bytes, such as 4096, 64K, 1M or 2G";
    let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit: u64 = match text[digits.len()..].to_ascii_lowercase().as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        _ => return Err(rule.to_owned()),
    };
    let number: u64 = digits.parse().map_err(|_| rule.to_owned())?;
    number.checked_mul(unit).ok_or_else(|| rule.to_owned())
}

fn capacity(text: &str) -> Result<u64, String> {
    let bytes = size(text)?;
    if bytes.is_power_of_two() && (256..=1 << 32).contains(&bytes) {
        return Ok(bytes);
    }
    Err("the ring's size in bytes is a power of two from 256 to 4G, such as 64K or 1M".to_owned())
}

fn chunk(text: &str) -> Result<usize, String> {
    match usize::try_from(size(text)?) {
        Ok(bytes) if bytes > 0 => Ok(bytes),
        _ => Err("at least 1 byte".to_owned()),
    }
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

/// What passes through the rings that are measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ElementName {
    /// Messages of one size
    Slots,
    /// Messages of any size
    Records,
}

/// Options of `bench`.
#[derive(Debug, Args)]
pub struct BenchArgs {
    /// Kind of ring
    #[arg(long, value_enum, default_value = "spsc")]
    pub kind: KindName,
    /// What the ring is made of
    #[arg(long, value_enum, default_value = "slots")]
    pub element: ElementName,
    /// Check that it works and get rough figures, in a few seconds
    #[arg(long)]
    pub quick: bool,
    /// One JSON object on stdout; the table goes to stderr
    #[arg(long)]
    pub json: bool,
    /// Message sizes in bytes. Slots: 8, 56, 120, 256, 1024, 4096 or 65536 [default: 8,56,1024]. Records: 24-200, 40-48,
    /// 48, 1000-1500 or 65536, where 24-200 is lengths at random from 24 to 200 [default: 24-200,48]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub payload: Vec<String>,
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

    #[test]
    fn sizes_have_units_of_1024_and_a_ring_s_is_a_power_of_two() {
        assert_eq!(
            ["17", "64K", "1m", "2G"].map(size),
            [Ok(17), Ok(65_536), Ok(1 << 20), Ok(2 << 30)]
        );
        for odd in ["", "K", "1T", "-1", "1.5M", "1KB", "99999999999G"] {
            assert!(size(odd).is_err(), "{odd}");
        }
        assert_eq!(capacity("4G"), Ok(1 << 32));
        for odd in ["3", "128", "8G", "1000"] {
            assert!(capacity(odd).is_err(), "{odd}");
        }
        assert!(chunk("0").is_err());
    }
}
