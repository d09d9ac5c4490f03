//! The command line.

mod measure;
mod stream;

use crate::{exit, help};
use annulus::{Wait, WaitBackend};
use clap::{Args, Parser, Subcommand, ValueEnum};
pub use measure::{BenchArgs, DemoArgs, DemoPartArgs, DemoRole, ElementName, KindName};
pub use stream::{Owner, RecvArgs, SendArgs, StreamArgs, StreamKind};

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
    /// Say what is the matter with a ring, or with all of them: who waits for whom, what can be done
    #[command(long_about = help::DOCTOR, after_long_help = exit::HELP)]
    Doctor(DoctorArgs),
    /// Settle what participants that died have left in a ring
    #[command(long_about = help::REPAIR, after_long_help = exit::HELP)]
    Repair(RepairArgs),
    /// Measure rings between two processes on two pinned cores, beside the floor of the hardware
    #[command(long_about = help::BENCH, after_long_help = exit::HELP)]
    Bench(BenchArgs),
    /// Watch market data go to three strategies, and their orders to a gateway, for a few seconds
    #[command(long_about = help::DEMO, after_long_help = exit::HELP)]
    Demo(DemoArgs),
    /// One process of the demo
    #[command(hide = true)]
    DemoPart(DemoPartArgs),
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

/// Where `tail`, or a reader of a broadcast, begins.
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
    /// Take the records, as the ring's consumer. Refused while there is one, and of a broadcast
    #[arg(long)]
    pub take: bool,
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

/// Options of `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Name of the ring, a path with a slash, or a System V key (0x...) [default: all that ls lists, and leftovers]
    pub name: Option<String>,
    /// Where the ring lives [default: where a ring of that name is found]
    #[arg(long, value_enum, requires = "name")]
    pub backing: Option<BackingName>,
}

/// Options of `repair`.
#[derive(Debug, Args)]
pub struct RepairArgs {
    /// Name of the ring, a path with a slash, or a System V key (0x...)
    pub name: String,
    /// Where the ring lives [default: where a ring of that name is found]
    #[arg(long, value_enum)]
    pub backing: Option<BackingName>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        use clap::CommandFactory;
        Cli::command().debug_assert();
    }
}
