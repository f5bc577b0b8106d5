//! `cargo xtask flink-diff`: small queries over the same events on Apache Flink and on our operators, and the rows that
//! each comes to in the end, compared. What only one of them runs is told, and is no difference.

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
/// What a line begins with where a query is not run.
const ERROR: &str = "error\t";

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
    /// Only one side runs it; this is what the other says.
    OursRefuses(String),
    FlinkRefuses(String),
    BothRefuse,
}

/// Compares, tells, and fails where there is a difference.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cases = cases(args)?;
    let flink = Flink::fetch(&Cache::open()?, args.events)?;
    let levada = match &args.levada {
        Some(path) => path.canonicalize()?,
        None => levada_rig::build_named(PACKAGE, &["--workspace", "--bin", PACKAGE])?,
    };
    let scratch = tempfile::Builder::new().prefix("levada-flink-diff-").tempdir()?;
    let (folder, tables) = (scratch.path(), Path::new(FOLDER).join("tables.sql"));
    let data = folder.join("events.bin");
    events::write(args.events, args.seed, &mut BufWriter::new(fs::File::create(&data)?))?;
    let out = folder.join("flink");
    fs::create_dir_all(&out)?;
    let mut command = flink.command("Diff");
    command.arg(&data).arg(&tables).arg(folder.join("checkpoints")).arg(&out).args(&cases);
    finished("flink", &mut command, folder)?;
    let mut differences = 0;
    for case in &cases {
        let name = case.file_stem().context("a case has a name")?.to_string_lossy();
        let theirs = fs::read_to_string(out.join(format!("{name}.rows")))?;
        let mut command = Command::new(&levada);
        command.arg("--rows").arg("--events").arg(&data).arg("--tables").arg(&tables).arg("--query").arg(case);
        command.arg("--snapshot").arg(folder.join("snapshot"));
        let ours = finished("levada", &mut command, folder)?;
        let query = fs::read_to_string(case)?;
        let verdict = verdict(&ours, &theirs);
        match query.strip_prefix(KNOWN).and_then(|query| query.lines().next()) {
            Some(why) if matches!(verdict, Verdict::Differs { .. }) => println!("{name:<28} differs: {why}"),
            known => {
                // One that is said to differ and does not is a mistake, too.
                differences += u32::from(known.is_some() || matches!(verdict, Verdict::Differs { .. }));
                tell(&name, &verdict);
            }
        }
    }
    println!("{} queries, {differences} differences", cases.len());
    ensure!(differences == 0, "we and Flink disagree (seed {})", args.seed);
    Ok(())
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
    ensure!(!found.is_empty(), "no query in `{}` is called so", args.cases.display());
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
    match (ours.strip_prefix(ERROR), theirs.strip_prefix(ERROR)) {
        (Some(_), Some(_)) => return Verdict::BothRefuse,
        (Some(why), None) => return Verdict::OursRefuses(why.trim().to_owned()),
        (None, Some(why)) => return Verdict::FlinkRefuses(why.trim().to_owned()),
        (None, None) => {}
    }
    let (ours, theirs): (BTreeSet<&str>, BTreeSet<&str>) = (ours.lines().collect(), theirs.lines().collect());
    if ours == theirs {
        return Verdict::Same { rows: ours.len() };
    }
    let only = |some: &BTreeSet<&str>, others: &BTreeSet<&str>| -> Vec<String> {
        some.difference(others).map(|line| (*line).to_owned()).collect()
    };
    Verdict::Differs { ours: only(&ours, &theirs), theirs: only(&theirs, &ours) }
}

fn tell(name: &str, verdict: &Verdict) {
    match verdict {
        Verdict::Same { rows } => println!("{name:<28} the same, {rows} rows"),
        Verdict::OursRefuses(why) => println!("{name:<28} refused by us: {why}"),
        Verdict::FlinkRefuses(why) => println!("{name:<28} REFUSED BY FLINK ONLY: {why}"),
        Verdict::BothRefuse => println!("{name:<28} refused by both"),
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
    fn what_only_one_side_runs_is_no_difference() {
        assert_eq!(verdict("error\tno\n", "1\ta|\n"), Verdict::OursRefuses("no".to_owned()));
        assert_eq!(verdict("1\ta|\n", "error\tno\n"), Verdict::FlinkRefuses("no".to_owned()));
        assert_eq!(verdict("error\tno\n", "error\tnein\n"), Verdict::BothRefuse);
    }
}
