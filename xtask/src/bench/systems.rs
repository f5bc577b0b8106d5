//! What is compared: two brokers, each with and without a sync before the answer.

use clap::ValueEnum;

/// A broker and how durable its answers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, ValueEnum)]
pub(super) enum System {
    /// Apache Kafka as it ships: answers before the disk has it
    Kafka,
    /// Apache Kafka with `flush.messages=1`: answers after a sync
    KafkaFlush,
    /// Levada as it ships: answers after a sync
    LevadaFsync,
    /// Levada with `durability=os`: answers before the disk has it
    LevadaOs,
}

impl System {
    /// In the order of the tables.
    pub(super) const ALL: [Self; 4] = [Self::LevadaFsync, Self::KafkaFlush, Self::LevadaOs, Self::Kafka];

    /// For the command line and file names.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::KafkaFlush => "kafka-flush",
            Self::LevadaFsync => "levada-fsync",
            Self::LevadaOs => "levada-os",
        }
    }

    /// For people.
    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Kafka => "Kafka, as shipped",
            Self::KafkaFlush => "Kafka, flush.messages=1",
            Self::LevadaFsync => "Levada, fsync (default)",
            Self::LevadaOs => "Levada, os",
        }
    }

    /// The topic's settings that make it so.
    pub(super) fn configs(self) -> Vec<(String, String)> {
        let pairs: &[(&str, &str)] = match self {
            // What is deleted makes room at once, so that cases do not disturb each other.
            Self::Kafka => &[("file.delete.delay.ms", "1000")],
            Self::KafkaFlush => &[("file.delete.delay.ms", "1000"), ("flush.messages", "1")],
            Self::LevadaFsync => &[("durability", "fsync")],
            Self::LevadaOs => &[("durability", "os")],
        };
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    /// How the names of the threads begin that compact; the kernel keeps 15 letters of a name.
    pub(super) fn cleaner(self) -> &'static str {
        match self {
            Self::Kafka | Self::KafkaFlush => "kafka-log-clean",
            Self::LevadaFsync | Self::LevadaOs => "levada-clean",
        }
    }

    /// The colour of its bars.
    pub(super) fn colour(self) -> &'static str {
        match self {
            Self::Kafka => "#b8b8b8",
            Self::KafkaFlush => "#6e6e6e",
            Self::LevadaFsync => "#1763a6",
            Self::LevadaOs => "#7fb8e6",
        }
    }
}
