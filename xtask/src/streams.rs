//! `xtask streams`: topologies of Kafka Streams under `exactly_once_v2`, in two processes that are killed at random,
//! as is the broker. What each has told in the end must be what it tells beside an undisturbed Apache Kafka, which in
//! turn must be what arithmetic makes of the same input.

mod crew;
mod input;
mod outcome;

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use levada_model::{Rng, SeededRng};

use crate::broker::{Broker, Recipe};
use crate::cache::Cache;
use crate::clients::Toolbox;
use crate::kafka_client::Connection;
use crate::kafka_rig::Jars;
use crate::levada_rig;
use crew::{Crew, Feeder, INSTANCES};
use input::{Case, Maker, PARTITIONS};
use outcome::{Seen, difference};

const CREATE_LIMIT: Duration = Duration::from_secs(60);
/// How long a death waits for results of the work since the last one.
const WORK_LIMIT: Duration = Duration::from_secs(30);
/// Beyond that, so that a death comes at any point of the work.
const PAUSE_SPAN_MS: u64 = 1_500;
const DOWNTIME_SPAN_MS: u64 = 1_000;
const POLL_INTERVAL: Duration = Duration::from_millis(300);
/// Longer than a session, a transaction and the restoration of a state together, on a machine that is busy.
const SILENCE_LIMIT: Duration = Duration::from_secs(90);
/// A result that is told twice would come within the time of a session.
const SETTLE: Duration = Duration::from_secs(4);
const RUN_LIMIT: Duration = Duration::from_secs(300);
/// Shorter than what brokers allow as they ship: a dead instance is missed soon.
const SETTINGS: [(&str, &str); 1] = [("group.min.session.timeout.ms", "3000")];
const QUICK_RECORDS: i64 = 12_000;
const QUICK_KILLS: u64 = 2;

/// Options of `xtask streams`.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// How many records go into each topology
    #[arg(long, default_value_t = 60_000)]
    records: i64,
    /// How many deaths each topology lives through
    #[arg(long, default_value_t = 6)]
    kills: u64,
    /// Only these topologies
    #[arg(long, value_enum, value_delimiter = ',')]
    only: Vec<Topology>,
    /// The Levada to hurt, instead of a release build of this tree
    #[arg(long, value_name = "PATH")]
    levada: Option<PathBuf>,
    /// Hurts Apache Kafka instead, to judge the judge
    #[arg(long)]
    kafka: bool,
    /// What decides the input, and who dies when
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Few records, few deaths, and no Apache Kafka beside it: what is due is what arithmetic says
    #[arg(long)]
    quick: bool,
    /// Streams' `processing.guarantee`; `at_least_once` shows that the comparison can fail
    #[arg(long, default_value = "exactly_once_v2")]
    guarantee: String,
}

/// The topologies that `clients/java/streams/Instance.java` has, by the same names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
enum Topology {
    Count,
    Suppress,
    StreamTable,
    StreamStream,
    ForeignKey,
}

impl Topology {
    const ALL: [Self; 5] = [Self::Count, Self::Suppress, Self::StreamTable, Self::StreamStream, Self::ForeignKey];

    fn name(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Suppress => "suppress",
            Self::StreamTable => "stream-table",
            Self::StreamStream => "stream-stream",
            Self::ForeignKey => "foreign-key",
        }
    }
}

/// Runs them and fails where one has told anything else than is due.
pub(crate) fn run(args: &Args) -> Result<()> {
    let cache = Cache::open()?;
    let toolbox = Toolbox::new(cache.clone())?;
    let jars = Jars::fetch(&cache)?;
    let hurt = match (args.kafka, &args.levada) {
        (true, _) => Recipe::Kafka(jars.clone()),
        (false, Some(path)) => Recipe::Levada(path.clone()),
        (false, None) => Recipe::Levada(levada_rig::build()?),
    };
    let folder = tempfile::Builder::new().prefix("levada-streams-").tempdir()?;
    let rig = Rig { args, toolbox: &toolbox, maker: maker(args)?, folder: folder.path() };
    let outcome = rig.run(&hurt, &Recipe::Kafka(jars));
    if outcome.is_err() {
        eprintln!("kept for a look: {}", folder.keep().display());
    }
    outcome
}

