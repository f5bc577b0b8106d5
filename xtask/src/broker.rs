//! One broker under test, whichever it is: what the client stories and the benchmark need of both.

use std::fmt;
use std::path::Path;
use std::process::ExitStatus;
use std::time::Duration;

use anyhow::Result;

use crate::kafka_rig::{self, Kafka};
use crate::levada_rig::{self, Levada};

/// A broker that can be started again and again.
#[derive(Debug)]
pub(crate) enum Broker {
    /// Apache Kafka from its jars.
    Kafka(Kafka),
    /// This repository's binary.
    Levada(Levada),
}

impl Broker {
    /// `host:port` for Kafka clients; a restart keeps it.
    pub(crate) fn bootstrap(&self) -> String {
        match self {
            Self::Kafka(kafka) => kafka.bootstrap(),
            Self::Levada(levada) => levada.bootstrap(),
        }
    }

    /// `host:port` of its schema registry, where it has one; a restart keeps it.
    pub(crate) fn registry(&self) -> Option<String> {
        match self {
            Self::Kafka(_) => None,
            Self::Levada(levada) => levada.registry(),
        }
    }

    /// `host:port` for clients of PostgreSQL, where it serves them; a restart keeps it.
    pub(crate) fn pgwire(&self) -> Option<String> {
        match self {
            Self::Kafka(_) => None,
            Self::Levada(levada) => levada.pgwire(),
        }
    }

    /// How the broker exited without having been asked to.
    pub(crate) fn exited(&mut self) -> Result<Option<ExitStatus>> {
        match self {
            Self::Kafka(kafka) => kafka.exited(),
            Self::Levada(levada) => levada.exited(),
        }
    }

    /// SIGTERM, then waits for a clean shutdown.
    pub(crate) fn stop(&mut self) -> Result<()> {
        match self {
            Self::Kafka(kafka) => kafka.stop(),
            Self::Levada(levada) => levada.stop(),
        }
    }

    /// The process id while it runs.
    pub(crate) fn pid(&self) -> Option<u32> {
        match self {
            Self::Kafka(kafka) => kafka.pid(),
            Self::Levada(levada) => levada.pid(),
        }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) -> Result<()> {
        match self {
            Self::Kafka(kafka) => kafka.kill(),
            Self::Levada(levada) => levada.kill(),
        }
    }

    /// Starts a stopped or killed broker on the same addresses and directory; answers how long it
    /// took until it accepted.
    pub(crate) fn start_again(&mut self) -> Result<Duration> {
        match self {
            Self::Kafka(kafka) => kafka.start_again(),
            Self::Levada(levada) => levada.start_again(),
        }
    }
}

/// What a fresh broker is made from.
#[derive(Clone, Debug)]
pub(crate) enum Recipe {
    /// Apache Kafka's jars.
    Kafka(kafka_rig::Jars),
    /// A Levada binary.
    Levada(std::path::PathBuf),
}

impl Recipe {
    /// Starts a fresh broker in `folder`, as it ships but for its addresses.
    pub(crate) fn start(&self, folder: &Path) -> Result<Broker> {
        self.start_with(folder, &[])
    }

    /// As `start`, with settings that both brokers know by Kafka's names.
    pub(crate) fn start_with(&self, folder: &Path, settings: &[(&str, &str)]) -> Result<Broker> {
        match self {
            Self::Kafka(jars) => {
                let mut config = kafka_rig::Config::new(folder);
                for (name, value) in settings {
                    config = config.property(name, value);
                }
                Ok(Broker::Kafka(Kafka::start(jars, config)?))
            }
            Self::Levada(binary) => {
                let mut config = levada_rig::Config::new(binary, folder);
                for (name, value) in settings {
                    config.flags.extend(["--set".to_owned(), format!("{name}={value}")]);
                }
                Ok(Broker::Levada(Levada::start(config)?))
            }
        }
    }
}

impl fmt::Display for Recipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kafka(jars) => write!(f, "Apache Kafka {}", jars.version()),
            Self::Levada(_) => f.write_str("Levada"),
        }
    }
}
