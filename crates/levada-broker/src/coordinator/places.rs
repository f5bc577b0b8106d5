//! In which partition of an internal topic a group or a transactional id is kept: where Kafka keeps it.
//!
//! Builds of before took another partition for half of all ids. What lies there stays there, records before and after
//! together, until nothing of the id is left.

use crate::coordinator::records::java_hash;
use levada_model::{PartitionIndex, Str};
use parking_lot::RwLock;
use std::collections::BTreeMap;

/// The partitions of ids.
#[derive(Debug, Default)]
pub(crate) struct Places {
    /// Those that were found elsewhere.
    elsewhere: RwLock<BTreeMap<Str, PartitionIndex>>,
}

impl Places {
    /// Where `id` is kept, of `count` partitions.
    pub(crate) fn of(&self, id: &str, count: PartitionIndex) -> PartitionIndex {
        let elsewhere = self.elsewhere.read();
        // As a rule there are none.
        let found = if elsewhere.is_empty() { None } else { elsewhere.get(id).copied() };
        found.unwrap_or_else(|| place(id, count))
    }

    /// Records of `id` were found in partition `at`, of `count`.
    pub(crate) fn found(&self, id: &Str, at: PartitionIndex, count: PartitionIndex) {
        if place(id, count) != at {
            self.elsewhere.write().insert(id.detached(), at);
        }
    }
}

fn place(id: &str, count: PartitionIndex) -> PartitionIndex {
    java_hash(id).checked_rem(count).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_kept_where_kafka_keeps_them_or_where_they_were_found() {
        let places = Places::default();
        assert_eq!(places.of("hello", 50), 22);
        assert_eq!(places.of("fencing", 50), 12, "its hash is negative");
        places.found(&"hello".into(), 22, 50);
        places.found(&"fencing".into(), 36, 50);
        assert_eq!((places.of("hello", 50), places.of("fencing", 50)), (22, 36));
        assert_eq!(places.elsewhere.read().len(), 1, "what is in its place is not remembered");
    }
}
