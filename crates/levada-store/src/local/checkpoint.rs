//! The checkpoint: one file that says what is durable outside the journal.
//!
//! ```text
//! offset size field                                  version 2, big-endian
//!      0    4 magic "LVCP"
//!      4    2 version
//!      6    2 flags                                  bit 0: closed in good order
//!      8    4 CRC-32C                                of everything from 12 on
//!     12   16 cluster id
//!     28    4 node id
//!     32    8 journal position                       the first frame that is still needed
//!     40    4 size · cluster changes                 from an empty cluster to this one
//!      …    4 count of logs, then for each:
//!           16 topic id · 4 partition
//!            1 flags                                 bit 0: written directly, bit 1: has files,
//!                                                    bit 2: repaired
//!            8 lease ceiling
//!            8 log start offset
//!            8 offset up to which it was synced      −1: as the journal says; not in version 1
//!            4 size · the log's own checkpoint       with its producers
//! ```
//!
//! It is replaced as a whole: written beside, synced, renamed, the directory synced.

use super::StoreError;
use crate::cluster::{Change, codec};
use bytes::{BufMut, Bytes, BytesMut};
use levada_log::{
    Disk,
    disk::{OpenMode, read_exact_at},
};
use levada_model::{
    LogId, NO_OFFSET, NodeId, Offset, Uuid,
    crc::crc32c,
    reader::{ReadError, Reader},
};
use std::{
    io,
    path::{Path, PathBuf},
};

const MAGIC: u32 = 0x4c56_4350;
const VERSION: u16 = 2;
const CRC_FROM: usize = 12;
const CLEAN: u16 = 1;
const DIRECT: u8 = 1;
const HAS_FILES: u8 = 2;
const REPAIRED: u8 = 4;
const SIZE_MAX: u64 = 4 << 30;

/// What is durable of one log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogEntry {
    pub(crate) id: LogId,
    /// Batches above may be in the segment without having been journalled.
    pub(crate) direct: bool,
    pub(crate) lease_ceiling: Offset,
    pub(crate) log_start: Offset,
    /// What `levada_log` says of the files; `None` where there are none yet.
    pub(crate) files: Option<Bytes>,
    /// Up to where its segments were synced beyond what `files` says, where the journal may not say so any more.
    pub(crate) placed: Option<Offset>,
    /// What was synced below the lease ceiling was given up.
    pub(crate) repaired: bool,
}

/// What is durable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Checkpoint {
    pub(crate) clean: bool,
    pub(crate) cluster_id: Uuid,
    pub(crate) node_id: NodeId,
    pub(crate) journal_position: u64,
    pub(crate) changes: Vec<Change>,
    pub(crate) logs: Vec<LogEntry>,
}

/// The file of the checkpoint.
pub(crate) fn path(data_dir: &Path) -> PathBuf {
    data_dir.join("checkpoint")
}

/// Puts `checkpoint` in the place of the one that is there, durably.
pub(crate) fn write(disk: &dyn Disk, data_dir: &Path, checkpoint: &Checkpoint) -> io::Result<()> {
    let (target, beside) = (path(data_dir), data_dir.join("checkpoint.tmp"));
    let bytes = encode(checkpoint);
    let file = disk.open(&beside, OpenMode::Create)?;
    file.set_len(0)?;
    file.write_all_at(&bytes, 0)?;
    file.sync_data()?;
    disk.rename(&beside, &target)?;
    disk.sync_dir(data_dir)
}

/// The checkpoint of `data_dir`, if there is one.
pub(crate) fn read(disk: &dyn Disk, data_dir: &Path) -> Result<Option<Checkpoint>, StoreError> {
    let path = path(data_dir);
    if !disk.exists(&path) {
        return Ok(None);
    }
    let io = |source| StoreError::Io { action: "read", path: path.clone(), source };
    let file = disk.open(&path, OpenMode::Read).map_err(io)?;
    let size = file.len().map_err(io)?;
    let broken = |reason: String| StoreError::Checkpoint { path: path.clone(), reason };
    if size > SIZE_MAX {
        return Err(broken(format!("it has {size} bytes")));
    }
    let mut bytes = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    read_exact_at(&*file, &mut bytes, 0).map_err(io)?;
    decode(&Bytes::from(bytes)).map(Some).map_err(broken)
}

fn encode(checkpoint: &Checkpoint) -> Bytes {
    let mut bytes = BytesMut::new();
    bytes.put_u32(MAGIC);
    bytes.put_u16(VERSION);
    bytes.put_u16(if checkpoint.clean { CLEAN } else { 0 });
    bytes.put_u32(0);
    bytes.put_slice(checkpoint.cluster_id.as_bytes());
    bytes.put_i32(checkpoint.node_id);
    bytes.put_u64(checkpoint.journal_position);
    put_sized(&mut bytes, &codec::encode(&checkpoint.changes));
    put_size(&mut bytes, checkpoint.logs.len());
    for log in &checkpoint.logs {
        bytes.put_slice(log.id.topic.as_bytes());
        bytes.put_i32(log.id.partition);
        let direct = if log.direct { DIRECT } else { 0 };
        let repaired = if log.repaired { REPAIRED } else { 0 };
        bytes.put_u8(direct | repaired | if log.files.is_some() { HAS_FILES } else { 0 });
        bytes.put_i64(log.lease_ceiling);
        bytes.put_i64(log.log_start);
        bytes.put_i64(log.placed.unwrap_or(NO_OFFSET));
        put_sized(&mut bytes, log.files.as_deref().unwrap_or_default());
    }
    let crc = crc32c(&bytes[CRC_FROM..]);
    bytes[8..CRC_FROM].copy_from_slice(&crc.to_be_bytes());
    bytes.freeze()
}

