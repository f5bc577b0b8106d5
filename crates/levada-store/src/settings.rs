//! The settings of a log that storage obeys. What Kafka calls them, and their defaults, the broker knows.

/// What an acknowledgement promises.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Durability {
    /// On disk: survives a power cut.
    #[default]
    Fsync,
    /// Written; synced by age or count of records.
    Interval,
    /// Written; synced when the operating system likes.
    Os,
}

impl Durability {
    /// Its name in the topic setting `durability`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fsync => "fsync",
            Self::Interval => "interval",
            Self::Os => "os",
        }
    }

    /// The mode of that name.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        [Self::Fsync, Self::Interval, Self::Os].into_iter().find(|mode| mode.name() == name)
    }
}

/// Whose clock stamps records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampKind {
    /// The producer's.
    #[default]
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// One log's settings.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogSettings {
    /// What an acknowledgement promises.
    pub durability: Durability,
    /// Sync after this many records, where `durability` is not [`Durability::Fsync`].
    pub flush_messages: Option<u64>,
    /// Sync after this many milliseconds, where `durability` is not [`Durability::Fsync`].
    pub flush_ms: Option<u64>,
    /// Roll a segment at this size.
    pub segment_bytes: u64,
    /// Roll a segment at this age.
    pub segment_ms: u64,
    /// Delete segments older than this; `None` keeps them.
    pub retention_ms: Option<u64>,
    /// Delete the oldest segments beyond this size; `None` keeps them.
    pub retention_bytes: Option<u64>,
    /// Whether retention deletes at all (`cleanup.policy` has `delete`).
    pub deletes: bool,
    /// Whether of each key only the last record is kept (`cleanup.policy` has `compact`).
    pub compacts: bool,
    /// Compact when more than this share of the bytes was not compacted yet, in millionths.
    pub dirty_ratio_min_ppm: u64,
    /// Records stay for at least so long before they are compacted.
    pub compaction_lag_min_ms: u64,
    /// Compact, whatever the share, what has waited for longer.
    pub compaction_lag_max_ms: u64,
    /// How long tombstones stay once their keys are compacted.
    pub delete_retention_ms: u64,
    /// Whose clock stamps records.
    pub timestamps: TimestampKind,
}

impl LogSettings {
    /// How old the active segment may become: it is never compacted, and `max.compaction.lag.ms` is to hold.
    #[must_use]
    pub fn segment_age_max_ms(&self) -> u64 {
        if self.compacts { self.segment_ms.min(self.compaction_lag_max_ms).max(1) } else { self.segment_ms }
    }
}

impl Default for LogSettings {
    fn default() -> Self {
        Self {
            durability: Durability::Fsync,
            flush_messages: None,
            flush_ms: None,
            segment_bytes: 128 << 20,
            segment_ms: 7 * 24 * 60 * 60 * 1000,
            retention_ms: Some(7 * 24 * 60 * 60 * 1000),
            retention_bytes: None,
            deletes: true,
            compacts: false,
            dirty_ratio_min_ppm: 500_000,
            compaction_lag_min_ms: 0,
            compaction_lag_max_ms: u64::MAX,
            delete_retention_ms: 24 * 60 * 60 * 1000,
            timestamps: TimestampKind::CreateTime,
        }
    }
}
