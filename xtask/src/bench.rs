//! `cargo xtask bench`: Levada and Apache Kafka on this machine under the same load, in turn, round after
//! round, and what came of it in `docs/benchmarks.md`. The load itself is `bench/driver`, which speaks
//! through librdkafka.

mod cases;
mod chart;
mod compaction;
mod coordinators;
mod driver;
mod machine;
mod page;
mod pairs;
mod registry;
mod results;
mod rows;
mod scale;
pub(crate) mod sql;
mod statements;
mod systems;
mod targets;
mod topics;

use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::Result;
use tempfile::TempDir;

use crate::broker::{Broker, Recipe};
use crate::cache::Cache;
use crate::kafka_rig::Jars;
use crate::levada_rig;
use cases::{Bench, Case};
use driver::Driver;
use page::Run;
use results::Results;
use scale::Scale;
use systems::System;

/// Options of `xtask bench`.
#[derive(Debug, clap::Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// One short round of a few cases
    #[arg(long)]
    quick: bool,
    /// How many rounds; those after the first repeat what most targets are about [default: 3, or 1 with --quick]
    #[arg(long)]
    rounds: Option<u32>,
    /// Only cases whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these systems
    #[arg(long, value_enum, value_delimiter = ',')]
    systems: Vec<System>,
    /// The Levada to measure, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// Where brokers keep their data [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The page that is written; its chart lies beside it
    #[arg(long, value_name = "FILE", default_value = "docs/benchmarks.md")]
    page: PathBuf,
}

/// What else can be measured.
#[derive(Debug, clap::Subcommand)]
enum Command {
    /// Measures an old and a new Levada in pairs and writes docs/benchmarks-pairs.md
    Pairs(pairs::Args),
    /// Measures the schema registry and writes docs/benchmarks-registry.md
    Registry(registry::Args),
    /// Moves money in transactions, counts the totals that Levada and Apache Flink show meanwhile, and writes
    /// docs/benchmarks-bank.md
    Bank(topics::bank::Args),
    /// Measures streaming SQL beside Apache Flink and writes docs/benchmarks-sql.md
    #[command(long_flag = "sql")]
    Sql(sql::Args),
    /// Measures streaming SQL from topics to topics beside Apache Flink and writes docs/benchmarks-sql-topics.md
    SqlTopics(topics::Args),
    /// Measures statements of SQL on a broker and writes docs/benchmarks-statements.md
    Statements(statements::Args),
}

/// Measures what is asked for and writes its page.
pub(crate) fn run(args: &Args) -> Result<()> {
    match &args.command {
        Some(Command::Pairs(args)) => pairs::run(args),
        Some(Command::Registry(args)) => registry::run(args),
        Some(Command::Bank(args)) => topics::bank::run(args),
        Some(Command::Sql(args)) => sql::run(args),
        Some(Command::SqlTopics(args)) => topics::run(args),
        Some(Command::Statements(args)) => statements::run(args),
        None => compare(args),
    }
}

/// Measures Levada beside Apache Kafka.
fn compare(args: &Args) -> Result<()> {
    let cache = Cache::open()?;
    let driver = Driver::build(&cache)?;
    let jars = Jars::fetch(&cache)?;
    let levada = match &args.levada {
        Some(path) => path.clone(),
        None => levada_rig::build()?,
    };
    let folder = scratch(args.folder.as_deref())?;
    let systems = match args.systems.as_slice() {
        [] => System::ALL.to_vec(),
        chosen => chosen.to_vec(),
    };
    let rounds = args.rounds.unwrap_or(if args.quick { 1 } else { 3 });
    let mut results = Results::default();
    for round in 0..rounds {
        machine::probe(folder.path(), &driver, &mut results)?;
        // Who comes later finds the machine as the others left it: they take turns in that.
        for &system in systems.iter().cycle().skip(usize::try_from(round)? % systems.len()).take(systems.len()) {
            let recipe = match system {
                System::Kafka | System::KafkaFlush => Recipe::Kafka(jars.clone()),
                System::LevadaFsync | System::LevadaOs => Recipe::Levada(levada.clone()),
            };
            eprintln!("round {} of {rounds}: {}", round + 1, system.title());
            let place = folder.path().join(format!("{round}-{}", system.name()));
            let scale = Scale::of(args.quick);
            let bench = Bench { system, recipe: &recipe, driver: &driver, folder: &place, scale };
            measure(args, &bench, round, &mut results)?;
            if place.exists() {
                machine::empty(&place)?;
            }
        }
        // After each round, so that a run that is cut short has not been for nothing.
        let run = Run { systems: systems.clone(), rounds: round + 1, command: command(args), quick: args.quick };
        page::write(&args.page, &results, &run)?;
        println!("written: {}", args.page.display());
    }
    Ok(())
}