fn maker(args: &Args) -> Result<Maker> {
    const HOUR_MS: i64 = 3_600_000;
    let now_ms = i64::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis())?;
    let records = if args.quick { args.records.min(QUICK_RECORDS) } else { args.records };
    Ok(Maker { seed: args.seed, base_ms: now_ms - now_ms % HOUR_MS - 6 * HOUR_MS, records })
}

struct Rig<'a> {
    args: &'a Args,
    toolbox: &'a Toolbox,
    maker: Maker,
    folder: &'a Path,
}

/// What a run of one topology came to.
struct Report {
    records: u64,
    deaths: Deaths,
    took: Duration,
}

#[derive(Default)]
struct Deaths {
    instances: u64,
    disks: u64,
    broker: u64,
    /// After how many results each came.
    after: Vec<u64>,
    /// Instances that ended by themselves.
    unasked: u64,
    /// Threads of Streams that failed and were replaced.
    threads: usize,
}

impl Rig<'_> {
    fn run(&self, hurt: &Recipe, reference: &Recipe) -> Result<()> {
        let mut undisturbed = match self.args.quick {
            true => None,
            false => Some(reference.start_with(&self.folder.join("reference"), &SETTINGS)?),
        };
        for topology in Topology::ALL {
            if !self.args.only.is_empty() && !self.args.only.contains(&topology) {
                continue;
            }
            let case = self.maker.case(topology);
            let expected = match &mut undisturbed {
                None => None,
                Some(broker) => {
                    let folder = self.folder.join(format!("reference-{}", topology.name()));
                    let trial = Trial { rig: self, topology, case: &case, folder, kills: 0 };
                    Some(trial.run(broker).with_context(|| format!("{}, beside {reference}", topology.name()))?)
                }
            };
            let folder = self.folder.join(topology.name());
            let mut broker = hurt.start_with(&folder.join("broker"), &SETTINGS)?;
            let kills = if self.args.quick { self.args.kills.min(QUICK_KILLS) } else { self.args.kills };
            let trial = Trial { rig: self, topology, case: &case, folder, kills };
            let report = trial.run(&mut broker).with_context(|| format!("{}, beside {hurt}", topology.name()))?;
            broker.stop()?;
            println!("{}: {} records in, {report}", topology.name(), case.before.len() + case.during.len());
            if let Some(expected) = expected {
                println!("  undisturbed beside {reference}: the same, {expected}");
            }
        }
        Ok(())
    }
}

/// One topology beside one broker.
struct Trial<'a> {
    rig: &'a Rig<'a>,
    topology: Topology,
    case: &'a Case,
    folder: PathBuf,
    kills: u64,
}

