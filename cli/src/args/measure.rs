//! The options of `bench` and `demo`.

use clap::{Args, ValueEnum};

/// Kinds of ring that can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KindName {
    /// One producer, one consumer
    Spsc,
    /// Several producers, one consumer
    Mpsc,
    /// One producer, several consumers, each message for one of them
    Spmc,
    /// Several producers, several consumers, each message for one of them
    Mpmc,
    /// One producer, several readers, each message for all of them
    Broadcast,
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
    /// What the ring is made of; records are measured with --kind spsc and mpsc
    #[arg(long, value_enum, default_value = "slots")]
    pub element: ElementName,
    /// Producers of --kind mpsc or mpmc: 1 to 8 [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub producers: Option<u32>,
    /// Consumers of --kind spmc or mpmc, 1 to 8 [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub consumers: Option<u32>,
    /// Readers of --kind broadcast, 1 to 8, all of them waited for [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=8))]
    pub readers: Option<u32>,
    /// Check that it works and get rough figures, in a few seconds
    #[arg(long)]
    pub quick: bool,
    /// One JSON object on stdout; the table goes to stderr
    #[arg(long)]
    pub json: bool,
    /// Message sizes in bytes. Slots: 8, 56, 120, 256, 1024, 4096 or 65536 [default: 8,56,1024], of kinds other than spsc
    /// always 56. Records: 24-200, 40-48, 48, 1000-1500 or 65536, where 24-200 is lengths at random from 24 to 200
    /// [default: 24-200,48]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    pub payload: Vec<String>,
}

/// Options of `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// How long to run, 1 to 600 seconds
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=600))]
    pub seconds: u32,
    /// Records a second that are published, 100 to 1000000
    #[arg(long, value_name = "N", default_value_t = 20_000, value_parser = clap::value_parser!(u32).range(100..=1_000_000))]
    pub rate: u32,
    /// Half way, kill the lossless strategy and start another in its place
    #[arg(long)]
    pub kill: bool,
}

/// Which part of the demo a child plays.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DemoRole {
    /// Publishes market data.
    Publisher,
    /// Reads as fast as it can; is not waited for.
    Lossy,
    /// Reads too slowly; is not waited for.
    Slow,
    /// Reads everything; the publisher waits for it.
    Lossless,
    /// Takes the orders of all strategies.
    Gateway,
}

/// Options of the demo's children.
#[derive(Debug, Args)]
pub struct DemoPartArgs {
    /// Which part.
    #[arg(long, value_enum)]
    pub role: DemoRole,
    /// The ring with market data.
    #[arg(long)]
    pub feed: String,
    /// The ring with orders.
    #[arg(long)]
    pub orders: String,
    /// Records a second.
    #[arg(long)]
    pub rate: u32,
    /// How long to publish.
    #[arg(long)]
    pub run_ms: u64,
}
