//! `cargo xtask bench bank`: debit and credit of a transfer go to two topics in one transaction, and a query says what
//! was credited in all and what the balance is. Nobody who sees whole transactions sees a balance other than 0: what
//! Levada and Apache Flink show meanwhile is counted, in `docs/benchmarks-bank.md`.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail, ensure};
use bytes::Bytes;
use levada_model::batch::Attributes;
use levada_model::record::{BatchBuilder, NewRecord, ProducerStamp};
use levada_model::{Clock as _, ProducerId, SystemClock};
use levada_protocol::ErrorCode;
use serde_json::Value;

use super::content::read;
use super::flink::{self, Bounds, Tables};
use super::levada::{self, carry_out};
use super::queries::{Options, Rows};
use super::{PATIENCE, connect, create_topic};
use crate::bench::rows::{self, Row};
use crate::bench::sql::{Flink, Mode, VERSION};
use crate::bench::{machine, scratch};
use crate::cache::Cache;
use crate::http_client::HttpConnection;
use crate::kafka_client::transactions::{Generation, Identity, Transactor};
use crate::kafka_client::{Connection, Partition, error_name};
use crate::kafka_rig::{self, Jars, Kafka};
use crate::levada_rig;
use crate::process::{Process, tail};

const TOPICS: [&str; 2] = ["debits", "credits"];
const PARTITIONS: i32 = 3;
const RESULTS: &str = "totals";
const TELLER: &str = "teller";
const TRANSFERS_QUICK: u32 = 500;
const DISTINCT_WANTED: usize = 100;
const CHECKPOINTS: Duration = Duration::from_secs(1);
/// Until the last total is there.
const SETTLE_LIMIT: Duration = Duration::from_secs(120);
const START_LIMIT: Duration = Duration::from_secs(60);
const TRANSACTION_LIMIT: Duration = Duration::from_secs(60);
const QUERY: &str = "INSERT INTO totals
SELECT 1, SUM(credit), SUM(credit) - SUM(debit)
FROM (SELECT amount AS credit, CAST(0 AS BIGINT) AS debit FROM credits
      UNION ALL SELECT CAST(0 AS BIGINT), amount FROM debits) AS moves";

/// Options of `xtask bench bank`.
#[derive(Debug, clap::Args)]
pub(in crate::bench) struct Args {
    /// How many transfers, one after the other, each in a transaction of its own
    #[arg(long, default_value_t = 5_000)]
    transfers: u32,
    /// A few transfers, to see that it works
    #[arg(long)]
    quick: bool,
    /// The Levada to measure, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// Where brokers keep their data [default: the system's folder for temporary files]
    #[arg(long, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// The page that is written
    #[arg(long, value_name = "FILE", default_value = "docs/benchmarks-bank.md")]
    page: PathBuf,
}

/// What a query showed.
#[derive(Debug, Default)]
struct Shown {
    rows: u64,
    /// Totals that were credited, of all rows.
    totals: BTreeSet<i64>,
    /// Rows whose balance is not 0.
    wrong: u64,
    last: Option<(i64, i64)>,
}

impl Shown {
    fn add(&mut self, value: &[u8]) -> Result<()> {
        // A row that goes before another one comes shows nothing.
        if value.is_empty() {
            return Ok(());
        }
        let row: Value = serde_json::from_slice(value)?;
        // The sum of no rows is none.
        let number = |name: &str| row.get(name).with_context(|| format!("no `{name}` in {row}"));
        let (credited, balance) = (number("credited")?.as_i64(), number("balance")?.as_i64());
        self.rows += 1;
        self.totals.extend(credited);
        self.wrong += u64::from(balance != Some(0));
        self.last = credited.zip(balance);
        Ok(())
    }
}

/// Moves the money past both, and writes the page.
pub(in crate::bench) fn run(args: &Args) -> Result<()> {
    let transfers = if args.quick { TRANSFERS_QUICK } else { args.transfers };
    ensure!(transfers > 0, "--transfers is 1 at least");
    let cache = Cache::open()?;
    let program = Flink::fetch(&cache, 0)?.with_topics(&cache)?;
    let jars = Jars::fetch(&cache)?;
    let binary = match &args.levada {
        Some(path) => path.canonicalize()?,
        None => levada_rig::build()?,
    };
    let folder = scratch(args.folder.as_deref())?;
    let mut shown = vec![("Levada".to_owned(), on_levada(&binary, &folder.path().join("levada"), transfers)?)];
    for mode in Mode::ALL {
        let place = folder.path().join(mode.name());
        shown.push((format!("Flink, {}", mode.name()), on_flink(&program, &jars, &place, mode, transfers)?));
    }
    for (side, Shown { rows, totals, wrong, .. }) in &shown {
        eprintln!("  {side:<18} {rows} rows, {} totals, {wrong} wrong balances", totals.len());
    }
    write(args, transfers, &shown)?;
    println!("written: {}", args.page.display());
    Ok(())
}

