//! [`Inventory`]: which files a partition's directory holds, before any of them is believed.

use super::{
    LogCheckpoint, LogFiles, OpenError, SegmentMark,
    error::{Corruption, Defect},
    layout::{
        CLEANED_SUFFIX, DELETED_SUFFIX, FileKind, METADATA_FILE, SWAP_SUFFIX, TMP_SUFFIX, parse_metadata, parse_name,
        parse_replaces, replaces_path, segment_path, with_suffix,
    },
};
use crate::error::DiskError;
use levada_model::{LogId, Offset, TopicId};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// No file beside the log is larger.
const SMALL_SIZE_MAX: u64 = 16 << 20;

/// The topic to which a partition's directory belongs, where it says so.
///
/// # Errors
/// Where the disk fails.
pub fn topic_of(files: &LogFiles, dir: &Path) -> Result<Option<TopicId>, DiskError> {
    let metadata = files.read_all(&dir.join(METADATA_FILE), SMALL_SIZE_MAX)?;
    Ok(metadata.and_then(|bytes| parse_metadata(&String::from_utf8_lossy(&bytes))))
}

/// Where the first segment in `dir` begins, if there is one.
///
/// # Errors
/// Where the disk fails.
pub fn first_segment(files: &LogFiles, dir: &Path) -> Result<Option<Offset>, DiskError> {
    Ok(Inventory::list(files, dir)?.logs.first_key_value().map(|(&base, _)| base))
}

/// The files of a partition's directory.
#[derive(Debug, Default)]
pub(super) struct Inventory {
    /// Sizes of the `.log` files by base offset.
    pub(super) logs: BTreeMap<Offset, u64>,
    beside: BTreeSet<(Offset, FileKind)>,
    /// Bases of `.log.deleted`.
    deleted: BTreeSet<Offset>,
    /// Bases of `.replaces`.
    pub(super) replaces: BTreeSet<Offset>,
    /// Bases of `.log.cleaned`.
    pub(super) cleaned: BTreeSet<Offset>,
    /// Sizes of the `.log.swap` files by base offset.
    pub(super) swaps: BTreeMap<Offset, u64>,
    /// Names that are on their way in or out.
    pub(super) leftovers: Vec<String>,
}

impl Inventory {
    /// Lists `dir` and checks whose it is.
    pub(super) fn take(files: &LogFiles, dir: &Path, id: LogId) -> Result<Self, OpenError> {
        if let Some(found) = topic_of(files, dir)?
            && found != id.topic
        {
            return Err(OpenError::WrongTopic { dir: dir.to_owned(), found: found.to_string() });
        }
        Ok(Self::list(files, dir)?)
    }

    /// Lists `dir`.
    pub(super) fn list(files: &LogFiles, dir: &Path) -> Result<Self, DiskError> {
        let mut inventory = Self::default();
        let log_of = |name: &str, suffix| {
            let (base, kind) = parse_name(name.strip_suffix(suffix)?)?;
            (kind == FileKind::Log).then_some(base)
        };
        for entry in files.disk().list(dir).map_err(DiskError::at("list", dir))? {
            if let Some(base) = parse_replaces(&entry.name) {
                inventory.replaces.insert(base);
            } else if let Some(base) = log_of(&entry.name, CLEANED_SUFFIX) {
                inventory.cleaned.insert(base);
            } else if let Some(base) = log_of(&entry.name, SWAP_SUFFIX) {
                inventory.swaps.insert(base, entry.size);
            } else if let Some(name) = entry.name.strip_suffix(DELETED_SUFFIX) {
                inventory.deleted.extend(log_of(name, ""));
                inventory.leftovers.push(entry.name);
            } else if entry.name.ends_with(TMP_SUFFIX) {
                inventory.leftovers.push(entry.name);
            } else {
                match parse_name(&entry.name) {
                    Some((base, FileKind::Log)) => drop(inventory.logs.insert(base, entry.size)),
                    Some(beside) => drop(inventory.beside.insert(beside)),
                    None => {}
                }
            }
        }
        Ok(inventory)
    }

    /// Whether such a file stands beside the segment at `base`.
    pub(super) fn has(&self, base: Offset, kind: FileKind) -> bool {
        self.beside.contains(&(base, kind))
    }

