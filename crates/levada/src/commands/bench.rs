//! `levada bench`: load for a cluster, and what it makes of it.

mod consume;
mod latency;
mod produce;
mod sample;

use clap::Subcommand;

/// Measure a cluster. The figures include this client, which shares the machine with a local broker.
#[derive(Debug, Subcommand)]
pub(crate) enum BenchCommand {
    /// Produce records as fast as they are taken, or at a given rate
    #[command(after_help = "Example:\n  levada bench produce load --records 1000000 --size 1KiB --compression lz4")]
    Produce(produce::Produce),
    /// Consume a topic from its beginning as fast as it comes
    Consume(consume::Consume),
    /// Measure the time from sending a record to consuming it
    #[command(after_help = "Example:\n  levada bench latency load --rate 1000 --records 20000")]
    Latency(latency::Latency),
}

impl BenchCommand {
    /// Does what was asked.
    pub(crate) fn run(self) -> anyhow::Result<()> {
        match self {
            Self::Produce(args) => args.run(),
            Self::Consume(args) => args.run(),
            Self::Latency(args) => args.run(),
        }
    }
}