fn script(options: &impl Options) -> String {
    let mut script = String::new();
    for topic in TOPICS {
        script.push_str(&format!("CREATE TABLE {topic} (amount BIGINT) WITH ({});\n", options.source(topic)));
    }
    script.push_str(&format!(
        "CREATE TABLE {RESULTS} (k INT, credited BIGINT, balance BIGINT, PRIMARY KEY (k) NOT ENFORCED) WITH ({});\n",
        options.sink(RESULTS, Rows::Change)
    ));
    script
}

fn on_levada(binary: &Path, folder: &Path, transfers: u32) -> Result<Shown> {
    let mut server = levada_rig::Levada::start(levada_rig::Config::new(binary, folder))?;
    let mut kafka = connect(&server.bootstrap())?;
    create_topics(&mut kafka)?;
    let mut sql = HttpConnection::open(&server.sql().context("the binary has no SQL")?)?;
    carry_out(&mut sql, &format!("{}{QUERY}", script(&levada::Tables)))?;
    let shown = move_money(&mut kafka, transfers)?;
    server.stop()?;
    Ok(shown)
}

fn on_flink(program: &Flink, jars: &Jars, folder: &Path, mode: Mode, transfers: u32) -> Result<Shown> {
    let mut broker = Kafka::start(jars, kafka_rig::Config::new(&folder.join("kafka")))?;
    let mut kafka = connect(&broker.bootstrap())?;
    create_topics(&mut kafka)?;
    create_topic(&mut kafka, RESULTS, 1, Rows::Change)?;
    let tables = Tables { bootstrap: broker.bootstrap(), mode, bounds: Bounds::None };
    let path = folder.join("bank.sql");
    fs::write(&path, format!("{}{QUERY}", script(&tables)))?;
    let (out, log) = (folder.join("flink.out"), folder.join("flink.log"));
    let mut command = flink::command(program, folder, mode, CHECKPOINTS, broker.pid())?;
    command.arg(path).stdin(Stdio::null()).stdout(File::create(&out)?).stderr(File::create(&log)?);
    // It goes when this ends.
    let mut job = Process::spawn("flink", &mut command)?;
    let deadline = Instant::now() + START_LIMIT;
    while !fs::read_to_string(&out)?.contains("running") {
        let ended = job.exited()?;
        ensure!(ended.is_none() && Instant::now() < deadline, "the job does not run ({ended:?}):\n{}", tail(&log, 20));
        thread::sleep(Duration::from_millis(50));
    }
    let shown = move_money(&mut kafka, transfers).with_context(|| tail(&log, 20))?;
    job.kill()?;
    broker.stop()?;
    Ok(shown)
}

fn create_topics(kafka: &mut Connection) -> Result<()> {
    TOPICS.iter().try_for_each(|topic| create_topic(kafka, topic, PARTITIONS, Rows::Come))
}

/// Makes all transfers, waits until what is shown is the last total, and answers what was shown on the way.
fn move_money(kafka: &mut Connection, transfers: u32) -> Result<Shown> {
    let begun = Instant::now();
    let mut teller = Teller::new(kafka)?;
    let mut total = 0;
    for number in 0..transfers {
        let amount = 1 + i64::from(number % 100);
        teller.transfer(kafka, number, amount)?;
        total += amount;
    }
    eprintln!("  {transfers} transfers in {:.1} s", begun.elapsed().as_secs_f64());
    let (mut shown, mut offset) = (Shown::default(), 0);
    let deadline = Instant::now() + SETTLE_LIMIT;
    while shown.last != Some((total, 0)) {
        ensure!(Instant::now() < deadline, "the last total, {total}, is not shown: {:?}", shown.last);
        thread::sleep(Duration::from_millis(200));
        offset = read(kafka, RESULTS, offset, |_, value| shown.add(value))?;
    }
    Ok(shown)
}

/// Who moves the money: one producer, whose transactions follow each other.
struct Teller {
    who: Identity,
    /// Of each partition of each topic: the next sequence number.
    sequences: [[i32; PARTITIONS as usize]; 2],
}

