//! How much a round takes, in full and quick.

/// How much a round takes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scale {
    pub(super) warm_up_bytes: u64,
    pub(super) produce_seconds: f64,
    pub(super) consume_bytes: u64,
    pub(super) latency_seconds: f64,
    pub(super) transact_seconds: f64,
    pub(super) groups: u64,
    pub(super) groups_seconds: f64,
    pub(super) sessions_partitions: i32,
    pub(super) sessions_seconds: f64,
    pub(super) compaction: Compaction,
    /// What goes through each broker of a pair.
    pub(super) pairs_bytes: u64,
    pub(super) memory_bytes: u64,
    pub(super) recovery_bytes: u64,
    pub(super) recovery_partitions: i32,
}

/// What is compacted.
#[derive(Clone, Copy, Debug)]
pub(super) struct Compaction {
    /// Records in all topics.
    pub(super) records: u64,
    /// Keys in all topics.
    pub(super) keys: u64,
    /// Topics of one partition, which are compacted one after the other.
    pub(super) topics: u64,
    /// How long producers write alone before each.
    pub(super) alone_seconds: f64,
}

impl Scale {
    pub(super) fn of(quick: bool) -> Self {
        if quick {
            Self {
                warm_up_bytes: 300_000_000,
                produce_seconds: 3.0,
                consume_bytes: 1_000_000_000,
                latency_seconds: 5.0,
                transact_seconds: 3.0,
                groups: 1_000,
                groups_seconds: 3.0,
                sessions_partitions: 200,
                sessions_seconds: 3.0,
                compaction: Compaction { records: 1_000_000, keys: 10_000, topics: 2, alone_seconds: 2.0 },
                pairs_bytes: 100_000_000,
                memory_bytes: 1_000_000_000,
                recovery_bytes: 500_000_000,
                recovery_partitions: 100,
            }
        } else {
            Self {
                warm_up_bytes: 500_000_000,
                produce_seconds: 3.0,
                consume_bytes: 2_000_000_000,
                latency_seconds: 15.0,
                transact_seconds: 10.0,
                groups: 10_000,
                groups_seconds: 10.0,
                sessions_partitions: 1_000,
                sessions_seconds: 15.0,
                compaction: Compaction { records: 10_000_000, keys: 100_000, topics: 2, alone_seconds: 5.0 },
                pairs_bytes: 1_000_000_000,
                memory_bytes: 10_000_000_000,
                recovery_bytes: 5_000_000_000,
                recovery_partitions: 1_000,
            }
        }
    }
}
