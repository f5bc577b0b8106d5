//! The keys of `levada.toml`, each with its kind and default. A key stands here when something obeys it.
//!
//! Our own keys have hyphens; keys that Kafka has keep Kafka's names.

use levada_broker::config::{ConfigKind, Setting, broker::BROKER};
use std::sync::OnceLock;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text but the empty one.
    Text,
    /// `true` or `false`.
    Flag,
    /// `HOST:PORT`.
    Address,
    /// `HOST:PORT`, or `off`.
    AddressOrOff,
    /// A whole number.
    Number,
    /// Bytes, also as `64MiB`.
    Size,
    /// Kafka's `….ms`: a number, also as `10s`.
    Milliseconds,
    /// A time span with its unit.
    Duration,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key {
    /// Its name in the file.
    pub(crate) name: &'static str,
    /// What its value looks like.
    pub(crate) kind: Kind,
    /// The built-in value, as it would be written; empty where there is none.
    pub(crate) default: &'static str,
}

impl Key {
    /// The environment variable of this key: `LEVADA_DATA_DIR` for `data-dir`.
    pub(crate) fn variable(&self) -> String {
        format!("LEVADA_{}", self.name.replace(['-', '.'], "_").to_ascii_uppercase())
    }
}

/// Variables that start with `LEVADA_` and are no settings of the server.
pub(crate) const OTHER_VARIABLES: &[&str] = &[
    "LEVADA_BOOTSTRAP_SERVER",
    "LEVADA_CACHE",
    "LEVADA_CONFIG",
    "LEVADA_LOG",
    "LEVADA_SQL_SERVER",
    #[cfg(feature = "fault-injection")]
    "LEVADA_FAULT_KILL_AT",
];

/// Every key: the server's own, then the broker's by Kafka's names.
pub(crate) fn keys() -> &'static [Key] {
    static ALL: OnceLock<Vec<Key>> = OnceLock::new();
    ALL.get_or_init(|| OWN.iter().copied().chain(BROKER.iter().map(broker_key)).collect())
}

/// Whether the broker itself reads `key`.
pub(crate) fn is_broker_key(key: &Key) -> bool {
    BROKER.iter().any(|setting| setting.name == key.name)
}

fn broker_key(setting: &Setting) -> Key {
    let kind = match setting.rule.kind() {
        ConfigKind::Boolean => Kind::Flag,
        _ if setting.name.ends_with(".ms") => Kind::Milliseconds,
        _ if setting.name.ends_with(".bytes") || setting.name.ends_with(".buffer.size") => Kind::Size,
        ConfigKind::Int | ConfigKind::Long => Kind::Number,
        _ => Kind::Text,
    };
    Key { name: setting.name, kind, default: setting.default }
}

/// Kafka's settings in larger units: name, the key they stand for, milliseconds in one.
pub(crate) const LARGER_UNITS: &[(&str, &str, i64)] = &[
    ("log.retention.hours", "log.retention.ms", 3_600_000),
    ("log.retention.minutes", "log.retention.ms", 60_000),
    ("log.roll.hours", "log.roll.ms", 3_600_000),
];

const OWN: &[Key] = &[
    Key { name: "data-dir", kind: Kind::Text, default: "./levada-data" },
    Key { name: "kafka", kind: Kind::Address, default: "127.0.0.1:9092" },
    Key { name: "http", kind: Kind::Address, default: "127.0.0.1:8080" },
    Key { name: "registry", kind: Kind::AddressOrOff, default: "127.0.0.1:8081" },
    Key {
        name: "sql",
        kind: Kind::AddressOrOff,
        default: if cfg!(feature = "sql") { "127.0.0.1:8088" } else { "off" },
    },
    Key { name: "pgwire", kind: Kind::AddressOrOff, default: "off" },
    Key { name: "sql.state.bytes.max", kind: Kind::Size, default: "1GiB" },
    Key { name: "advertise", kind: Kind::Address, default: "" },
    Key { name: "allow-anonymous", kind: Kind::Flag, default: "false" },
    Key { name: "demo", kind: Kind::Flag, default: "false" },
    Key { name: "shutdown-grace", kind: Kind::Duration, default: "10s" },
    Key { name: "checkpoint-interval", kind: Kind::Duration, default: "60s" },
    Key { name: "journal-file-size", kind: Kind::Size, default: "64MiB" },
    Key { name: "journal-files-max", kind: Kind::Number, default: "8" },
    Key { name: "journal-bypass-min", kind: Kind::Size, default: "256KiB" },
    Key { name: "retention-check-interval", kind: Kind::Duration, default: "30s" },
    Key { name: "producers-per-partition-max", kind: Kind::Number, default: "10000" },
    Key { name: "producer.id.expiration.ms", kind: Kind::Milliseconds, default: "86400000" },
    Key { name: "file.delete.delay.ms", kind: Kind::Milliseconds, default: "10s" },
    Key { name: "socket.request.max.bytes", kind: Kind::Size, default: "100MiB" },
    Key { name: "request-memory-max", kind: Kind::Size, default: "64MiB" },
    Key { name: "response-memory-max", kind: Kind::Size, default: "128MiB" },
    Key { name: "max.connections", kind: Kind::Number, default: "20000" },
    Key { name: "connections.max.idle.ms", kind: Kind::Milliseconds, default: "10min" },
    Key { name: "fetch.max.bytes", kind: Kind::Size, default: "55MiB" },
    Key { name: "max.incremental.fetch.session.cache.slots", kind: Kind::Number, default: "1000" },
];
