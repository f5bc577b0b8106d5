//! The sparse indexes of one segment: offset → position, timestamp → offset.
//!
//! Both are hints. A reader checks what stands at the position it is sent to, and both can be built again
//! from the log.

use super::layout::{OFFSET_ENTRY_SIZE, TIME_ENTRY_SIZE};
use levada_model::{NO_TIMESTAMP, Offset, Timestamp, batch::BatchHeader};

/// The batch whose last offset is `base + relative` starts at `position`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct OffsetEntry {
    pub(crate) relative: u32,
    pub(crate) position: u32,
}

/// Up to the batch whose last offset is `base + relative`, no timestamp is above `timestamp`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TimeEntry {
    pub(crate) timestamp: Timestamp,
    pub(crate) relative: u32,
}

/// Both indexes of a segment, in memory.
#[derive(Debug, Default)]
pub(crate) struct Indexes {
    pub(crate) offsets: Vec<OffsetEntry>,
    pub(crate) times: Vec<TimeEntry>,
    /// No batch below this place has entries here: they are in files, or yet to be built.
    pub(crate) missing_below: Place,
}

/// The start of a batch, or the end of the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: u64,
    pub(crate) offset: Offset,
}

impl Indexes {
    pub(crate) fn push(&mut self, entries: Entries) {
        self.push_offset(entries.offset);
        self.push_time(entries.time);
    }

    fn push_offset(&mut self, entry: OffsetEntry) {
        let increases = |last: &OffsetEntry| last.relative < entry.relative && last.position < entry.position;
        if self.offsets.last().is_none_or(increases) {
            self.offsets.push(entry);
        }
    }

    pub(crate) fn push_time(&mut self, entry: TimeEntry) {
        let increases = |last: &TimeEntry| last.timestamp < entry.timestamp && last.relative <= entry.relative;
        if entry.timestamp >= 0 && self.times.last().is_none_or(increases) {
            self.times.push(entry);
        }
    }

    /// Puts the entries of `older` before ours.
    pub(crate) fn prepend(&mut self, mut older: Self) {
        for entry in std::mem::take(&mut self.offsets) {
            older.push_offset(entry);
        }
        for entry in std::mem::take(&mut self.times) {
            older.push_time(entry);
        }
        *self = older;
    }

    pub(crate) const fn is_complete(&self) -> bool {
        self.missing_below.position == 0
    }

    /// Where to start walking for the batch that contains `relative`, if that is at or above what is missing.
    pub(crate) fn position_for(&self, relative: u32) -> u64 {
        let after = self.offsets.partition_point(|entry| entry.relative <= relative);
        let entry = after.checked_sub(1).and_then(|index| self.offsets.get(index));
        entry.map_or(self.missing_below.position, |entry| u64::from(entry.position))
    }

    /// The last indexed batch that starts between two positions, both included.
    pub(crate) fn position_between(&self, from: u64, to: u64) -> Option<u64> {
        let after = self.offsets.partition_point(|entry| u64::from(entry.position) <= to);
        let entry = after.checked_sub(1).and_then(|index| self.offsets.get(index))?;
        Some(u64::from(entry.position)).filter(|&position| position >= from)
    }

    /// The last offset up to which every timestamp is below `timestamp`, as far as the index knows.
    pub(crate) fn offset_before(&self, timestamp: Timestamp) -> Option<u32> {
        let after = self.times.partition_point(|entry| entry.timestamp < timestamp);
        after.checked_sub(1).and_then(|index| self.times.get(index)).map(|entry| entry.relative)
    }

