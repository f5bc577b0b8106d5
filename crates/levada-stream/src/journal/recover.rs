//! Reading a journal back: the last whole snapshot, and the epochs behind it.

use super::record::{Head, Seal, Writer};
use crate::{handle::HandleError, read, read::ReadError};
use bytes::{Bytes, BytesMut};
use levada_model::Offset;
use levada_store::Log;
use std::collections::BTreeMap;

/// Bytes read at once.
const READ_SIZE: usize = 4 << 20;
/// How often it is begun again because its beginning was taken away meanwhile.
const TRIES_MAX: usize = 5;

/// What a statement's journal has.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recovered {
    /// The last snapshot, in the chunks in which it was written; `None` where there was none.
    pub snapshot: Option<Vec<Bytes>>,
    /// The records of the epochs that were committed after it, in order.
    pub epochs: Vec<Bytes>,
}

/// Reads all of `log`, of which nobody else has the journal open.
pub(super) fn read(log: &Log) -> Result<Recovered, HandleError> {
    let mut tries = 0;
    loop {
        // Whoever had it open may still take away what their last snapshot stands for.
        match read_once(log) {
            Err(HandleError::Read(ReadError::Gone { .. })) if tries < TRIES_MAX => tries += 1,
            outcome => return outcome,
        }
    }
}

fn read_once(log: &Log) -> Result<Recovered, HandleError> {
    let tail = log.tail();
    let (start, end) = (tail.log_start_offset, tail.last_stable_offset);
    let mut snapshots = Snapshots::default();
    each(log, start, end, |_, head, value| snapshots.take(head, &value))?;
    let Some(seal) = snapshots.last else {
        if start > 0 {
            // Only a snapshot lets anything be taken away.
            let reason = "what lies before it is gone, and no snapshot stands for it".to_owned();
            return Err(HandleError::Record { offset: start, reason });
        }
        let mut epochs = Vec::new();
        each(log, start, end, |_, head, value| epochs.extend((head == Head::Epoch).then_some(value)))?;
        return Ok(Recovered { snapshot: None, epochs });
    };
    let mut chunks = Chunks::default();
    let mut epochs = Vec::new();
    each(log, start.max(seal.covers), end, |_, head, value| match head {
        Head::Epoch => epochs.push(value),
        Head::Part { writer, index, continues } if writer == seal.writer && index < seal.part_count => {
            chunks.take(index, continues, value);
        }
        Head::Part { .. } | Head::Seal(_) => {}
    })?;
    Ok(Recovered { snapshot: Some(chunks.whole), epochs })
}

/// Hands all committed records between two offsets to `take`.
fn each(log: &Log, start: Offset, end: Offset, mut take: impl FnMut(Offset, Head, Bytes)) -> Result<(), HandleError> {
    let mut next = start;
    while next < end {
        let found = read::committed(log, next, end, READ_SIZE)?;
        for batch in found.batches {
            let opened = batch.open()?;
            batch.each(&opened, |offset, _, record| {
                let malformed = |reason| HandleError::Record { offset, reason };
                let head = Head::decode(record.key.unwrap_or_default()).map_err(malformed)?;
                let is_part = matches!(head, Head::Part { .. });
                if is_part == batch.header().attributes.is_transactional() {
                    return Err(malformed("a transaction has it, or should have it".to_owned()));
                }
                take(offset, head, record.value.map_or_else(Bytes::new, |value| opened.slice_ref(value)));
                Ok(())
            })?;
        }
        next = found.next;
    }
    Ok(())
}

/// Finds the last snapshot of which all parts are there.
#[derive(Debug, Default)]
struct Snapshots {
    /// What each writer's latest parts come to.
    begun: BTreeMap<Writer, Seal>,
    last: Option<Seal>,
}

