//! `cargo xtask bench registry`: a schema registry with many subjects and versions, and what the broker pays for
//! looking at the schemas that records name.

mod records;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use levada_model::{Rng as _, SeededRng};

use super::machine::Usage;
use super::rows::{self, Row};
use super::{machine, scratch};
use crate::http_client::HttpConnection;
use crate::levada_rig::{self, Config, Levada};

/// Options of `xtask bench registry`.
#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// How many subjects are registered
    #[arg(long, default_value_t = 10_000)]
    subjects: u32,
    /// How many versions each has
    #[arg(long, default_value_t = 10)]
    versions: u32,
    /// How many clients ask at once
    #[arg(long, default_value_t = 16)]
    connections: u32,
    /// How long schemas are looked up
    #[arg(long, default_value_t = 15)]
    seconds: u64,
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
    #[arg(long, value_name = "FILE", default_value = "docs/benchmarks-registry.md")]
    page: PathBuf,
}

/// How a load of many requests went.
struct Went {
    per_second: f64,
    p50: Duration,
    p99: Duration,
    /// Microseconds of the broker's processors for each request.
    cpu_each: f64,
}

/// Measures all and writes the page.
pub(super) fn run(args: &Args) -> Result<()> {
    let (subjects, versions, seconds) =
        if args.quick { (200, 5, 2) } else { (args.subjects, args.versions, args.seconds) };
    let binary = match &args.levada {
        Some(path) => path.clone(),
        None => levada_rig::build()?,
    };
    let folder = scratch(args.folder.as_deref())?;
    let mut levada = Levada::start(Config::new(&binary, folder.path()))?;
    let mut rows = Vec::new();

    eprintln!("registering {subjects} subjects with {versions} versions each");
    let total = subjects * versions;
    let registered = register(&levada, subjects, versions, args.connections)?;
    eprintln!("  {:.0} a second, p99 {:.1} ms", registered.per_second, registered.p99.as_secs_f64() * 1e3);
    rows.push(rate("registrations a second", &registered, "≥ 2,000", 2_000.0));
    rows.push(p99("registrations: p99, ms", &registered));
    rows.push(memory("resident after that, MB", &levada)?);

    eprintln!("looking them up by id for {seconds} s");
    let found = look_up(&levada, total, Duration::from_secs(seconds), args.connections)?;
    eprintln!("  {:.0} a second, p99 {:.1} ms", found.per_second, found.p99.as_secs_f64() * 1e3);
    rows.push(rate("lookups by id a second", &found, "≥ 20,000", 20_000.0));
    rows.push(p99("lookups: p99, ms", &found));

    for (how, is_killed) in [("after a clean stop", false), ("after SIGKILL", true)] {
        if is_killed {
            levada.kill()?
        } else {
            levada.stop()?
        }
        let took = start_again(&mut levada, total)?;
        eprintln!("answers {:.2} s after its start {how}", took.as_secs_f64());
        let reached = format!("{:.2}", took.as_secs_f64());
        let what = format!("answers the last id, s from the start of the process, {how}");
        rows.push(Row::new(what, reached, "< 2", Some(took < Duration::from_secs(2))));
    }
    rows.push(memory("resident after a start, MB", &levada)?);
    records::measure(&levada, args.quick, &mut rows)?;
    levada.stop()?;
    write(args, (subjects, versions), &rows)?;
    println!("written: {}", args.page.display());
    Ok(())
}

fn address(levada: &Levada) -> Result<String> {
    levada.registry().context("the binary has no schema registry")
}

fn rate(what: &str, went: &Went, wanted: &'static str, least: f64) -> Row {
    let reached = format!("{:.0} ({:.0} µs of CPU each)", went.per_second, went.cpu_each);
    Row::new(what, reached, wanted, Some(went.per_second >= least))
}

fn p99(what: &str, went: &Went) -> Row {
    let [p50, p99] = [went.p50, went.p99].map(|span| span.as_secs_f64() * 1e3);
    Row::new(what, format!("{p99:.1} (p50 {p50:.1})"), "< 10", Some(p99 < 10.0))
}

fn memory(what: &str, levada: &Levada) -> Result<Row> {
    let megabytes = usage(levada)?.resident_bytes / 1e6;
    Ok(Row::new(what, format!("{megabytes:.0}"), "< 300", Some(megabytes < 300.0)))
}

fn usage(levada: &Levada) -> Result<Usage> {
    Usage::of(levada.pid().context("the broker does not run")?)
}

