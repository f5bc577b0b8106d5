//! [`Manifest`]: in whose place a compacted segment stands, until a checkpoint knows.
//!
//! ```text
//! offset size field                    version 1, <base>.replaces, big-endian
//!      0    4 "LVRP"
//!      4    2 version
//!      6    4 CRC-32C of everything from 10 on
//!     10   16 topic id
//!     26    4 partition
//!     30   56 the compacted segment    as a log's checkpoint has it
//!     86    8 end                      offset at which the next segment begins
//! ```
//!
//! The compacted segment replaces all segments that begin from its own base on and below the end.

use crate::{
    error::DiskError,
    partition::{
        LogCheckpoint, LogFiles, SegmentMark,
        checkpoint::{decode_mark, put_mark},
        error::{Corruption, Defect},
        layout::replaces_path,
    },
};
use bytes::{BufMut, Bytes, BytesMut};
use levada_model::{LogId, Offset, Uuid, crc::crc32c, reader};
use std::path::Path;

const MAGIC: &[u8; 4] = b"LVRP";
const VERSION: u16 = 1;
const CRC_FROM: usize = 10;
/// No larger file is one.
const SIZE_MAX: u64 = 4_096;

/// Which segments a compacted one stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::partition) struct Manifest {
    /// Whose.
    pub(in crate::partition) id: LogId,
    /// The compacted segment.
    pub(in crate::partition) mark: SegmentMark,
    /// Where the next segment begins.
    pub(in crate::partition) end: Offset,
}

impl Manifest {
    pub(in crate::partition) fn encode(&self) -> Bytes {
        let mut payload = BytesMut::new();
        payload.put_slice(self.id.topic.as_bytes());
        payload.put_i32(self.id.partition);
        put_mark(&mut payload, &self.mark);
        payload.put_i64(self.end);
        let mut bytes = BytesMut::new();
        bytes.put_slice(MAGIC);
        bytes.put_u16(VERSION);
        bytes.put_u32(crc32c(&payload));
        bytes.put_slice(&payload);
        bytes.freeze()
    }

    pub(super) fn decode(bytes: &Bytes) -> Result<Self, String> {
        let read = |error: reader::ReadError| error.to_string();
        let mut source = reader::Reader::new(bytes.clone());
        if source.array().map_err(read)? != *MAGIC {
            return Err("it does not begin like one".to_owned());
        }
        let version = source.u16().map_err(read)?;
        if version != VERSION {
            return Err(format!("it has version {version}, {VERSION} is supported"));
        }
        let claimed = source.u32().map_err(read)?;
        let actual = crc32c(bytes.get(CRC_FROM..).unwrap_or_default());
        if claimed != actual {
            return Err(format!("its checksum is {actual:#010x}, it says {claimed:#010x}"));
        }
        let topic = Uuid::from_bytes(source.array().map_err(read)?);
        let id = LogId { topic, partition: source.i32().map_err(read)? };
        let manifest = Self { id, mark: decode_mark(&mut source).map_err(read)?, end: source.i64().map_err(read)? };
        let mark = &manifest.mark;
        let is_ordered = mark.base_offset <= mark.next_offset && mark.next_offset <= manifest.end;
        if !source.is_empty() || !is_ordered {
            return Err("it contradicts itself".to_owned());
        }
        Ok(manifest)
    }

    /// Reads the one at `base`: the outer result is the disk's, the inner one says why it is not sound.
    pub(super) fn read(files: &LogFiles, dir: &Path, base: Offset) -> Result<Result<Self, Corruption>, DiskError> {
        let bytes = files.read_all(&replaces_path(dir, base), SIZE_MAX)?;
        let decoded = bytes.ok_or_else(|| "it is too large".to_owned()).and_then(|bytes| Self::decode(&bytes.into()));
        let sound = decoded.and_then(|manifest| {
            let is_here = manifest.mark.base_offset == base;
            if is_here { Ok(manifest) } else { Err(format!("it is of segment {}", manifest.mark.base_offset)) }
        });
        Ok(sound.map_err(|reason| Corruption {
            segment_base: base,
            position: 0,
            offset_from: base,
            defect: Defect::Replacement(reason),
        }))
    }

    const fn covers(&self, base: Offset) -> bool {
        self.mark.base_offset <= base && base < self.end
    }

    /// Puts the compacted segment into a checkpoint that was taken before.
    ///
    /// # Errors
    /// Where it would stand for the segment that was being written: those are never compacted.
    pub(in crate::partition) fn apply(&self, checkpoint: &mut LogCheckpoint) -> Result<(), Corruption> {
        if self.covers(checkpoint.active.base_offset) {
            let (segment_base, offset_from) = (self.mark.base_offset, checkpoint.active.base_offset);
            let defect = Defect::Replacement("it reaches into the segment that was being written".to_owned());
            return Err(Corruption { segment_base, position: 0, offset_from, defect });
        }
        let Some(first) = checkpoint.sealed.iter().position(|mark| self.covers(mark.base_offset)) else {
            return Ok(());
        };
        checkpoint.sealed.retain(|mark| !self.covers(mark.base_offset));
        checkpoint.sealed.insert(first, self.mark);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::partition::tests::check_golden;

    #[test]
    fn the_bytes_of_a_manifest_stay_as_they_are() {
        let mark = SegmentMark {
            base_offset: 100,
            size_bytes: 4_000,
            next_offset: 250,
            max_timestamp: Some((1_700_000_000_000, 249)),
            first_append_time: 1_700_000_000_001,
            append_time: 1_700_000_000_002,
        };
        let id = LogId { topic: Uuid::from_bytes([7; 16]), partition: 3 };
        let manifest = Manifest { id, mark, end: 260 };
        let bytes = manifest.encode();
        check_golden("replaces.v1.bin", &bytes);
        assert_eq!(Manifest::decode(&bytes), Ok(manifest));
        for index in 0..bytes.len() {
            let mut bad = bytes.to_vec();
            bad[index] ^= 1;
            assert!(Manifest::decode(&bad.into()).is_err(), "byte {index}");
            assert!(Manifest::decode(&bytes.slice(..index)).is_err(), "{index} bytes");
        }
    }
}