/// A folder for the brokers' data that goes when the benchmark ends.
fn scratch(folder: Option<&Path>) -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("levada-bench-");
    Ok(match folder {
        Some(folder) => builder.tempdir_in(folder)?,
        None => builder.tempdir()?,
    })
}

/// All cases of one system in one round.
fn measure(args: &Args, bench: &Bench<'_>, round: u32, results: &mut Results) -> Result<()> {
    let is_named =
        |case: &Case| args.only.is_empty() || args.only.iter().any(|part| case.name().contains(part.as_str()));
    let is_due = |case: &Case| (round == 0 || case.is_repeated()) && case.concerns(bench.system);
    let mut shared: Option<Broker> = None;
    for case in Case::all(args.quick).into_iter().filter(|case| is_named(case) && is_due(case)) {
        let begun = Instant::now();
        let folder = bench.folder.join(case.name());
        let outcome = if case.shares_broker() {
            shared_broker(bench, &mut shared).and_then(|broker| bench.on(broker, &case))
        } else {
            stop(&mut shared)?;
            bench.alone(&case, &folder)
        };
        match outcome {
            Ok(measured) => {
                let texts: Vec<String> = measured.iter().map(|(metric, value)| metric.show(*value)).collect();
                eprintln!("  {:<28} {} ({:.0} s)", case.name(), texts.join(", "), begun.elapsed().as_secs_f64());
                measured.iter().for_each(|(metric, value)| results.add(&case, bench.system, metric, *value));
            }
            Err(error) => {
                eprintln!("  {:<28} FAILED: {error:#}", case.name());
                results.fail(&case, bench.system, &format!("{error:#}"));
                // What is left of the case would stand in the way of the next.
                stop(&mut shared)?;
            }
        }
        if folder.exists() {
            machine::empty(&folder)?;
        }
    }
    stop(&mut shared)
}

/// The broker that cases share, started where it does not run.
fn shared_broker<'a>(bench: &Bench<'_>, shared: &'a mut Option<Broker>) -> Result<&'a Broker> {
    let broker = match shared.take() {
        Some(broker) => broker,
        None => {
            let folder = bench.folder.join("shared");
            if folder.exists() {
                std::fs::remove_dir_all(&folder)?;
            }
            let broker = bench.recipe.start(&folder)?;
            bench.warm_up(&broker)?;
            broker
        }
    };
    Ok(shared.insert(broker))
}

fn stop(shared: &mut Option<Broker>) -> Result<()> {
    if let Some(mut broker) = shared.take() {
        broker.kill()?;
    }
    Ok(())
}

fn command(args: &Args) -> String {
    let mut text = "cargo xtask bench".to_owned();
    if args.quick {
        text.push_str(" --quick");
    }
    if let Some(rounds) = args.rounds {
        text.push_str(&format!(" --rounds {rounds}"));
    }
    if !args.systems.is_empty() {
        let names: Vec<&str> = args.systems.iter().map(|system| system.name()).collect();
        text.push_str(&format!(" --systems {}", names.join(",")));
    }
    if !args.only.is_empty() {
        text.push_str(&format!(" --only={}", args.only.join(",")));
    }
    text
}
