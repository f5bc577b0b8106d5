//! Records as callers see them.

use bytes::Bytes;
use levada_model::{Offset, PartitionIndex, Timestamp, record::RecordHeader};

/// A record to be produced.
#[derive(Clone, Copy, Debug, Default)]
pub struct ProduceRecord<'a> {
    /// The topic.
    pub topic: &'a str,
    /// The partition; chosen by the key, or spread, where it is `None`.
    pub partition: Option<PartitionIndex>,
    /// Milliseconds since 1970; now, where it is `None`.
    pub timestamp: Option<Timestamp>,
    /// The key.
    pub key: Option<&'a [u8]>,
    /// The value.
    pub value: Option<&'a [u8]>,
    /// The headers in order; names may repeat.
    pub headers: &'a [RecordHeader],
}

/// A record that was consumed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ConsumedRecord {
    /// Its position in the partition.
    pub offset: Offset,
    /// Milliseconds since 1970: the producer's time, or the broker's where the topic says so; −1 where there is none.
    pub timestamp: Timestamp,
    /// The key.
    pub key: Option<Bytes>,
    /// The value.
    pub value: Option<Bytes>,
    /// The headers in order.
    pub headers: Vec<RecordHeader>,
}
