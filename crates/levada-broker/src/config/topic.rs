//! The settings of a topic: the table, and what it comes to for one topic.

use crate::{
    config::{ConfigError, ConfigKind, Rule, Scope, Setting, broker::BrokerConfig, find},
    own_topic::is_reserved,
    schemas::{SchemaRule, SchemaRules, SubjectNameStrategy},
};
use levada_model::{TopicName, batch::Codec};
use levada_store::{Durability, LogSettings, TimestampKind, local::BATCH_SIZE_MAX};
use std::collections::BTreeMap;

const fn setting(name: &'static str, rule: Rule, default: &'static str, scope: Scope, doc: &'static str) -> Setting {
    Setting { name, rule, default, scope, doc }
}

const fn without_effect(name: &'static str, kind: ConfigKind, default: &'static str, doc: &'static str) -> Setting {
    Setting { name, rule: Rule::OnlyDefault(kind), default, scope: Scope::Topic, doc }
}

use ConfigKind::{Boolean, Int, List, Long};
use Scope::TopicWithDefault;

/// The setting that makes a topic ours: a part of the platform writes it, and nobody else.
pub const WRITER: &str = "levada.registry.writer";

const TOPIC_NAME_STRATEGY: &str = "io.confluent.kafka.serializers.subject.TopicNameStrategy";
const STRATEGIES: Rule = Rule::OneOf(&[
    TOPIC_NAME_STRATEGY,
    "io.confluent.kafka.serializers.subject.RecordNameStrategy",
    "io.confluent.kafka.serializers.subject.TopicRecordNameStrategy",
    "TopicNameStrategy",
    "RecordNameStrategy",
    "TopicRecordNameStrategy",
]);