fn put_size(bytes: &mut BytesMut, size: usize) {
    bytes.put_u32(u32::try_from(size).expect("a checkpoint's parts are below 4 GiB"));
}

fn put_sized(bytes: &mut BytesMut, part: &[u8]) {
    put_size(bytes, part.len());
    bytes.put_slice(part);
}

fn decode(bytes: &Bytes) -> Result<Checkpoint, String> {
    let read = |error: ReadError| error.to_string();
    let mut reader = Reader::new(bytes.clone());
    if reader.u32().map_err(read)? != MAGIC {
        return Err("it does not begin like a checkpoint".to_owned());
    }
    let version = reader.u16().map_err(read)?;
    if version == 0 || version > VERSION {
        return Err(format!("it has format version {version}, this release reads 1 to {VERSION}"));
    }
    let flags = reader.u16().map_err(read)?;
    let claimed = reader.u32().map_err(read)?;
    let actual = crc32c(&bytes[CRC_FROM..]);
    if claimed != actual {
        return Err(format!("its checksum is {actual:#010x}, it says {claimed:#010x}"));
    }
    let cluster_id = Uuid::from_bytes(reader.array().map_err(read)?);
    let node_id = reader.i32().map_err(read)?;
    let journal_position = reader.u64().map_err(read)?;
    let changes = codec::decode(take_sized(&mut reader).map_err(read)?).map_err(|error| error.to_string())?;
    let count = reader.u32().map_err(read)?;
    let logs = (0..count).map(|_| read_log(&mut reader, version)).collect::<Result<_, _>>().map_err(read)?;
    Ok(Checkpoint { clean: flags & CLEAN != 0, cluster_id, node_id, journal_position, changes, logs })
}

fn read_log(reader: &mut Reader, version: u16) -> Result<LogEntry, ReadError> {
    let id = LogId { topic: Uuid::from_bytes(reader.array()?), partition: reader.i32()? };
    let flags = reader.u8()?;
    let (lease_ceiling, log_start) = (reader.i64()?, reader.i64()?);
    let placed = if version < 2 { None } else { Some(reader.i64()?).filter(|offset| *offset >= 0) };
    let files = take_sized(reader)?;
    let files = (flags & HAS_FILES != 0).then_some(files);
    let (direct, repaired) = (flags & DIRECT != 0, flags & REPAIRED != 0);
    Ok(LogEntry { id, direct, lease_ceiling, log_start, files, placed, repaired })
}

fn take_sized(reader: &mut Reader) -> Result<Bytes, ReadError> {
    let size = reader.u32()?;
    reader.take(usize::try_from(size).unwrap_or(usize::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Checkpoint {
        let id = LogId { topic: Uuid::from_bytes([1; 16]), partition: 3 };
        Checkpoint {
            clean: true,
            cluster_id: Uuid::from_bytes([2; 16]),
            node_id: 1,
            journal_position: 77,
            changes: vec![Change::SetLeaderEpoch { epoch: 5 }],
            logs: vec![
                LogEntry {
                    id,
                    direct: true,
                    lease_ceiling: 9,
                    log_start: 2,
                    files: Some(Bytes::from_static(b"files")),
                    placed: Some(12),
                    repaired: false,
                },
                LogEntry {
                    id,
                    direct: false,
                    lease_ceiling: 0,
                    log_start: 0,
                    files: None,
                    placed: None,
                    repaired: true,
                },
            ],
        }
    }

    #[test]
    fn a_checkpoint_round_trips() {
        assert_eq!(decode(&encode(&sample())), Ok(sample()));
    }

    #[test]
    fn the_head_of_a_checkpoint_never_changes() {
        let bytes = encode(&sample());
        assert_eq!(&bytes[..8], b"LVCP\0\x02\0\x01");
        assert_eq!(&bytes[28..40], b"\0\0\0\x01\0\0\0\0\0\0\0\x4d");
    }

    #[test]
    fn version_1_is_still_read() {
        let version_1 = b"LVCP\0\x01\0\x01\xe6\x38\xb8\x32\
            \x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\x02\0\0\0\x01\0\0\0\0\0\0\0\x4d\
            \0\0\0\x04\0\0\0\0\0\0\0\x01\
            \x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\x01\0\0\0\x03\x03\
            \0\0\0\0\0\0\0\x09\0\0\0\0\0\0\0\x02\0\0\0\x05files";
        let mut expected = sample();
        expected.changes.clear();
        expected.logs.truncate(1);
        expected.logs[0].placed = None;
        assert_eq!(decode(&Bytes::from_static(version_1)), Ok(expected));
    }

    #[test]
    fn every_flipped_byte_and_every_cut_is_noticed() {
        let good = encode(&sample());
        for index in 8..good.len() {
            let mut bad = good.to_vec();
            bad[index] ^= 1;
            assert!(decode(&Bytes::from(bad)).is_err(), "byte {index}");
        }
        for size in 0..good.len() {
            assert!(decode(&good.slice(..size)).is_err(), "{size} bytes");
        }
    }
}
