//! `cargo xtask crash`: hurts a real broker under load, starts it again, reads everything and judges
//! the history. What cannot run here is named as not run; what was planted must be found.

mod build;
mod course;
mod registrations;
mod report;
mod scenarios;
mod strace;
mod transactions;
mod volume;
mod workload;

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail, ensure};
use clap::ValueEnum;

use crate::broker::Recipe;
use crate::cache::Cache;
use crate::kafka_rig::Jars;
use report::{Format, Report};
use scenarios::Fault;

/// Options of `xtask crash`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Fewer rounds of each fault: four minutes in all
    #[arg(long)]
    quick: bool,
    /// Decides every random choice; by default another one each time
    #[arg(long)]
    seed: Option<u64>,
    /// The broker to hurt, instead of one that is built here; it must have the feature `fault-injection`
    #[arg(long, value_name = "PATH", conflicts_with = "planted")]
    levada: Option<PathBuf>,
    /// Kills Apache Kafka instead, whose word the test's clients and judge must take
    #[arg(long, conflicts_with_all = ["planted", "levada"])]
    apache: bool,
    /// Only these faults
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Fault>,
    /// Builds a bug into the broker, which must be found
    #[arg(long, value_enum)]
    planted: Option<Planted>,
    /// Fails where a fault that this machine can make did not run
    #[arg(long)]
    ci: bool,
    /// Where brokers keep their data while they are hurt [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// How the result is printed
    #[arg(long, value_enum, default_value_t = Format::Table)]
    output: Format,
}

/// A bug that can be built in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Planted {
    /// Produce is answered before the journal is synced
    AckBeforeSync,
    /// Recovery does not write anew what lay above the checkpoint
    SkipTailRewrite,
}

impl Planted {
    /// The feature of the binary that plants it.
    fn feature(self) -> &'static str {
        match self {
            Self::AckBeforeSync => "plant-ack-before-sync",
            Self::SkipTailRewrite => "plant-skip-tail-rewrite",
        }
    }

    /// The faults under which it shows.
    fn faults(self) -> Vec<Fault> {
        match self {
            Self::AckBeforeSync => vec![Fault::PowerCut],
            Self::SkipTailRewrite => vec![Fault::LostFlush],
        }
    }
}

/// Hurts the broker in every way that this machine allows.
pub(crate) fn run(args: &Args) -> Result<()> {
    let seed = match args.seed {
        Some(seed) => seed,
        None => u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos()),
    };
    let folder = match &args.folder {
        Some(folder) => tempfile::Builder::new().prefix("levada-crash-").tempdir_in(folder)?,
        None => tempfile::Builder::new().prefix("levada-crash-").tempdir()?,
    };
    let recipe = match &args.levada {
        _ if args.apache => Recipe::Kafka(Jars::fetch(&Cache::open()?)?),
        Some(path) => Recipe::Levada(path.clone()),
        None => Recipe::Levada(build::levada(folder.path(), args.planted)?),
    };
    let faults = match (&args.planted, args.only.as_slice()) {
        (Some(planted), []) => planted.faults(),
        (None, []) if args.apache => vec![Fault::Kill, Fault::Transactions],
        (None, []) => Fault::value_variants().to_vec(),
        (_, only) => only.to_vec(),
    };
    let stage = scenarios::Stage { recipe, folder: folder.path().to_owned(), seed, quick: args.quick };
    let mut report = Report::new(seed, args.output);
    for fault in faults {
        report.begin(fault);
        let row = fault.run(&stage);
        report.add(fault, row)?;
    }
    report.print()?;
    judge(args, &report)
}

fn judge(args: &Args, report: &Report) -> Result<()> {
    if let Some(planted) = args.planted {
        bail_unless_found(report, planted)?;
        return Ok(());
    }
    ensure!(report.red() == 0, "{} of the faults broke a promise", report.red());
    if args.ci {
        let missing = report.missing_though_possible();
        ensure!(missing.is_empty(), "not run, though this machine should: {}", missing.join(", "));
    }
    Ok(())
}

/// With a planted bug, red is what is expected, and it still exits red: the caller wants to see it.
fn bail_unless_found(report: &Report, planted: Planted) -> Result<()> {
    match report.red() {
        0 => bail!("the planted bug `{}` was NOT found", planted.feature()),
        red => bail!("{red} of the faults found the planted bug `{}`", planted.feature()),
    }
}
