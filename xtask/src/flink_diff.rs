//! `cargo xtask flink-diff`: small queries over the same events on Apache Flink and on our operators, and the rows that
//! each comes to in the end, compared. What only one of them runs is told, and is no difference.

mod matrix;

use std::collections::BTreeSet;
use std::fs;
use std::io::BufWriter;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, ensure};

use crate::bench::sql::{Flink, events};
use crate::cache::Cache;
use crate::levada_rig;
use crate::process::{Process, tail};

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/sql");
const PACKAGE: &str = "levada-sql-bench";
const RUN_LIMIT: Duration = Duration::from_secs(1_800);
/// Rows that are told of a difference, of each side.
const TOLD_MAX: usize = 5;
/// What a query begins with whose rows are known to differ, and why.
const KNOWN: &str = "-- differs: ";
/// What a query begins with that we refuse, and why.
const REFUSED: &str = "-- refused: ";
/// What a line begins with where a query is not run, and where its run ends too early.
const ERROR: &str = "error\t";
const FAILED: &str = "failed\t";

/// Options of `xtask flink-diff`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many events the queries are over
    #[arg(long, default_value_t = 30_000)]
    events: u64,
    /// What they come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the queries are, `NAME.sql` each
    #[arg(long, value_name = "DIR", default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../bench/sql/cases"))]
    cases: PathBuf,
    /// Only queries whose name contains one of these
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// The `levada-sql-bench` to ask, instead of a build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
}

/// How the two sides compare.
#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    Same {
        rows: usize,
    },
    Differs {
        ours: Vec<String>,
        theirs: Vec<String>,
    },
    /// We do not run it, and Flink does.
    OursRefuses(String),
    /// A side came to no answer, though the other did or might have.
    Broken(String),
}

