//! Aborted transactions of one log, so that readers of committed records can leave theirs out.
//!
//! ```text
//! <base>.txnindex   in order of their markers
//!   offset size field
//!        0    2 version                0
//!        2    8 producer id
//!       10    8 first offset           of the transaction
//!       18    8 last offset            that of its marker
//!       26    8 last stable offset     once it had ended
//! ```
//!
//! Source: KIP-98.

use super::{LogFiles, SegmentMark, error::OpenError, layout::FileKind, layout::segment_path, producer::ProducerTable};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{Marker, Offset, Outcome, ProducerId, batch::BatchHeader, reader::Reader};
use std::path::Path;

const VERSION: i16 = 0;
const ENTRY_SIZE: usize = 34;
/// Files are not larger: eight million aborted transactions in one segment.
const FILE_SIZE_MAX: u64 = 256 << 20;

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Whose.
    pub producer: ProducerId,
    /// Offset of its first record.
    pub first_offset: Offset,
    /// Offset of its marker.
    pub last_offset: Offset,
    /// Where the log was stable once it had ended.
    pub last_stable_offset: Offset,
}

impl AbortedTransaction {
    /// What `marker`, at `header`, makes of the transaction that it ended at `first_offset`, if it aborts it.
    ///
    /// `producers` is the table after the marker was applied.
    #[must_use]
    pub fn ended(
        header: &BatchHeader,
        marker: Option<Marker>,
        first_offset: Option<Offset>,
        producers: &ProducerTable,
    ) -> Option<Self> {
        marker.filter(|marker| marker.outcome == Outcome::Abort)?;
        Some(Self {
            producer: header.producer()?,
            first_offset: first_offset?,
            last_offset: header.base_offset,
            last_stable_offset: producers.first_open_transaction().unwrap_or(header.base_offset.saturating_add(1)),
        })
    }
}

/// The bytes of a `.txnindex`.
pub(super) fn encode<'a>(aborted: impl Iterator<Item = &'a AbortedTransaction>) -> Bytes {
    let mut bytes = BytesMut::new();
    for entry in aborted {
        bytes.put_i16(VERSION);
        bytes.put_i64(entry.producer.0);
        bytes.put_i64(entry.first_offset);
        bytes.put_i64(entry.last_offset);
        bytes.put_i64(entry.last_stable_offset);
    }
    bytes.freeze()
}

/// The entries of a `.txnindex`, up to the first that is not whole.
fn decode(bytes: Bytes) -> Vec<AbortedTransaction> {
    let mut reader = Reader::new(bytes);
    let mut entries = Vec::with_capacity(reader.remaining() / ENTRY_SIZE);
    let mut next = || {
        (reader.i16().ok()? == VERSION).then_some(())?;
        Some(AbortedTransaction {
            producer: ProducerId(reader.i64().ok()?),
            first_offset: reader.i64().ok()?,
            last_offset: reader.i64().ok()?,
            last_stable_offset: reader.i64().ok()?,
        })
    };
    while let Some(entry) = next() {
        entries.push(entry);
    }
    entries
}

/// What stands beside the segment that `mark` describes, as far as `mark` goes.
pub(super) fn read(files: &LogFiles, dir: &Path, mark: &SegmentMark) -> Result<Vec<AbortedTransaction>, OpenError> {
    let path = segment_path(dir, mark.base_offset, FileKind::Transactions);
    let bytes = files.read_all(&path, FILE_SIZE_MAX)?.unwrap_or_default();
    let mut entries = decode(bytes.into());
    entries.retain(|entry| (mark.base_offset..mark.next_offset).contains(&entry.last_offset));
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_has_the_bytes_of_kafka_and_round_trips() {
        let entry = |offset| AbortedTransaction {
            producer: ProducerId(1),
            first_offset: offset,
            last_offset: offset + 5,
            last_stable_offset: offset + 6,
        };
        let entries = [entry(2), entry(300)];
        let bytes = encode(entries.iter());
        let golden = [0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 7, 0, 0];
        assert_eq!(&bytes[..28], &golden[..]);
        assert_eq!(bytes.len(), 2 * ENTRY_SIZE);
        assert_eq!(decode(bytes.clone()), entries);
        assert_eq!(decode(bytes.slice(..ENTRY_SIZE + 33)), entries[..1]);
    }
}