/// Every setting of a topic, by name.
pub const TOPIC: &[Setting] = &[
    setting(
        "cleanup.policy",
        Rule::SomeOf(&["delete", "compact"]),
        "delete",
        TopicWithDefault("log.cleanup.policy"),
        "`delete` removes old segments by time and size. `compact` keeps of each key only the last record.",
    ),
    without_effect(
        "compression.gzip.level",
        Int,
        "-1",
        "The level when the broker compresses: always the codec's default.",
    ),
    without_effect(
        "compression.lz4.level",
        Int,
        "9",
        "The level when the broker compresses: always the codec's default.",
    ),
    setting(
        "compression.type",
        Rule::OneOf(&["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"]),
        "producer",
        TopicWithDefault("compression.type"),
        "`producer` keeps batches as they were sent; a codec makes the broker compress batches that came otherwise.",
    ),
    without_effect(
        "compression.zstd.level",
        Int,
        "3",
        "The level when the broker compresses: always the codec's default.",
    ),
    setting(
        "confluent.key.schema.validation",
        Rule::Boolean,
        "false",
        Scope::Topic,
        "Refuse records whose key names no schema, or one that is not registered under its subject. A null key passes.",
    ),
    setting(
        "confluent.key.subject.name.strategy",
        STRATEGIES,
        TOPIC_NAME_STRATEGY,
        Scope::Topic,
        "Which subject that is: `<topic>-key`, the record's name, or the topic's and the record's.",
    ),
    setting(
        "confluent.value.schema.validation",
        Rule::Boolean,
        "false",
        Scope::Topic,
        "Refuse records whose value names no schema, or one that is not registered under its subject. A null value passes.",
    ),
    setting(
        "confluent.value.subject.name.strategy",
        STRATEGIES,
        TOPIC_NAME_STRATEGY,
        Scope::Topic,
        "Which subject that is: `<topic>-value`, the record's name, or the topic's and the record's.",
    ),
    setting(
        "delete.retention.ms",
        Rule::Long(0),
        "86400000",
        TopicWithDefault("log.cleaner.delete.retention.ms"),
        "How long tombstones are kept at least, once the records before them are compacted.",
    ),
    setting(
        "durability",
        Rule::OneOf(&["fsync", "interval", "os"]),
        "fsync",
        TopicWithDefault("log.durability"),
        "What an acknowledgement promises. `fsync`: on disk, survives a power cut. `interval`: written, and synced by `flush.messages` or `flush.ms`. `os`: written, and synced when the operating system likes, as Kafka does.",
    ),
    without_effect("file.delete.delay.ms", Long, "60000", "How long deleted files stay on disk."),
    setting(
        "flush.messages",
        Rule::Long(1),
        "9223372036854775807",
        TopicWithDefault("log.flush.interval.messages"),
        "Sync after this many records. Under `durability=fsync` every batch is synced before it is acknowledged, which is stronger.",
    ),
    setting(
        "flush.ms",
        Rule::Long(0),
        "9223372036854775807",
        TopicWithDefault("log.flush.interval.ms"),
        "Sync after this many milliseconds. Under `durability=fsync` every batch is synced before it is acknowledged, which is stronger.",
    ),
    without_effect("follower.replication.throttled.replicas", List, "", "There is one replica: nothing is replicated."),
    without_effect("index.interval.bytes", Int, "4096", "Bytes of records between two entries of an offset index."),
    without_effect("leader.replication.throttled.replicas", List, "", "There is one replica: nothing is replicated."),
    setting(
        "levada.key.schema.validation.mode",
        Rule::OneOf(&["id", "payload"]),
        "id",
        Scope::Topic,
        "What `confluent.key.schema.validation` looks at. `payload`: the key must be data of the schema it names, too.",
    ),
    setting(
        WRITER,
        Rule::Boolean,
        "false",
        Scope::Topic,
        "Whether this broker's schema registry writes the topic, and nobody else does. Set it on a topic of schemas that was mirrored in, once nobody else writes to it.",
    ),
    setting(
        "levada.value.schema.validation.mode",
        Rule::OneOf(&["id", "payload"]),
        "id",
        Scope::Topic,
        "What `confluent.value.schema.validation` looks at. `payload`: the value must be data of the schema it names, too.",
    ),
    without_effect("local.retention.bytes", Long, "-2", "There is no remote storage: `retention.bytes` holds."),
    without_effect("local.retention.ms", Long, "-2", "There is no remote storage: `retention.ms` holds."),
    setting(
        "max.compaction.lag.ms",
        Rule::Long(1),
        "9223372036854775807",
        TopicWithDefault("log.cleaner.max.compaction.lag.ms"),
        "After so long records are compacted, whatever `min.cleanable.dirty.ratio` says.",
    ),
    setting(
        "max.message.bytes",
        Rule::Int(0),
        "1048588",
        TopicWithDefault("message.max.bytes"),
        "The largest record batch, as it is sent.",
    ),
    setting(
        "message.timestamp.after.max.ms",
        Rule::Long(0),
        "3600000",
        TopicWithDefault("log.message.timestamp.after.max.ms"),
        "How far a producer's timestamp may lie in the broker's future.",
    ),
    setting(
        "message.timestamp.before.max.ms",
        Rule::Long(0),
        "9223372036854775807",
        TopicWithDefault("log.message.timestamp.before.max.ms"),
        "How far a producer's timestamp may lie in the broker's past.",
    ),
    setting(
        "message.timestamp.type",
        Rule::OneOf(&["CreateTime", "LogAppendTime"]),
        "CreateTime",
        TopicWithDefault("log.message.timestamp.type"),
        "Whose clock stamps records: the producer's or the broker's.",
    ),
    setting(
        "min.cleanable.dirty.ratio",
        Rule::Ratio,
        "0.5",
        TopicWithDefault("log.cleaner.min.cleanable.ratio"),
        "A partition is compacted when more than this share of it has not been.",
    ),
    setting(
        "min.compaction.lag.ms",
        Rule::Long(0),
        "0",
        TopicWithDefault("log.cleaner.min.compaction.lag.ms"),
        "How long records are kept at least before compaction may remove them.",
    ),
    setting(
        "min.insync.replicas",
        Rule::Int(1),
        "1",
        TopicWithDefault("min.insync.replicas"),
        "How many replicas `acks=all` needs, as far as there are so many (KIP-966): there is one, and it is enough.",
    ),
    without_effect("preallocate", Boolean, "false", "Segments grow as they are written; the journal is preallocated."),
    without_effect("remote.log.copy.disable", Boolean, "false", "There is no remote storage."),
    without_effect("remote.log.delete.on.disable", Boolean, "false", "There is no remote storage."),
    without_effect("remote.storage.enable", Boolean, "false", "There is no remote storage."),
    setting(
        "retention.bytes",
        Rule::Long(-1),
        "-1",
        TopicWithDefault("log.retention.bytes"),
        "Remove the oldest segments of a partition beyond this size; -1 keeps them.",
    ),
    setting(
        "retention.ms",
        Rule::Long(-1),
        "604800000",
        TopicWithDefault("log.retention.ms"),
        "Remove segments whose records are older than this; -1 keeps them.",
    ),
    setting(
        "segment.bytes",
        Rule::Int(1 << 20),
        "134217728",
        TopicWithDefault("log.segment.bytes"),
        "Begin a new segment at this size. Retention removes whole segments.",
    ),
    without_effect("segment.index.bytes", Int, "10485760", "Indexes grow as they are written."),
    without_effect("segment.jitter.ms", Long, "0", "Segments roll when they are due."),
    setting(
        "segment.ms",
        Rule::Long(1),
        "604800000",
        TopicWithDefault("log.roll.ms"),
        "Begin a new segment at this age.",
    ),
    without_effect("unclean.leader.election.enable", Boolean, "false", "There is one replica: it always leads."),
];

