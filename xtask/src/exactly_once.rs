//! `xtask exactly-once`: programs in Java, Python and Go copy records from one topic to another, each record in a
//! transaction with the position it was read at, while workers and broker are killed at random. In the end every
//! record must be in the other topic exactly once, for whoever reads only what was committed. Statements of SQL join
//! and sum up events while the broker is killed; in the end their topics have what is worked out here beside them.

mod events;
mod sql;

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use crate::broker::{Broker, Recipe};
use crate::cache::Cache;
use crate::clients::Toolbox;
use crate::kafka_client::Connection;
use crate::kafka_rig::Jars;
use crate::levada_rig;
use crate::process::{Process, run_logged};

const PARTITIONS: i32 = 6;
/// Two of each language share the work of a group of their own.
const WORKERS_EACH: usize = 2;
const LANGUAGES: [&str; 4] = ["java", "python", "go", "sql"];
const LOAD_LIMIT: Duration = Duration::from_secs(120);
const CREATE_LIMIT: Duration = Duration::from_secs(60);
/// Between one death and the next.
const PAUSE_MIN: Duration = Duration::from_millis(700);
const PAUSE_SPAN_MS: u64 = 2_300;

/// Options of `xtask exactly-once`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many records go in
    #[arg(long, default_value_t = 200_000)]
    records: u64,
    /// How many deaths, of workers and of the broker in turn
    #[arg(long, default_value_t = 30)]
    kills: u32,
    /// Only workers in these languages: java, python, go, sql
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Against Apache Kafka, to judge the judge
    #[arg(long)]
    kafka: bool,
    /// The Levada to hurt, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// What decides who dies when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How long all may take, in seconds
    #[arg(long, default_value_t = 600)]
    limit: u64,
}

/// Runs it and fails where a record is missing or there twice.
pub(crate) fn run(args: &Args) -> Result<()> {
    let languages: Vec<&str> =
        LANGUAGES.into_iter().filter(|name| args.only.is_empty() || args.only.iter().any(|it| it == name)).collect();
    ensure!(!languages.is_empty(), "there are workers in {}", LANGUAGES.join(", "));
    let cache = Cache::open()?;
    let toolbox = Toolbox::new(cache.clone())?;
    let recipe = match (args.kafka, &args.levada) {
        (true, _) => Recipe::Kafka(Jars::fetch(&cache)?),
        (false, Some(path)) => Recipe::Levada(path.clone()),
        (false, None) => Recipe::Levada(levada_rig::build()?),
    };
    for language in languages {
        let folder = tempfile::Builder::new().prefix("levada-exactly-once-").tempdir()?;
        let outcome = match (language, &recipe) {
            ("sql", Recipe::Levada(binary)) => sql::run(args, binary, folder.path()),
            ("sql", Recipe::Kafka(_)) => Ok("Apache Kafka has none".to_owned()),
            _ => Rig { args, language, folder: folder.path(), toolbox: &toolbox }.run(&recipe),
        };
        let outcome = outcome.with_context(|| format!("workers in {language}"));
        if outcome.is_err() {
            eprintln!("kept for a look: {}", folder.keep().display());
        }
        println!("{language}: {}", outcome?);
    }
    Ok(())
}

struct Rig<'a> {
    args: &'a Args,
    language: &'static str,
    folder: &'a Path,
    toolbox: &'a Toolbox,
}

