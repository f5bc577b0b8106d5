//! What is measured. The cases that only need a running broker share one; those about its start, its
//! memory and its recovery have their own.

use std::fmt;
use std::net::SocketAddr;
use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::driver::{Driver, number};
use super::machine::{Usage, drop_caches};
use super::results::Metric;
use super::scale::Scale;
use super::systems::System;
use crate::broker::{Broker, Recipe};
use crate::kafka_client::{Connection, error_name};

const KIB: u32 = 1 << 10;
const MIB: u32 = 1 << 20;
/// A topic of a thousand partitions takes some brokers a while.
const CREATE_LIMIT: Duration = Duration::from_secs(120);
const IDLE: Duration = Duration::from_secs(3);
/// After a topic went, for what is still done behind the answer.
const REST: Duration = Duration::from_secs(1);

/// How batches are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Compression {
    None,
    Lz4,
}

impl fmt::Display for Compression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
        })
    }
}

/// A load on a topic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Load {
    pub(super) record_size: u32,
    pub(super) compression: Compression,
    pub(super) batch_size: u32,
    pub(super) partitions: i32,
}

/// When a transactional producer commits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Commits {
    /// Every 100 milliseconds.
    Timed,
    /// Every 10 records.
    Counted,
}

/// One thing that is measured.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Case {
    /// Throughput of one producer, acks=all.
    Produce(Load),
    /// Throughput of one consumer from the beginning.
    Consume(Load),
    /// Send to receipt, at 1,000 records a second.
    Latency,
    /// Throughput and commits of one transactional producer.
    Transact(Commits),
    /// Commits of many consumer groups.
    Groups,
    /// Fetch sessions of many partitions with little that is new.
    Sessions,
    /// Compaction while producers write on.
    Compaction,
    /// From the start of the process on an empty directory until it accepts; resident memory then.
    Start,
    /// Resident memory after much was produced and consumed.
    Memory,
    /// From a start after SIGKILL until it accepts, page cache dropped.
    Recovery,
}

impl Case {
    /// All cases, those on a shared broker first. Topics of many partitions come last of these, and stay: file systems
    /// search long for the inode of a new file where many were removed a moment ago.
    pub(super) fn all(quick: bool) -> Vec<Self> {
        let mut cases = Vec::new();
        let mut many = Vec::new();
        for record_size in [KIB, 100] {
            for compression in [Compression::None, Compression::Lz4] {
                for batch_size in [16 * KIB, MIB] {
                    for partitions in [1, 100, 1_000] {
                        let is_plain = record_size == KIB && compression == Compression::None;
                        if !quick || is_plain && (batch_size < MIB || partitions == 1) {
                            let load = Load { record_size, compression, batch_size, partitions };
                            let list = if load.is_of_many_partitions() { &mut many } else { &mut cases };
                            list.push(Self::Produce(load));
                        }
                    }
                }
            }
        }
        let consumed = Load { record_size: KIB, compression: Compression::None, batch_size: 16 * KIB, partitions: 10 };
        cases.extend([Self::Consume(consumed), Self::Latency]);
        cases.extend([Self::Transact(Commits::Timed), Self::Transact(Commits::Counted)]);
        cases.append(&mut many);
        cases.extend([Self::Groups, Self::Sessions, Self::Compaction]);
        cases.extend([Self::Start, Self::Memory, Self::Recovery]);
        cases
    }

    /// For `--only` and file names.
    pub(super) fn name(&self) -> String {
        match self {
            Self::Produce(load) => format!("produce-{load}"),
            Self::Consume(load) => format!("consume-{load}"),
            Self::Latency => "latency".to_owned(),
            Self::Transact(Commits::Timed) => "transact-100ms".to_owned(),
            Self::Transact(Commits::Counted) => "transact-10-records".to_owned(),
            Self::Groups => "groups".to_owned(),
            Self::Sessions => "sessions".to_owned(),
            Self::Compaction => "compaction".to_owned(),
            Self::Start => "start".to_owned(),
            Self::Memory => "memory".to_owned(),
            Self::Recovery => "recovery".to_owned(),
        }
    }

