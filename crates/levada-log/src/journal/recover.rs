//! Opening: finds the chain of frames, tells a torn tail from rot, and puts away what is cut.

use super::{
    Entry, JournalError, JournalPosition,
    replay::{Replay, ReplaySummary},
    walk::{Beyond, Chain, JournalFile, Walk, file_number, scan},
};
use crate::{
    disk::{Disk, DiskFile, OpenMode, read_exact_at},
    error::DiskError,
};
use bytes::Bytes;
use levada_model::{LogId, Offset, reader::Reader};
use std::{collections::BTreeMap, ops::Range, path::Path};

/// The most bytes of a torn tail that are kept.
const TORN_SIZE_MAX: u64 = 16 << 20;
/// Side files that are kept.
const TORN_FILES_MAX: usize = 4;
/// Bytes that are written at once where frames are written again.
const REWRITE_SIZE: u64 = 1 << 20;

/// What the files hold.
#[derive(Debug)]
pub(super) struct Found {
    /// Files of the chain, oldest first.
    pub(super) live: Vec<JournalFile>,
    /// The others.
    pub(super) free: Vec<JournalFile>,
    /// Where the next frame goes in the last live file.
    pub(super) tail: u64,
    /// The chain at its end; `None` in a new journal.
    pub(super) chain: Option<Chain>,
    /// The highest file number in use.
    pub(super) number_max: u64,
    pub(super) summary: ReplaySummary,
    /// See [`Replay::placed`].
    pub(super) placed: BTreeMap<LogId, Offset>,
    /// A second walk over the same frames.
    pub(super) walk: Option<Walk>,
}

/// What a walk over the chain found.
struct Survey {
    walk: Walk,
    summary: ReplaySummary,
    placed: BTreeMap<LogId, Offset>,
    unsure: Vec<Unsure>,
    torn: Vec<(JournalFile, u64, Range<u64>)>,
}

/// Reads the chain from the frame `from` on; refuses rot. Changes nothing.
fn survey(dir: &Path, mut walk: Walk, first: u64, from: u64) -> Result<Survey, JournalError> {
    let mut summary = ReplaySummary::default();
    let mut placed = BTreeMap::new();
    let mut unsure: Vec<Unsure> = Vec::new();
    while let Some(frame) = walk.next_frame()? {
        unsure.retain(|earlier| earlier.sequence > frame.header.durable);
        let (file, size) = (walk.present().clone(), frame.header.frame_size());
        if frame.payload.is_some() {
            unsure.push(Unsure { file, range: walk.position - size..walk.position, sequence: frame.header.sequence });
        }
        if let Some(payload) = frame.payload.filter(|payload| !payload.is_empty()) {
            summary.frames += 1;
            summary.bytes += u64::try_from(payload.len()).expect("a size in memory fits 64 bits");
            note_placed(payload, frame.header.entry_count, &mut placed);
        }
    }
    let torn = look_beyond(&walk)?;
    if walk.chain.expected < from {
        return Err(missing(dir, from, Some((first, walk.chain.expected - 1))));
    }
    summary.torn_bytes = torn.iter().map(|(_, _, range)| range.end - range.start).sum();
    Ok(Survey { walk, summary, placed, unsure, torn })
}

/// Takes note of how far a frame says that logs are durable. Entries that cannot be read are for the replay to refuse.
fn note_placed(payload: Bytes, entry_count: u32, placed: &mut BTreeMap<LogId, Offset>) {
    let mut entries = Reader::new(payload);
    for _ in 0..entry_count {
        match Entry::read(&mut entries, 0) {
            Ok(Entry::Placed { log, end }) => drop(placed.insert(log, end)),
            Ok(_) => {}
            Err(_) => return,
        }
    }
}

/// Reads the journal from the frame `from` on; refuses rot. Changes nothing, also not a torn tail.
pub(super) fn inspect(disk: &dyn Disk, dir: &Path, from: JournalPosition) -> Result<Replay, JournalError> {
    let from = from.0.max(1);
    let files = open_files(disk, dir, OpenMode::Read)?;
    let Some((start, first)) = first_needed(&files, from) else {
        let found = nothing_needed_found(dir, files, from, 0)?;
        return Ok(Replay::new(None, 1, found.summary, found.placed));
    };
    let survey = survey(dir, Walk::new(files.clone(), start, &first, from), first.sequence, from)?;
    let again = Walk::new(files, start, &first, from);
    Ok(Replay::new(Some(again), survey.walk.chain.expected, survey.summary, survey.placed))
}

