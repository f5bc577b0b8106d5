//! Looking at a partition's files as they lie there: for `levada log verify` and `levada log dump`.
//!
//! Works on a directory that nobody has open, changes nothing, and goes on behind a bad checksum.

use super::{
    LogFiles,
    compact::settle::view,
    error::{Corruption, Defect},
    index::{Indexed, Indexes, relative},
    inventory::Inventory,
    layout::{FileKind, segment_path},
    scan::{Depth, Scan, Stop},
};
use crate::{
    disk::{OpenMode, read_exact_at},
    error::DiskError,
};
use levada_model::{
    Offset,
    batch::{BatchHeader, CRC_FROM},
    crc::crc32c,
};
use std::{collections::BTreeMap, path::Path, sync::Arc};

/// A batch as it lies in its file.
#[derive(Clone, Copy, Debug)]
pub struct VerifiedBatch<'a> {
    /// Base offset of its segment.
    pub segment_base: Offset,
    /// Where it starts in the `.log`.
    pub position: u64,
    /// Its header.
    pub header: &'a BatchHeader,
    /// Whether the checksum is that of the bytes.
    pub crc: CrcState,
    /// All of it.
    pub bytes: &'a [u8],
}

/// Whether a checksum holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CrcState {
    /// It does.
    Sound,
    /// It does not.
    Broken {
        /// Of the bytes.
        actual: u32,
    },
}

/// What one segment looks like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedSegment {
    /// Its base offset.
    pub base_offset: Offset,
    /// Bytes of its `.log`.
    pub size_bytes: u64,
    /// Batches that were found.
    pub batch_count: u64,
    /// Records that their headers speak of.
    pub record_count: u64,
    /// Offset after the last one.
    pub next_offset: Offset,
    /// What is wrong in the `.log`.
    pub defects: Vec<Corruption>,
    /// Index entries that point at no batch of that offset.
    pub index_defect_count: u64,
}

/// Walks all segments in `dir`, oldest first. `on_batch` sees each batch.
///
/// # Errors
/// Where the disk fails; what is wrong with the data is in the answer.
pub fn verify(
    files: &LogFiles,
    dir: &Path,
    on_batch: &mut dyn FnMut(&VerifiedBatch<'_>),
) -> Result<Vec<VerifiedSegment>, DiskError> {
    let inventory = Inventory::list(files, dir)?;
    let mut expected = 0;
    let mut segments = Vec::new();
    for (base, (path, size)) in view(files, dir, &inventory)? {
        let (mut segment, positions) = verify_segment(files, &path, base, size, expected, on_batch)?;
        // Before a checkpoint knows of a compacted segment, the index files beside it may be those of the one before.
        if !inventory.replaces.contains(&base) {
            segment.index_defect_count = index_defects(files, dir, base, size, &positions)?;
        }
        expected = segment.next_offset;
        segments.push(segment);
    }
    Ok(segments)
}

fn verify_segment(
    files: &LogFiles,
    path: &Path,
    base: Offset,
    size: u64,
    expected: Offset,
    on_batch: &mut dyn FnMut(&VerifiedBatch<'_>),
) -> Result<(VerifiedSegment, BTreeMap<u64, BatchHeader>), DiskError> {
    let file = files.open(path, OpenMode::Read)?;
    let mut segment = VerifiedSegment {
        base_offset: base,
        size_bytes: size,
        batch_count: 0,
        record_count: 0,
        next_offset: base.max(expected),
        defects: Vec::new(),
        index_defect_count: 0,
    };
    let mut positions = BTreeMap::new();
    let mut bytes = Vec::new();
    let mut scan = Scan::new(Arc::clone(&file), path, base, Depth::Headers, 0..size, base.max(expected));
    while let Some(found) = scan.next() {
        match found {
            Ok(found) => {
                bytes.resize(usize::try_from(found.size).unwrap_or(0), 0);
                read_exact_at(&*file, &mut bytes, found.position).map_err(DiskError::at("read", path))?;
                let actual = crc32c(bytes.get(CRC_FROM..).unwrap_or_default());
                let claimed = found.header.crc;
                let crc = if actual == claimed { CrcState::Sound } else { CrcState::Broken { actual } };
                let (position, offset_from) = (found.position, found.header.base_offset);
                if crc != CrcState::Sound {
                    let defect = Defect::Crc { claimed, actual };
                    segment.defects.push(Corruption { segment_base: base, position, offset_from, defect });
                }
                segment.batch_count += 1;
                segment.record_count += u64::try_from(found.header.record_count).unwrap_or(0);
                segment.next_offset = found.header.next_offset();
                positions.insert(position, found.header);
                on_batch(&VerifiedBatch { segment_base: base, position, header: &found.header, crc, bytes: &bytes });
            }
            Err(Stop::Disk(error)) => return Err(error),
            Err(Stop::Defect(defect)) => {
                let (position, offset_from) = (scan.position(), scan.expected());
                segment.defects.push(Corruption { segment_base: base, position, offset_from, defect });
            }
        }
    }
    Ok((segment, positions))
}

/// Entries of both index files that contradict the batches. A file that is not there has none.
fn index_defects(
    files: &LogFiles,
    dir: &Path,
    base: Offset,
    size: u64,
    positions: &BTreeMap<u64, BatchHeader>,
) -> Result<u64, DiskError> {
    let read = |kind| files.read_all(&segment_path(dir, base, kind), size.saturating_add(16 << 20));
    let (offsets, times) = (read(FileKind::OffsetIndex)?, read(FileKind::TimeIndex)?);
    let Some(indexes) = Indexes::decode(&offsets.unwrap_or_default(), &times.unwrap_or_default(), size) else {
        return Ok(1);
    };
    let is_batch = |position: u64, last: u32| {
        positions.get(&position).is_some_and(|header| relative(base, header.last_offset()) == Some(last))
    };
    let bad_offsets =
        indexes.offsets.iter().filter(|entry| !is_batch(u64::from(entry.position), entry.relative)).count();
    // An entry has the largest timestamp up to its offset. Offsets rise in both, so one pass does.
    let mut headers = positions.values().peekable();
    let (mut max_timestamp, mut bad_times) = (i64::MIN, 0);
    for entry in &indexes.times {
        let offset = base.saturating_add(i64::from(entry.relative));
        while let Some(header) = headers.next_if(|header| header.last_offset() <= offset) {
            max_timestamp = max_timestamp.max(Indexed::of(0, 0, header).max_timestamp);
        }
        bad_times += usize::from(max_timestamp != entry.timestamp);
    }
    Ok(u64::try_from(bad_offsets + bad_times).unwrap_or(u64::MAX))
}