    /// Whether it says anything of `system`: how often Kafka syncs is of no matter to its start, memory and reads, and
    /// Levada's groups sync always.
    pub(super) fn concerns(&self, system: System) -> bool {
        match system {
            System::KafkaFlush => matches!(self, Self::Produce(_) | Self::Latency),
            System::LevadaOs => *self != Self::Groups,
            System::Kafka | System::LevadaFsync => true,
        }
    }

    /// Whether every round measures it, and not just the first: what most targets are about, and is soon done.
    pub(super) fn is_repeated(&self) -> bool {
        match self {
            Self::Produce(load) => {
                (load.record_size, load.compression, load.batch_size) == (KIB, Compression::None, 16 * KIB)
            }
            Self::Consume(_)
            | Self::Latency
            | Self::Transact(_)
            | Self::Groups
            | Self::Sessions
            | Self::Compaction
            | Self::Start => true,
            Self::Memory | Self::Recovery => false,
        }
    }

    /// Whether it runs on the broker that cases share.
    pub(super) fn shares_broker(&self) -> bool {
        matches!(self, Self::Produce(_) | Self::Consume(_) | Self::Latency | Self::Transact(_))
    }

    /// The broker's settings, where it is the case's own.
    fn settings(&self) -> &'static [(&'static str, &'static str)] {
        match self {
            // As shipped both brokers look every 15 seconds whether anything is to be compacted.
            Self::Compaction => &[("log.cleaner.backoff.ms", "100")],
            _ => &[],
        }
    }

    /// What it measures.
    pub(super) fn metrics(&self) -> &'static [Metric] {
        match self {
            Self::Produce(_) | Self::Consume(_) => &[Metric::Throughput, Metric::CpuPerGb],
            Self::Latency => &[Metric::LatencyMedian, Metric::Latency99, Metric::Latency999],
            Self::Transact(_) => &[
                Metric::Throughput,
                Metric::Rate,
                Metric::LatencyMedian,
                Metric::Latency99,
                Metric::CpuPerGb,
                Metric::CpuEach,
            ],
            Self::Groups => {
                &[Metric::Rate, Metric::LatencyMedian, Metric::Latency99, Metric::CpuEach, Metric::Resident]
            }
            Self::Sessions => &[Metric::Rate, Metric::LatencyMedian, Metric::Latency99, Metric::CpuEach],
            Self::Compaction => &[
                Metric::SizeBefore,
                Metric::SizeAfter,
                Metric::CompactedPerCpu,
                Metric::Without99,
                Metric::With99,
                Metric::With99Ratio,
            ],
            Self::Start => &[Metric::Ready, Metric::Resident],
            Self::Memory => &[Metric::Resident],
            Self::Recovery => &[Metric::Ready, Metric::BytesRead],
        }
    }
}

impl Load {
    /// Whether its topic is kept rather than deleted.
    fn is_of_many_partitions(&self) -> bool {
        self.partitions >= 1_000
    }
}

impl fmt::Display for Load {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let batch = if self.batch_size < MIB { "16KiB" } else { "1MiB" };
        write!(f, "{}B-{}-{batch}-{}p", self.record_size, self.compression, self.partitions)
    }
}

/// What one measurement came to.
pub(super) type Measured = Vec<(Metric, f64)>;

/// Where and with what a system is measured.
#[derive(Debug)]
pub(super) struct Bench<'a> {
    pub(super) system: System,
    pub(super) recipe: &'a Recipe,
    pub(super) driver: &'a Driver,
    pub(super) folder: &'a Path,
    pub(super) scale: Scale,
}