/// Reads the journal from the frame `from` on; cuts a torn tail; refuses rot.
pub(super) fn recover(disk: &dyn Disk, dir: &Path, from: JournalPosition) -> Result<Found, JournalError> {
    let from = from.0.max(1);
    let files = open_files(disk, dir, OpenMode::Write)?;
    let number_max = files.iter().map(|file| file.number).max().unwrap_or(0);
    let Some((start, first)) = first_needed(&files, from) else {
        return nothing_needed_found(dir, files, from, number_max);
    };
    let walk = Walk::new(files.clone(), start, &first, from);
    let Survey { walk, summary, placed, mut unsure, torn } = survey(dir, walk, first.sequence, from)?;
    for (file, sequence, range) in &torn {
        keep_torn(disk, dir, file, *sequence, range)?;
    }
    drop_torn_but_latest(disk, dir)?;
    wipe_later_starts(&walk)?;
    make_sure(&mut unsure)?;
    let live = walk.visited.iter().filter_map(|&index| files.get(index).cloned()).collect();
    let free = files.iter().enumerate().filter(|(index, _)| !walk.visited.contains(index));
    let free = free.map(|(_, file)| file.clone()).collect();
    let again = Walk::new(files, start, &first, from);
    let (tail, chain) = (walk.position, Some(walk.chain));
    Ok(Found { live, free, tail, chain, number_max, summary, placed, walk: Some(again) })
}

/// A frame that no later one says to be durable.
#[derive(Debug)]
struct Unsure {
    file: JournalFile,
    range: Range<u64>,
    sequence: u64,
}

/// Writes frames once more and syncs them: what reads back may be in memory only, even after a failed sync.
fn make_sure(unsure: &mut [Unsure]) -> Result<(), JournalError> {
    if cfg!(feature = "plant-skip-tail-rewrite") {
        return Ok(());
    }
    for Unsure { file, range, .. } in &mut *unsure {
        let mut position = range.start;
        while position < range.end {
            let size = (range.end - position).min(REWRITE_SIZE);
            let mut bytes = vec![0; usize::try_from(size).expect("at most a mebibyte")];
            read_exact_at(&*file.file, &mut bytes, position).map_err(DiskError::at("read", &file.path))?;
            file.file.write_all_at(&bytes, position).map_err(DiskError::at("write", &file.path))?;
            position += size;
        }
    }
    let mut later: Option<u64> = None;
    for Unsure { file, .. } in unsure.iter_mut().rev() {
        if later.replace(file.number) != Some(file.number) {
            file.make_size_sure()?;
            file.file.sync_data().map_err(DiskError::at("sync", &file.path))?;
        }
    }
    Ok(())
}

fn open_files(disk: &dyn Disk, dir: &Path, mode: OpenMode) -> Result<Vec<JournalFile>, JournalError> {
    let mut files = Vec::new();
    for entry in disk.list(dir).map_err(DiskError::at("list", dir))? {
        if let Some(number) = file_number(&entry.name).filter(|_| !entry.is_dir) {
            files.push(JournalFile::open(disk, dir.join(&entry.name), number, mode)?);
        }
    }
    Ok(files)
}

/// The file whose first frame is the last one at or before `from`.
fn first_needed(files: &[JournalFile], from: u64) -> Option<(usize, super::layout::FrameHeader)> {
    let starts = files.iter().enumerate().filter_map(|(index, file)| Some((index, file.first?)));
    starts.filter(|(_, first)| first.sequence <= from).max_by_key(|(_, first)| (first.sequence, first.epoch))
}

fn missing(dir: &Path, wanted: u64, found: Option<(u64, u64)>) -> JournalError {
    let found = found.map(|(first, last)| (JournalPosition(first), JournalPosition(last)));
    JournalError::Missing { path: dir.to_owned(), wanted: JournalPosition(wanted), found }
}

