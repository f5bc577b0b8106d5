//! `cargo xtask bench pairs`: an old and a new Levada under the same loads, one right after the other, pair after
//! pair, so that what the machine does by itself meets both alike. What counts is what each pair's ratio says.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::cases::{Bench, Case, Compression, Load};
use super::driver::Driver;
use super::results::{Metric, median};
use super::scale::Scale;
use super::systems::System;
use super::{machine, scratch};
use crate::broker::Recipe;
use crate::cache::Cache;
use crate::levada_rig;

/// How much more of the processors the new one may take.
const CPU_RATIO_MAX: f64 = 1.05;
/// The clock of processes ticks a hundred times a second: what takes little is repeated until that does not matter.
const CONSUME_PASSES: u32 = 6;

/// Options of `xtask bench pairs`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The Levada that the other is held to
    #[arg(long, value_name = "PATH")]
    old: PathBuf,
    /// The Levada that is judged, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    new: Option<PathBuf>,
    /// What the page calls the old one: a version, a commit
    #[arg(long, value_name = "TEXT", default_value = "an earlier build")]
    old_title: String,
    /// How often both are measured
    #[arg(long, default_value_t = 5)]
    pairs: u32,
    /// Little data, to see that it works
    #[arg(long)]
    quick: bool,
    /// Only loads whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Where brokers keep their data [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The page that is written
    #[arg(long, value_name = "FILE", default_value = "docs/benchmarks-pairs.md")]
    page: PathBuf,
}

/// What one of the two came to in one load.
#[derive(Clone, Copy, Debug)]
struct Measured {
    cpu_per_gb: f64,
    bytes_per_second: f64,
}

#[derive(Clone, Copy, Debug)]
struct Pair {
    old: Measured,
    new: Measured,
}

/// A load on a topic of one durability.
#[derive(Debug)]
struct Row {
    system: System,
    case: Case,
    pairs: Vec<Pair>,
}

/// Measures all pairs and writes the page, after each pair anew.
pub(super) fn run(args: &Args) -> Result<()> {
    ensure!(args.pairs > 0, "no pairs are nothing to judge by");
    let driver = Driver::build(&Cache::open()?)?;
    let new = match &args.new {
        Some(path) => path.clone(),
        None => levada_rig::build()?,
    };
    let (old, new) = (Recipe::Levada(args.old.clone()), Recipe::Levada(new));
    let folder = scratch(args.folder.as_deref())?;
    let is_named = |row: &Row| args.only.is_empty() || args.only.iter().any(|part| row.name().contains(part.as_str()));
    let mut rows: Vec<Row> = rows().into_iter().filter(is_named).collect();
    ensure!(!rows.is_empty(), "no load has such a name");
    let scale = Scale::of(args.quick);
    for nth in 0..args.pairs {
        for row in &mut rows {
            let measure = |recipe: &Recipe, side: &str| {
                let place = folder.path().join(format!("{nth}-{}-{side}", row.name()));
                let bench = Bench { system: row.system, recipe, driver: &driver, folder: &place, scale };
                bench.one_of_a_pair(&row.case).with_context(|| format!("{} of the {side} one", row.name()))
            };
            // Whoever comes second finds the machine as the first left it: they take turns in that.
            let pair = if nth % 2 == 0 {
                let old = measure(&old, "old")?;
                Pair { old, new: measure(&new, "new")? }
            } else {
                let new = measure(&new, "new")?;
                Pair { old: measure(&old, "old")?, new }
            };
            let (cpu, speed) = (pair.ratio(|side| side.cpu_per_gb), pair.ratio(|side| side.bytes_per_second));
            eprintln!("pair {} of {}: {:<40} CPU × {cpu:.3}, MB/s × {speed:.3}", nth + 1, args.pairs, row.name());
            row.pairs.push(pair);
        }
        write(&args.page, &rows, args, nth + 1)?;
    }
    println!("written: {}", args.page.display());
    Ok(())
}

/// What most of Levada's work goes through.
fn rows() -> Vec<Row> {
    let load =
        |batch_size, partitions| Load { record_size: 1_024, compression: Compression::None, batch_size, partitions };
    let mut rows = Vec::new();
    for system in [System::LevadaFsync, System::LevadaOs] {
        for (batch_size, partitions) in [(16 << 10, 1), (16 << 10, 100), (1 << 20, 1)] {
            rows.push(Row { system, case: Case::Produce(load(batch_size, partitions)), pairs: Vec::new() });
        }
    }
    rows.push(Row { system: System::LevadaOs, case: Case::Consume(load(16 << 10, 10)), pairs: Vec::new() });
    rows
}

impl Row {
    fn name(&self) -> String {
        format!("{}-{}", self.case.name(), self.system.name().trim_start_matches("levada-"))
    }

    fn values(&self, of: impl Fn(&Pair) -> f64) -> Vec<f64> {
        self.pairs.iter().map(of).collect()
    }

    /// The middle of the pairs' ratios is what is held to the bound.
    fn is_within(&self) -> bool {
        median(&self.values(|pair| pair.ratio(|side| side.cpu_per_gb))) <= CPU_RATIO_MAX
    }
}

impl Pair {
    /// The new one's over the old one's.
    fn ratio(&self, of: impl Fn(&Measured) -> f64) -> f64 {
        of(&self.new) / of(&self.old)
    }
}