impl Bench<'_> {
    /// Loads a fresh broker for a while and forgets it: a virtual machine compiles what runs often.
    pub(super) fn warm_up(&self, broker: &Broker) -> Result<()> {
        let load = Load { record_size: KIB, compression: Compression::None, batch_size: 16 * KIB, partitions: 10 };
        let produced = self.produce(broker, "warm-up", &load, Some(self.scale.warm_up_bytes))?;
        self.consume(broker, "warm-up", &load, &produced)?;
        self.forget(broker, "warm-up")
    }

    /// Measures on a broker that runs.
    pub(super) fn on(&self, broker: &Broker, case: &Case) -> Result<Measured> {
        match case {
            Case::Produce(load) => {
                let topic = format!("produced-{load}");
                let produced = self.produce(broker, &topic, load, None)?;
                let measured = vec![
                    (Metric::Throughput, produced.bytes_per_second),
                    (Metric::CpuPerGb, produced.cpu_seconds / (produced.bytes / 1e9)),
                ];
                if !load.is_of_many_partitions() {
                    self.forget(broker, &topic)?;
                }
                Ok(measured)
            }
            Case::Consume(load) => {
                let produced = self.produce(broker, "consumed", load, Some(self.scale.consume_bytes))?;
                let measured = self.consume(broker, "consumed", load, &produced)?;
                self.forget(broker, "consumed")?;
                Ok(measured)
            }
            Case::Latency => self.latency(broker),
            Case::Transact(commits) => self.transact(broker, *commits),
            Case::Groups | Case::Sessions | Case::Compaction | Case::Start | Case::Memory | Case::Recovery => {
                bail!("`{}` needs a broker of its own", case.name())
            }
        }
    }

    /// Measures on a broker of the case's own, in `folder`.
    pub(super) fn alone(&self, case: &Case, folder: &Path) -> Result<Measured> {
        let begun = Instant::now();
        let mut broker = self.recipe.start_with(folder, case.settings())?;
        let first_start_ms = begun.elapsed().as_secs_f64() * 1e3;
        // What stands there at the end is what counts, not how it came: large batches bring it soonest.
        let load = |partitions| Load { record_size: KIB, compression: Compression::None, batch_size: MIB, partitions };
        let measured = match case {
            Case::Start => {
                sleep(IDLE);
                // Kafka's time has the formatting of its directory in it, which it cannot start without.
                vec![(Metric::Ready, first_start_ms), (Metric::Resident, usage(&broker)?.resident_bytes)]
            }
            Case::Memory => {
                let load = load(10);
                let produced = self.produce(&broker, "memory", &load, Some(self.scale.memory_bytes))?;
                self.consume(&broker, "memory", &load, &produced)?;
                sleep(IDLE);
                vec![(Metric::Resident, usage(&broker)?.resident_bytes)]
            }
            Case::Recovery => {
                let load = load(self.scale.recovery_partitions);
                self.produce(&broker, "recovery", &load, Some(self.scale.recovery_bytes))?;
                broker.kill()?;
                drop_caches()?;
                let took = broker.start_again()?;
                vec![(Metric::Ready, took.as_secs_f64() * 1e3), (Metric::BytesRead, usage(&broker)?.read_bytes)]
            }
            Case::Groups => self.groups(&broker)?,
            Case::Sessions => self.sessions(&broker)?,
            Case::Compaction => self.compaction(&broker)?,
            Case::Produce(_) | Case::Consume(_) | Case::Latency | Case::Transact(_) => self.on(&broker, case)?,
        };
        broker.kill()?;
        Ok(measured)
    }

    pub(super) fn produce(&self, broker: &Broker, topic: &str, load: &Load, bytes: Option<u64>) -> Result<Produced> {
        self.create(broker, topic, load.partitions)?;
        let mut arguments = vec!["produce".to_owned()];
        let mut option = |name: &str, value: String| arguments.extend([format!("--{name}"), value]);
        option("brokers", broker.bootstrap());
        option("topic", topic.to_owned());
        option("partitions", load.partitions.to_string());
        option("record-size", load.record_size.to_string());
        option("batch-size", load.batch_size.to_string());
        option("compression", load.compression.to_string());
        if let Some(bytes) = bytes {
            option("bytes", bytes.to_string());
        }
        option("seconds", bytes.map_or(self.scale.produce_seconds, |_| 1e6).to_string());
        let before = usage(broker)?.cpu_seconds;
        let answer = self.driver.run(self.folder, &arguments)?;
        Ok(Produced {
            cpu_seconds: usage(broker)?.cpu_seconds - before,
            bytes_per_second: number(&answer, "bytes_per_second")?,
            bytes: number(&answer, "acknowledged_bytes")?,
            records: answer.get("acknowledged_records").and_then(serde_json::Value::as_u64).context("no count")?,
        })
    }

    pub(super) fn consume(&self, broker: &Broker, topic: &str, load: &Load, produced: &Produced) -> Result<Measured> {
        let arguments = [
            "consume".to_owned(),
            "--brokers".to_owned(),
            broker.bootstrap(),
            "--topic".to_owned(),
            topic.to_owned(),
            "--partitions".to_owned(),
            load.partitions.to_string(),
            "--records".to_owned(),
            produced.records.to_string(),
        ];
        let before = usage(broker)?.cpu_seconds;
        let answer = self.driver.run(self.folder, &arguments)?;
        let cpu_seconds = usage(broker)?.cpu_seconds - before;
        Ok(vec![
            (Metric::Throughput, number(&answer, "bytes_per_second")?),
            (Metric::CpuPerGb, cpu_seconds / (number(&answer, "bytes")? / 1e9)),
        ])
    }

    fn latency(&self, broker: &Broker) -> Result<Measured> {
        self.create(broker, "latency", 1)?;
        let seconds = self.scale.latency_seconds.to_string();
        let arguments = ["latency", "--brokers", &broker.bootstrap(), "--topic", "latency", "--seconds", &seconds];
        let answer = self.driver.run(self.folder, &arguments.map(str::to_owned))?;
        self.forget(broker, "latency")?;
        Ok(vec![
            (Metric::LatencyMedian, number(&answer, "p50_ms")?),
            (Metric::Latency99, number(&answer, "p99_ms")?),
            (Metric::Latency999, number(&answer, "p999_ms")?),
        ])
    }

    pub(super) fn create(&self, broker: &Broker, topic: &str, partitions: i32) -> Result<()> {
        self.create_with(broker, topic, partitions, &[])
    }

    /// As `create`, with settings beyond the system's.
    pub(super) fn create_with(
        &self,
        broker: &Broker,
        topic: &str,
        partitions: i32,
        settings: &[(&str, &str)],
    ) -> Result<()> {
        let mut configs = self.system.configs();
        configs.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let code = connect(broker)?.create_topic(topic, partitions, &configs)?;
        if code != 0 {
            bail!("topic `{topic}` was refused: {}", error_name(code));
        }
        Ok(())
    }

    /// Deletes a topic and waits until its name is free for the next case.
    pub(super) fn forget(&self, broker: &Broker, topic: &str) -> Result<()> {
        let mut connection = connect(broker)?;
        let code = connection.delete_topic(topic)?;
        if code != 0 {
            bail!("topic `{topic}` cannot be deleted: {}", error_name(code));
        }
        let deadline = Instant::now() + CREATE_LIMIT;
        while connection.topics()?.iter().any(|name| name == topic) {
            if Instant::now() > deadline {
                bail!("topic `{topic}` does not go away");
            }
            sleep(Duration::from_millis(50));
        }
        // Files that are removed behind the answer would be paid for by the next case.
        sleep(REST);
        Ok(())
    }
}

/// What a producer got through.
pub(super) struct Produced {
    pub(super) cpu_seconds: f64,
    pub(super) bytes_per_second: f64,
    pub(super) bytes: f64,
    records: u64,
}

pub(super) fn connect(broker: &Broker) -> Result<Connection> {
    let address: SocketAddr = broker.bootstrap().parse()?;
    Connection::open_patiently(address, CREATE_LIMIT)
}

pub(super) fn usage(broker: &Broker) -> Result<Usage> {
    Usage::of(broker.pid().context("the broker does not run")?)
}
