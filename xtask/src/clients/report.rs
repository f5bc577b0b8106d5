//! How results are shown: a line as each client ends, the table, and the clients section of
//! `docs/compatibility.md` between its two markers. What the other parts of that file say is theirs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::story::{Status, Told};

const BEGIN: &str = "<!-- clients: begin, written by `cargo xtask clients --write-docs` -->";
const END: &str = "<!-- clients: end -->";

/// What became of one client.
pub(crate) struct Row {
    pub(crate) client: &'static str,
    pub(crate) outcome: Outcome,
}

/// How far a client came.
pub(crate) enum Outcome {
    /// It told its story.
    Told(Told),
    /// A program that it needs is missing here.
    NotRun(String),
    /// It could not be installed or started, or the broker could not.
    Broken(String),
}

impl Row {
    /// Whether this row fails the run.
    pub(crate) fn failed(&self) -> bool {
        match &self.outcome {
            Outcome::Told(told) => told.failed(),
            Outcome::NotRun(_) => false,
            Outcome::Broken(_) => true,
        }
    }

    /// Version, passed, not applicable, failed.
    fn cells(&self) -> [String; 4] {
        let dash = || "–".to_owned();
        match &self.outcome {
            Outcome::Told(told) => {
                let names = |status| {
                    let steps = told.steps.iter().filter(|step| step.status == status);
                    let names: Vec<&str> = steps.map(|step| step.step.as_str()).collect();
                    if names.is_empty() { dash() } else { names.join(", ") }
                };
                [
                    told.version.clone(),
                    format!("{} of {}", told.count(Status::Pass), told.total),
                    names(Status::NotApplicable),
                    names(Status::Fail),
                ]
            }
            Outcome::NotRun(reason) => [dash(), "not run".to_owned(), dash(), reason.clone()],
            Outcome::Broken(reason) => {
                [dash(), "broken".to_owned(), dash(), reason.lines().next().unwrap_or_default().to_owned()]
            }
        }
    }
}

/// Says how one client fared, with the detail of each step that did not pass.
pub(crate) fn print_row(row: &Row) {
    match &row.outcome {
        Outcome::NotRun(reason) => println!("{}: not run: {reason}", row.client),
        Outcome::Broken(reason) => println!("{}: broken: {reason}", row.client),
        Outcome::Told(told) => {
            let passed = told.count(Status::Pass);
            println!("{} {}: {passed} of {} passed in {:.1?}", row.client, told.version, told.total, told.took);
            for step in told.steps.iter().filter(|step| step.status != Status::Pass) {
                let word = if step.status == Status::Fail { "FAIL" } else { "n/a" };
                println!("    {word} {}: {}", step.step, step.detail);
            }
        }
    }
}

/// The table for the terminal.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<16} {:<28} {:<9} failed\n", "client", "version", "passed");
    for row in rows {
        let [version, passed, _, failed] = row.cells();
        text.push_str(format!("{:<16} {version:<28} {passed:<9} {failed}", row.client).trim_end());
        text.push('\n');
    }
    text
}

/// Writes the clients section of the file, which is created where it is missing.
pub(crate) fn write_docs(path: &Path, rows: &[Row]) -> Result<()> {
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Compatibility\n".to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    fs::write(path, replace_section(&old, &section(rows)?))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

fn section(rows: &[Row]) -> Result<String> {
    let mut text = format!(
        "{BEGIN}\n## Clients\n\nEach client ran the steps of [its story](../clients/README.md), unmodified, against a \
         freshly started\nLevada. A step is not applicable where the library has no way to do it.\n\n\
         | client | version | steps passed | not applicable | failed |\n|---|---|---|---|---|\n"
    );
    for row in rows {
        let [version, passed, not_applicable, failed] = row.cells();
        writeln!(text, "| {} | {version} | {passed} | {not_applicable} | {failed} |", row.client)?;
    }
    writeln!(text, "{END}")?;
    Ok(text)
}

/// Puts `section` where the markers are, or at the end.
fn replace_section(old: &str, section: &str) -> String {
    let marked = old.find(BEGIN).and_then(|begin| {
        let end = begin + old.get(begin..)?.find(END)? + END.len();
        Some((old.get(..begin)?, old.get(end..)?.trim_start_matches('\n')))
    });
    match marked {
        Some((before, "")) => format!("{before}{section}"),
        Some((before, after)) => format!("{before}{section}\n{after}"),
        None => format!("{}\n\n{section}", old.trim_end()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_is_written() {
        let first = format!("{BEGIN}\none\n{END}\n");
        let second = format!("{BEGIN}\ntwo\n{END}\n");
        let fresh = replace_section("# Compatibility\n", &first);
        assert_eq!(fresh, format!("# Compatibility\n\n{first}"));
        assert_eq!(replace_section(&fresh, &second), format!("# Compatibility\n\n{second}"));
        let around = format!("before\n{first}\nafter\n");
        assert_eq!(replace_section(&around, &second), format!("before\n{second}\nafter\n"));
    }

    #[test]
    fn a_missing_runtime_is_not_run_and_not_passed() {
        let row = Row { client: "kcat", outcome: Outcome::NotRun("not on this machine: kcat".to_owned()) };
        let [_, passed, ..] = row.cells();
        assert_eq!(passed, "not run");
        assert!(table(&[row]).contains("not run"));
    }
}
