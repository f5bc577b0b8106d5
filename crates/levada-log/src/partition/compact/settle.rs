//! What a compaction that was cut off left: each replacement is finished where it was committed, else undone.
//!
//! A replacement is committed when `<base>.replaces` is there: `<base>.log.swap` was durable before, and no file of the
//! log is touched before. What one may find:
//!
//! | `.cleaned` | `.swap` | `.replaces` | what happened | what is done |
//! |---|---|---|---|---|
//! | yes | – | – | it was being written | it is removed |
//! | – | yes | – | it was not committed | it is removed |
//! | – | yes | yes | committed | the old files leave, it takes their place |
//! | – | – | yes | done; no checkpoint knows yet | old files whose renames were undone leave |

use super::manifest::Manifest;
use crate::{
    error::DiskError,
    partition::{
        LogFiles, OpenError,
        error::{Corruption, Defect},
        inventory::Inventory,
        layout::{CLEANED_SUFFIX, FileKind, REPLACED_SUFFIX, SWAP_SUFFIX, replaces_path, segment_path, with_suffix},
    },
};
use levada_model::{LogId, Offset};
use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
};

/// Finishes and undoes what `inventory` found, and brings it up to date. Gives what no checkpoint may know yet.
///
/// # Errors
/// [`OpenError::Corrupt`] where a description is not sound: what stands where is not known then.
pub(in crate::partition) fn settle(
    files: &LogFiles,
    dir: &Path,
    id: LogId,
    inventory: &mut Inventory,
) -> Result<Vec<Manifest>, OpenError> {
    let log_path = |base, suffix| with_suffix(&segment_path(dir, base, FileKind::Log), suffix);
    let mut done = Vec::new();
    for base in std::mem::take(&mut inventory.replaces) {
        let manifest = Manifest::read(files, dir, base)??;
        if manifest.id != id {
            // Of a topic that had this name before, and was deleted just then.
            inventory.leftovers.extend(replaces_path(Path::new(""), base).to_str().map(str::to_owned));
            continue;
        }
        if let Some(size) = inventory.swaps.remove(&base) {
            finish(files, dir, inventory, &manifest, size)?;
        }
        inventory.remove_logs(files, dir, |other| base < other && other < manifest.end)?;
        done.push(manifest);
    }
    for base in std::mem::take(&mut inventory.cleaned) {
        remove(files, &log_path(base, CLEANED_SUFFIX))?;
    }
    for base in std::mem::take(&mut inventory.swaps).into_keys() {
        remove(files, &log_path(base, SWAP_SUFFIX))?;
    }
    inventory.replaces = done.iter().map(|manifest| manifest.mark.base_offset).collect();
    Ok(done)
}

fn finish(
    files: &LogFiles,
    dir: &Path,
    inventory: &mut Inventory,
    manifest: &Manifest,
    size: u64,
) -> Result<(), OpenError> {
    let base = manifest.mark.base_offset;
    if size != manifest.mark.size_bytes {
        let reason = format!("the compacted segment has {size} bytes, it says {}", manifest.mark.size_bytes);
        let defect = Defect::Replacement(reason);
        return Err(Corruption { segment_base: base, position: size, offset_from: base, defect }.into());
    }
    let old: Vec<Offset> = inventory.logs.range(base..manifest.end).map(|(&base, _)| base).collect();
    for base in old {
        let path = segment_path(dir, base, FileKind::Log);
        let replaced = with_suffix(&path, REPLACED_SUFFIX);
        files.disk().rename(&path, &replaced).map_err(DiskError::at("rename", &path))?;
        inventory.leftovers.extend(replaced.file_name().map(|name| name.to_string_lossy().into_owned()));
        inventory.logs.remove(&base);
    }
    let path = segment_path(dir, base, FileKind::Log);
    let swap = with_suffix(&path, SWAP_SUFFIX);
    files.disk().rename(&swap, &path).map_err(DiskError::at("rename", &swap))?;
    files.sync_dir(dir)?;
    inventory.logs.insert(base, size);
    Ok(())
}

fn remove(files: &LogFiles, path: &Path) -> Result<(), DiskError> {
    files.disk().remove_file(path).map_err(DiskError::at("remove", path))
}

/// The `.log` files as [`settle`] would leave them, with their sizes. Changes nothing.
///
/// # Errors
/// Where the disk fails. A description that is not sound is passed over.
pub(in crate::partition) fn view(
    files: &LogFiles,
    dir: &Path,
    inventory: &Inventory,
) -> Result<BTreeMap<Offset, (PathBuf, u64)>, DiskError> {
    let log = |base| segment_path(dir, base, FileKind::Log);
    let mut logs: BTreeMap<_, _> = inventory.logs.iter().map(|(&base, &size)| (base, (log(base), size))).collect();
    for &base in &inventory.replaces {
        let Ok(manifest) = Manifest::read(files, dir, base)? else { continue };
        logs.retain(|&other, _| other <= base || other >= manifest.end);
        if let Some(&size) = inventory.swaps.get(&base) {
            logs.insert(base, (with_suffix(&log(base), SWAP_SUFFIX), size));
        }
    }
    Ok(logs)
}
