//! Reading what is committed of one log, batch by batch.

use bytes::{Bytes, BytesMut};
use levada_model::{
    Offset, ProducerId, Timestamp,
    batch::{BatchHeader, CRC_FROM, HEADER_SIZE},
    crc::crc32c_of_parts,
    record::RecordSlices,
};
use levada_store::{AbortedTransaction, Log, ReadError as LogError, ReadOut, ReadUntil};
use std::collections::{BTreeMap, VecDeque};

/// How much a batch may grow when it is opened, in bytes.
const OPENED_SIZE_MAX: usize = 128 << 20;

/// Why records were not read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// Retention took them, or somebody deleted them.
    #[error("records below offset {start} are gone, {from} was to be read: they were deleted or retention took them")]
    Gone {
        /// What was asked for.
        from: Offset,
        /// The first that is left.
        start: Offset,
    },
    /// They were there once: a power cut took them, from a topic that does not ask for durability.
    #[error("records from offset {end} on are lost: the topic's `durability` did not keep them over a power cut")]
    Lost {
        /// Up to where there is something.
        end: Offset,
    },
    /// The topic was deleted.
    #[error("topic was deleted")]
    Deleted,
    /// A batch is not as it was written.
    #[error("batch at offset {offset} is damaged: {reason}")]
    Corrupt {
        /// Where.
        offset: Offset,
        /// What is wrong.
        reason: String,
    },
    /// The files cannot be read.
    #[error("partition cannot be read: {0}")]
    Storage(String),
}

/// What a read brought.
#[derive(Clone, Debug)]
pub struct Batches {
    /// In the order of their offsets.
    pub batches: Vec<InputBatch>,
    /// Where to go on; the end of what was asked for where nothing is left.
    pub next: Offset,
}

/// Some batches in a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// Where the last of them ends that was looked at.
    pub next: Offset,
    /// Whether any of them is part of a transaction, or ends one.
    pub has_transactions: bool,
}

/// A batch of records, all of them committed, as their producer compressed it.
#[derive(Clone, Debug)]
pub struct InputBatch {
    header: BatchHeader,
    block: Bytes,
    /// Records below were not asked for.
    from: Offset,
}

impl InputBatch {
    /// Its header.
    #[must_use]
    pub const fn header(&self) -> &BatchHeader {
        &self.header
    }

    /// Bytes that it takes in the log.
    #[must_use]
    pub const fn size(&self) -> usize {
        HEADER_SIZE + self.block.len()
    }

    /// Records below this offset, which the batch may have, were not asked for.
    #[must_use]
    pub const fn from(&self) -> Offset {
        self.from
    }

    /// Its records, uncompressed, for [`RecordSlices`] with the header's count.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`].
    pub fn open(&self) -> Result<Bytes, ReadError> {
        let codec = self.header.attributes.codec().ok_or_else(|| self.corrupt("its codec does not exist"))?;
        if codec == levada_model::batch::Codec::None {
            return Ok(self.block.clone());
        }
        levada_compress::decompress(codec, &self.block, OPENED_SIZE_MAX)
            .map_err(|error| self.corrupt(&error.to_string()))
    }