/// What a case says of itself in its first line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Said<'a> {
    Nothing,
    /// That rows differ, and why.
    Differs(&'a str),
    /// That we refuse it, and why.
    Refused(&'a str),
}

impl<'a> Said<'a> {
    fn of(query: &'a str) -> Self {
        let line = query.lines().next().unwrap_or_default();
        let differs = line.strip_prefix(KNOWN).map(Self::Differs);
        differs.or_else(|| line.strip_prefix(REFUSED).map(Self::Refused)).unwrap_or(Self::Nothing)
    }

    /// Whether that is how it is: one that is said to differ and does not is a mistake, too.
    const fn holds(self, verdict: &Verdict) -> bool {
        matches!(
            (self, verdict),
            (Self::Nothing, Verdict::Same { .. })
                | (Self::Differs(_), Verdict::Differs { .. })
                | (Self::Refused(_), Verdict::OursRefuses(_))
        )
    }
}

/// Compares, tells, and fails where there is a difference.
pub(crate) fn run(args: &Args) -> Result<()> {
    let flink = Flink::fetch(&Cache::open()?, args.events)?;
    let scratch = tempfile::Builder::new().prefix("levada-flink-diff-").tempdir()?;
    let (cells, cell_differences) = matrix::run(&flink, &args.only, scratch.path())?;
    println!("{cells} cells of the matrix, {cell_differences} differences");
    let cases = cases(args)?;
    ensure!(cells + cases.len() > 0, "no query in `{}` is called so", args.cases.display());
    let differences = if cases.is_empty() { 0 } else { compare(args, &cases, &flink, scratch.path())? };
    ensure!(cell_differences + differences == 0, "we and Flink disagree (seed {})", args.seed);
    Ok(())
}

/// Runs the queries over events on both sides, and answers how many differ.
fn compare(args: &Args, cases: &[PathBuf], flink: &Flink, folder: &Path) -> Result<usize> {
    let levada = match &args.levada {
        Some(path) => path.canonicalize()?,
        None => levada_rig::build_named(PACKAGE, &["--workspace", "--bin", PACKAGE])?,
    };
    let tables = Path::new(FOLDER).join("tables.sql");
    let data = folder.join("events.bin");
    events::write(args.events, args.seed, &mut BufWriter::new(fs::File::create(&data)?))?;
    let out = folder.join("flink");
    fs::create_dir_all(&out)?;
    let mut command = flink.command("Diff");
    command.arg(&data).arg(&tables).arg(folder.join("checkpoints")).arg(&out).args(cases);
    finished("flink", &mut command, folder)?;
    let mut differences = 0;
    for case in cases {
        let name = case.file_stem().context("a case has a name")?.to_string_lossy();
        let theirs = fs::read_to_string(out.join(format!("{name}.rows")))?;
        let mut command = Command::new(&levada);
        command.arg("--rows").arg("--events").arg(&data).arg("--tables").arg(&tables).arg("--query").arg(case);
        command.arg("--snapshot").arg(folder.join("snapshot"));
        let ours = finished("levada", &mut command, folder)?;
        let query = fs::read_to_string(case)?;
        let (said, verdict) = (Said::of(&query), verdict(&ours, &theirs));
        differences += usize::from(!said.holds(&verdict));
        match said {
            Said::Differs(why) if said.holds(&verdict) => println!("{name:<28} differs: {why}"),
            Said::Refused(why) if said.holds(&verdict) => println!("{name:<28} refused by us: {why}"),
            _ => tell(&name, &verdict),
        }
    }
    println!("{} queries, {differences} differences", cases.len());
    Ok(differences)
}

fn cases(args: &Args) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(&args.cases).with_context(|| format!("no folder `{}`", args.cases.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_named = args.only.is_empty() || args.only.iter().any(|part| name.contains(part.as_str()));
        if name.ends_with(".sql") && is_named {
            found.push(path);
        }
    }
    found.sort();
    Ok(found)
}

/// Runs a program to its end and answers what it printed.
fn finished(name: &str, command: &mut Command, folder: &Path) -> Result<String> {
    let (out, log) = (folder.join("out"), folder.join(format!("{name}.log")));
    command.stdout(fs::File::create(&out)?).stderr(fs::File::create(&log)?);
    let status = Process::spawn(name, command)?.wait(RUN_LIMIT)?;
    ensure!(status.success(), "{name}: {status}\n{}", tail(&log, 20));
    Ok(fs::read_to_string(&out)?)
}

fn verdict(ours: &str, theirs: &str) -> Verdict {
    if let Some(why) = theirs.strip_prefix(ERROR) {
        return Verdict::Broken(format!("Flink has no answer: {}", why.trim()));
    }
    if let Some(why) = ours.strip_prefix(FAILED) {
        return Verdict::Broken(format!("we have no answer: {}", why.trim()));
    }
    if let Some(why) = ours.strip_prefix(ERROR) {
        return Verdict::OursRefuses(why.trim().to_owned());
    }
    // A row stands there once, with how often it is there.
    let sorted = |text: &'_ str| -> Vec<String> {
        let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    if sorted(ours) == sorted(theirs) {
        return Verdict::Same { rows: ours.lines().count() };
    }
    let (ours, theirs): (BTreeSet<&str>, BTreeSet<&str>) = (ours.lines().collect(), theirs.lines().collect());
    let only = |some: &BTreeSet<&str>, others: &BTreeSet<&str>| -> Vec<String> {
        some.difference(others).map(|line| (*line).to_owned()).collect()
    };
    Verdict::Differs { ours: only(&ours, &theirs), theirs: only(&theirs, &ours) }
}

fn tell(name: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Same { rows } => println!("{name:<28} the same, {rows} rows"),
        Verdict::OursRefuses(why) => println!("{name:<28} REFUSED BY US: {why}"),
        Verdict::Broken(why) => println!("{name:<28} BROKEN: {why}"),
        Verdict::Differs { ours, theirs } => {
            println!("{name:<28} DIFFERENT: {} rows are only ours, {} only Flink's", ours.len(), theirs.len());
            ours.iter().take(TOLD_MAX).for_each(|row| println!("  ours  {row}"));
            theirs.iter().take(TOLD_MAX).for_each(|row| println!("  flink {row}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_compared_whatever_their_order() {
        assert_eq!(verdict("1\ta|\n2\tb|\n", "2\tb|\n1\ta|\n"), Verdict::Same { rows: 2 });
        let different = Verdict::Differs { ours: vec!["1\tb|".to_owned()], theirs: vec!["2\tb|".to_owned()] };
        assert_eq!(verdict("1\ta|\n1\tb|\n", "1\ta|\n2\tb|\n"), different);
    }

    #[test]
    fn only_what_is_said_beforehand_may_be_otherwise() {
        let refused = verdict("error\tno\n", "1\ta|\n");
        assert_eq!(refused, Verdict::OursRefuses("no".to_owned()));
        let same = verdict("1\ta|\n", "1\ta|\n");
        let different = verdict("1\ta|\n1\ta|\n", "1\ta|\n");
        assert!(matches!(different, Verdict::Differs { .. }), "a row that stands there twice is another answer");
        for (query, right) in [("SELECT 1", &same), ("-- differs: so\n", &different), ("-- refused: so\n", &refused)] {
            let said = Said::of(query);
            let held: Vec<_> =
                [&same, &different, &refused].into_iter().filter(|verdict| said.holds(verdict)).collect();
            assert_eq!(held, [right], "{query}");
        }
        for broken in [verdict("failed\tno\n", "1\ta|\n"), verdict("error\tno\n", "error\tnein\n")] {
            assert!(matches!(broken, Verdict::Broken(_)), "{broken:?}");
            assert!(!Said::of("-- refused: so").holds(&broken));
        }
    }
}
