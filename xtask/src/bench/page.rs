//! `docs/benchmarks.md`: the machine, the targets with what was reached, every table, and how to repeat it.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};

use super::cases::Case;
use super::coordinators::{SESSIONS_CONSUMERS, SESSIONS_RATE};
use super::results::Results;
use super::scale::Scale;
use super::systems::System;
use super::{chart, machine, targets};
use crate::kafka_rig;

/// What the page says about the run.
#[derive(Debug)]
pub(super) struct Run {
    pub(super) systems: Vec<System>,
    pub(super) rounds: u32,
    pub(super) command: String,
    pub(super) quick: bool,
}

/// Writes the page, and its chart beside it.
pub(super) fn write(path: &Path, results: &Results, run: &Run) -> Result<()> {
    let folder = path.parent().context("the page has no folder")?;
    fs::create_dir_all(folder)?;
    let mut page = String::new();
    head(&mut page, results, run, folder)?;
    if let Some(drawing) = chart::draw(results, &run.systems) {
        let file = path.with_extension("svg");
        fs::write(&file, drawing)?;
        let name = file.file_name().and_then(|name| name.to_str()).context("the chart has no name")?;
        writeln!(page, "\n![The medians as bars]({name})")?;
    }
    targets(&mut page, results)?;
    tables(&mut page, results, run)?;
    foot(&mut page, results, run)?;
    fs::write(path, page)?;
    Ok(())
}

fn head(page: &mut String, results: &Results, run: &Run, folder: &Path) -> Result<()> {
    writeln!(page, "# Benchmarks\n")?;
    writeln!(
        page,
        "Levada and Apache Kafka {} on one machine, under the same load from the same client (librdkafka), in turn, \
         {} round{}, each beginning with another; one figure without a spread is of the first round, which alone has \
         all loads, memory and recovery. Where librdkafka cannot do it (many groups, fetch sessions), the client is a \
         plain one, and the same for all. One broker runs at a time and shares the processors with the client. \
         Figures are medians, with the lowest and the highest round in parentheses. They compare these brokers on \
         this machine; they are no promise for yours.\n\nWritten by:\n\n```\n{}\n```\n",
        kafka_rig::VERSION,
        run.rounds,
        if run.rounds == 1 { "" } else { "s" },
        run.command
    )?;
    writeln!(page, "## The machine\n")?;
    writeln!(page, "| | |\n|---|---|")?;
    for (name, value) in machine::describe(folder)? {
        writeln!(page, "| {name} | {value} |")?;
    }
    for (name, metric, value) in results.machine() {
        writeln!(page, "| {name}, {} | {value} |", metric.title().replace("broker ", ""))?;
    }
    Ok(())
}

fn targets(page: &mut String, results: &Results) -> Result<()> {
    writeln!(page, "\n## Targets\n\nRatios of medians of this run.\n")?;
    writeln!(page, "| target | wanted | reached | |\n|---|---|---|---|")?;
    for target in targets::all(results) {
        let (reached, verdict) = match target.reached {
            Some(value) => (format!("{value:.2}"), if (target.is_met)(value) { "met" } else { "**missed**" }),
            None => ("–".to_owned(), "not measured"),
        };
        writeln!(page, "| {} | {} | {reached} | {verdict} |", target.what, target.wanted)?;
    }
    Ok(())
}

fn tables(page: &mut String, results: &Results, run: &Run) -> Result<()> {
    let scale = Scale::of(run.quick);
    let cases = results.cases();
    let of = |wanted: fn(&Case) -> bool| cases.iter().filter(|case| wanted(case)).cloned().collect::<Vec<_>>();
    let sections = [
        ("Produce, acks=all", of(|case| matches!(case, Case::Produce(_)))),
        ("Consume from the beginning", of(|case| matches!(case, Case::Consume(_)))),
        ("End to end at 1,000 records/s of 1 KiB", of(|case| *case == Case::Latency)),
        ("Transactions of one producer", of(|case| matches!(case, Case::Transact(_)))),
        ("Groups that commit offsets", of(|case| *case == Case::Groups)),
        ("Fetch sessions of many partitions", of(|case| *case == Case::Sessions)),
        ("Compaction while producers write on", of(|case| *case == Case::Compaction)),
        ("Start on an empty directory, then idle", of(|case| *case == Case::Start)),
        ("Memory after much was produced and consumed", of(|case| *case == Case::Memory)),
        ("Recovery after SIGKILL, page cache dropped", of(|case| *case == Case::Recovery)),
    ];
    for (title, cases) in sections.iter().filter(|(_, cases)| !cases.is_empty()) {
        writeln!(page, "\n## {title}\n")?;
        if let Some(note) = cases.first().and_then(|case| note(case, &scale)) {
            writeln!(page, "{note}\n")?;
        }
        let metrics = cases.first().map(Case::metrics).unwrap_or_default();
        write!(page, "| case |")?;
        for system in &run.systems {
            metrics.iter().try_for_each(|metric| write!(page, " {}: {} |", system.title(), metric.title()))?;
        }
        writeln!(page, "\n|---|{}", "---|".repeat(metrics.len() * run.systems.len()))?;
        for case in cases {
            write!(page, "| {} |", case.name())?;
            for &system in &run.systems {
                metrics.iter().try_for_each(|&metric| write!(page, " {} |", results.cell(case, system, metric)))?;
            }
            writeln!(page)?;
        }
    }
    Ok(())
}

