//! `docs/benchmarks-sql-topics.md`: both sides' figures by query, what is held to what, and how it is measured.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::queries::QUERIES;
use super::{Args, Measured, Row, mean};
use crate::bench::machine;
use crate::bench::rows::{self, Row as Figure};
use crate::bench::sql::{VERSION, bars, grouped};
use crate::kafka_rig;

/// The geometric mean of all ratios is to be this, and no ratio less than the other.
const MEAN_WANTED: f64 = 3.0;
const LEAST_WANTED: f64 = 1.5;
/// With fewer events Flink's compiler is a good part of what is measured.
const EVENTS_ENOUGH: u64 = 3_000_000;
const SIDES: [(&str, &str); 3] = [("Levada", "#1f77b4"), ("Flink and Kafka", "#ff9f4a"), ("Flink alone", "#ffd0a0")];

/// Writes the page, and its chart beside it.
pub(super) fn write(args: &Args, rows: &[Row]) -> Result<()> {
    let folder = args.page.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut page = String::new();
    head(&mut page, args)?;
    rows::write(&mut page, machine::describe(folder)?, &figures(rows))?;
    if let Some(drawing) = chart(rows) {
        let file = args.page.with_extension("svg");
        fs::write(&file, drawing)?;
        let name = file.file_name().and_then(|name| name.to_str()).context("the chart has no name")?;
        writeln!(page, "\n![Events a second of a processor as bars]({name})")?;
    }
    table(&mut page, rows)?;
    reasons(&mut page, rows)?;
    foot(&mut page)?;
    fs::write(&args.page, page)?;
    Ok(())
}

fn head(page: &mut String, args: &Args) -> Result<()> {
    let mut command = format!("cargo xtask bench sql-topics --events {}", args.events);
    if args.quick {
        "cargo xtask bench sql-topics --quick".clone_into(&mut command);
    }
    if args.rounds != 1 {
        write!(command, " --rounds {}", args.rounds)?;
    }
    if !args.only.is_empty() {
        write!(command, " --only={}", args.only.join(","))?;
    }
    writeln!(
        page,
        "# Streaming SQL from topic to topic beside Apache Flink\n\nThe queries of \
         [Nexmark](https://github.com/nexmark/nexmark) over the same {} events as JSON in topics, with results as JSON \
         in a topic, exactly once: on one Levada, which is broker and SQL in one process, and on Apache Flink \
         {VERSION} with Apache Kafka {}. What counts is the processors' time of all processes that take part, not that \
         on the wall. [benchmarks-sql.md](benchmarks-sql.md) compares the engines alone. The figures compare these \
         systems on this machine; they are no promise for yours.\n\nWritten by:\n\n```\n{command}\n```\n",
        grouped(float(args.event_count())),
        kafka_rig::VERSION,
    )?;
    if args.rounds < 3 || args.event_count() < EVENTS_ENOUGH {
        writeln!(
            page,
            "This is a short run: much of Flink's shorter runs is its compiler, and processors' time is read in steps \
             of 10 ms. Use `--rounds 3` and {} events and more before drawing conclusions.\n",
            grouped(float(EVENTS_ENOUGH))
        )?;
    }
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "a count to be shown")]
const fn float(count: u64) -> f64 {
    count as f64
}

/// What is held to what.
fn figures(rows: &[Row]) -> Vec<Figure> {
    let mut figures = Vec::new();
    let measured = rows.iter().filter(|row| row.ratio().is_some()).count();
    let ratio = |what: &str, of: fn(&Row) -> Option<f64>, is_held: bool, figures: &mut Vec<Figure>| {
        let Some(mean) = mean(rows, of) else { return };
        let wanted = |text: &'static str| if is_held { text } else { "" };
        let is_met = |is_met: bool| is_held.then_some(is_met);
        let what_mean = format!("{what}: geometric mean of {measured} queries");
        figures.push(Figure::new(what_mean, format!("{mean:.2}"), wanted("≥ 3"), is_met(mean >= MEAN_WANTED)));
        let least = rows.iter().filter_map(|row| Some((of(row)?, row.query)));
        if let Some((least, query)) = least.min_by(|(left, _), (right, _)| left.total_cmp(right)) {
            let verdict = is_met(least >= LEAST_WANTED);
            figures.push(Figure::new(
                format!("the same: the least, {query}"),
                format!("{least:.2}"),
                wanted("≥ 1.5"),
                verdict,
            ));
        }
    };
    ratio("events a CPU second over those of Flink and Kafka", Row::ratio, true, &mut figures);
    ratio("events a CPU second over those of Flink without its broker", Row::ratio_alone, false, &mut figures);
    let run = rows.iter().filter(|row| row.levada.is_ok()).count();
    let all = (rows.len() == QUERIES.len()).then_some(run == QUERIES.len());
    figures.push(Figure::new("queries that Levada runs", run.to_string(), "15", all));
    let agreed = rows.iter().filter(|row| row.agrees() == Some(true)).count();
    let reached = format!("{agreed} of {measured}");
    figures.push(Figure::new("queries whose rows agree in the end", reached, "all", agreed == measured));
    figures
}

fn chart(rows: &[Row]) -> Option<String> {
    let rates = |row: &Row| {
        let (ours, (_, theirs)) = (row.levada.as_ref().ok()?, row.flink()?);
        let seconds = [ours.all_seconds(), theirs.all_seconds(), theirs.engine_seconds];
        Some((row.query, seconds.map(|seconds| float(row.events) / seconds / 1e6)))
    };
    let measured: Vec<_> = rows.iter().filter_map(rates).collect();
    bars("Millions of events a CPU second, more is better", &SIDES, &measured)
}