    pub(crate) fn encode_offsets(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.offsets.len() * OFFSET_ENTRY_SIZE);
        for entry in &self.offsets {
            bytes.extend_from_slice(&entry.relative.to_be_bytes());
            bytes.extend_from_slice(&entry.position.to_be_bytes());
        }
        bytes
    }

    pub(crate) fn encode_times(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.times.len() * TIME_ENTRY_SIZE);
        for entry in &self.times {
            bytes.extend_from_slice(&entry.timestamp.to_be_bytes());
            bytes.extend_from_slice(&entry.relative.to_be_bytes());
        }
        bytes
    }

    /// Reads both files; `None` where they cannot be those of a segment of `size` bytes.
    ///
    /// Entries behind the first that does not increase are dropped: Kafka preallocates index files with zeros.
    pub(crate) fn decode(offsets: &[u8], times: &[u8], size: u64) -> Option<Self> {
        let mut indexes = Self::default();
        for chunk in offsets.as_chunks::<OFFSET_ENTRY_SIZE>().0 {
            let (relative, position) = chunk.split_first_chunk::<4>()?;
            let position = u32::from_be_bytes(*position.first_chunk()?);
            let entry = OffsetEntry { relative: u32::from_be_bytes(*relative), position };
            if u64::from(entry.position) >= size {
                return None;
            }
            let before = indexes.offsets.len();
            indexes.push_offset(entry);
            if indexes.offsets.len() == before {
                break;
            }
        }
        for chunk in times.as_chunks::<TIME_ENTRY_SIZE>().0 {
            let (timestamp, relative) = chunk.split_first_chunk::<8>()?;
            let relative = u32::from_be_bytes(*relative.first_chunk()?);
            let before = indexes.times.len();
            indexes.push_time(TimeEntry { timestamp: i64::from_be_bytes(*timestamp), relative });
            if indexes.times.len() == before {
                break;
            }
        }
        Some(indexes)
    }
}

/// What one batch adds to the indexes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Entries {
    offset: OffsetEntry,
    time: TimeEntry,
}

/// What the index needs to know of a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Indexed {
    pub(crate) position: u64,
    pub(crate) size: u64,
    pub(crate) last_offset: Offset,
    pub(crate) max_timestamp: Timestamp,
}

impl Indexed {
    pub(crate) fn of(position: u64, size: u64, header: &BatchHeader) -> Self {
        // Of a batch that compaction emptied, no record has its timestamp.
        let max_timestamp = if header.record_count > 0 { header.max_timestamp } else { NO_TIMESTAMP };
        Self { position, size, last_offset: header.last_offset(), max_timestamp }
    }
}

/// Decides which batches of a segment are indexed, as Kafka does: the first one after each interval.
#[derive(Clone, Debug)]
pub(crate) struct IndexBuilder {
    base: Offset,
    interval: u64,
    bytes_since_entry: u64,
    max_timestamp: Timestamp,
    offset_of_max: Offset,
}

impl IndexBuilder {
    pub(crate) fn new(base: Offset, interval_bytes: u32) -> Self {
        Self {
            base,
            interval: u64::from(interval_bytes),
            bytes_since_entry: 0,
            max_timestamp: NO_TIMESTAMP,
            offset_of_max: base,
        }
    }

    /// Goes on in a segment that has batches already.
    pub(crate) fn resume(mut self, max: Option<(Timestamp, Offset)>) -> Self {
        if let Some((timestamp, offset)) = max {
            self.max_timestamp = timestamp;
            self.offset_of_max = offset;
        }
        self
    }

    /// Takes note of the next batch.
    pub(crate) fn note(&mut self, batch: Indexed) -> Option<Entries> {
        if batch.max_timestamp > self.max_timestamp {
            self.max_timestamp = batch.max_timestamp;
            self.offset_of_max = batch.last_offset;
        }
        let due = self.bytes_since_entry > self.interval;
        if due {
            self.bytes_since_entry = 0;
        }
        self.bytes_since_entry += batch.size;
        let offset = OffsetEntry {
            relative: relative(self.base, batch.last_offset)?,
            position: u32::try_from(batch.position).ok()?,
        };
        due.then(|| self.time_entry().map(|time| Entries { offset, time })).flatten()
    }

    /// The entry for the largest timestamp so far.
    pub(crate) fn time_entry(&self) -> Option<TimeEntry> {
        Some(TimeEntry { timestamp: self.max_timestamp, relative: relative(self.base, self.offset_of_max)? })
    }

    /// The largest timestamp so far, and the last offset of the batch that has it.
    pub(crate) fn max_timestamp(&self) -> Option<(Timestamp, Offset)> {
        (self.max_timestamp >= 0).then_some((self.max_timestamp, self.offset_of_max))
    }
}

/// `offset` as an index holds it; Kafka's relative offsets have 31 bits.
pub(crate) fn relative(base: Offset, offset: Offset) -> Option<u32> {
    let relative = offset.checked_sub(base)?;
    i32::try_from(relative).ok().and_then(|relative| u32::try_from(relative).ok())
}
