//! `docs/benchmarks-sql.md`: both sides' figures by query, what is held to what, and how it is measured.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::flink::{self, Mode};
use super::{Args, Measured, Net, Outcome, PASSED_ON, QUERIES, Record, Row, chart, mean};
use crate::bench::machine;

/// The geometric mean of all ratios is to be this, and no ratio less than the other.
const MEAN_WANTED: f64 = 5.0;
const LEAST_WANTED: f64 = 2.0;
/// With fewer events some queries are over too soon.
const EVENTS_ENOUGH: u64 = 20_000_000;

/// Writes the page, and its chart beside it.
pub(super) fn write(args: &Args, record: &Record) -> Result<()> {
    let rows = &record.rows();
    let folder = args.page.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut page = String::new();
    head(&mut page, args, &record.runs, folder)?;
    if let Some(drawing) = chart::draw(rows) {
        let file = args.page.with_extension("svg");
        fs::write(&file, drawing)?;
        let name = file.file_name().and_then(|name| name.to_str()).context("the chart has no name")?;
        writeln!(page, "\n![Events a second of a processor as bars]({name})")?;
    }
    targets(&mut page, rows)?;
    table(&mut page, rows)?;
    reasons(&mut page, rows)?;
    foot(&mut page, args.event_count())?;
    fs::write(&args.page, page)?;
    Ok(())
}

fn head(page: &mut String, args: &Args, runs: &[String], folder: &Path) -> Result<()> {
    writeln!(
        page,
        "# Streaming SQL beside Apache Flink\n\nThe queries of [Nexmark](https://github.com/nexmark/nexmark) over the \
         same {} events on Levada's operators and on Apache Flink {}, engines only: events lie decoded in memory \
         before a clock starts, results are counted and dropped. What counts is the processors' time, not that on \
         the wall. The figures compare these engines on this machine; they are no promise for yours, and say nothing \
         about reading and writing topics.\n\nWritten by:\n\n```\n{}\n```\n",
        args.event_count(),
        flink::VERSION,
        runs.join("\n"),
    )?;
    if args.event_count() < EVENTS_ENOUGH {
        writeln!(
            page,
            "This is a short run: the timed part of Flink's fastest queries is a tenth of a second of its processors, \
             whose clock moves in steps of 10 ms and of which its compiler takes some, and Levada's own figures for \
             q7, q18 and q20 differ by up to a factor of two from run to run. Checkpoints of Flink, every 10 s, and \
             snapshots of Levada, every 64 MiB, hardly come. Use {EVENTS_ENOUGH} events and more before drawing \
             conclusions.\n"
        )?;
    }
    if runs.len() > 1 {
        writeln!(page, "What a later run measured takes the place of what an earlier one did.\n")?;
    }
    if args.rounds == 1 {
        writeln!(page, "Each figure is from one round: how far they differ from run to run is not shown.\n")?;
    }
    writeln!(page, "## The machine\n\n| | |\n|---|---|")?;
    for (name, value) in machine::describe(folder)? {
        writeln!(page, "| {name} | {value} |")?;
    }
    Ok(())
}

fn targets(page: &mut String, rows: &[Row]) -> Result<()> {
    let verdict = |is_met: bool| if is_met { "met" } else { "**missed**" };
    writeln!(page, "\n## Targets\n\n| target | wanted | reached | |\n|---|---|---|---|")?;
    let of = rows.iter().filter(|row| row.ratio().is_some()).count();
    let in_mean = rows.iter().filter(|row| row.query != PASSED_ON && row.ratio().is_some()).count();
    let what = "events a CPU second over Flink's: geometric mean, without q0,";
    match mean(rows) {
        Some(mean) => {
            writeln!(
                page,
                "| {what} of {in_mean} queries | ≥ {MEAN_WANTED} | {mean:.2} | {} |",
                verdict(mean >= MEAN_WANTED)
            )?;
        }
        None => writeln!(page, "| {what} | ≥ {MEAN_WANTED} | – | not measured |")?,
    }
    let ratios = rows.iter().filter(|row| row.query != PASSED_ON).filter_map(|row| Some((row.ratio()?, row.query)));
    if let Some((least, query)) = ratios.min_by(|(left, _), (right, _)| left.total_cmp(right)) {
        let verdict = verdict(least >= LEAST_WANTED);
        writeln!(page, "| the same: the least, {query} | ≥ {LEAST_WANTED} | {least:.2} | {verdict} |")?;
    }
    let run = rows.iter().filter(|row| row.levada.measured().is_some()).count();
    let wanted = QUERIES.len();
    let run_verdict = if rows.len() < wanted { "not all were measured" } else { verdict(run == wanted) };
    writeln!(page, "| queries that are run | {wanted} | {run} | {run_verdict} |")?;
    let agreed = rows.iter().filter(|row| row.agrees() == Some(true)).count();
    writeln!(page, "| queries whose results agree in the end | {of} | {agreed} | {} |", verdict(agreed == of))?;
    Ok(())
}

