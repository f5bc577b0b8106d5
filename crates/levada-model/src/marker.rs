//! Transaction markers: control batches of one record that end a producer's transaction in a partition.
//!
//! ```text
//! key    i16 version 0 · i16 type: 0 abort, 1 commit
//! value  i16 version 0 · i32 epoch of the coordinator
//! ```
//!
//! Source: KIP-98.

use crate::{
    ProducerEpoch, ProducerId, Timestamp,
    batch::{Attributes, Batch},
    reader::Reader,
    record::{BatchBuilder, NewRecord, ProducerStamp, Records},
};
use bytes::{BufMut, Bytes, BytesMut};

/// How a transaction ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Outcome {
    /// Its records count.
    Commit,
    /// They do not.
    Abort,
}

/// What a marker says, besides whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Marker {
    /// How the transaction ended.
    pub outcome: Outcome,
    /// Who ended it: rises with every life of the coordinator.
    pub coordinator_epoch: i32,
}

const VERSION: i16 = 0;
const ABORT: i16 = 0;
const COMMIT: i16 = 1;

impl Marker {
    /// The batch that ends the transaction of `producer`.
    #[must_use]
    pub fn batch(self, producer: ProducerId, epoch: ProducerEpoch, timestamp: Timestamp) -> Batch {
        let mut key = BytesMut::with_capacity(4);
        key.put_i16(VERSION);
        key.put_i16(if self.outcome == Outcome::Commit { COMMIT } else { ABORT });
        let mut value = BytesMut::with_capacity(6);
        value.put_i16(VERSION);
        value.put_i32(self.coordinator_epoch);
        let mut builder = BatchBuilder::new()
            .with_producer(ProducerStamp { id: producer, epoch, base_sequence: -1 })
            .with_attributes(Attributes::TRANSACTIONAL | Attributes::CONTROL);
        builder.push(&NewRecord { timestamp, key: Some(&key), value: Some(&value), headers: &[] });
        Batch::check(builder.finish()).expect("a batch that was just built is sound")
    }

    /// Reads the records of a control batch; `None` where it is no marker of a version that is known.
    #[must_use]
    pub fn read(records: Bytes) -> Option<Self> {
        let record = Records::new(records, 1).next()?.ok()?;
        let mut key = Reader::new(record.key?);
        let mut value = Reader::new(record.value?);
        // Later versions may add fields behind these.
        let (key_version, kind) = (key.i16().ok()?, key.i16().ok()?);
        let value_version = value.i16().ok()?;
        let outcome = match kind {
            ABORT => Outcome::Abort,
            COMMIT => Outcome::Commit,
            _ => return None,
        };
        let coordinator_epoch = value.i32().ok()?;
        (key_version >= VERSION && value_version >= VERSION).then_some(Self { outcome, coordinator_epoch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::HEADER_SIZE;

    #[test]
    fn a_marker_round_trips_and_never_changes() {
        for outcome in [Outcome::Commit, Outcome::Abort] {
            let marker = Marker { outcome, coordinator_epoch: 7 };
            let batch = marker.batch(ProducerId(9), 3, 1_000);
            let header = batch.header();
            assert!(header.attributes.is_control() && header.attributes.is_transactional());
            assert_eq!((header.producer_id, header.producer_epoch, header.base_sequence), (9, 3, -1));
            assert_eq!(Marker::read(batch.records()), Some(marker));
            let kind = u8::from(outcome == Outcome::Commit);
            let golden = [32, 0, 0, 0, 8, 0, 0, 0, kind, 12, 0, 0, 0, 0, 0, 7, 0];
            assert_eq!(&batch.bytes()[HEADER_SIZE..], &golden[..]);
        }
    }

    #[test]
    fn other_control_records_are_no_markers() {
        assert_eq!(Marker::read(Bytes::from_static(b"")), None);
        assert_eq!(Marker::read(Bytes::from_static(&[32, 0, 0, 0, 8, 0, 0, 0, 2, 12, 0, 0, 0, 0, 0, 7, 0])), None);
        assert_eq!(Marker::read(Bytes::from_static(&[12, 0, 0, 0, 1, 1, 0])), None);
    }
}
