//! The commands of development, one line a subcommand. What each does lives in its own module.
#![allow(
    clippy::disallowed_methods,
    reason = "these commands run against the real machine: its clock, its files, its processes"
)]
#![allow(clippy::print_stdout, reason = "a command's result belongs on stdout")]

mod avro_judge;
mod bench;
mod broker;
mod cache;
mod clients;
mod codegen;
mod crash;
mod diff;
mod exactly_once;
mod flink_diff;
mod history;
mod http_client;
mod kafka_client;
mod kafka_rig;
mod levada_rig;
mod process;
mod streams;
mod tidy;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The commands of Levada's development")]
struct Xtask {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Writes the protocol crate's messages anew from their schema
    Codegen,
    /// Runs Apache Kafka 4.3.1, one KRaft node from its jars, until interrupted
    Kafka(kafka_rig::Args),
    /// Runs real Kafka clients, each against a fresh broker, and prints how they fared
    Clients(clients::Args),
    /// Judges a history of sends and reads that was kept in a file
    History(history::Args),
    /// Measures Levada and Apache Kafka under the same load, or the registry, or SQL beside Apache Flink, and writes a
    /// page
    Bench(bench::Args),
    /// Hurts a broker under load in every way this machine allows, and judges what its clients saw
    Crash(crash::Args),
    /// Kills programs that copy records in transactions, and their broker, which runs statements of SQL, too, and
    /// counts what came
    ExactlyOnce(exactly_once::Args),
    /// Kills topologies of Kafka Streams, and their broker, and compares what they tell with an undisturbed Kafka
    Streams(streams::Args),
    /// Asks Apache Kafka and Levada the same things and compares what they answer, field by field
    Diff(diff::Args),
    /// Asks Apache Flink and our streaming SQL the same queries and compares the rows that they come to
    FlinkDiff(flink_diff::Args),
    /// Judges random pairs of Avro schemas beside Apache Avro's own Java, and keeps its verdicts for the tests
    AvroJudge(avro_judge::Args),
    /// Checks the rules of the house that neither the compiler nor clippy hold
    Tidy,
}

fn main() -> anyhow::Result<()> {
    match Xtask::parse().command {
        Command::Codegen => codegen::run(),
        Command::Kafka(args) => kafka_rig::run(&args),
        Command::Clients(args) => clients::run(&args),
        Command::History(args) => history::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Crash(args) => crash::run(&args),
        Command::ExactlyOnce(args) => exactly_once::run(&args),
        Command::Streams(args) => streams::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::FlinkDiff(args) => flink_diff::run(&args),
        Command::AvroJudge(args) => avro_judge::run(&args),
        Command::Tidy => tidy::run(),
    }
}
