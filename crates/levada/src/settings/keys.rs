//! The keys of `levada.toml`, each with its kind and default. A key stands here when something obeys it.
//!
//! Our own keys have hyphens; keys that Kafka has keep Kafka's names.

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Any text but the empty one.
    Text,
    /// `true` or `false`.
    Flag,
    /// `HOST:PORT`.
    Address,
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
pub(crate) const OTHER_VARIABLES: &[&str] = &["LEVADA_BOOTSTRAP_SERVER", "LEVADA_CACHE", "LEVADA_CONFIG", "LEVADA_LOG"];

/// Every key.
pub(crate) const KEYS: &[Key] = &[
    Key { name: "data-dir", kind: Kind::Text, default: "./levada-data" },
    Key { name: "kafka", kind: Kind::Address, default: "127.0.0.1:9092" },
    Key { name: "http", kind: Kind::Address, default: "127.0.0.1:8080" },
    Key { name: "advertise", kind: Kind::Address, default: "" },
    Key { name: "allow-anonymous", kind: Kind::Flag, default: "false" },
    Key { name: "demo", kind: Kind::Flag, default: "false" },
];