/// A version of the schema of a subject: each has a field more than the one before.
fn schema(subject: u32, version: u32) -> String {
    let mut text = format!(r#"{{"type":"record","name":"Event{subject}","namespace":"bench","fields":["#);
    text.push_str(
        r#"{"name":"id","type":"long"},{"name":"at","type":{"type":"long","logicalType":"timestamp-millis"}}"#,
    );
    for field in 1..version {
        text.push_str(&format!(r#",{{"name":"field{field}","type":["null","string"],"default":null}}"#));
    }
    text.push_str("]}");
    text
}

/// Runs `ask` on many connections until each says that it is done; answers how it went.
fn load(
    levada: &Levada,
    connections: u32,
    ask: impl Fn(u32, &mut HttpConnection, &mut Vec<Duration>) -> Result<()> + Sync,
) -> Result<Went> {
    let address = address(levada)?;
    let before = usage(levada)?.cpu_seconds;
    let begun = Instant::now();
    let mut all = thread::scope(|scope| {
        let work = |nth| {
            let (address, ask) = (&address, &ask);
            move || {
                let mut connection = HttpConnection::open(address)?;
                let mut spans = Vec::new();
                ask(nth, &mut connection, &mut spans)?;
                anyhow::Ok(spans)
            }
        };
        let threads: Vec<_> = (0..connections).map(|nth| scope.spawn(work(nth))).collect();
        let mut all = Vec::new();
        for thread in threads {
            all.extend(thread.join().map_err(|_| anyhow!("a client panicked"))??);
        }
        anyhow::Ok(all)
    })?;
    let (took, cpu) = (begun.elapsed().as_secs_f64(), usage(levada)?.cpu_seconds - before);
    ensure!(!all.is_empty(), "nothing was asked");
    all.sort_unstable();
    let at = |of_thousand: usize| all.get(all.len() * of_thousand / 1_000).copied().unwrap_or_default();
    let count = f64::from(u32::try_from(all.len())?);
    Ok(Went { per_second: count / took, p50: at(500), p99: at(990), cpu_each: cpu * 1e6 / count })
}

fn register(levada: &Levada, subjects: u32, versions: u32, connections: u32) -> Result<Went> {
    load(levada, connections, |nth, connection, spans| {
        for subject in (nth..subjects).step_by(usize::try_from(connections)?) {
            for version in 1..=versions {
                let text = schema(subject, version);
                let begun = Instant::now();
                connection.register(&format!("subject-{subject}-value"), &text)?.number("id")?;
                spans.push(begun.elapsed());
            }
        }
        Ok(())
    })
}

fn look_up(levada: &Levada, total: u32, span: Duration, connections: u32) -> Result<Went> {
    let begun = Instant::now();
    let is_over = AtomicBool::new(false);
    let failed = AtomicU32::new(0);
    let went = load(levada, connections, |nth, connection, spans| {
        let rng = SeededRng::new(u64::from(nth));
        while !is_over.load(Ordering::Relaxed) {
            let mut random = [0; 4];
            rng.fill(&mut random);
            let id = 1 + u32::from_be_bytes(random) % total;
            let asked = Instant::now();
            let answer = connection.ask("GET", &format!("/schemas/ids/{id}"), None)?;
            spans.push(asked.elapsed());
            if answer.status != 200 || !answer.body.starts_with(b"{") {
                failed.fetch_add(1, Ordering::Relaxed);
            }
            if begun.elapsed() >= span {
                is_over.store(true, Ordering::Relaxed);
            }
        }
        Ok(())
    })?;
    let failed = failed.into_inner();
    ensure!(failed == 0, "{failed} schemas were not found");
    Ok(went)
}

/// How long it takes from the start of the process until the last schema can be had.
fn start_again(levada: &mut Levada, total: u32) -> Result<Duration> {
    let begun = Instant::now();
    levada.start_again()?;
    let address = address(levada)?;
    loop {
        let answer = HttpConnection::open(&address)?.ask("GET", &format!("/schemas/ids/{total}"), None)?;
        match answer.status {
            200 => return Ok(begun.elapsed()),
            503 => thread::sleep(Duration::from_millis(5)),
            status => anyhow::bail!("status {status}: {}", answer.json()?),
        }
        ensure!(begun.elapsed() < Duration::from_secs(120), "the schemas are not there after two minutes");
    }
}

fn write(args: &Args, (subjects, versions): (u32, u32), rows: &[Row]) -> Result<()> {
    let folder = args.page.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut page = String::from("# The schema registry under load\n\n");
    writeln!(
        page,
        "{subjects} subjects with {versions} versions each, Avro, every version a field more than the one before, \
         registered, looked up by random ids, and read again at a start; {} clients, each asking for the next as soon \
         as it has the last, on the same processors as the server. A registration is answered when it is durable. Then \
         batches of records of 100 bytes go to a topic that looks at no schemas and to one that does \
         (`confluent.value.schema.validation`), in turn: what the second costs more is what a record pays.\n\nWritten \
         by:\n\n```\ncargo xtask bench registry{}\n```\n",
        args.connections,
        if args.quick { " --quick" } else { "" },
    )?;
    rows::write(&mut page, machine::describe(folder)?, rows)?;
    fs::write(&args.page, page)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_version_is_another_schema() {
        let texts: std::collections::BTreeSet<String> =
            (0..3).flat_map(|subject| (1..=4).map(move |version| schema(subject, version))).collect();
        assert_eq!(texts.len(), 12);
        assert!(texts.iter().all(|text| serde_json::from_str::<serde_json::Value>(text).is_ok()));
    }
}