/// What the table's numbers are of.
fn note(case: &Case, scale: &Scale) -> Option<String> {
    match case {
        Case::Transact(_) => Some(
            "1 KiB records to 10 partitions, as fast as they go, committed every 100 ms or every 10 records. A commit \
             is timed from when the application asks for it, with whatever of its records is still on its way. \
             Each: a transaction."
                .to_owned(),
        ),
        Case::Groups => Some(format!(
            "{} groups of one member each, on 32 connections that commit one offset for one group after the other and \
             wait for each answer. Each: a commit. Levada's commits are synced whatever its topics are.",
            scale.groups
        )),
        Case::Sessions => Some(format!(
            "{SESSIONS_CONSUMERS} consumers, each with a session over all {} partitions, to which {SESSIONS_RATE} \
             records a second are sent; the times are from when a record was due to be sent until it was fetched. \
             Each: a fetch, the sender's share of the broker's work included.",
            scale.sessions_partitions
        )),
        Case::Compaction => {
            let compaction = scale.compaction;
            Some(format!(
                "{} records of 100 bytes over {} keys, in {} topics that are compacted one after the other while a \
                 producer writes 2,000 records a second to all of them. Before each it writes for {} s while nothing \
                 is compacted: from those times is the p99 without. Processor time is that of the threads that \
                 compact. Segments are of 4 MiB; the last of each topic stays as it is. Both brokers look ten \
                 times a second whether anything is to be compacted, in place of every 15 seconds.",
                compaction.records, compaction.keys, compaction.topics, compaction.alone_seconds
            ))
        }
        Case::Recovery => {
            let megabytes = scale.recovery_bytes / 1_000_000;
            Some(format!("{megabytes} MB in {} partitions.", scale.recovery_partitions))
        }
        Case::Produce(_) | Case::Consume(_) | Case::Latency | Case::Start | Case::Memory => None,
    }
}

fn foot(page: &mut String, results: &Results, run: &Run) -> Result<()> {
    let failures: Vec<String> = results
        .failures()
        .map(|(case, system, why)| format!("- {} on {}: {}", case.name(), system.title(), first_line(why)))
        .collect();
    if !failures.is_empty() {
        writeln!(page, "\n## What could not be measured\n\n{}", failures.join("\n"))?;
    }
    writeln!(
        page,
        "\n## How it is measured\n\nProducers fill a whole batch for one partition, then for the next, so that \
         batches are equally large at any number of partitions; the clock starts after a second, when each partition \
         has a batch. Memory and recovery are measured after a load in batches of 1 MiB, which every broker takes \
         fast. Records are lines of JSON that lz4 makes about half as large; megabytes count them uncompressed. \
         Broker CPU is the process's user and system time from `/proc`, the kernel's writing in the background not \
         included. The floor is a thread that receives over loopback, checksums and writes a file, and nothing else. \
         Topics of 1,000 partitions are not deleted, and files of finished rounds are emptied rather than removed: \
         where many files went a moment ago, some file systems are slow to create others. Latency counts from when \
         a record was due to be sent. Kafka runs with its default heap; its start includes the formatting of its \
         directory.{}",
        if run.quick { " This was a quick run: short, and of a few cases." } else { "" }
    )?;
    Ok(())
}

fn first_line(text: &str) -> &str {
    text.lines().next().unwrap_or_default()
}