impl Teller {
    fn new(kafka: &mut Connection) -> Result<Self> {
        let deadline = Instant::now() + START_LIMIT;
        loop {
            // The place for their state is made when somebody asks for the coordinator.
            let found = kafka.find_transaction_coordinator(TELLER)?;
            let answer = match found {
                Ok(()) => kafka.init_transactional(TELLER, TRANSACTION_LIMIT)?,
                Err(code) => Err(code),
            };
            match answer {
                Ok(who) => return Ok(Self { who, sequences: Default::default() }),
                Err(code) if Instant::now() > deadline => bail!("no producer: {}", error_name(code)),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        }
    }

    fn transfer(&mut self, kafka: &mut Connection, number: u32, amount: i64) -> Result<()> {
        // Debit and credit of a transfer are in partitions that have nothing to do with each other.
        let places = [number % 3, number / 3 % 3];
        let transactor = Transactor { id: TELLER, who: self.who, generation: Generation::First };
        let mut batches = Vec::new();
        for ((topic, place), sequences) in TOPICS.iter().zip(places).zip(&mut self.sequences) {
            let partition = Partition { topic: (*topic).to_owned(), index: i32::try_from(place)? };
            let sequence = sequences.get_mut(usize::try_from(place)?).context("one of its partitions")?;
            batches.push((partition, record(self.who, *sequence, amount)));
            *sequence += 1;
        }
        let partitions: Vec<Partition> = batches.iter().map(|(partition, _)| partition.clone()).collect();
        // The one before may still be ending.
        retried(|| kafka.add_partitions(transactor, &partitions))?;
        for (partition, produced) in kafka.produce_in(transactor, &batches)? {
            ensure!(produced.error == 0, "topic `{}`: {}", partition.topic, error_name(produced.error));
        }
        self.who = retried(|| kafka.end_transaction(transactor, true))?;
        Ok(())
    }
}

/// Asks again while the broker says that what went before is not over.
fn retried<T>(mut ask: impl FnMut() -> Result<std::result::Result<T, i16>>) -> Result<T> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        match ask()? {
            Ok(answer) => return Ok(answer),
            Err(code) if code == ErrorCode::ConcurrentTransactions.code() && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(1));
            }
            Err(code) => return Err(anyhow!("the transaction fails: {}", error_name(code))),
        }
    }
}

fn record(who: Identity, base_sequence: i32, amount: i64) -> Bytes {
    let stamp = ProducerStamp { id: ProducerId(who.id), epoch: who.epoch, base_sequence };
    let mut builder = BatchBuilder::new().with_producer(stamp).with_attributes(Attributes::TRANSACTIONAL);
    let value = format!(r#"{{"amount":{amount}}}"#);
    let timestamp = SystemClock.wall_ms();
    builder.push(&NewRecord { timestamp, value: Some(value.as_bytes()), ..NewRecord::default() });
    builder.finish()
}

fn write(args: &Args, transfers: u32, shown: &[(String, Shown)]) -> Result<()> {
    let folder = args.page.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    fs::create_dir_all(folder)?;
    let mut page = String::from("# The bank: what is shown while money moves\n\n");
    let mut command = "cargo xtask bench bank".to_owned();
    match args.quick {
        true => command.push_str(" --quick"),
        false if args.transfers != 5_000 => write!(command, " --transfers {}", args.transfers)?,
        false => {}
    }
    writeln!(
        page,
        "{transfers} transfers, each in a transaction of its own: a debit to one topic and a credit to another, of \
         {PARTITIONS} partitions each. The query below runs meanwhile, and writes to a topic what was credited in all, \
         and the balance, which is 0 whenever transactions are seen whole:\n\n```sql\n{QUERY}\n```\n\nThe same program \
         moves the money on Levada, and on Apache Kafka {} with Apache Flink {VERSION}, which reads at \
         `read_committed` and writes exactly once, with a checkpoint a second: as it comes, and with mini-batches of \
         100 ms and a sink that keeps rows for 100 ms. Each row that was written is counted, at `read_committed`, \
         until the last total is there. Both come to the right total in the end. In Flink each partition is read by \
         itself, and every row that comes changes the sum at once: a transaction is not seen as one there. Levada \
         reads up to cuts that no transaction crosses.\n\nWritten by:\n\n```\n{command}\n```\n",
        kafka_rig::VERSION,
    )?;
    let mut rows = Vec::new();
    for (index, (side, Shown { rows: all, totals, wrong, .. })) in shown.iter().enumerate() {
        let is_ours = index == 0;
        let wanted = |text: &'static str| if is_ours { text } else { "" };
        rows.push(Row::plain(format!("{side}: rows shown"), all.to_string()));
        let is_met = is_ours.then_some(totals.len() >= DISTINCT_WANTED);
        rows.push(Row::new(format!("{side}: distinct totals"), totals.len().to_string(), wanted("≥ 100"), is_met));
        let reached = wrong.to_string();
        rows.push(Row::new(
            format!("{side}: rows whose balance is not 0"),
            reached,
            wanted("0"),
            is_ours.then_some(*wrong == 0),
        ));
    }
    rows::write(&mut page, machine::describe(folder)?, &rows)?;
    fs::write(&args.page, page)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_counted_with_their_totals_and_balances() {
        let mut shown = Shown::default();
        for row in [
            r#"{"k":1,"credited":null,"balance":null}"#,
            r#"{"k":1,"credited":5,"balance":5}"#,
            "",
            r#"{"k":1,"credited":5,"balance":0}"#,
        ] {
            shown.add(row.as_bytes()).unwrap();
        }
        assert_eq!((shown.rows, shown.totals.len(), shown.wrong, shown.last), (3, 1, 2, Some((5, 0))));
        assert!(shown.add(b"{}").is_err());
    }
}