impl Snapshots {
    fn take(&mut self, head: Head, value: &[u8]) {
        match head {
            Head::Epoch => {}
            Head::Part { writer, index, .. } => {
                if index == 0 {
                    self.begun.insert(writer, empty(writer));
                }
                match self.begun.get_mut(&writer) {
                    Some(begun) if begun.part_count == index => begun.add(value),
                    Some(_) => drop(self.begun.remove(&writer)),
                    None => {}
                }
            }
            Head::Seal(seal) => {
                let begun = self.begun.remove(&seal.writer).unwrap_or_else(|| empty(seal.writer));
                if (Seal { covers: seal.covers, ..begun }) == seal {
                    self.last = Some(seal);
                } else {
                    tracing::error!(?seal, ?begun, "parts of a snapshot are missing: an earlier one is used");
                }
            }
        }
    }
}

const fn empty(writer: Writer) -> Seal {
    Seal { writer, covers: 0, part_count: 0, size: 0, checksum: 0 }
}

/// Puts chunks together from their parts.
#[derive(Debug, Default)]
struct Chunks {
    whole: Vec<Bytes>,
    begun: Vec<Bytes>,
}

impl Chunks {
    fn take(&mut self, index: u32, continues: bool, part: Bytes) {
        if index == 0 {
            // The same writer began before, and gave up.
            *self = Self::default();
        }
        self.begun.push(part);
        if continues {
            return;
        }
        let mut parts = std::mem::take(&mut self.begun);
        match (parts.pop(), parts.is_empty()) {
            (Some(part), true) => self.whole.push(part),
            (last, _) => {
                parts.extend(last);
                let mut chunk = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
                parts.iter().for_each(|part| chunk.extend_from_slice(part));
                self.whole.push(chunk.freeze());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_model::ProducerId;

    fn writer(id: i64) -> Writer {
        Writer { id: ProducerId(id), epoch: 0 }
    }

    fn seal(writer: Writer, parts: &[&str]) -> Seal {
        let mut seal = Seal { covers: 3, ..empty(writer) };
        parts.iter().for_each(|part| seal.add(part.as_bytes()));
        seal
    }

    #[test]
    fn a_snapshot_counts_where_its_parts_are_there_as_they_were_written() {
        let (whole, other) = (writer(1), writer(2));
        let of = |indexes: &[(Writer, u32, &str)], sealed: Seal| {
            let mut snapshots = Snapshots::default();
            for (writer, index, part) in indexes {
                let head = Head::Part { writer: *writer, index: *index, continues: false };
                snapshots.take(head, part.as_bytes());
            }
            snapshots.take(Head::Seal(sealed), &[]);
            snapshots.last == Some(sealed)
        };
        let sealed = seal(whole, &["a", "b"]);
        assert!(of(&[(whole, 0, "a"), (whole, 1, "b")], sealed));
        assert!(of(&[(whole, 0, "a"), (other, 0, "x"), (other, 1, "y"), (whole, 1, "b")], sealed));
        assert!(of(&[(whole, 0, "given up"), (whole, 0, "a"), (whole, 1, "b")], sealed));
        assert!(of(&[], seal(whole, &[])));
        assert!(!of(&[], sealed));
        assert!(!of(&[(whole, 0, "a")], sealed));
        assert!(!of(&[(whole, 1, "b")], sealed));
        assert!(!of(&[(whole, 0, "a"), (whole, 1, "c")], sealed));
        assert!(!of(&[(whole, 0, "a"), (whole, 2, "b")], sealed));
        assert!(!of(&[(other, 0, "a"), (other, 1, "b")], sealed));
    }

    #[test]
    fn chunks_are_put_together_from_their_parts() {
        let mut chunks = Chunks::default();
        let parts =
            [(0, true, "given up"), (0, true, "a"), (1, true, "b"), (2, false, "c"), (3, false, ""), (4, false, "d")];
        parts.into_iter().for_each(|(index, continues, part)| chunks.take(index, continues, Bytes::from(part)));
        assert_eq!(chunks.whole, ["abc", "", "d"]);
    }
}