    /// What compaction left is swept up with the leftovers: the log is to begin anew.
    pub(super) fn abandon_replacements(&mut self) {
        let name = |path: PathBuf| path.file_name().map(|name| name.to_string_lossy().into_owned());
        let dir = Path::new("");
        let log = |base, suffix| name(with_suffix(&segment_path(dir, base, FileKind::Log), suffix));
        let cleaned = std::mem::take(&mut self.cleaned).into_iter().filter_map(|base| log(base, CLEANED_SUFFIX));
        let swaps = std::mem::take(&mut self.swaps).into_keys().filter_map(|base| log(base, SWAP_SUFFIX));
        let replaces = std::mem::take(&mut self.replaces).into_iter().filter_map(|base| name(replaces_path(dir, base)));
        self.leftovers.extend(cleaned.chain(swaps).chain(replaces));
    }

    /// How many of a checkpoint's segments, from the oldest on, were let go after it was taken: their files end in
    /// `.deleted`. Where a power cut undid some of the renames, the older ones count nevertheless.
    pub(super) fn gone_count(&self, checkpoint: &LogCheckpoint) -> Result<usize, Corruption> {
        let marks: Vec<_> = checkpoint.segments().collect();
        let count = marks.iter().rposition(|mark| self.is_gone(mark)).map_or(0, |last| last + 1);
        marks.iter().skip(count).try_for_each(|mark| self.check_size(mark).map(drop))?;
        Ok(count)
    }

    /// The files of segments that the checkpoint names and that were let go: they must not be swept up before a later
    /// checkpoint is durable, for without them the segments would be missing.
    pub(super) fn keep_gone(&mut self, checkpoint: &LogCheckpoint) -> Vec<String> {
        let gone = checkpoint.segments().filter(|mark| self.is_gone(mark)).map(|mark| mark.base_offset);
        let path = |base| with_suffix(&segment_path(Path::new(""), base, FileKind::Log), DELETED_SUFFIX);
        let names: Vec<String> = gone.map(|base| path(base).to_string_lossy().into_owned()).collect();
        self.leftovers.retain(|name| !names.contains(name));
        names
    }

    /// Whether the segment was let go after the checkpoint that names it.
    pub(super) fn is_gone(&self, mark: &SegmentMark) -> bool {
        !self.logs.contains_key(&mark.base_offset) && self.deleted.contains(&mark.base_offset)
    }

    /// Fails where the segment's file is missing, or shorter than what was synced.
    pub(super) fn check_size(&self, mark: &SegmentMark) -> Result<u64, Corruption> {
        let (segment_base, synced) = (mark.base_offset, mark.size_bytes);
        match self.logs.get(&segment_base) {
            Some(&actual) if actual >= synced => Ok(actual),
            Some(&actual) => {
                let defect = Defect::Short { actual, synced };
                Err(Corruption { segment_base, position: actual, offset_from: segment_base, defect })
            }
            None => Err(Corruption { segment_base, position: 0, offset_from: segment_base, defect: Defect::Missing }),
        }
    }

    /// Removes leftovers and the files beside segments that no longer exist, but for what stands at `end`.
    /// Returns whether there were any.
    pub(super) fn tidy(&self, files: &LogFiles, dir: &Path, bases: &BTreeSet<Offset>, end: Offset) -> bool {
        let mut unwanted: Vec<_> = self.leftovers.iter().map(|name| dir.join(name)).collect();
        let strays = self
            .beside
            .iter()
            .filter(|(base, kind)| !bases.contains(base) && (*base != end || *kind != FileKind::Snapshot));
        unwanted.extend(strays.map(|&(base, kind)| segment_path(dir, base, kind)));
        for path in &unwanted {
            if let Err(error) = files.disk().remove_file(path) {
                tracing::warn!(%error, path = %path.display(), "a leftover file could not be removed");
            }
        }
        !unwanted.is_empty()
    }

    /// Removes the `.log` files that `remove` names by base. Their companions go with [`Self::tidy`].
    pub(super) fn remove_logs(
        &mut self,
        files: &LogFiles,
        dir: &Path,
        remove: impl Fn(Offset) -> bool,
    ) -> Result<u64, DiskError> {
        let mut removed_bytes = 0;
        let bases: Vec<Offset> = self.logs.keys().copied().filter(|&base| remove(base)).collect();
        for base in bases {
            let path = segment_path(dir, base, FileKind::Log);
            files.disk().remove_file(&path).map_err(DiskError::at("remove", &path))?;
            removed_bytes += self.logs.remove(&base).unwrap_or(0);
        }
        Ok(removed_bytes)
    }
}