/// A new journal, unless a frame says that there was more.
fn nothing_needed_found(
    dir: &Path,
    files: Vec<JournalFile>,
    from: u64,
    number_max: u64,
) -> Result<Found, JournalError> {
    for file in &files {
        if scan(file, 0, None, from)?.rot {
            return Err(JournalError::Corrupt { path: file.path.clone(), position: 0, sequence: from });
        }
    }
    if from > 1 {
        return Err(missing(dir, from, None));
    }
    let (summary, placed) = (ReplaySummary::default(), BTreeMap::new());
    Ok(Found { live: Vec::new(), free: files, tail: 0, chain: None, number_max, summary, placed, walk: None })
}

/// The torn parts of the files: where, from which frame, which bytes. An error where one was durable.
fn look_beyond(walk: &Walk) -> Result<Vec<(JournalFile, u64, Range<u64>)>, JournalError> {
    let chain = &walk.chain;
    let mut torn = Vec::new();
    for (index, file) in walk.files().iter().enumerate() {
        let is_present = walk.visited.last() == Some(&index);
        let may_hold_later = file.first.is_none_or(|first| first.sequence >= chain.expected);
        if !is_present && (walk.visited.contains(&index) || !may_hold_later) {
            continue;
        }
        let position = if is_present { walk.position } else { 0 };
        let Beyond { rot, torn: found } = scan(file, position, Some(chain), chain.expected)?;
        if rot {
            let (path, position) = (walk.present().path.clone(), walk.position);
            return Err(JournalError::Corrupt { path, position, sequence: chain.expected });
        }
        // In the present file, what precedes the first whole header is the frame that is missing.
        torn.extend(found.map(|(sequence, range)| {
            if is_present {
                (file.clone(), chain.expected, position..range.end)
            } else {
                (file.clone(), sequence, range)
            }
        }));
    }
    Ok(torn)
}

/// Copies torn bytes to a side file, unless they are zeros. A full disk does not stop the start.
fn keep_torn(
    disk: &dyn Disk,
    dir: &Path,
    file: &JournalFile,
    sequence: u64,
    range: &Range<u64>,
) -> Result<(), JournalError> {
    let size = (range.end.min(file.size) - range.start).min(TORN_SIZE_MAX);
    let mut bytes = vec![0; usize::try_from(size).expect("at most 16 MiB")];
    read_exact_at(&*file.file, &mut bytes, range.start).map_err(DiskError::at("read", &file.path))?;
    if bytes.iter().all(|&byte| byte == 0) {
        return Ok(());
    }
    let path = dir.join(format!("torn-{sequence}.bin"));
    let written = disk.open(&path, OpenMode::Create).and_then(|side| {
        side.set_len(0)?;
        side.write_all_at(&bytes, 0)?;
        side.sync_data()?;
        disk.sync_dir(dir)
    });
    match written.map_err(DiskError::at("write", &path)) {
        Err(error) if error.is_full() => {
            tracing::warn!(%error, "the torn end of the journal is not kept");
            Ok(disk.remove_file(&path).map_err(DiskError::at("remove", &path))?)
        }
        result => Ok(result?),
    }
}

fn drop_torn_but_latest(disk: &dyn Disk, dir: &Path) -> Result<(), JournalError> {
    let mut kept: Vec<u64> = Vec::new();
    for entry in disk.list(dir).map_err(DiskError::at("list", dir))? {
        let sequence = entry.name.strip_prefix("torn-").and_then(|rest| rest.strip_suffix(".bin"));
        kept.extend(sequence.and_then(|digits| digits.parse::<u64>().ok()));
    }
    kept.sort_unstable();
    for sequence in kept.iter().rev().skip(TORN_FILES_MAX) {
        let path = dir.join(format!("torn-{sequence}.bin"));
        disk.remove_file(&path).map_err(DiskError::at("remove", &path))?;
    }
    Ok(())
}

/// Clears the first block of files that begin beyond the end of the chain, so that no later start takes them
/// for a part of it.
fn wipe_later_starts(walk: &Walk) -> Result<(), JournalError> {
    for (index, file) in walk.files().iter().enumerate() {
        let later = file.first.is_some_and(|first| first.sequence >= walk.chain.expected);
        if later && !walk.visited.contains(&index) {
            wipe(&*file.file, 0).map_err(DiskError::at("wipe", &file.path))?;
        }
    }
    Ok(())
}

/// Clears the block at `position`, durably.
pub(super) fn wipe(file: &dyn DiskFile, position: u64) -> std::io::Result<()> {
    file.write_all_at(super::ZEROS, position)?;
    file.sync_data()
}
