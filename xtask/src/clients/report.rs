//! How results are shown: a line as each client ends, the table, and the three sections of
//! `docs/compatibility.md` between their markers. What the other parts of that file say is theirs.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::story::{Judged, Status, Told};

/// A part of the file that is written as a whole.
struct Section {
    begin: &'static str,
    end: &'static str,
    opening: &'static str,
}

const BROKER: Section = Section {
    begin: "<!-- clients: begin, written by `cargo xtask clients --write-docs` -->",
    end: "<!-- clients: end -->",
    opening: "## Clients\n\nEach client ran the steps of [its story](../clients/README.md), unmodified, against a freshly \
              started\nLevada. A step is not applicable where the library has no way to do it.",
};

const REGISTRY: Section = Section {
    begin: "<!-- registry clients: begin, written by `cargo xtask clients --write-docs` -->",
    end: "<!-- registry clients: end -->",
    opening: "## Clients of the schema registry\n\nThe same for clients and serializers that speak Confluent Schema \
              Registry's API, each telling\n[its story](../clients/README.md#the-story-of-schemas).",
};

const SQL: Section = Section {
    begin: "<!-- SQL clients: begin, written by `cargo xtask clients --write-docs` -->",
    end: "<!-- SQL clients: end -->",
    opening: "## Clients of PostgreSQL\n\nThe same for clients that speak PostgreSQL's protocol to Levada's SQL, each \
              telling\n[its story](../clients/README.md#the-story-of-postgresqls-clients).",
};

impl Section {
    const fn about(judged: Judged) -> Self {
        match judged {
            Judged::Broker => BROKER,
            Judged::Registry => REGISTRY,
            Judged::Sql => SQL,
        }
    }
}

/// What became of one client.
pub(crate) struct Row {
    pub(crate) client: &'static str,
    pub(crate) judged: Judged,
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
    let mut text = format!("{:<26} {:<28} {:<9} failed\n", "client", "version", "passed");
    for row in rows {
        let [version, passed, _, failed] = row.cells();
        text.push_str(format!("{:<26} {version:<28} {passed:<9} {failed}", row.client).trim_end());
        text.push('\n');
    }
    text
}

/// Writes the section about `judged` into the file, which is created where it is missing.
pub(crate) fn write_docs(path: &Path, judged: Judged, rows: &[Row]) -> Result<()> {
    let old = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => "# Compatibility\n".to_owned(),
        Err(error) => return Err(error).with_context(|| format!("cannot read `{}`", path.display())),
    };
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let section = Section::about(judged);
    let rows = rows.iter().filter(|row| row.judged == judged);
    fs::write(path, section.put_into(&old, &section.text(rows)?))
        .with_context(|| format!("cannot write `{}`", path.display()))
}

impl Section {
    fn text<'a>(&self, rows: impl Iterator<Item = &'a Row>) -> Result<String> {
        let Self { begin, end, opening } = self;
        let mut text = format!(
            "{begin}\n{opening}\n\n\
             | client | version | steps passed | not applicable | failed |\n|---|---|---|---|---|\n"
        );
        for row in rows {
            let [version, passed, not_applicable, failed] = row.cells();
            writeln!(text, "| {} | {version} | {passed} | {not_applicable} | {failed} |", row.client)?;
        }
        writeln!(text, "{end}")?;
        Ok(text)
    }

    /// Puts `written` where the markers are, or at the end.
    fn put_into(&self, old: &str, written: &str) -> String {
        let marked = old.find(self.begin).and_then(|begin| {
            let end = begin + old.get(begin..)?.find(self.end)? + self.end.len();
            Some((old.get(..begin)?, old.get(end..)?.trim_start_matches('\n')))
        });
        match marked {
            Some((before, "")) => format!("{before}{written}"),
            Some((before, after)) => format!("{before}{written}\n{after}"),
            None => format!("{}\n\n{written}", old.trim_end()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_the_markers_is_written() {
        let Section { begin, end, .. } = BROKER;
        let first = format!("{begin}\none\n{end}\n");
        let second = format!("{begin}\ntwo\n{end}\n");
        let fresh = BROKER.put_into("# Compatibility\n", &first);
        assert_eq!(fresh, format!("# Compatibility\n\n{first}"));
        assert_eq!(BROKER.put_into(&fresh, &second), format!("# Compatibility\n\n{second}"));
        let around = format!("before\n{first}\nafter\n");
        assert_eq!(BROKER.put_into(&around, &second), format!("before\n{second}\nafter\n"));
    }

    #[test]
    fn the_two_sections_are_written_apart() {
        let row = |client, judged| Row { client, judged, outcome: Outcome::NotRun("why".to_owned()) };
        let rows = [row("kcat", Judged::Broker), row("franz-go-sr", Judged::Registry)];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compatibility.md");
        let read = || fs::read_to_string(&path).unwrap();
        write_docs(&path, Judged::Broker, &rows).unwrap();
        assert!(read().contains("| kcat |") && !read().contains("| franz-go-sr |"));
        write_docs(&path, Judged::Registry, &rows).unwrap();
        let both = read();
        assert!(both.find("| kcat |") < both.find("## Clients of the schema registry"));
        assert!(both.contains("| franz-go-sr | – | not run |"));
        write_docs(&path, Judged::Broker, &rows).unwrap();
        assert_eq!(read(), both);
    }

    #[test]
    fn a_missing_runtime_is_not_run_and_not_passed() {
        let outcome = Outcome::NotRun("not on this machine: kcat".to_owned());
        let row = Row { client: "kcat", judged: Judged::Broker, outcome };
        let [_, passed, ..] = row.cells();
        assert_eq!(passed, "not run");
        assert!(table(&[row]).contains("not run"));
    }
}
