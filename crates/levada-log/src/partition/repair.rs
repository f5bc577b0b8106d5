//! Cutting a damaged log at its rot: for `levada log repair`. Looks first ([`find_rot`]), cuts when told to ([`cut`]).
//!
//! Works on a directory that nobody has open. What is cut is kept beside, and no byte of it is thrown away.

use super::{
    LogCheckpoint, LogFiles, OpenError, SegmentMark,
    compact::settle::settle,
    error::{Corruption, Defect},
    inventory::Inventory,
    layout::{FileKind, segment_path},
    scan::{Depth, Scan, Stop},
};
use crate::{
    disk::{OpenMode, read_exact_at},
    error::DiskError,
};
use levada_model::Offset;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// How much is copied at a time.
const COPY_SIZE: u64 = 1 << 20;

/// The first place at which a log is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rot {
    /// Where, from which offset on, and what is wrong.
    pub at: Corruption,
    /// Where the log ended: the offsets up to here go with a cut.
    pub offset_to: Offset,
    /// Bytes in files from there on.
    pub bytes: u64,
}

/// Reads all that `checkpoint` says was durable, and what stands behind it up to the offset `placed_to`, if that was
/// synced, too; finds the first damage.
///
/// What stands beyond the checkpoint may be torn: the next start sees to that. A compaction that was cut off is
/// finished or undone first, as a start would.
///
/// # Errors
/// Where the disk fails.
pub fn find_rot(
    files: &LogFiles,
    dir: &Path,
    checkpoint: &LogCheckpoint,
    placed_to: Offset,
) -> Result<Option<Rot>, DiskError> {
    let mut inventory = if files.disk().exists(dir) { Inventory::list(files, dir)? } else { Inventory::default() };
    let mut checkpoint = checkpoint.clone();
    let settled = match settle(files, dir, checkpoint.id, &mut inventory) {
        Ok(manifests) => manifests.iter().try_for_each(|manifest| manifest.apply(&mut checkpoint)),
        Err(OpenError::Disk(error)) => return Err(error),
        Err(OpenError::Corrupt(at)) => Err(at),
        Err(OpenError::Config(_) | OpenError::Producers(_) | OpenError::WrongTopic { .. }) => Ok(()),
    };
    if let Err(at) = settled {
        let bytes = inventory.logs.range(at.segment_base..).map(|(_, size)| size).sum();
        return Ok(Some(Rot { at, offset_to: checkpoint.next_offset(), bytes }));
    }
    let marks: Vec<SegmentMark> = checkpoint.segments().copied().collect();
    let gone = marks.iter().rposition(|mark| inventory.is_gone(mark)).map_or(0, |last| last + 1);
    for mark in marks.iter().skip(gone) {
        let found = match inventory.logs.get(&mark.base_offset) {
            None => Err((0, mark.base_offset, Defect::Missing)),
            Some(&actual) => read(files, dir, mark, actual)?,
        };
        if let Err((position, offset_from, defect)) = found {
            let at = Corruption { segment_base: mark.base_offset, position, offset_from, defect };
            let sizes = inventory.logs.range(mark.base_offset..);
            let bytes = sizes.map(|(_, size)| size).sum::<u64>().saturating_sub(position);
            return Ok(Some(Rot { at, offset_to: checkpoint.next_offset().max(placed_to), bytes }));
        }
    }
    let last = marks.last().filter(|_| gone < marks.len());
    find_rot_behind(files, dir, &inventory, (last, checkpoint.next_offset()), placed_to)
}

/// As [`find_rot`], of what stands behind the `end` of a checkpoint: its active segment, unless that was let go, and
/// the next offset.
fn find_rot_behind(
    files: &LogFiles,
    dir: &Path,
    inventory: &Inventory,
    end: (Option<&SegmentMark>, Offset),
    placed_to: Offset,
) -> Result<Option<Rot>, DiskError> {
    let (active, next_offset) = end;
    let rolled = inventory.logs.range(next_offset..).next().map_or(next_offset, |(&base, _)| base);
    let mut expected = if active.is_some() { next_offset } else { rolled };
    let mut place = active.map_or((rolled, 0), |mark| (mark.base_offset, mark.size_bytes));
    let rot = |place: (Offset, u64), offset_from, defect| {
        let at = Corruption { segment_base: place.0, position: place.1, offset_from, defect };
        let bytes = inventory.logs.range(place.0..).map(|(_, size)| size).sum::<u64>().saturating_sub(place.1);
        Ok(Some(Rot { at, offset_to: placed_to, bytes }))
    };
    for (&base, &size) in inventory.logs.range(place.0..) {
        if expected >= placed_to {
            return Ok(None);
        }
        if base != place.0 {
            place = (base, 0);
            if base != expected {
                return rot(place, expected, Defect::Missing);
            }
        }
        let path = segment_path(dir, base, FileKind::Log);
        let file = files.open(&path, OpenMode::Read)?;
        let mut scan = Scan::new(file, &path, base, Depth::Checksums, place.1..size, expected);
        while scan.expected() < placed_to
            && let Some(found) = scan.next()
        {
            match found {
                Ok(_) => {}
                Err(Stop::Disk(error)) => return Err(error),
                // The next segment goes on where this one ends: what stands here never was a batch.
                Err(Stop::Defect(_)) if scan.expected() > base && inventory.logs.contains_key(&scan.expected()) => {
                    break;
                }
                Err(Stop::Defect(defect)) => return rot((base, scan.position()), scan.expected(), defect),
            }
        }
        (expected, place.1) = (scan.expected(), scan.position());
    }
    if expected >= placed_to {
        return Ok(None);
    }
    rot(place, expected, Defect::EndsEarly { actual: expected, synced: placed_to })
}