impl Bench<'_> {
    /// Measures a load on a broker of its own, by the same number of bytes whoever it is.
    fn one_of_a_pair(&self, case: &Case) -> Result<Measured> {
        // What the one before left to be written is not to be paid for by this one.
        rustix::fs::sync();
        let mut broker = self.recipe.start(self.folder)?;
        let bytes = Some(self.scale.pairs_bytes);
        let measured = match case {
            Case::Produce(load) => {
                let produced = self.produce(&broker, "produced", load, bytes)?;
                let cpu_per_gb = produced.cpu_seconds / (produced.bytes / 1e9);
                Measured { cpu_per_gb, bytes_per_second: produced.bytes_per_second }
            }
            Case::Consume(load) => {
                let produced = self.produce(&broker, "consumed", load, bytes)?;
                let mut sum = Measured { cpu_per_gb: 0.0, bytes_per_second: 0.0 };
                for _ in 0..CONSUME_PASSES {
                    let pass = self.consume(&broker, "consumed", load, &produced)?;
                    let value = |wanted| pass.iter().find(|(metric, _)| *metric == wanted).map(|(_, value)| *value);
                    sum.cpu_per_gb += value(Metric::CpuPerGb).context("no processor time")?;
                    sum.bytes_per_second += value(Metric::Throughput).context("no throughput")?;
                }
                let passes = f64::from(CONSUME_PASSES);
                Measured { cpu_per_gb: sum.cpu_per_gb / passes, bytes_per_second: sum.bytes_per_second / passes }
            }
            _ => anyhow::bail!("`{}` is not measured in pairs", case.name()),
        };
        broker.kill()?;
        machine::empty(self.folder)?;
        Ok(measured)
    }
}

fn write(path: &Path, rows: &[Row], args: &Args, pairs: u32) -> Result<()> {
    let folder = path.parent().context("the page has no folder")?;
    fs::create_dir_all(folder)?;
    let mut page = String::from("# Old and new\n\n");
    writeln!(
        page,
        "This tree's Levada (new) and {} (old) under the same loads, {pairs} pair{}: the same number of bytes goes \
         through one, right after that through the other, each on a fresh directory; who is first changes from pair \
         to pair, and what is still to be written is synced between them. Each pair gives a ratio, new over old. \
         Shown are medians, with the lowest and the highest in parentheses; processor time is the broker's, user and \
         system. The bound is on the median ratio of processor time: at most {CPU_RATIO_MAX}.\n\nWritten by:\n\n\
         ```\ncargo xtask bench pairs --old OLD --pairs {}{}{}\n```\n",
        args.old_title,
        if pairs == 1 { "" } else { "s" },
        args.pairs,
        if args.quick { " --quick" } else { "" },
        if args.only.is_empty() { String::new() } else { format!(" --only {}", args.only.join(",")) },
    )?;
    writeln!(page, "| | |\n|---|---|")?;
    for (name, value) in machine::describe(folder)? {
        writeln!(page, "| {name} | {value} |")?;
    }
    writeln!(
        page,
        "\n| load | old: CPU s/GB | new: CPU s/GB | CPU, new over old | | old: MB/s | new: MB/s | MB/s, new over old |\n\
         |---|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        let cpu = |of: fn(&Pair) -> Measured| median(&row.values(|pair| of(pair).cpu_per_gb));
        let speed = |of: fn(&Pair) -> Measured| median(&row.values(|pair| of(pair).bytes_per_second)) / 1e6;
        writeln!(
            page,
            "| {} | {:.2} | {:.2} | {} | {} | {:.0} | {:.0} | {} |",
            row.name(),
            cpu(|pair| pair.old),
            cpu(|pair| pair.new),
            spread(&row.values(|pair| pair.ratio(|side| side.cpu_per_gb))),
            if row.is_within() { "within" } else { "**over**" },
            speed(|pair| pair.old),
            speed(|pair| pair.new),
            spread(&row.values(|pair| pair.ratio(|side| side.bytes_per_second))),
        )?;
    }
    let over: Vec<String> = rows.iter().filter(|row| !row.is_within()).map(Row::name).collect();
    let verdict = match over.as_slice() {
        [] => "All loads are within the bound.".to_owned(),
        names => format!("Over the bound: {}.", names.join(", ")),
    };
    writeln!(page, "\n{verdict}")?;
    fs::write(path, page)?;
    Ok(())
}

/// The median, with the lowest and the highest where there are several.
fn spread(ratios: &[f64]) -> String {
    let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
    let high = ratios.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match ratios.len() {
        1 => format!("{:.3}", median(ratios)),
        _ => format!("{:.3} ({low:.3}–{high:.3})", median(ratios)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(cpu: &[(f64, f64)]) -> Row {
        let side = |cpu_per_gb| Measured { cpu_per_gb, bytes_per_second: 1e8 };
        let pairs = cpu.iter().map(|&(old, new)| Pair { old: side(old), new: side(new) }).collect();
        Row { pairs, ..rows().remove(0) }
    }

    #[test]
    fn a_load_is_judged_by_its_pairs_and_not_by_the_medians_of_both() {
        // The machine became slower and slower, for both alike: the ratios do not know.
        let drifting = row(&[(1.0, 1.04), (2.0, 2.08), (4.0, 4.16)]);
        assert!(drifting.is_within());
        assert_eq!(spread(&drifting.values(|pair| pair.ratio(|side| side.cpu_per_gb))), "1.040 (1.040–1.040)");
    }

    #[test]
    fn one_bad_pair_is_not_a_verdict_and_two_of_three_are() {
        assert!(row(&[(1.0, 1.0), (1.0, 1.5), (1.0, 1.01)]).is_within());
        assert!(!row(&[(1.0, 1.06), (1.0, 1.5), (1.0, 1.01)]).is_within());
    }

    #[test]
    fn loads_can_be_told_apart_by_their_names() {
        let names: Vec<String> = rows().iter().map(Row::name).collect();
        assert_eq!(names.first().unwrap(), "produce-1024B-none-16KiB-1p-fsync");
        assert_eq!(names.last().unwrap(), "consume-1024B-none-16KiB-10p-os");
        let distinct: std::collections::BTreeSet<&String> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }
}