/// What a topic's settings come to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicConfig {
    /// What storage obeys.
    pub log: LogSettings,
    /// The largest batch.
    pub message_size_max: usize,
    /// How far timestamps may lie in the past.
    pub timestamp_before_max_ms: i64,
    /// How far timestamps may lie in the future.
    pub timestamp_after_max_ms: i64,
    /// Into what batches are compressed; `None` keeps them as they are.
    pub compression: Option<Codec>,
    /// Whether records are kept by key (they need one, then).
    pub is_compacted: bool,
    /// Whether a part of the platform writes the topic, and no client does.
    pub is_ours: bool,
    /// Which schemas its records need.
    pub schemas: SchemaRules,
}

/// The defaults of topics as the broker's configuration has them.
#[derive(Clone, Debug, Default)]
pub struct TopicDefaults {
    settings: BTreeMap<&'static str, String>,
}

impl TopicDefaults {
    /// The defaults that `config` sets.
    #[must_use]
    pub fn of(config: &BrokerConfig) -> Self {
        let set = |setting: &Setting| {
            let Scope::TopicWithDefault(synonym) = setting.scope else { return None };
            Some((setting.name, config.get(synonym)?.to_owned()))
        };
        Self { settings: TOPIC.iter().filter_map(set).collect() }
    }

    /// What `configs` come to for the topic `name`.
    #[must_use]
    pub fn topic(&self, name: &TopicName, configs: &BTreeMap<String, String>) -> TopicConfig {
        let values = Values { defaults: &self.settings, configs };
        let policy = values.text("cleanup.policy");
        let has = |word: &str| policy.split(',').any(|part| part.trim() == word);
        // Group and transaction state is the broker's own memory: always synced, never cut by time.
        let is_internal = name.is_internal();
        let durability = Durability::by_name(values.text("durability")).unwrap_or_default();
        let timestamps = match values.text("message.timestamp.type") {
            "LogAppendTime" => TimestampKind::LogAppendTime,
            _ => TimestampKind::CreateTime,
        };
        let log = LogSettings {
            durability: if is_internal { Durability::Fsync } else { durability },
            flush_messages: values.limit("flush.messages"),
            flush_ms: values.limit("flush.ms"),
            segment_bytes: values.unsigned("segment.bytes"),
            segment_ms: values.unsigned("segment.ms"),
            retention_ms: values.limit("retention.ms"),
            retention_bytes: values.limit("retention.bytes"),
            deletes: has("delete") && !is_internal,
            compacts: has("compact"),
            dirty_ratio_min_ppm: values.millionths("min.cleanable.dirty.ratio"),
            compaction_lag_min_ms: values.unsigned("min.compaction.lag.ms"),
            compaction_lag_max_ms: values.unsigned("max.compaction.lag.ms"),
            delete_retention_ms: values.unsigned("delete.retention.ms"),
            timestamps,
        };
        TopicConfig {
            log,
            message_size_max: usize::try_from(values.number("max.message.bytes")).unwrap_or(0),
            timestamp_before_max_ms: values.number("message.timestamp.before.max.ms"),
            timestamp_after_max_ms: values.number("message.timestamp.after.max.ms"),
            compression: match values.text("compression.type") {
                "uncompressed" => Some(Codec::None),
                name => Codec::by_name(name),
            },
            is_compacted: has("compact"),
            is_ours: values.text(WRITER) == "true" || is_reserved(name.as_str()),
            schemas: SchemaRules {
                key: values.schema_rule([
                    "confluent.key.schema.validation",
                    "confluent.key.subject.name.strategy",
                    "levada.key.schema.validation.mode",
                ]),
                value: values.schema_rule([
                    "confluent.value.schema.validation",
                    "confluent.value.subject.name.strategy",
                    "levada.value.schema.validation.mode",
                ]),
            },
        }
    }

