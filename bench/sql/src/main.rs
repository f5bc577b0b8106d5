//! Runs one query of streaming SQL over events in memory, on its operators alone, and says what it took: one line of
//! JSON. `cargo xtask bench --sql` asks for it, and Apache Flink for the same.
#![allow(clippy::disallowed_methods, reason = "this measures on the real machine: its clock, its files")]
#![allow(clippy::print_stdout, reason = "a command's result belongs on stdout")]

mod checksum;
mod events;
mod run;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::Parser;
use levada_sql::{
    Table,
    plan::{self, Planner},
};
use levada_sql_syntax::{Statement, ast, parse_script};
use run::Run;
use serde_json::json;

/// What a broker runs on.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Events of an epoch, where rows are printed.
const EVENTS_OF_EPOCH: u64 = 100;

#[derive(Parser)]
struct Args {
    /// The file of events
    #[arg(long)]
    events: PathBuf,
    /// The text that declares the tables
    #[arg(long)]
    tables: PathBuf,
    /// The query's text
    #[arg(long)]
    query: PathBuf,
    /// The query whose result is checked [default: the same]
    #[arg(long)]
    check: Option<PathBuf>,
    /// Prints the rows of the result as they are in the end, instead of measuring
    #[arg(long)]
    rows: bool,
    /// The file that snapshots are written to
    #[arg(long)]
    snapshot: PathBuf,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let tables = tables(&fs::read_to_string(&args.tables)?)?;
    let known = |table: &Table| plan::Table {
        name: table.name.clone(),
        schema: table.schema.clone(),
        rows: Vec::new(),
        upsert_key: None,
    };
    let planner = Planner::new(tables.iter().map(known).collect())?;
    let planned = |path: &Path| Ok(planner.streaming(query(&fs::read_to_string(path)?)?.as_ref())?);
    let plan = match planned(&args.query) {
        Ok(plan) => plan,
        Err(error) => {
            let error: anyhow::Error = error;
            let refused = json!({"refused": error.to_string()}).to_string();
            println!(
                "{}",
                if args.rows { format!("error\t{}", escaped(error.to_string().as_bytes())) } else { refused }
            );
            return Ok(());
        }
    };
    if args.rows {
        let events = events::load(&args.events, &tables, EVENTS_OF_EPOCH)?;
        return print_rows(&mut Run::new(plan, &events, &tables, &args.snapshot)?);
    }
    let events = events::load(&args.events, &tables, events::EVENTS_MAX)?;
    let timed = Run::new(plan, &events, &tables, &args.snapshot)?.timed()?;
    let peak_bytes = run::peak_bytes()?;
    // A part of them once more from the beginning, without a clock.
    let check = planned(args.check.as_ref().unwrap_or(&args.query))?;
    let part = events.partition_point(|slice| slice.is_checked);
    let checked = Run::new(check, &events[..part], &tables, &args.snapshot)?.checked()?;
    let answer = json!({
        "events": timed.events,
        "cpu_seconds": timed.cpu_seconds,
        "wall_seconds": timed.wall_seconds,
        "result_rows": timed.result_rows,
        "peak_bytes": peak_bytes,
        "state_bytes": timed.state_bytes,
        "epochs": timed.epochs,
        "snapshots": timed.snapshots,
        "net_rows": checked.net_rows,
        "checksum": format!("{:016x}", checked.sum),
    });
    println!("{answer}");
    Ok(())
}

/// A line for each row with how often it is there, sorted, or one that begins with `error`.
fn print_rows(run: &mut Run<'_>) -> Result<()> {
    match run.kept() {
        Ok(kept) => kept.iter().for_each(|(row, count)| println!("{count}\t{}", escaped(row))),
        Err(error) => println!("failed\t{}", escaped(format!("{error:#}").as_bytes())),
    }
    Ok(())
}

/// On one line, with bars between values, so that no two rows look alike.
fn escaped(row: &[u8]) -> String {
    let mut line = String::new();
    for char in String::from_utf8_lossy(row).chars() {
        match char {
            '\u{1f}' => line.push('|'),
            '\0' => line.push_str("\\N"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            '\\' | '|' => line.extend(['\\', char]),
            char => line.push(char),
        }
    }
    line
}

fn tables(text: &str) -> Result<Vec<Table>> {
    let mut tables = Vec::new();
    for parsed in parse_script(text)? {
        let Statement::CreateTable(create) = parsed.statement else { bail!("not a table: {:?}", parsed.statement) };
        tables.push(Table::declared(&create)?);
    }
    Ok(tables)
}

fn query(text: &str) -> Result<Box<ast::Query>> {
    let parsed = parse_script(text)?.into_iter().next().context("there is no query")?;
    let Statement::Query(query) = parsed.statement else { bail!("not a query: {text}") };
    Ok(query)
}
