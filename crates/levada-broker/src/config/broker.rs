//! The settings of the broker: the table, and what is in force.

use crate::{
    config::{
        ConfigError, Rule, Scope, Setting, find,
        topic::{TopicDefaults, fits_journal},
    },
    consumer_group::{
        ConsumerLimits, Migration, assignor,
        pace::{Pace, Paces},
    },
    group::GroupLimits,
};
use std::{collections::BTreeMap, time::Duration};

const fn fixed(name: &'static str, rule: Rule, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, rule, default, scope: Scope::Static, doc }
}

const fn dynamic(name: &'static str, rule: Rule, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, rule, default, scope: Scope::Dynamic, doc }
}

/// Every setting of the broker that this crate obeys, by name.
pub const BROKER: &[Setting] = &[
    dynamic("auto.create.topics.enable", Rule::Boolean, "true", "Create a topic when a client first asks for it."),
    fixed(
        "compression.type",
        Rule::OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
        "producer",
        "The default of the topic setting `compression.type`.",
    ),
    dynamic("default.replication.factor", Rule::Int(1), "1", "The replication factor of topics created without one."),
    dynamic("delete.topic.enable", Rule::Boolean, "true", "Whether topics can be deleted."),
    fixed(
        "group.consumer.assignment.interval.ms",
        Rule::Int(0),
        "1000",
        "Members of groups of KIP-848 that come and go within this time are assigned together.",
    ),
    fixed(
        "group.consumer.assignors",
        Rule::SomeOf(&assignor::NAMES),
        "uniform,range",
        "The assignors that members of groups of KIP-848 may want; the first is the default.",
    ),
    fixed(
        "group.consumer.heartbeat.interval.ms",
        Rule::Int(1),
        "5000",
        "How often members of groups of KIP-848 are to be heard of.",
    ),
    fixed(
        "group.consumer.max.assignment.interval.ms",
        Rule::Int(0),
        "15000",
        "The longest time between assignments that a group may set.",
    ),
    fixed(
        "group.consumer.max.heartbeat.interval.ms",
        Rule::Int(1),
        "15000",
        "The longest interval between heartbeats.",
    ),
    fixed("group.consumer.max.session.timeout.ms", Rule::Int(1), "60000", "The longest session timeout under KIP-848."),
    fixed("group.consumer.max.size", Rule::Int(1), "10000", "The most members of a group of KIP-848."),
    fixed(
        "group.consumer.migration.policy",
        Rule::OneOf(&["disabled", "downgrade", "upgrade", "bidirectional"]),
        "bidirectional",
        "Whether groups with members go from the classic protocol to that of KIP-848 (upgrade) and back (downgrade).",
    ),
    fixed(
        "group.consumer.min.assignment.interval.ms",
        Rule::Int(0),
        "0",
        "The shortest time between assignments that a group may set.",
    ),
    fixed(
        "group.consumer.min.heartbeat.interval.ms",
        Rule::Int(1),
        "5000",
        "The shortest interval between heartbeats.",
    ),
    fixed(
        "group.consumer.min.session.timeout.ms",
        Rule::Int(1),
        "45000",
        "The shortest session timeout under KIP-848.",
    ),
    fixed(
        "group.consumer.session.timeout.ms",
        Rule::Int(1),
        "45000",
        "How long a member of a group of KIP-848 may be silent.",
    ),
    fixed(
        "group.initial.rebalance.delay.ms",
        Rule::Int(0),
        "0",
        "How long the first rebalance of an empty group waits for more members.",
    ),
    fixed("group.max.session.timeout.ms", Rule::Int(1), "1800000", "The longest session timeout a member may ask for."),
    fixed("group.max.size", Rule::Int(1), "10000", "The most members of a group."),
    fixed("group.min.session.timeout.ms", Rule::Int(1), "6000", "The shortest session timeout a member may ask for."),
    fixed(
        "log.cleaner.backoff.ms",
        Rule::Long(0),
        "15000",
        "How often it is looked which partitions are to be compacted.",
    ),
    fixed(
        "log.cleaner.dedupe.buffer.size",
        Rule::Long(1 << 16),
        "134217728",
        "Memory for the keys of the partition that is compacted, at most. What does not fit is compacted in a later pass.",
    ),
    fixed(
        "log.cleaner.delete.retention.ms",
        Rule::Long(0),
        "86400000",
        "The default of the topic setting `delete.retention.ms`.",
    ),
    fixed(
        "log.cleaner.io.max.bytes.per.second",
        Rule::Long(1),
        "9223372036854775807",
        "Compaction reads and writes no more bytes a second than this.",
    ),
    fixed(
        "log.cleaner.max.compaction.lag.ms",
        Rule::Long(1),
        "9223372036854775807",
        "The default of the topic setting `max.compaction.lag.ms`.",
    ),
    fixed(
        "log.cleaner.min.cleanable.ratio",
        Rule::Ratio,
        "0.5",
        "The default of the topic setting `min.cleanable.dirty.ratio`.",
    ),
    fixed(
        "log.cleaner.min.compaction.lag.ms",
        Rule::Long(0),
        "0",
        "The default of the topic setting `min.compaction.lag.ms`.",
    ),
    fixed(
        "log.cleanup.policy",
        Rule::SomeOf(&["delete", "compact"]),
        "delete",
        "The default of the topic setting `cleanup.policy`.",
    ),
    fixed(
        "log.durability",
        Rule::OneOf(&["fsync", "interval", "os"]),
        "fsync",
        "The default of the topic setting `durability`.",
    ),
    fixed(
        "log.flush.interval.messages",
        Rule::Long(1),
        "9223372036854775807",
        "The default of the topic setting `flush.messages`.",
    ),
    fixed(
        "log.flush.interval.ms",
        Rule::Long(0),
        "9223372036854775807",
        "The default of the topic setting `flush.ms`.",
    ),
    fixed(
        "log.message.timestamp.after.max.ms",
        Rule::Long(0),
        "3600000",
        "The default of the topic setting `message.timestamp.after.max.ms`.",
    ),
    fixed(
        "log.message.timestamp.before.max.ms",
        Rule::Long(0),
        "9223372036854775807",
        "The default of the topic setting `message.timestamp.before.max.ms`.",
    ),
    fixed(
        "log.message.timestamp.type",
        Rule::OneOf(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        "The default of the topic setting `message.timestamp.type`.",
    ),
    fixed("log.retention.bytes", Rule::Long(-1), "-1", "The default of the topic setting `retention.bytes`."),
    fixed("log.retention.ms", Rule::Long(-1), "604800000", "The default of the topic setting `retention.ms`."),
    fixed("log.roll.ms", Rule::Long(1), "604800000", "The default of the topic setting `segment.ms`."),
    fixed("log.segment.bytes", Rule::Int(1 << 20), "134217728", "The default of the topic setting `segment.bytes`."),
    fixed("message.max.bytes", Rule::Int(0), "1048588", "The default of the topic setting `max.message.bytes`."),
    fixed("min.insync.replicas", Rule::Int(1), "1", "The default of the topic setting `min.insync.replicas`."),
    dynamic("num.partitions", Rule::Int(1), "1", "How many partitions a topic has that is created without a number."),
    dynamic("offset.metadata.max.bytes", Rule::Int(0), "4096", "The longest note that may go with a committed offset."),
    dynamic(
        "offsets.retention.check.interval.ms",
        Rule::Long(1),
        "600000",
        "How often expired offsets are looked for.",
    ),
    dynamic("offsets.retention.minutes", Rule::Int(1), "10080", "How long the offsets of an unused group are kept."),
    fixed(
        "offsets.topic.num.partitions",
        Rule::Int(1),
        "50",
        "How many partitions `__consumer_offsets` is created with; afterwards those that it has count.",
    ),
    dynamic("partitions.max", Rule::Int(1), "20000", "The most partitions of all topics together."),
    dynamic("partitions.per.topic.max", Rule::Int(1), "10000", "The most partitions of one topic."),
    dynamic(
        "replication.factor.clamp",
        Rule::Boolean,
        "false",
        "Take a replication factor above 1 for 1, instead of refusing it.",
    ),
    fixed(
        "transaction.abort.timed.out.transaction.cleanup.interval.ms",
        Rule::Int(1),
        "10000",
        "How often transactions that last longer than their timeout are looked for.",
    ),
    fixed(
        "transaction.max.timeout.ms",
        Rule::Int(1),
        "900000",
        "The longest timeout a transactional producer may ask for.",
    ),
    fixed(
        "transaction.remove.expired.transaction.cleanup.interval.ms",
        Rule::Int(1),
        "3600000",
        "How often unused transactional ids are looked for.",
    ),
    fixed(
        "transaction.state.log.num.partitions",
        Rule::Int(1),
        "50",
        "How many partitions `__transaction_state` is created with.",
    ),
    fixed(
        "transactional.id.expiration.ms",
        Rule::Int(1),
        "604800000",
        "After which time an unused transactional id is forgotten.",
    ),
];

/// Kafka's settings in larger units: name, the setting they stand for, milliseconds in one.
const LARGER_UNITS: &[(&str, &str, i64)] = &[
    ("log.retention.hours", "log.retention.ms", 3_600_000),
    ("log.retention.minutes", "log.retention.ms", 60_000),
    ("log.roll.hours", "log.roll.ms", 3_600_000),
];

/// The broker's settings: from its configuration file, overlaid by those changed while it runs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BrokerConfig {
    fixed: BTreeMap<String, String>,
    dynamic: BTreeMap<String, String>,
}

