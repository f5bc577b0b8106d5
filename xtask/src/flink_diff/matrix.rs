//! The matrix of operators, inputs and data: what a broker comes to, as the tests have it, beside what Flink comes to.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value};

use super::{ERROR, Verdict, finished, tell, verdict};
use crate::bench::sql::Flink;

const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../crates/levada-sql-server/tests/matrix");
/// What a line of `expected` begins with where we refuse a query.
const REFUSED: &str = "refused: ";
/// Cells that are known to differ, and why.
const DIFFERENCES: &str = "differences.txt";
/// What the reason begins with where Flink's rows depend on which table is read sooner.
const SOMETIMES: &str = "sometimes ";

/// Compares all cells whose operator's name contains one of `only`; answers how many there are, and how many differ.
pub(super) fn run(flink: &Flink, only: &[String], folder: &Path) -> Result<(usize, usize)> {
    let out = folder.join("matrix");
    fs::create_dir_all(&out)?;
    let mut command = flink.command("Matrix");
    command.arg(FOLDER).arg(folder.join("checkpoints")).arg(&out).args(only);
    finished("flink", &mut command, folder)?;
    let known = known(&fs::read_to_string(Path::new(FOLDER).join(DIFFERENCES))?)?;
    let (mut cells, mut differences) = (0, 0);
    for (page, results) in pages()? {
        for (operator, ours) in results {
            if !only.is_empty() && !only.iter().any(|part| operator.contains(part.as_str())) {
                continue;
            }
            let cell = format!("{page}-{operator}");
            let theirs = fs::read_to_string(out.join(format!("{cell}.rows")))?;
            let (verdict, known) = (judged(&ours, &theirs), reason(&known, &cell));
            let holds = match &verdict {
                Verdict::Same { .. } => known.is_none_or(|why| why.starts_with(SOMETIMES)),
                Verdict::Differs { .. } | Verdict::OursRefuses(_) => known.is_some(),
                Verdict::Broken(_) => known.is_some() && theirs.starts_with(ERROR),
            };
            match known {
                Some(why) if holds && !matches!(verdict, Verdict::Same { .. }) => {
                    println!("{cell:<40} differs: {why}");
                }
                _ if theirs.starts_with(ERROR) && holds => println!("{cell:<40} refused by both: {}", theirs.trim()),
                _ => tell(&cell, &verdict),
            }
            cells += 1;
            differences += usize::from(!holds);
        }
    }
    Ok((cells, differences))
}

/// Where both refuse a query they are of one mind.
fn judged(ours: &str, theirs: &str) -> Verdict {
    if ours.starts_with(ERROR) && theirs.starts_with(ERROR) {
        return Verdict::Same { rows: 0 };
    }
    verdict(ours, theirs)
}

/// Patterns of names of cells, each with a reason.
fn known(text: &str) -> Result<Vec<(String, String)>> {
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("--"));
    let split = |line: &str| {
        let (cells, why) = line.split_once(": ").with_context(|| format!("no reason in `{line}`"))?;
        Ok(cells.split(", ").map(|cell| (cell.to_owned(), why.to_owned())).collect::<Vec<_>>())
    };
    Ok(lines.map(split).collect::<Result<Vec<_>>>()?.concat())
}

fn reason<'a>(known: &'a [(String, String)], cell: &str) -> Option<&'a str> {
    let is_meant = |pattern: &str| {
        let (pattern, cell) = (pattern.split('-'), cell.split('-'));
        pattern.clone().count() == cell.clone().count() && pattern.zip(cell).all(|(part, of)| part == "*" || part == of)
    };
    known.iter().find(|(pattern, _)| is_meant(pattern)).map(|(_, why)| why.as_str())
}

/// Of each page of `expected`, by its name: the operators with their rows, as Flink's are written.
fn pages() -> Result<BTreeMap<String, Vec<(String, String)>>> {
    let mut pages = BTreeMap::new();
    for entry in fs::read_dir(Path::new(FOLDER).join("expected"))? {
        let path = entry?.path();
        let name = path.file_stem().context("a page has a name")?.to_string_lossy().into_owned();
        let text = fs::read_to_string(&path)?;
        let mut operators = Vec::new();
        for section in text.split("-- ").skip(1) {
            let (operator, lines) = section.split_once('\n').context("a section has lines")?;
            operators.push((operator.to_owned(), written(operator, lines)?));
        }
        pages.insert(name, operators);
    }
    ensure!(!pages.is_empty(), "there is nothing expected");
    Ok(pages)
}

fn written(operator: &str, lines: &str) -> Result<String> {
    if let Some(why) = lines.strip_prefix(REFUSED) {
        return Ok(format!("{ERROR}{why}"));
    }
    let query = fs::read_to_string(Path::new(FOLDER).join("operators").join(format!("{operator}.sql")))?;
    let columns =
        query.lines().next().and_then(|line| line.strip_prefix("-- ")).context("a query names its columns")?;
    let columns: Vec<&str> = columns.split(", ").collect();
    lines.lines().map(|line| row(line, &columns)).collect()
}

/// A row with how often it is there, as `Diff` writes it.
fn row(line: &str, columns: &[&str]) -> Result<String> {
    let row: Map<String, Value> = serde_json::from_str(line).with_context(|| format!("no row: {line}"))?;
    let mut text = format!("{}\t", row["times"]);
    for column in columns {
        text.push_str(&value(row.get(*column).with_context(|| format!("no column `{column}`: {line}"))?)?);
        text.push('|');
    }
    text.push('\n');
    Ok(text)
}

fn value(value: &Value) -> Result<String> {
    Ok(match value {
        Value::Null => "\\N".to_owned(),
        Value::String(text) => milliseconds(text).map_or_else(|| text.clone(), |it| it.to_string()),
        // Ends of decimals that are 0 are not written.
        Value::Number(number) => match number.to_string() {
            decimal if decimal.contains('.') => decimal.trim_end_matches('0').trim_end_matches('.').to_owned(),
            whole => whole,
        },
        other => other.to_string(),
    })
}

/// Of a text that is a moment of the data, all of which is of one day.
fn milliseconds(text: &str) -> Option<i64> {
    const DAY: &str = "2026-01-01 ";
    const DAY_MS: i64 = 1_767_225_600_000;
    let time = text.strip_prefix(DAY)?;
    let parts: Vec<i64> = time.split(':').map(|part| part.parse().ok()).collect::<Option<_>>()?;
    let [hours, minutes, seconds] = parts[..] else { return None };
    Some(DAY_MS + ((hours * 60 + minutes) * 60 + seconds) * 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_written_as_flinks_are() {
        let line = r#"{"d":-2.50,"g":null,"n":7,"t":"a","times":2,"w":"2026-01-01 00:00:20","whole":3.0}"#;
        let written = row(line, &["n", "g", "d", "w", "t", "whole"]).unwrap();
        assert_eq!(written, "2\t7|\\N|-2.5|1767225620000|a|3|\n");
    }

    #[test]
    fn a_reason_may_be_that_of_several_cells() {
        let known = known("-- why\na-b-c, a-*-d: so\n").unwrap();
        let cells = ["a-b-c", "a-b-d", "a-x-d", "a-x-c", "a-d"];
        assert_eq!(cells.map(|cell| reason(&known, cell)), [Some("so"), Some("so"), Some("so"), None, None]);
        assert!(super::known("a-b-c").is_err());
    }
}