    /// Hands each record that was asked for to `take`, with offset and timestamp, out of what [`Self::open`] gave.
    ///
    /// # Errors
    /// [`ReadError::Corrupt`], or what `take` fails with.
    pub fn each<E: From<ReadError>>(
        &self,
        opened: &[u8],
        mut take: impl FnMut(Offset, Timestamp, levada_model::record::RecordSlice<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        for record in RecordSlices::new(opened, self.header.record_count) {
            let record = record.map_err(|error| self.corrupt(&error.to_string()))?;
            let offset = self.header.base_offset.saturating_add(i64::from(record.offset_delta));
            if offset >= self.from {
                take(offset, self.timestamp(record.timestamp_delta), record)?;
            }
        }
        Ok(())
    }

    /// When a record was stamped that is so many milliseconds behind the batch's base, in milliseconds since 1970.
    #[must_use]
    pub const fn timestamp(&self, delta: i64) -> Timestamp {
        if self.header.attributes.is_log_append_time() {
            self.header.max_timestamp
        } else {
            self.header.base_timestamp.wrapping_add(delta)
        }
    }

    fn corrupt(&self, reason: &str) -> ReadError {
        ReadError::Corrupt { offset: self.header.base_offset, reason: reason.to_owned() }
    }
}

/// Reads committed batches from `from` on and below `to`, which is where a batch begins or the log ended.
pub(crate) fn committed(log: &Log, from: Offset, to: Offset, bytes_max: usize) -> Result<Batches, ReadError> {
    if log.is_closed() {
        return Err(ReadError::Deleted);
    }
    // Before they are read: once their records are gone, what was aborted is forgotten.
    let ahead = if from < to { log.aborted_transactions(from, to).into() } else { VecDeque::new() };
    let aborted = Aborted { ahead, ends: BTreeMap::new() };
    let mut found = Found { batches: Vec::new(), next: from, bytes: 0, bytes_max, aborted };
    while found.next < to && found.batches.is_empty() {
        let read =
            log.read(found.next, bytes_max, ReadUntil::LastStable, true).map_err(|error| failure(error, from))?;
        if read.size > 0 {
            let mut pieces = Pieces::of(read);
            found.take(&mut pieces, from, to)?;
            continue;
        }
        let end = log.tail().last_stable_offset;
        if end < to {
            return Err(ReadError::Lost { end });
        }
        // All that is left was compacted away, or never was.
        found.next = to;
    }
    Ok(Batches { batches: found.batches, next: found.next.min(to).max(from) })
}

/// Bytes that are looked at in one piece.
const SPAN_SIZE: usize = 1 << 20;

/// Whole batches from `from` on, up to `goal` and to about `bytes_max` bytes, or to the first that is part of a
/// transaction; one at least, unless there is none.
pub(crate) fn span(log: &Log, from: Offset, goal: Offset, bytes_max: usize) -> Result<Span, ReadError> {
    let (mut span, mut bytes) = (Span { next: from, has_transactions: false }, 0);
    while span.next < goal && !span.has_transactions && (bytes < bytes_max || bytes == 0) {
        let wanted = SPAN_SIZE.min(bytes_max - bytes).max(1);
        let read = log.read(span.next, wanted, ReadUntil::LastStable, true).map_err(|error| failure(error, from))?;
        if read.size == 0 {
            return Err(ReadError::Lost { end: span.next });
        }
        bytes += read.size;
        let mut pieces = Pieces::of(read);
        while let Some(head) = pieces.take(HEADER_SIZE).filter(|_| span.next < goal && !span.has_transactions) {
            let offset = span.next;
            let corrupt = |reason: &str| ReadError::Corrupt { offset, reason: reason.to_owned() };
            let header = BatchHeader::parse(&head).map_err(|error| corrupt(&error.to_string()))?;
            let size = header.size().ok_or_else(|| corrupt("its length is too small"))?;
            pieces.take(size - HEADER_SIZE).ok_or_else(|| corrupt("its end is missing"))?;
            span.next = header.next_offset().max(span.next);
            span.has_transactions |= header.attributes.is_transactional() || header.attributes.is_control();
        }
    }
    Ok(span)
}

fn failure(error: LogError, from: Offset) -> ReadError {
    match error {
        LogError::OutOfRange { offset, start, .. } if offset < start => ReadError::Gone { from, start },
        LogError::OutOfRange { end, .. } => ReadError::Lost { end },
        LogError::Storage(reason) => ReadError::Storage(reason),
        LogError::Closed => ReadError::Deleted,
    }
}

/// The aborted transactions among what is read, as far as it was read.
struct Aborted {
    /// Those that begin further on, by first offset.
    ahead: VecDeque<AbortedTransaction>,
    /// Where the latest of each producer ends.
    ends: BTreeMap<ProducerId, Offset>,
}

impl Aborted {
    /// Whether a batch is part of one; batches come in the order of their offsets.
    fn has(&mut self, header: &BatchHeader) -> bool {
        while let Some(begun) = self.ahead.pop_front_if(|ahead| ahead.first_offset <= header.base_offset) {
            self.ends.insert(begun.producer, begun.last_offset);
        }
        let producer = header.producer().filter(|_| header.attributes.is_transactional());
        producer.and_then(|producer| self.ends.get(&producer)).is_some_and(|end| header.base_offset <= *end)
    }
}

struct Found {
    batches: Vec<InputBatch>,
    next: Offset,
    bytes: usize,
    bytes_max: usize,
    aborted: Aborted,
}

impl Found {
    fn take(&mut self, pieces: &mut Pieces, from: Offset, to: Offset) -> Result<(), ReadError> {
        let before = self.next;
        while let Some(head) = pieces.take(HEADER_SIZE) {
            let offset = self.next;
            let corrupt = |reason: &str| ReadError::Corrupt { offset, reason: reason.to_owned() };
            let header = BatchHeader::parse(&head).map_err(|error| corrupt(&error.to_string()))?;
            if header.base_offset >= to {
                self.next = to;
                return Ok(());
            }
            let size = header.size().ok_or_else(|| corrupt("its length is too small"))?;
            if self.bytes > 0 && self.bytes.saturating_add(size) > self.bytes_max {
                return Ok(());
            }
            let block = pieces.take(size - HEADER_SIZE).ok_or_else(|| corrupt("its end is missing"))?;
            self.next = header.next_offset().max(self.next);
            let is_data = !header.attributes.is_control() && header.record_count > 0;
            if header.next_offset() <= from || !is_data || self.aborted.has(&header) {
                continue;
            }
            if crc32c_of_parts([head.get(CRC_FROM..).unwrap_or_default(), &block]) != header.crc {
                return Err(corrupt("its checksum is another"));
            }
            self.bytes += size;
            self.batches.push(InputBatch { header, block, from });
        }
        if self.next > before { Ok(()) } else { Err(ReadError::Storage(format!("nothing is read at offset {before}"))) }
    }
}

/// Bytes in pieces, taken in lengths that need not be theirs; what lies in one piece is not copied.
struct Pieces {
    pieces: VecDeque<Bytes>,
}

impl Pieces {
    fn of(read: ReadOut) -> Self {
        Self { pieces: read.pieces.into() }
    }