/// A segment is sound, or damaged: where, from which offset on, and how.
type Verdict = Result<(), (u64, Offset, Defect)>;

fn read(files: &LogFiles, dir: &Path, mark: &SegmentMark, actual: u64) -> Result<Verdict, DiskError> {
    let (base, synced) = (mark.base_offset, mark.size_bytes);
    let path = segment_path(dir, base, FileKind::Log);
    let file = files.open(&path, OpenMode::Read)?;
    let mut scan = Scan::new(file, &path, base, Depth::Checksums, 0..actual.min(synced), base);
    while let Some(found) = scan.next() {
        match found {
            Ok(_) => {}
            Err(Stop::Disk(error)) => return Err(error),
            Err(Stop::Defect(defect)) => return Ok(Err((scan.position(), scan.expected(), defect))),
        }
    }
    if actual < synced {
        return Ok(Err((actual, scan.expected(), Defect::Short { actual, synced })));
    }
    Ok(Ok(()))
}

/// Cuts the log at `rot`. The bytes from there on are put into `side`, which is made, durably, before anything is cut;
/// gives the files that hold them.
///
/// # Errors
/// Where the disk fails; nothing is lost then, and it can be tried again.
pub fn cut(files: &LogFiles, dir: &Path, rot: &Rot, side: &Path) -> Result<Vec<PathBuf>, DiskError> {
    let disk = files.disk();
    let inventory = if disk.exists(dir) { Inventory::list(files, dir)? } else { Inventory::default() };
    let mut kept = Vec::new();
    disk.create_dir_all(side).map_err(DiskError::at("create directory", side))?;
    let first = rot.at.segment_base;
    for (&base, &size) in inventory.logs.range(first..) {
        let position = if base == first { rot.at.position } else { 0 };
        if position < size {
            let target = side.join(format!("{base:020}.from-{position}.log"));
            copy(files, &segment_path(dir, base, FileKind::Log), position..size, &target)?;
            kept.push(target);
        }
    }
    files.sync_dir(side)?;
    if let Some(parent) = side.parent() {
        files.sync_dir(parent)?;
        parent.parent().map_or(Ok(()), |parent| files.sync_dir(parent))?;
    }
    // Later segments go first: cut short, what is left still ends at the rot.
    let bases: Vec<Offset> = inventory.logs.range(first..).rev().map(|(&base, _)| base).collect();
    for base in bases {
        let path = segment_path(dir, base, FileKind::Log);
        if base == first && rot.at.position > 0 {
            let file = files.open(&path, OpenMode::Write)?;
            file.set_len(rot.at.position).map_err(DiskError::at("cut", &path))?;
            file.sync_data().map_err(DiskError::at("sync", &path))?;
        } else {
            disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
        }
        files.sync_dir(dir)?;
    }
    Ok(kept)
}

fn copy(files: &LogFiles, from: &Path, range: std::ops::Range<u64>, to: &Path) -> Result<(), DiskError> {
    let source = files.open(from, OpenMode::Read)?;
    let target = files.open(to, OpenMode::Create)?;
    target.set_len(0).map_err(DiskError::at("truncate", to))?;
    let mut position = range.start;
    let mut buffer = Vec::new();
    while position < range.end {
        buffer.resize(usize::try_from((range.end - position).min(COPY_SIZE)).unwrap_or(0), 0);
        read_exact_at(&*source, &mut buffer, position).map_err(DiskError::at("read", from))?;
        target.write_all_at(&buffer, position - range.start).map_err(DiskError::at("write", to))?;
        position += u64::try_from(buffer.len()).unwrap_or(u64::MAX);
    }
    target.sync_data().map_err(DiskError::at("sync", to))
}

/// Whether any segment is left in `dir`.
///
/// # Errors
/// Where the disk fails.
pub fn has_segments(files: &Arc<LogFiles>, dir: &Path) -> Result<bool, DiskError> {
    Ok(files.disk().exists(dir) && !Inventory::list(files, dir)?.logs.is_empty())
}
