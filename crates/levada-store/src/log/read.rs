//! Reading a log: from memory where it reaches back far enough, else from the files.

use super::{ABORTED_LISTED_MAX, Log, ReadError, ReadOut, ReadUntil, Tail};
use levada_log::partition::{AtLeast, Read};
use levada_model::Offset;

/// How often a read looks again where what it looked for moved from memory to the files meanwhile.
const READS_MAX: usize = 16;

/// Where a read finds its batches.
enum Found {
    /// In memory.
    Here(ReadOut),
    /// In the files, if anywhere below the first offset that memory has.
    InFiles { read: Read, memory_from: Option<Offset> },
}

const fn end_of(tail: &Tail, until: ReadUntil) -> Offset {
    match until {
        ReadUntil::HighWatermark => tail.high_watermark,
        ReadUntil::LastStable => tail.last_stable_offset,
    }
}

impl Log {
    /// Reads whole batches, starting with the one that contains `offset`, up to `bytes_max` bytes in all.
    ///
    /// With `at_least_one` the first batch is read even where it is larger. Nothing where `offset` is the end.
    ///
    /// # Errors
    /// [`ReadError::OutOfRange`], [`ReadError::Storage`] where files cannot be read, [`ReadError::Closed`].
    pub fn read(
        &self,
        offset: Offset,
        bytes_max: usize,
        until: ReadUntil,
        at_least_one: bool,
    ) -> Result<ReadOut, ReadError> {
        let mut found = ReadOut::default();
        for _ in 0..READS_MAX {
            let (read, memory_from) = match self.read_memory(offset, bytes_max, until, at_least_one)? {
                Found::Here(out) => return Ok(out),
                Found::InFiles { read, memory_from } => (read, memory_from),
            };
            let out = match self.reader.load_full() {
                // Of offsets that a lease covered when the power was cut, no file knows.
                Some(reader) if read.offset <= reader.next_offset() => {
                    reader.read(&read).map(|batches| ReadOut::of(batches.bytes))
                }
                _ => Ok(ReadOut::default()),
            };
            found = out.map_err(|error| ReadError::Storage(error.to_string()))?;
            if found.size > 0 {
                break;
            }
            if let Some(out) = self.read_beyond_gap(&read, until, memory_from) {
                return Ok(out);
            }
        }
        Ok(found)
    }

    /// As [`Self::read`], but never waits for the disk: `None` where it would have to. What lies in a file may be left
    /// there, to be sent from it.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn read_cached(
        &self,
        offset: Offset,
        bytes_max: usize,
        until: ReadUntil,
        at_least_one: bool,
    ) -> Result<Option<ReadOut>, ReadError> {
        for _ in 0..READS_MAX {
            let (read, memory_from) = match self.read_memory(offset, bytes_max, until, at_least_one)? {
                Found::Here(out) => return Ok(Some(out)),
                Found::InFiles { read, memory_from } => (read, memory_from),
            };
            let out = match self.reader.load_full() {
                Some(reader) if read.offset <= reader.next_offset() => match reader.slice(&read) {
                    Some(slice) if until == ReadUntil::HighWatermark || !self.has_many_aborted(&read) => {
                        return Ok(Some(ReadOut::of_slice(slice)));
                    }
                    _ => reader.read_cached(&read).map(|found| found.map(|batches| ReadOut::of(batches.bytes))),
                },
                _ => Ok(Some(ReadOut::default())),
            };
            let out = out.map_err(|error| ReadError::Storage(error.to_string()))?;
            if out.as_ref().is_none_or(|out| out.size > 0) {
                return Ok(out);
            }
            if let Some(out) = self.read_beyond_gap(&read, until, memory_from) {
                return Ok(Some(out));
            }
        }
        Ok(Some(ReadOut::default()))
    }

    /// Whether so many transactions were aborted that a reader of committed records is told only of those that concern
    /// it, for which what is read has to be looked through.
    fn has_many_aborted(&self, read: &Read) -> bool {
        self.aborted_transactions(read.offset, read.upper_offset).len() > ABORTED_LISTED_MAX
    }

    /// What memory has behind offsets that no record has: those that a lease covered when the power was cut, or those
    /// that were compacted. `None` where memory has moved since it began at `memory_from`, or the end has: what is
    /// looked for may have gone to the files, or come, meanwhile.
    ///
    /// The files, which had nothing, were read after `memory_from` was: what memory began with then is the next batch.
    fn read_beyond_gap(&self, read: &Read, until: ReadUntil, memory_from: Option<Offset>) -> Option<ReadOut> {
        // Without the promise of one batch the files may have one that is too large.
        if read.at_least != AtLeast::OneBatch {
            return Some(ReadOut::default());
        }
        let tail = self.tail.lock();
        if tail.first_offset().filter(|first| *first > read.offset) != memory_from {
            return None;
        }
        let from = memory_from.and_then(|from| tail.read(from, read.upper_offset, read.bytes_max, true));
        drop(tail);
        // All that there was may have been compacted away for the sake of what came meanwhile.
        from.or_else(|| (end_of(&self.tail(), until) == read.upper_offset).then(ReadOut::default))
    }

    /// Reads what memory has, or says what to read of the files.
    fn read_memory(
        &self,
        offset: Offset,
        bytes_max: usize,
        until: ReadUntil,
        at_least_one: bool,
    ) -> Result<Found, ReadError> {
        if self.is_closed() {
            return Err(ReadError::Closed);
        }
        if let Some(reason) = self.quarantine() {
            return Err(ReadError::Storage(String::clone(&reason)));
        }
        let tail = self.tail();
        let end = end_of(&tail, until);
        if offset < tail.log_start_offset || offset > tail.high_watermark {
            let (start, end) = (tail.log_start_offset, tail.high_watermark);
            return Err(ReadError::OutOfRange { offset, start, end });
        }
        if offset >= end || (bytes_max == 0 && !at_least_one) {
            return Ok(Found::Here(ReadOut::default()));
        }
        let memory_from = {
            let tail = self.tail.lock();
            if let Some(out) = tail.read(offset, end, bytes_max, at_least_one) {
                return Ok(Found::Here(out));
            }
            tail.first_offset().filter(|first| *first > offset)
        };
        // What memory no longer has was in a segment before memory forgot it.
        let at_least = if at_least_one { AtLeast::OneBatch } else { AtLeast::Nothing };
        let read = Read { offset, upper_offset: end, bytes_max, at_least };
        Ok(Found::InFiles { read, memory_from })
    }
}