    /// Checks that `configs` do not contradict each other.
    ///
    /// # Errors
    /// [`ConfigError::Conflict`].
    pub fn check_together(&self, configs: &BTreeMap<String, String>) -> Result<(), ConfigError> {
        const SMALLER: &str = "min.compaction.lag.ms";
        const LARGER: &str = "max.compaction.lag.ms";
        let values = Values { defaults: &self.settings, configs };
        let (smaller_value, larger_value) = (values.number(SMALLER), values.number(LARGER));
        if smaller_value > larger_value {
            return Err(ConfigError::Conflict { smaller: SMALLER, smaller_value, larger: LARGER, larger_value });
        }
        Ok(())
    }

    /// What storage obeys for the topic `name`.
    #[must_use]
    pub fn resolve(&self, name: &TopicName, configs: &BTreeMap<String, String>) -> LogSettings {
        self.topic(name, configs).log
    }

    /// The default of a setting, where the broker's configuration gives one.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&str> {
        self.settings.get(name).map(String::as_str)
    }
}

/// What `configs` come to for the topic `name` where the broker's configuration sets nothing.
#[must_use]
pub fn resolve(name: &TopicName, configs: &BTreeMap<String, String>) -> LogSettings {
    TopicDefaults::default().resolve(name, configs)
}

/// Checks one setting of a topic.
///
/// # Errors
/// [`ConfigError`].
pub fn check(name: &str, value: &str) -> Result<&'static Setting, ConfigError> {
    let setting = find(TOPIC, name)?;
    setting.check(value)?;
    Ok(setting)
}

/// Checks that the journal holds the batches that `next` lets in, where `current` did not say the same.
///
/// `limit` is the largest batch that fits into a file of the journal.
///
/// # Errors
/// [`ConfigError::Invalid`] names what to change.
pub fn check_batch_size(
    current: &BTreeMap<String, String>,
    next: &BTreeMap<String, String>,
    limit: usize,
) -> Result<(), ConfigError> {
    const NAME: &str = "max.message.bytes";
    match next.get(NAME).filter(|value| current.get(NAME) != Some(value)) {
        Some(value) => fits_journal(NAME, value, limit),
        None => Ok(()),
    }
}

/// Whether batches of `value` bytes fit into a journal that takes no larger ones than `limit`.
pub(super) fn fits_journal(name: &'static str, value: &str, limit: usize) -> Result<(), ConfigError> {
    if value.trim().parse::<usize>().is_ok_and(|size| size <= limit) {
        return Ok(());
    }
    let remedy = if limit < BATCH_SIZE_MAX {
        "raise `journal-file-size` in the configuration file and start again"
    } else {
        "no larger one can be kept"
    };
    let reason = format!("a file of the journal holds batches of at most {limit} bytes; {remedy}");
    Err(ConfigError::Invalid { name, value: value.to_owned(), reason })
}

/// A number from 0 to 1, which was checked before, in millionths.
fn millionths(text: &str) -> u64 {
    let ratio = text.trim().parse::<f64>().unwrap_or(0.0).clamp(0.0, 1.0);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it lies between 0 and a million")]
    let millionths = (ratio * 1e6).round() as u64;
    millionths
}

/// Settings in order of precedence. Values were checked when they were set.
struct Values<'a> {
    defaults: &'a BTreeMap<&'static str, String>,
    configs: &'a BTreeMap<String, String>,
}

impl<'a> Values<'a> {
    fn text(&self, name: &'static str) -> &'a str {
        let set = self.configs.get(name).or_else(|| self.defaults.get(name)).map(String::as_str);
        let default = || TOPIC.iter().find(|setting| setting.name == name).map_or("", |setting| setting.default);
        set.unwrap_or_else(default)
    }

    fn number(&self, name: &'static str) -> i64 {
        self.text(name).trim().parse().unwrap_or(i64::MAX)
    }

    /// A share of the whole.
    fn millionths(&self, name: &'static str) -> u64 {
        millionths(self.text(name))
    }

    /// What is asked of a part of the records, by the names of its three settings.
    fn schema_rule(&self, [validates, strategy, mode]: [&'static str; 3]) -> Option<SchemaRule> {
        (self.text(validates) == "true").then(|| SchemaRule {
            strategy: SubjectNameStrategy::by_name(self.text(strategy)).unwrap_or_default(),
            checks_data: self.text(mode) == "payload",
        })
    }

    fn unsigned(&self, name: &'static str) -> u64 {
        u64::try_from(self.number(name)).unwrap_or(0)
    }

    /// A limit; −1 and the largest number are none.
    fn limit(&self, name: &'static str) -> Option<u64> {
        let number = self.number(name);
        if number == i64::MAX { None } else { u64::try_from(number).ok() }
    }
}
