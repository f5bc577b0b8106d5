//! [`Replay`]: the entries that the journal holds, in order.

use super::{Entry, JournalError, JournalPosition, walk::Walk};
use levada_model::{LogId, Offset, reader::Reader};
use std::collections::BTreeMap;

/// What the journal held when it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ReplaySummary {
    /// Frames from the first one needed on.
    pub frames: u64,
    /// Bytes of their payloads.
    pub bytes: u64,
    /// Bytes that were cut at the end: of a round whose sync did not return.
    pub torn_bytes: u64,
}

/// Iterates over what is not yet released. Read it to the end before releasing anything.
///
/// Holds one frame in memory at a time, unless bodies of entries are kept.
#[derive(Debug)]
pub struct Replay {
    /// `None` where there is nothing.
    pub(super) walk: Option<Walk>,
    /// The first sequence that is not replayed.
    pub(super) end: u64,
    pub(super) summary: ReplaySummary,
    /// How far logs are durable in their segments, as the last entries of that kind say.
    pub(super) placed: BTreeMap<LogId, Offset>,
    /// What is left of the present frame.
    pub(super) entries: Reader,
    pub(super) entries_left: u32,
    pub(super) sequence: u64,
}

impl Replay {
    pub(super) fn new(walk: Option<Walk>, end: u64, summary: ReplaySummary, placed: BTreeMap<LogId, Offset>) -> Self {
        let entries = Reader::new(bytes::Bytes::new());
        Self { walk, end, summary, placed, entries, entries_left: 0, sequence: 0 }
    }

    /// Up to where logs were durable in their segments: [`Entry::Placed`] of all frames, known before any is replayed.
    #[must_use]
    pub const fn placed(&self) -> &BTreeMap<LogId, Offset> {
        &self.placed
    }

    /// What is there to replay, and what was cut.
    #[must_use]
    pub const fn summary(&self) -> ReplaySummary {
        self.summary
    }

    fn advance(&mut self) -> Result<Option<(JournalPosition, Entry)>, JournalError> {
        while self.entries_left == 0 {
            if !self.entries.is_empty() {
                return Err(JournalError::BadEntries { sequence: self.sequence });
            }
            let Some(walk) = self.walk.as_mut().filter(|walk| walk.chain.expected < self.end) else {
                return Ok(None);
            };
            let Some(frame) = walk.next_frame()? else {
                let (path, position) = (walk.present().path.clone(), walk.position);
                return Err(JournalError::Corrupt { path, position, sequence: walk.chain.expected });
            };
            if let Some(payload) = frame.payload {
                self.entries = Reader::new(payload);
                self.entries_left = frame.header.entry_count;
                self.sequence = frame.header.sequence;
            }
        }
        self.entries_left -= 1;
        let entry = Entry::read(&mut self.entries, self.sequence)?;
        Ok(Some((JournalPosition(self.sequence), entry)))
    }
}

impl Iterator for Replay {
    type Item = Result<(JournalPosition, Entry), JournalError>;

    /// After an error there is no more.
    fn next(&mut self) -> Option<Self::Item> {
        let next = self.advance();
        if next.is_err() {
            self.walk = None;
            self.entries = Reader::new(bytes::Bytes::new());
            self.entries_left = 0;
        }
        next.transpose()
    }
}