impl Rig<'_> {
    fn run(&self, recipe: &Recipe) -> Result<String> {
        let begun = Instant::now();
        let mut broker = recipe.start(&self.folder.join("broker"))?;
        self.fill(&broker)?;
        let mut workers = (0..WORKERS_EACH).map(|number| self.worker(&broker, number)).collect::<Result<Vec<_>>>()?;
        let mut dice = Dice(self.args.seed);
        let mut broker_deaths = 0;
        for death in 0..self.args.kills {
            sleep(PAUSE_MIN + Duration::from_millis(dice.below(PAUSE_SPAN_MS)));
            if death % 3 == 2 {
                broker.kill()?;
                broker.start_again()?;
                broker_deaths += 1;
                continue;
            }
            let number = usize::try_from(dice.below(WORKERS_EACH as u64))?;
            let worker = workers.get_mut(number).context("no such worker")?;
            worker.kill()?;
            *worker = self.worker(&broker, number)?;
        }
        let deadline = begun + Duration::from_secs(self.args.limit);
        let records = loop {
            let seen = self.read_out(&broker)?;
            let records: u64 = seen.values().sum();
            if records >= self.args.records || Instant::now() > deadline {
                // A late copy would come within the time of a session and a transaction.
                sleep(Duration::from_secs(3));
                break self.judge(&self.read_out(&broker)?)?;
            }
            sleep(Duration::from_millis(500));
        };
        for mut worker in workers {
            worker.kill()?;
        }
        broker.stop()?;
        let kills = self.args.kills;
        Ok(format!(
            "{records} records exactly once, {kills} deaths ({broker_deaths} of the broker), {:.0} s",
            begun.elapsed().as_secs_f64()
        ))
    }

    /// Creates both topics and puts the records into the first.
    fn fill(&self, broker: &Broker) -> Result<()> {
        let mut connection = Connection::open_patiently(broker.bootstrap().parse()?, CREATE_LIMIT)?;
        for topic in ["in", "out"] {
            let code = connection.create_topic(topic, PARTITIONS, &[])?;
            ensure!(code == 0, "topic `{topic}` was refused with error {code}");
        }
        let path = self.folder.join("records");
        let mut file = BufWriter::new(File::create(&path)?);
        for record in 0..self.args.records {
            writeln!(file, "{record}:{record}")?;
        }
        file.flush()?;
        let mut kcat = Command::new("kcat");
        kcat.args(["-b", &broker.bootstrap(), "-P", "-t", "in", "-K:", "-X", "acks=all", "-l"]).arg(&path);
        run_logged("kcat -P", &mut kcat, &self.folder.join("fill.log"), LOAD_LIMIT)
    }

    fn worker(&self, broker: &Broker, number: usize) -> Result<Process> {
        let mut command = match self.language {
            "java" => self.toolbox.java("Worker")?,
            "python" => self.toolbox.python("python/worker.py")?,
            "go" => self.toolbox.go("worker")?,
            other => bail!("there is no worker in {other}"),
        };
        let log = File::options().create(true).append(true).open(self.folder.join(format!("worker-{number}.log")))?;
        command.env("BOOTSTRAP", broker.bootstrap()).env("GROUP", "workers");
        command.env("TRANSACTIONAL_ID", format!("{}-{number}", self.language));
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        Process::spawn("a worker", &mut command)
    }

    /// How often each record is in the second topic, for who reads only what was committed.
    fn read_out(&self, broker: &Broker) -> Result<BTreeMap<u64, u64>> {
        let mut seen = BTreeMap::new();
        committed(&broker.bootstrap(), "out", self.folder, |line| {
            *seen.entry(line.parse()?).or_default() += 1;
            Ok(())
        })?;
        Ok(seen)
    }

    fn judge(&self, seen: &BTreeMap<u64, u64>) -> Result<u64> {
        let missing: Vec<u64> = (0..self.args.records).filter(|record| !seen.contains_key(record)).take(5).collect();
        let twice: Vec<_> = seen.iter().filter(|(_, count)| **count > 1).take(5).collect();
        let lost = self.args.records - u64::try_from(seen.len())?;
        ensure!(missing.is_empty(), "{lost} records are missing, the first are {missing:?}");
        ensure!(twice.is_empty(), "records are there more than once, the first are {twice:?}");
        Ok(self.args.records)
    }
}

/// Hands on the values of a topic, a line each, that somebody sees who reads only what was committed.
fn committed(bootstrap: &str, topic: &str, folder: &Path, mut take: impl FnMut(&str) -> Result<()>) -> Result<()> {
    let path = folder.join("committed");
    let mut kcat = Command::new("kcat");
    kcat.args(["-b", bootstrap, "-C", "-t", topic, "-o", "beginning", "-e", "-q"]);
    kcat.args(["-X", "isolation.level=read_committed", "-f", "%s\n"]);
    kcat.stdout(File::create(&path)?).stderr(Stdio::null()).stdin(Stdio::null());
    let status = Process::spawn("kcat -C", &mut kcat)?.wait(LOAD_LIMIT)?;
    ensure!(status.success(), "kcat cannot read: {status}");
    for line in BufReader::new(File::open(&path)?).lines() {
        take(&line?)?;
    }
    fs::remove_file(&path)?;
    Ok(())
}

/// A stream of numbers that a seed decides.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}