fn table(page: &mut String, rows: &[Row]) -> Result<()> {
    writeln!(
        page,
        "\n## By query\n\n| query | Levada: events a CPU second | Flink: events a CPU second | Flink's mode | ratio | \
         Levada: peak MB | Flink: peak MB | Levada: changes | Flink: changes | rows in the end, \
         of a quarter | the same |\n\
         |---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        let (ours, theirs) = (row.levada.measured(), row.flink());
        let cell =
            |of: Option<&Measured>, what: fn(&Measured) -> f64| of.map_or("–".to_owned(), |it| grouped(what(it)));
        let both = |what: fn(&Measured) -> f64| format!("{} | {}", cell(ours, what), cell(theirs.map(|it| it.1), what));
        let net = |of: Option<&Measured>| of.map(|it| it.net.rows);
        let rows_in_the_end = match (net(ours), net(theirs.map(|it| it.1))) {
            (Some(ours), Some(theirs)) if ours != theirs => format!("{ours}, Flink {theirs}"),
            (ours, theirs) => ours.or(theirs).map_or("–".to_owned(), |rows| rows.to_string()),
        };
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {rows_in_the_end} | {} |",
            row.query,
            both(|it| it.rate),
            theirs.map_or("–", |(mode, _)| mode.name()),
            row.ratio().map_or("–".to_owned(), |ratio| format!("{ratio:.2}")),
            both(|it| it.peak_bytes / 1e6),
            both(|it| it.result_rows),
            row.agrees().map_or("–", |agrees| if agrees { "yes" } else { "**no**" }),
        )?;
    }
    if let Some(mean) = mean(rows) {
        writeln!(page, "| geometric mean without q0 | | | | {mean:.2} | | | | | | |")?;
    }
    Ok(())
}

/// What was not measured, in the engines' own words, and where Flink contradicts itself.
fn reasons(page: &mut String, rows: &[Row]) -> Result<()> {
    let mut lines = Vec::new();
    for row in rows {
        let theirs = row.flink.iter().map(|(mode, outcome)| (format!("Flink ({})", mode.name()), outcome));
        for (side, outcome) in [("Levada".to_owned(), &row.levada)].into_iter().chain(theirs) {
            match outcome {
                Outcome::Measured(_) => {}
                Outcome::Refused(why) => {
                    lines.push(format!("- {} is refused by {side}: {}", row.query, first_line(why)));
                }
                Outcome::Failed(why) => lines.push(format!("- {} failed on {side}: {}", row.query, first_line(why))),
            }
        }
    }
    if !lines.is_empty() {
        writeln!(page, "\n## What was not measured\n\n{}", lines.join("\n"))?;
    }
    let nets = |row: &Row| -> Vec<(Mode, Net)> {
        row.flink.iter().filter_map(|(mode, it)| Some((*mode, it.measured()?.net.clone()))).collect()
    };
    let contradicts = |row: &&Row| nets(row).windows(2).any(|pair| pair[0].1 != pair[1].1);
    let mut lines = Vec::new();
    for row in rows.iter().filter(contradicts) {
        let text = |(mode, net): (Mode, Net)| format!("{} rows ({}, {})", net.rows, mode.name(), net.checksum);
        let texts: Vec<String> = nets(row).into_iter().map(text).collect();
        lines.push(format!("- {}: {}", row.query, texts.join(" and ")));
    }
    if !lines.is_empty() {
        writeln!(
            page,
            "\n## Where Flink's modes come to different results\n\nThe mode that comes to what Levada comes to is \
             the one that counts, where one does.\n\n{}",
            lines.join("\n")
        )?;
    }
    Ok(())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}

/// A whole number with commas between thousands.
pub(in crate::bench) fn grouped(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place) % 3 == 0 {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn foot(page: &mut String, events: u64) -> Result<()> {
    writeln!(
        page,
        "\n## How it is measured\n\nEvents come from a seed, with the proportions, ids and distributions of \
         Nexmark's own generator, 10,000 a second of event time; person, auction and bid are three tables \
         ([tables.sql](../bench/sql/tables.sql)), and events are the rows of those that a query reads. The queries \
         ([bench/sql/queries](../bench/sql/queries)) are those that Nexmark publishes; `dateTime` stands in \
         backticks, since Flink 2 keeps the word for itself, q11 has the window function `SESSION` in the \
         place of the older form of the same, and q14 counts a letter by the lengths of two texts in the place of a \
         function in Java. Left out are those that depend on the time of processing (q12, q13) \
         or on where rows are written (q10), that Flink does not run (q6), and those that nothing \
         was held to beforehand (q19, q21 to q23).\n\nEach query runs in a fresh process on each side, with a \
         parallelism of one. The clock starts when a tenth of the rows has been handed over, so that much of \
         the compilation and of the first growth of memory is behind \
         both, and ends with the last result; it counts user and system time of the whole process, for Flink with \
         those threads that collect garbage, compile and hand rows on. Before that Flink has run the query once over \
         a quarter of the events, whose result is the one that is checked. Flink: objects are reused, state is on the \
         heap (`hashmap`), exactly-once checkpoints go to a file every 10 s, rows lie in memory in Flink's own binary \
         form, in which it sends and keeps them, and are handed over from there, the tables of a join in the order of \
         their events, and the better of two runs counts: as it comes, or with mini-batches of 100 ms. Levada: 8,192 \
         events at a time, an epoch ends after 100 ms of the processor, and a snapshot is written and synced after 64 \
         MiB of input (or its own size), as a statement does. Columns whose rows a join remembers stay where they \
         lie, which is here among the events and on a broker where they were decoded. Flink is not asked for rows as \
         they were before an update. Peak memory is that of the process with all events in it; Flink's is what its \
         heap was allowed to grow to, more than what it needs. Where that comes near the {} MiB that it has, \
         collecting garbage takes a part of its time, and over fewer events it does better.\n\nIn another run, \
         over the first quarter of the events, each side adds up what its result comes to: rows that come less rows \
         that go, and a sum over the \
         hashes of their values; of q18 those columns that its order determines. Changes are what a reader of the \
         result would have been sent: Levada gives the net change of an epoch. Flink without mini-batches takes no \
         row of q9 back, also with objects that are not reused. In q0 columns are handed on as they are: Levada \
         touches no row, and the ratio means nothing.",
        flink::heap_mb(events)
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thousands_are_told_apart() {
        assert_eq!([0.0, 999.4, 1_000.0, 1_234_567.0].map(grouped), ["0", "999", "1,000", "1,234,567"]);
    }
}
