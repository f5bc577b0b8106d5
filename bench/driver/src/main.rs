//! The load of Levada's benchmark: one measurement a run, one line of JSON on stdout. It speaks through
//! librdkafka, so that every broker meets the same client. Brokers and topics are the caller's.

mod broker_cpu;
mod consume;
mod floor;
mod groups;
mod latency;
mod payload;
mod percentiles;
mod produce;
mod sessions;
mod steady;
mod transact;
mod wire;

use clap::Parser;

#[derive(Parser)]
enum Driver {
    /// Produces for a while and counts what is acknowledged
    Produce(produce::Args),
    /// Consumes a topic from its beginning
    Consume(consume::Args),
    /// Sends at a steady rate and times each record from send to receipt
    Latency(latency::Args),
    /// Produces in transactions and times each commit
    Transact(transact::Args),
    /// Sends at a steady rate until it is told to end, and times each acknowledgement
    Steady(steady::Args),
    /// Commits offsets of many groups
    Groups(groups::Args),
    /// Fetches many partitions in sessions, of which few have anything new
    Sessions(sessions::Args),
    /// What the machine needs at least: receive, checksum and write
    Floor(floor::Args),
}

fn main() -> anyhow::Result<()> {
    let result = match Driver::parse() {
        Driver::Produce(args) => produce::run(&args)?,
        Driver::Consume(args) => consume::run(&args)?,
        Driver::Latency(args) => latency::run(&args)?,
        Driver::Transact(args) => transact::run(&args)?,
        Driver::Steady(args) => steady::run(&args)?,
        Driver::Groups(args) => groups::run(&args)?,
        Driver::Sessions(args) => sessions::run(&args)?,
        Driver::Floor(args) => floor::run(&args)?,
    };
    println!("{result}");
    Ok(())
}