    /// The next `size` bytes; `None` where fewer are left.
    fn take(&mut self, size: usize) -> Option<Bytes> {
        while self.pieces.front().is_some_and(Bytes::is_empty) {
            self.pieces.pop_front();
        }
        match self.pieces.front_mut() {
            Some(first) if first.len() >= size => return Some(first.split_to(size)),
            None if size == 0 => return Some(Bytes::new()),
            None => return None,
            Some(_) => {}
        }
        let mut taken = BytesMut::with_capacity(size);
        while taken.len() < size {
            let first = self.pieces.front_mut()?;
            let part = first.split_to(first.len().min(size - taken.len()));
            taken.extend_from_slice(&part);
            if first.is_empty() {
                self.pieces.pop_front();
            }
        }
        Some(taken.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_taken_across_pieces() {
        let pieces = [&b"ab"[..], b"", b"cdefg", b"h"];
        let mut pieces = Pieces { pieces: pieces.map(Bytes::from_static).into() };
        assert_eq!(pieces.take(3).unwrap(), "abc");
        assert_eq!(pieces.take(0).unwrap(), "");
        assert_eq!(pieces.take(2).unwrap(), "de");
        assert_eq!(pieces.take(3).unwrap(), "fgh");
        assert_eq!(pieces.take(1), None);
    }
}