fn table(page: &mut String, rows: &[Row]) -> Result<()> {
    writeln!(
        page,
        "\n## By query\n\n| query | events | Levada: CPU s | Flink: CPU s | Kafka: CPU s | Flink's mode | ratio, Flink \
         and Kafka | ratio, Flink alone | Levada: events a CPU second | Flink and Kafka: events a CPU second | Levada: \
         s on the wall | Flink: s on the wall | Levada: records | Flink: records | rows in the end | the same |\n\
         |---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|---|"
    )?;
    for row in rows {
        let (ours, theirs) = (row.levada.as_ref().ok(), row.flink());
        let flink = theirs.map(|(_, it)| it);
        let cell = |of: Option<&Measured>, what: &dyn Fn(&Measured) -> String| of.map_or("–".to_owned(), what);
        let seconds = |of: Option<&Measured>, what: fn(&Measured) -> f64| cell(of, &|it| format!("{:.2}", what(it)));
        let rate = |of| cell(of, &|it: &Measured| grouped(float(row.events) / it.all_seconds()));
        let records = |of| cell(of, &|it: &Measured| grouped(float(it.content.records)));
        let ratio = |it: Option<f64>| it.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
        writeln!(
            page,
            "| {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            row.query,
            grouped(float(row.events)),
            seconds(ours, Measured::all_seconds),
            seconds(flink, |it| it.engine_seconds),
            seconds(flink, |it| it.broker_seconds),
            theirs.map_or("–", |(mode, _)| mode.name()),
            ratio(row.ratio()),
            ratio(row.ratio_alone()),
            rate(ours),
            rate(flink),
            seconds(ours, |it| it.wall_seconds),
            seconds(flink, |it| it.wall_seconds),
            records(ours),
            records(flink),
            cell(ours.or(flink), &|it| grouped(float(it.content.rows))),
            row.agrees().map_or("–", |agrees| if agrees { "yes" } else { "**no**" }),
        )?;
    }
    Ok(())
}

/// What was not measured, and where sides or modes come to different rows.
fn reasons(page: &mut String, rows: &[Row]) -> Result<()> {
    let (mut failed, mut differ) = (Vec::new(), Vec::new());
    for row in rows {
        let theirs = row.flink.iter().map(|(mode, outcome)| (format!("Flink ({})", mode.name()), outcome));
        let sides: Vec<_> = [("Levada".to_owned(), &row.levada)].into_iter().chain(theirs).collect();
        for (side, outcome) in &sides {
            if let Err(why) = outcome {
                failed.push(format!("- {} failed on {side}: {}", row.query, why.lines().next().unwrap_or_default()));
            }
        }
        let contents: Vec<_> = sides.iter().filter_map(|(side, it)| Some((side, &it.as_ref().ok()?.content))).collect();
        if contents.windows(2).any(|pair| !pair[0].1.agrees(pair[1].1)) {
            let text =
                |(side, it): (&String, &super::Content)| format!("{} rows on {side} ({:016x})", it.rows, it.checksum);
            let texts: Vec<String> = contents.into_iter().map(text).collect();
            differ.push(format!("- {}: {}", row.query, texts.join(", ")));
        }
    }
    if !failed.is_empty() {
        writeln!(page, "\n## What was not measured\n\n{}", failed.join("\n"))?;
    }
    if !differ.is_empty() {
        writeln!(
            page,
            "\n## Where rows differ\n\nThe mode of Flink that comes to what Levada comes to is the one that counts, \
             where one does.\n\n{}",
            differ.join("\n")
        )?;
    }
    Ok(())
}

fn foot(page: &mut String) -> Result<()> {
    writeln!(
        page,
        "\n## How it is measured\n\nEvents are those of [benchmarks-sql.md](benchmarks-sql.md), as JSON, in three \
         topics of one partition, the same batches of 64 KiB for both brokers, and all there before a query begins; \
         behind them each topic has one more row, an hour later, which closes all windows before it, and which does \
         not count in what is compared. Queries are those of [bench/sql/queries](../bench/sql/queries); q14 \
         counts a letter by the lengths of two texts, where Nexmark has a function in Java; they go into the tables of \
         [bench/sql/results.sql](../bench/sql/results.sql): those whose rows change are `upsert-kafka` with a key, \
         the others `kafka`; parallelism is one. Each is run over a quarter of the events before, in the same \
         processes, so that what is compiled on the way is compiled.\n\nLevada: one server with its settings as \
         they come, but for `sql.state.bytes.max`; a statement \
         commits each epoch, of 100 ms at most, and each commit is on the disk. The clock runs from the `INSERT`, with \
         what plans it, until all is read and committed, and counts user and system time of the whole server. Flink: a \
         fresh process for each query, on a cluster within it; objects are reused, state is on the heap (`hashmap`), \
         exactly-once checkpoints every 10 s, `sink.delivery-guarantee` is `exactly-once`. The better of two runs \
         counts: as it comes, or with mini-batches of 100 ms and, where rows change, a sink that keeps them for 100 \
         ms. The clock runs from when the job runs, without what plans it and starts the cluster, until it has ended; \
         when all rows have come to where they are written a checkpoint is asked for, so that nobody waits for the \
         next one. It counts all of Flink's process, with threads that collect garbage and compile, and all of \
         Kafka's, which is the same process for all queries, with its settings as they come: it leaves it to the \
         system when something is written to the disk. Flink's results are seen every 10 s, Levada's every 100 ms: \
         that is in Flink's favour.\n\nWhat was written is read back at `read_committed`. Records are all that were \
         written: Levada writes the net change of an epoch. Where rows change, the last of each key counts, and a sum \
         over the hashes of all that are left is compared; of q18 without those columns that its order leaves open."
    )?;
    Ok(())
}
