//! The options of `send` and `recv`.

use super::{BackingName, Begin, WaitBackendName, WaitName};
use clap::{Args, ValueEnum};
use std::path::PathBuf;

/// Who shares a stream's ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamKind {
    /// One sender, one receiver
    Spsc,
    /// Several senders, one receiver
    Mpsc,
    /// One sender, several receivers; each line or frame goes to one of them
    Spmc,
    /// Several senders, several receivers; each line or frame goes to one receiver
    Mpmc,
    /// One sender, several receivers; everything goes to each of them
    Broadcast,
}

/// Whose ring one is willing to use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Owner {
    /// That user's.
    User(u32),
    /// Anybody's.
    Any,
}

impl StreamKind {
    /// What the command line calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Spsc => "spsc",
            Self::Mpsc => "mpsc",
            Self::Spmc => "spmc",
            Self::Mpmc => "mpmc",
            Self::Broadcast => "broadcast",
        }
    }
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
    /// Who shares the ring. A ring that is there already is used as it is, unless this says otherwise [default: what the
    /// other options are for, else spsc]
    #[arg(long, value_enum)]
    pub kind: Option<StreamKind>,
    /// Size of the ring in bytes, a power of two from 256 to 4G; K, M and G are understood (64K, 1M). Half of it is the
    /// longest record, less 8 bytes; of spmc and mpmc it is divided into slots. A ring that is there already is used as
    /// it is, unless this says otherwise [default: 4M]
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
    /// Whose ring it may be if it is there already: a user's number, or "any". Anybody may take a free name, and whoever
    /// owns a ring can read and forge what goes through it [default: one's own]
    #[arg(long, value_name = "UID", value_parser = owner)]
    pub owner: Option<Owner>,
    /// Bytes of a slot of --kind spmc or mpmc; a line or frame may be 16 bytes shorter. K and M are understood. A ring
    /// that is there already is used as it is, unless this says otherwise [default: 1K]
    #[arg(long, value_name = "BYTES", value_parser = slot)]
    pub slot_size: Option<usize>,
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
    #[arg(long, value_name = "BYTES", value_parser = chunk)]
    pub chunk: Option<usize>,
    /// Send each line as one record. Its newline is taken off and put back by the receiver. A line longer than a record
    /// is an error
    #[arg(long, conflicts_with_all = ["frames", "chunk"])]
    pub lines: bool,
    /// The input is messages, each behind its length in 4 bytes, little-endian; send each as one record. The receiver puts
    /// the length back. A message longer than a record is an error
    #[arg(long, conflicts_with = "chunk")]
    pub frames: bool,
    /// With --kind mpmc: how many senders there are in all, 1 to 1024. The stream ends when so many have come and none is
    /// left; say the same at every sender [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub senders: Option<u32>,
    /// With --kind broadcast: begin when so many receivers are there, 0 to 1024. With 0 it begins at once and also goes on
    /// when nobody receives [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(0..=1024))]
    pub wait_readers: Option<u32>,
}

/// Options of `recv`.
#[derive(Debug, Args)]
pub struct RecvArgs {
    /// What both ends have.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// How many senders are to end before receiving ends, 1 to 1024. Two or more need --kind mpsc, and imply it
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub senders: Option<u32>,
    /// With --kind broadcast: never hold the sender up. What it overwrites before it was received is lost; how many
    /// records that were is said, and the exit status is 6
    #[arg(long)]
    pub lossy: bool,
    /// With --kind broadcast: where to begin in a stream that runs already [default: oldest]
    #[arg(long, value_enum)]
    pub from: Option<Begin>,
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

fn slot(text: &str) -> Result<usize, String> {
    match usize::try_from(size(text)?) {
        Ok(bytes) if (32..=1 << 30).contains(&bytes) => Ok(bytes),
        _ => Err("a slot has 32 bytes to 1G".to_owned()),
    }
}

fn owner(text: &str) -> Result<Owner, String> {
    match (text, text.parse()) {
        ("any", _) => Ok(Owner::Any),
        (_, Ok(uid)) => Ok(Owner::User(uid)),
        _ => Err("a user's number, as id -u shows it, or any".to_owned()),
    }
}

fn octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 => Ok(mode),
        _ => Err("an octal number up to 777, such as 660".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal_permission_bits() {
        assert_eq!(octal("660"), Ok(0o660));
        assert!(octal("1000").is_err());
        assert!(octal("8").is_err());
    }

    #[test]
    fn an_owner_is_a_number_or_any() {
        assert_eq!(owner("1000"), Ok(Owner::User(1000)));
        assert_eq!(owner("any"), Ok(Owner::Any));
        for odd in ["", "root", "-1", "4294967296"] {
            assert!(owner(odd).is_err(), "{odd}");
        }
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
        assert!(slot("31").is_err());
    }
}