impl BrokerConfig {
    /// Takes the settings of a configuration file, by Kafka's names.
    ///
    /// # Errors
    /// [`ConfigError`] names the first that is unknown or illegal.
    pub fn from_settings<'a>(settings: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, ConfigError> {
        let mut fixed = BTreeMap::new();
        for (name, value) in settings {
            let (name, value) = in_milliseconds(name, value);
            let setting = find(BROKER, &name)?;
            setting.check(&value)?;
            fixed.insert(name, value);
        }
        let config = Self { fixed, dynamic: BTreeMap::new() };
        config.validate()?;
        Ok(config)
    }

    /// Checks what no setting says alone.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`].
    pub fn validate(&self) -> Result<(), ConfigError> {
        let (min, max) = (self.number("group.min.session.timeout.ms"), self.number("group.max.session.timeout.ms"));
        if min > max {
            let reason = format!("`group.max.session.timeout.ms` is {max}");
            return Err(ConfigError::Invalid { name: "group.min.session.timeout.ms", value: min.to_string(), reason });
        }
        self.check_between(
            "group.consumer.session.timeout.ms",
            "group.consumer.min.session.timeout.ms",
            "group.consumer.max.session.timeout.ms",
        )?;
        self.check_between(
            "group.consumer.heartbeat.interval.ms",
            "group.consumer.min.heartbeat.interval.ms",
            "group.consumer.max.heartbeat.interval.ms",
        )?;
        self.check_between(
            "group.consumer.assignment.interval.ms",
            "group.consumer.min.assignment.interval.ms",
            "group.consumer.max.assignment.interval.ms",
        )?;
        let (interval, timeout) = ("group.consumer.heartbeat.interval.ms", "group.consumer.session.timeout.ms");
        if self.number(interval) >= self.number(timeout) {
            let reason = format!("`{timeout}` is {}", self.number(timeout));
            return Err(ConfigError::Invalid { name: interval, value: self.number(interval).to_string(), reason });
        }
        TopicDefaults::of(self).check_together(&BTreeMap::new())
    }

    fn check_between(&self, name: &'static str, min: &'static str, max: &'static str) -> Result<(), ConfigError> {
        let (value, bounds) = (self.number(name), (self.number(min), self.number(max)));
        if (bounds.0..=bounds.1).contains(&value) {
            return Ok(());
        }
        let reason = format!("`{min}` is {} and `{max}` is {}", bounds.0, bounds.1);
        Err(ConfigError::Invalid { name, value: value.to_string(), reason })
    }

    /// Checks that the journal, which takes batches of at most `limit` bytes, holds those that are let in.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`] names what to change.
    pub fn check_batch_size(&self, limit: usize) -> Result<(), ConfigError> {
        const NAME: &str = "message.max.bytes";
        self.get(NAME).map_or(Ok(()), |value| fits_journal(NAME, value, limit))
    }

    /// The same, with `dynamic` laid over it.
    #[must_use]
    pub fn overlaid(&self, dynamic: &BTreeMap<String, String>) -> Self {
        Self { fixed: self.fixed.clone(), dynamic: dynamic.clone() }
    }

    /// What was set while the broker ran.
    #[must_use]
    pub const fn dynamic(&self) -> &BTreeMap<String, String> {
        &self.dynamic
    }

    /// What the configuration file says about `name`.
    #[must_use]
    pub fn fixed(&self, name: &str) -> Option<&str> {
        self.fixed.get(name).map(String::as_str)
    }

    /// The value of `name`, if any was set.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.dynamic.get(name).or_else(|| self.fixed.get(name)).map(String::as_str)
    }

    fn text(&self, name: &'static str) -> &str {
        let default = || BROKER.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        self.get(name).unwrap_or_else(default)
    }

    fn number(&self, name: &'static str) -> i64 {
        self.text(name).trim().parse().unwrap_or(i64::MAX)
    }

    fn count(&self, name: &'static str) -> i32 {
        i32::try_from(self.number(name)).unwrap_or(i32::MAX)
    }

    fn size(&self, name: &'static str) -> usize {
        usize::try_from(self.number(name)).unwrap_or(usize::MAX)
    }

    fn milliseconds(&self, name: &'static str) -> Duration {
        Duration::from_millis(u64::try_from(self.number(name)).unwrap_or(0))
    }

    /// Whether a topic is created when a client first asks for it.
    #[must_use]
    pub fn auto_create_topics(&self) -> bool {
        self.text("auto.create.topics.enable") == "true"
    }

    /// Whether topics can be deleted.
    #[must_use]
    pub fn delete_topics(&self) -> bool {
        self.text("delete.topic.enable") == "true"
    }

    /// Whether a replication factor above 1 is taken for 1.
    #[must_use]
    pub fn clamp_replication_factor(&self) -> bool {
        self.text("replication.factor.clamp") == "true"
    }

    /// The replication factor of topics created without one.
    #[must_use]
    pub fn default_replication_factor(&self) -> i32 {
        self.count("default.replication.factor")
    }

    /// How many partitions a topic has that is created without a number.
    #[must_use]
    pub fn default_partitions(&self) -> i32 {
        self.count("num.partitions")
    }

    /// The most partitions of one topic.
    #[must_use]
    pub fn partitions_per_topic_max(&self) -> i32 {
        self.count("partitions.per.topic.max")
    }

    /// The most partitions of all topics together.
    #[must_use]
    pub fn partitions_max(&self) -> i32 {
        self.count("partitions.max")
    }

    /// How often it is looked which partitions are to be compacted.
    #[must_use]
    pub fn compaction_interval(&self) -> Duration {
        self.milliseconds("log.cleaner.backoff.ms")
    }

    /// Memory for the keys of the partition that is compacted.
    #[must_use]
    pub fn compaction_map_size_max(&self) -> usize {
        self.size("log.cleaner.dedupe.buffer.size")
    }

    /// How many bytes compaction reads and writes a second at most, if there is a limit.
    #[must_use]
    pub fn compaction_bytes_per_second_max(&self) -> Option<u64> {
        let rate = self.number("log.cleaner.io.max.bytes.per.second");
        if rate == i64::MAX { None } else { u64::try_from(rate).ok() }
    }

    /// How many partitions `__consumer_offsets` is created with.
    #[must_use]
    pub fn offsets_topic_partitions(&self) -> i32 {
        self.count("offsets.topic.num.partitions")
    }

    /// How many partitions `__transaction_state` is created with.
    #[must_use]
    pub fn transactions_topic_partitions(&self) -> i32 {
        self.count("transaction.state.log.num.partitions")
    }

    /// The longest timeout that a transactional producer may ask for.
    #[must_use]
    pub fn transaction_timeout_max_ms(&self) -> i32 {
        self.count("transaction.max.timeout.ms")
    }

    /// How often transactions that last too long are looked for.
    #[must_use]
    pub fn transaction_abort_interval(&self) -> Duration {
        self.milliseconds("transaction.abort.timed.out.transaction.cleanup.interval.ms")
    }

    /// How often unused transactional ids are looked for.
    #[must_use]
    pub fn transactional_id_check_interval(&self) -> Duration {
        self.milliseconds("transaction.remove.expired.transaction.cleanup.interval.ms")
    }

    /// After which time an unused transactional id is forgotten.
    #[must_use]
    pub fn transactional_id_expiration(&self) -> Duration {
        self.milliseconds("transactional.id.expiration.ms")
    }

    /// The longest note that may go with a committed offset.
    #[must_use]
    pub fn offset_metadata_size_max(&self) -> usize {
        self.size("offset.metadata.max.bytes")
    }

    /// How long the offsets of an unused group are kept.
    #[must_use]
    pub fn offsets_retention(&self) -> Duration {
        Duration::from_secs(60 * u64::try_from(self.number("offsets.retention.minutes")).unwrap_or(0))
    }

    /// How often expired offsets are looked for.
    #[must_use]
    pub fn offsets_check_interval(&self) -> Duration {
        self.milliseconds("offsets.retention.check.interval.ms")
    }

    /// The pace of groups, and the bounds of their own settings.
    #[must_use]
    pub fn group_paces(&self) -> Paces {
        let pace = |session_timeout, heartbeat_interval, assignment_interval| Pace {
            session_timeout: self.milliseconds(session_timeout),
            heartbeat_interval: self.milliseconds(heartbeat_interval),
            assignment_interval: self.milliseconds(assignment_interval),
        };
        Paces {
            usual: pace(
                "group.consumer.session.timeout.ms",
                "group.consumer.heartbeat.interval.ms",
                "group.consumer.assignment.interval.ms",
            ),
            min: pace(
                "group.consumer.min.session.timeout.ms",
                "group.consumer.min.heartbeat.interval.ms",
                "group.consumer.min.assignment.interval.ms",
            ),
            max: pace(
                "group.consumer.max.session.timeout.ms",
                "group.consumer.max.heartbeat.interval.ms",
                "group.consumer.max.assignment.interval.ms",
            ),
        }
    }

    fn consumer_limits(&self) -> ConsumerLimits {
        let policy = self.text("group.consumer.migration.policy");
        let assignors = self.text("group.consumer.assignors").split(',').map(|name| name.trim().into());
        ConsumerLimits {
            paces: self.group_paces(),
            members_max: self.size("group.consumer.max.size"),
            classic_members_max: self.size("group.max.size"),
            assignors: assignors.collect(),
            migration: Migration {
                upgrade: matches!(policy, "upgrade" | "bidirectional"),
                downgrade: matches!(policy, "downgrade" | "bidirectional"),
            },
        }
    }

    /// The bounds that groups keep.
    #[must_use]
    pub fn group_limits(&self) -> GroupLimits {
        GroupLimits {
            initial_rebalance_delay: self.milliseconds("group.initial.rebalance.delay.ms"),
            session_timeout_min: self.milliseconds("group.min.session.timeout.ms"),
            session_timeout_max: self.milliseconds("group.max.session.timeout.ms"),
            members_max: self.size("group.max.size"),
            consumer: self.consumer_limits(),
            ..GroupLimits::default()
        }
    }
}

fn in_milliseconds(name: &str, value: &str) -> (String, String) {
    let unit = LARGER_UNITS.iter().find(|(larger, _, _)| *larger == name);
    match (unit, value.trim().parse::<i64>()) {
        (Some((_, smaller, _)), Ok(number)) if number < 0 => ((*smaller).to_owned(), number.to_string()),
        (Some((_, smaller, factor)), Ok(number)) => ((*smaller).to_owned(), number.saturating_mul(*factor).to_string()),
        _ => (name.to_owned(), value.to_owned()),
    }
}