impl Trial<'_> {
    fn run(&self, broker: &mut Broker) -> Result<Report> {
        let begun = Instant::now();
        self.create_topics(broker)?;
        let mut crew = Crew::new(self.rig.toolbox, self.topology.name(), &self.rig.args.guarantee, &self.folder)?;
        let bootstrap = broker.bootstrap();
        if !self.case.before.is_empty() {
            let mut feeder = Feeder::start(&crew, &bootstrap, "before", &self.case.before, 1)?;
            feeder.feed();
            feeder.finish()?;
        }
        for number in 0..INSTANCES {
            crew.start(number, &bootstrap)?;
        }
        let mut feeder = Feeder::start(&crew, &bootstrap, "during", &self.case.during, self.kills + 1)?;
        let mut deaths = self.kill_at_random(broker, &mut crew, &mut feeder)?;
        feeder.feed();
        feeder.finish()?;
        let records = self.await_due(broker, &mut crew, begun)?;
        crew.kill_all()?;
        deaths.unasked = crew.unasked;
        deaths.threads = crew.replaced_threads()?;
        Ok(Report { records, deaths, took: begun.elapsed() })
    }

    /// Everything is kept, however old its time.
    fn create_topics(&self, broker: &Broker) -> Result<()> {
        let mut connection = Connection::open_patiently(broker.bootstrap().parse()?, CREATE_LIMIT)?;
        let keep = [("retention.ms".to_owned(), "-1".to_owned())];
        for topic in self.case.topics.iter().chain([&self.output()]) {
            let code = connection.create_topic(topic, PARTITIONS, &keep)?;
            ensure!(code == 0, "topic `{topic}` was refused with error {code}");
        }
        Ok(())
    }

    fn output(&self) -> String {
        format!("{}-out", self.topology.name())
    }

    /// An instance with its disk, the broker, an instance, both at once, and again. For each there is a portion of the
    /// input, and the death comes once there are results newer than the last one: into the work, at any point of it.
    fn kill_at_random(&self, broker: &mut Broker, crew: &mut Crew<'_>, feeder: &mut Feeder) -> Result<Deaths> {
        let dice = SeededRng::new(self.rig.args.seed);
        let mut deaths = Deaths::default();
        for death in 0..self.kills {
            feeder.feed();
            let results = self.await_work(broker, crew, deaths.after.last().copied().unwrap_or_default())?;
            deaths.after.push(results);
            sleep(Duration::from_millis(dice.next_u64() % PAUSE_SPAN_MS));
            let number = usize::try_from(dice.next_u64() % 2)? % INSTANCES;
            let downtime = Duration::from_millis(dice.next_u64() % DOWNTIME_SPAN_MS);
            let (instance, disk, with_broker) = match death % 4 {
                0 => (true, true, false),
                1 => (false, false, true),
                2 => (true, false, false),
                _ => (true, false, true),
            };
            if with_broker {
                broker.kill()?;
                deaths.broker += 1;
            }
            if instance {
                crew.kill(number)?;
                deaths.instances += 1;
            }
            if disk {
                crew.lose_disk(number)?;
                deaths.disks += 1;
            }
            sleep(downtime);
            if with_broker {
                broker.start_again()?;
            }
            if instance {
                crew.start(number, &broker.bootstrap())?;
            }
        }
        Ok(deaths)
    }

    /// Waits for more results than `before`, and answers how many there are. Where none come the death comes anyway:
    /// whoever is about to recover may die as well.
    fn await_work(&self, broker: &mut Broker, crew: &mut Crew<'_>, before: u64) -> Result<u64> {
        let deadline = Instant::now() + WORK_LIMIT;
        loop {
            let records = self.look(broker, crew)?.records;
            if records > before || Instant::now() > deadline {
                return Ok(records);
            }
            sleep(POLL_INTERVAL);
        }
    }

    /// Waits until what is due is there, after deaths a little longer; fails with the difference where it is not.
    fn await_due(&self, broker: &mut Broker, crew: &mut Crew<'_>, begun: Instant) -> Result<u64> {
        let (mut records, mut changed) = (0, Instant::now());
        loop {
            let seen = self.look(broker, crew)?;
            if seen.records != records {
                (records, changed) = (seen.records, Instant::now());
            }
            let complete = difference(&self.case.due, &seen.outcome).is_none();
            if complete || changed.elapsed() > SILENCE_LIMIT || begun.elapsed() > RUN_LIMIT {
                break;
            }
            sleep(POLL_INTERVAL);
        }
        if self.kills > 0 {
            sleep(SETTLE);
        }
        let seen = self.look(broker, crew)?;
        let difference = difference(&self.case.due, &seen.outcome);
        ensure!(difference.is_none(), "{}", difference.unwrap_or_default());
        Ok(seen.records)
    }

    fn look(&self, broker: &mut Broker, crew: &mut Crew<'_>) -> Result<Seen> {
        let ended = broker.exited()?;
        ensure!(ended.is_none(), "the broker ended by itself: {ended:?}");
        crew.replace_ended(&broker.bootstrap())?;
        outcome::read(&broker.bootstrap(), &self.output(), self.case.reading, &self.folder)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { records, deaths, took } = self;
        write!(f, "{records} results out")?;
        if !deaths.after.is_empty() {
            write!(f, ", all that are due; {} deaths of instances ({} with", deaths.instances, deaths.disks)?;
            write!(f, " their disks), {} of the broker, after {:?} results", deaths.broker, deaths.after)?;
        }
        if deaths.unasked > 0 {
            write!(f, "; {} instances ended by themselves", deaths.unasked)?;
        }
        if deaths.threads > 0 {
            write!(f, "; {} threads failed and were replaced", deaths.threads)?;
        }
        write!(f, "; {:.0} s", took.as_secs_f64())
    }
}
