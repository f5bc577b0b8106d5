//! `cargo xtask bench statements`: streaming SQL on a broker, from topic to topic: how late a filtered event is, and
//! what a thousand statements cost that have little to do.

mod latency;
mod many;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::machine::Usage;
use super::rows::{self, Row};
use super::{machine, scratch};
use crate::http_client::HttpConnection;
use crate::kafka_client::Connection;
use crate::levada_rig::{self, Config, Levada};

/// Options of `xtask bench statements`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// Events a second that are filtered
    #[arg(long, default_value_t = 10_000)]
    rate: u32,
    /// Statements that get an event a second each
    #[arg(long, default_value_t = 1_000)]
    statements: u32,
    /// How long each is measured
    #[arg(long, default_value_t = 30)]
    seconds: u32,
    /// Little of everything, to see that it works
    #[arg(long)]
    quick: bool,
    /// The Levada to measure, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// Where the broker keeps its data [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The page that is written
    #[arg(long, value_name = "FILE", default_value = "docs/benchmarks-statements.md")]
    page: PathBuf,
}

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Load {
    rate: u32,
    statements: u32,
    seconds: u32,
}

/// Measures all and writes the page.
pub(super) fn run(args: &Args) -> Result<()> {
    let load = match args.quick {
        true => Load { rate: 1_000, statements: 20, seconds: 3 },
        false => Load { rate: args.rate, statements: args.statements, seconds: args.seconds },
    };
    let binary = match &args.levada {
        Some(path) => path.clone(),
        None => levada_rig::build()?,
    };
    let folder = scratch(args.folder.as_deref())?;
    let mut rows = Vec::new();
    for (durability, place) in [("fsync", "latency-fsync"), ("os", "latency-os")] {
        on_fresh(&binary, &folder.path().join(place), |levada| latency::measure(levada, load, durability, &mut rows))?;
    }
    on_fresh(&binary, &folder.path().join("many"), |levada| many::measure(levada, load, &mut rows))?;
    write(args, load, &rows)?;
    println!("written: {}", args.page.display());
    Ok(())
}

/// Measures on a broker of its own.
fn on_fresh(binary: &Path, folder: &Path, measure: impl FnOnce(&Levada) -> Result<()>) -> Result<()> {
    fs::create_dir_all(folder)?;
    let mut levada = Levada::start(Config::new(binary, folder))?;
    measure(&levada)?;
    levada.stop()?;
    machine::empty(folder)
}

fn usage(levada: &Levada) -> Result<Usage> {
    Usage::of(levada.pid().context("the broker does not run")?)
}

fn kafka(levada: &Levada) -> Result<Connection> {
    Connection::open_patiently(levada.bootstrap().parse()?, Duration::from_secs(5))
}

/// Carries out a text of SQL.
fn carry_out(sql: &mut HttpConnection, text: &str) -> Result<Value> {
    let answer = sql.ask("POST", "/v1/sql", Some(&json!({ "sql": text }).to_string()))?.json()?;
    ensure!(answer["error"].is_null(), "refused: {}", answer["error"]);
    Ok(answer)
}

fn sql_of(levada: &Levada) -> Result<HttpConnection> {
    HttpConnection::open(&levada.sql().context("the binary has no SQL")?)
}

/// Microseconds since 1970.
fn now_us() -> Result<u64> {
    Ok(u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_micros())?)
}

fn write(args: &Args, load: Load, rows: &[Row]) -> Result<()> {
    let folder = args.page.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let Load { rate, statements, seconds } = load;
    let mut page = String::from("# Statements of SQL on a broker\n\n");
    writeln!(
        page,
        "**Latency.** `INSERT INTO kept SELECT id, at FROM events WHERE kind <> 0` keeps nine of ten events of JSON, \
         {rate} of which come a second, in a batch a millisecond, from one producer that waits for no answer \
         (`acks=all`). An event is as late as the time at which it was to be sent lies back when a reader of `kept` \
         at `read_committed` has it; the same of a reader of `events` says how much of that is the broker's. With \
         `durability=fsync`, which is the default, a record is on the disk before it is acknowledged, and so is the \
         statement's transaction.\n\n**Many statements.** {statements} statements read a topic each, filter, and \
         write to a topic each; each topic gets an event a second, at different times. Processor time is that of \
         the whole server, with what the producer's requests cost.\n\nMeasured for {seconds} s each, after some to \
         get warm, with the load on the same processors.\n\nWritten by:\n\n```\ncargo xtask bench statements{}\n```\n",
        if args.quick { " --quick" } else { "" },
    )?;
    rows::write(&mut page, machine::describe(folder)?, rows)?;
    fs::write(&args.page, page)?;
    Ok(())
}
