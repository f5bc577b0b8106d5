//! The write-ahead journal that all partitions share: append frames, sync once a round, release what segments hold.
//!
//! One owner, synchronous. Knows the order and durability of entries, not what they mean.

mod entry;
mod error;
mod layout;
mod recover;
mod replay;
mod walk;

pub use entry::{BODY_SIZE_MAX, Entry};
pub use error::JournalError;
pub use layout::FORMAT_VERSION;
pub use replay::{Replay, ReplaySummary};

use crate::{disk::Disk, error::DiskError};
use layout::{BLOCK_SIZE, FrameHeader, HEADER_SIZE, PAYLOAD_SIZE_MAX, frame_size};
use levada_model::crc::crc32c_of_parts;
use std::{
    collections::VecDeque,
    io::IoSlice,
    ops::Range,
    path::{Path, PathBuf},
    sync::Arc,
};
use walk::{JournalFile, file_path};

/// A round of more bytes is split into several frames.
const FRAME_PAYLOAD_SIZE_TARGET: u64 = 8 << 20;

/// What pads a frame, and wipes one.
const ZEROS: &[u8] = &[0; 4_096];

/// A frame's place in the order of all frames: its sequence number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JournalPosition(pub u64);

impl JournalPosition {
    /// Before everything.
    pub const START: Self = Self(0);
}

/// Sizes of the journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JournalConfig {
    /// Bytes of each file: a multiple of 4096, at least 64 KiB. No entry can be larger.
    pub file_size: u64,
    /// Files that may hold what is needed before an append is refused as [`JournalError::Full`]: at least 2.
    pub files_max: usize,
    /// Goes into every frame of a new journal, so that no client can forge a frame within a record. Draw it at random.
    pub key: u64,
}

impl Default for JournalConfig {
    fn default() -> Self {
        Self { file_size: 64 << 20, files_max: 4, key: 0 }
    }
}

impl JournalConfig {
    /// Checks the bounds.
    ///
    /// # Errors
    /// [`JournalError::Config`].
    pub const fn validate(&self) -> Result<(), JournalError> {
        if self.file_size < 64 << 10 || !self.file_size.is_multiple_of(BLOCK_SIZE) {
            let rule = "a multiple of 4096, at least 65536";
            return Err(JournalError::Config { name: "file_size", value: self.file_size, rule });
        }
        if self.files_max < 2 {
            let value = self.files_max as u64;
            return Err(JournalError::Config { name: "files_max", value, rule: "at least 2" });
        }
        Ok(())
    }
}

/// The journal, open for appending.
#[derive(Debug)]
pub struct Journal {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
    config: JournalConfig,
    /// Files with frames that are needed, oldest first; the last one takes the next frame. Never empty.
    live: VecDeque<JournalFile>,
    /// Files to be used next, first to last.
    free: VecDeque<JournalFile>,
    /// Where the next frame goes in the last live file.
    tail: u64,
    /// The next frame.
    sequence: u64,
    epoch: u64,
    key: u64,
    /// The last frame known to be durable.
    durable: u64,
    number_max: u64,
    /// Frames of failed appends that must not be read again.
    unwiped: Vec<(JournalFile, u64)>,
    /// The first failure of a write or sync.
    poison: Option<String>,
    /// Frame and entry heads of the frame being written.
    heads: Vec<u8>,
}

/// A frame to be written: which entries, how many bytes.
#[derive(Clone, Debug)]
struct Plan {
    entries: Range<usize>,
    payload_size: u64,
}

impl Journal {
    /// Opens the journal in `dir`, or creates it, and gives what it holds from frame `from` on: the first one that
    /// the caller's checkpoint needs. A checkpoint must only name frames up to [`Self::durable_position`].
    ///
    /// A torn tail (at most the round whose sync did not return) is cut and kept beside as `torn-<sequence>.bin`.
    ///
    /// # Errors
    /// [`JournalError::Corrupt`] where a frame that was durable does not read back, [`JournalError::Missing`] where
    /// the frames from `from` on are not there.
    pub fn open(
        disk: Arc<dyn Disk>,
        dir: &Path,
        from: JournalPosition,
        config: JournalConfig,
    ) -> Result<(Self, Replay), JournalError> {
        config.validate()?;
        create_dir(&*disk, dir)?;
        let found = recover::recover(&*disk, dir, from)?;
        let (epoch, key, next) =
            found.chain.map_or((1, config.key, 1), |chain| (chain.epoch + 1, chain.key, chain.expected));
        let replay = Replay::new(found.walk, next, found.summary, found.placed);
        let mut journal = Self {
            disk,
            dir: dir.to_owned(),
            config,
            live: found.live.into(),
            free: found.free.into(),
            tail: found.tail,
            sequence: next,
            epoch,
            key,
            durable: next - 1,
            number_max: found.number_max,
            unwiped: Vec::new(),
            poison: None,
            heads: Vec::new(),
        };
        journal.write_opening_frame()?;
        journal.drop_surplus()?;
        Ok((journal, replay))
    }

    /// What a journal holds from frame `from` on, as [`Self::open`] would give it. Changes nothing: a torn tail is
    /// counted and stays.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn inspect(disk: &dyn Disk, dir: &Path, from: JournalPosition) -> Result<Replay, JournalError> {
        recover::inspect(disk, dir, from)
    }

    /// Makes the new epoch durable, before any frame carries it; also where the tail before it stays cut for good.
    fn write_opening_frame(&mut self) -> Result<(), JournalError> {
        if self.live.back().is_none_or(|file| self.tail + frame_size(0) > file.size) {
            self.ensure_free(1)?;
            self.enter_free_file();
        }
        self.live.back_mut().expect("entered if there was none").make_size_sure()?;
        self.write_frame(&[], 0, true).map_err(|error| self.write_failed(error))?;
        self.sync()
    }

    /// Appends `entries` behind all others and returns the position of their first frame; they are durable after
    /// the next [`Self::sync`].
    ///
    /// Entries of 8 MiB together go into one frame: after a crash all or none are there. Larger appends are split
    /// between entries. After an error none are there.
    ///
    /// # Errors
    /// [`JournalError::Full`], [`JournalError::NoSpace`] and [`JournalError::TooLarge`] leave the journal usable.
    pub fn append(&mut self, entries: &[Entry]) -> Result<JournalPosition, JournalError> {
        self.append_leaving(0, entries)
    }

    /// As [`Self::append`], but refuses what would leave less than `spare` bytes for appends that ask for less: they
    /// stand in files that exist, so that neither a full journal nor a full disk refuses those.
    ///
    /// Where all that could be released is, an append that fits is taken nevertheless.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn append_leaving(&mut self, spare: u64, entries: &[Entry]) -> Result<JournalPosition, JournalError> {
        self.check_usable()?;
        self.wipe_failed_frames()?;
        let plans = self.plan(entries)?;
        self.reserve(&plans, spare)?;
        let (sequence, tail, live_count) = (self.sequence, self.tail, self.live.len());
        let mut written = Vec::new();
        for plan in plans {
            if self.room() < frame_size(plan.payload_size) {
                self.enter_free_file();
            }
            written.push((self.present().clone(), self.tail));
            let entries = entries.get(plan.entries).unwrap_or_default();
            if let Err(error) = self.write_frame(entries, plan.payload_size, false) {
                self.unwiped = written;
                while self.live.len() > live_count {
                    self.free.extend(self.live.pop_back());
                }
                (self.sequence, self.tail) = (sequence, tail);
                return Err(self.write_failed(error));
            }
        }
        Ok(JournalPosition(sequence))
    }

    /// Makes all that was appended durable.
    ///
    /// # Errors
    /// [`JournalError::Poisoned`]: what was appended since the last sync may or may not be there after a restart.
    pub fn sync(&mut self) -> Result<(), JournalError> {
        self.check_usable()?;
        for index in 0..self.live.len() {
            let Some(file) = self.live.get_mut(index).filter(|file| file.dirty) else { continue };
            let synced = file.file.sync_data().map_err(DiskError::at("sync", &file.path));
            file.dirty = false;
            synced.map_err(|error| self.poison(&error))?;
        }
        self.durable = self.sequence - 1;
        Ok(())
    }

    /// The position that the next frame gets.
    #[must_use]
    pub const fn position(&self) -> JournalPosition {
        JournalPosition(self.sequence)
    }

    /// The first position that is not known to be durable. A checkpoint may name this one or any before.
    #[must_use]
    pub const fn durable_position(&self) -> JournalPosition {
        JournalPosition(self.durable + 1)
    }

    /// Lets files be overwritten that only hold frames before `position`. The checkpoint that no longer needs them
    /// must be durable.
    ///
    /// # Errors
    /// [`JournalError::Disk`] where a file beyond `files_max` could not be removed.
    pub fn release_before(&mut self, position: JournalPosition) -> Result<(), JournalError> {
        while let Some(second) = self.live.get(1) {
            let second_starts = second.first.map_or(self.sequence, |first| first.sequence);
            if second_starts > position.0 {
                break;
            }
            self.free.extend(self.live.pop_front());
        }
        self.drop_surplus()
    }

    /// Creates the next file where it will soon be needed, so that no append waits for it. Call it when idle.
    ///
    /// # Errors
    /// [`JournalError::NoSpace`], harmless until the file is needed.
    pub fn prepare(&mut self) -> Result<(), JournalError> {
        self.check_usable()?;
        let half_full = self.present().size / 2 < self.tail;
        if half_full && self.live.len() < self.config.files_max { self.ensure_free(1) } else { Ok(()) }
    }

    /// Sees to it that there are `spare` bytes, as after [`Self::append_leaving`] of nothing.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn ensure_spare(&mut self, spare: u64) -> Result<(), JournalError> {
        self.check_usable()?;
        self.wipe_failed_frames()?;
        self.reserve(&[], spare)
    }

    /// Sees to it that [`Self::append_leaving`] of just this finds its room.
    ///
    /// # Errors
    /// As [`Self::append`].
    pub fn make_room(&mut self, spare: u64, entries: &[Entry]) -> Result<(), JournalError> {
        self.check_usable()?;
        self.wipe_failed_frames()?;
        let plans = self.plan(entries)?;
        self.reserve(&plans, spare)
    }

    /// Bytes that frames take which are not released, and what is left between them.
    #[must_use]
    pub fn bytes_used(&self) -> u64 {
        let sealed: u64 = self.live.iter().rev().skip(1).map(|file| file.size).sum();
        sealed + self.tail
    }

    /// Bytes that [`Self::bytes_used`] can reach before appends are refused.
    #[must_use]
    pub fn capacity(&self) -> u64 {
        u64::try_from(self.config.files_max).unwrap_or(u64::MAX).saturating_mul(self.config.file_size)
    }

    fn present(&self) -> &JournalFile {
        self.live.back().expect("the opening frame is in a live file")
    }

    /// Bytes left in the present file.
    fn room(&self) -> u64 {
        self.present().size.saturating_sub(self.tail)
    }

    fn check_usable(&self) -> Result<(), JournalError> {
        self.poison.as_ref().map_or(Ok(()), |cause| Err(JournalError::Poisoned { cause: cause.clone() }))
    }

    fn poison(&mut self, error: &DiskError) -> JournalError {
        let cause = error.to_string();
        self.poison = Some(cause.clone());
        JournalError::Poisoned { cause }
    }

    /// Splits `entries` into frames.
    fn plan(&self, entries: &[Entry]) -> Result<Vec<Plan>, JournalError> {
        let limit = PAYLOAD_SIZE_MAX.min(self.config.file_size - HEADER_SIZE as u64);
        let target = FRAME_PAYLOAD_SIZE_TARGET.min(limit);
        let mut plans: Vec<Plan> = Vec::new();
        for (index, entry) in entries.iter().enumerate() {
            let size = entry.size();
            if size > limit {
                return Err(JournalError::TooLarge { size, limit });
            }
            match plans.last_mut().filter(|plan| plan.payload_size + size <= target) {
                Some(plan) => {
                    plan.entries.end = index + 1;
                    plan.payload_size += size;
                }
                None => plans.push(Plan { entries: index..index + 1, payload_size: size }),
            }
        }
        Ok(plans)
    }

    /// Sees to it that there are files for all `plans`, and for `spare` bytes after them, before anything is written.
    fn reserve(&mut self, plans: &[Plan], spare: u64) -> Result<(), JournalError> {
        let mut room = self.room();
        let mut files_wanted = 0;
        for plan in plans {
            let size = frame_size(plan.payload_size);
            if room < size {
                files_wanted += 1;
                room = self.config.file_size;
            }
            room -= size;
        }
        let fits = |files_wanted| self.live.len() + files_wanted <= self.config.files_max;
        let is_full = files_wanted > 0 && !fits(files_wanted);
        let leaves_too_little = room < spare && !fits(files_wanted + 1);
        if is_full || (leaves_too_little && self.live.len() > 1) {
            return Err(JournalError::Full { used: self.bytes_used(), capacity: self.capacity() });
        }
        files_wanted += usize::from(room < spare && !leaves_too_little);
        self.ensure_free(files_wanted)
    }

    /// Makes the first `count` free files exist in full size.
    fn ensure_free(&mut self, count: usize) -> Result<(), JournalError> {
        for index in 0..count {
            match self.free.get_mut(index) {
                Some(file) if file.size >= self.config.file_size => file.make_size_sure().map_err(full_or_disk)?,
                Some(file) => {
                    let allocated = file.file.allocate(self.config.file_size);
                    allocated.map_err(DiskError::at("allocate", &file.path)).map_err(full_or_disk)?;
                    file.size = self.config.file_size;
                    file.make_size_sure().map_err(full_or_disk)?;
                }
                None => self.create_file()?,
            }
        }
        Ok(())
    }

    fn create_file(&mut self) -> Result<(), JournalError> {
        let number = self.number_max + 1;
        let path = file_path(&self.dir, number);
        let size = self.config.file_size;
        let opened = self.disk.open(&path, crate::disk::OpenMode::Create);
        let file = opened.map_err(DiskError::at("create", &path)).map_err(full_or_disk)?;
        self.number_max = number;
        if let Err(error) = file.allocate(size).map_err(DiskError::at("allocate", &path)) {
            // The file without its blocks is of no use; where it cannot be removed, a later start takes it.
            let removed = self.disk.remove_file(&path);
            tracing::debug!(?removed, "journal file was not created");
            return Err(full_or_disk(error));
        }
        self.disk.sync_dir(&self.dir).map_err(DiskError::at("sync", &self.dir)).map_err(|error| self.poison(&error))?;
        self.free.push_back(JournalFile { number, path, file, size, first: None, size_is_sure: true, dirty: false });
        Ok(())
    }

    fn enter_free_file(&mut self) {
        let mut file = self.free.pop_front().expect("reserved before");
        file.first = None;
        self.live.push_back(file);
        self.tail = 0;
    }

    /// Writes one frame at the tail, in one call.
    fn write_frame(&mut self, entries: &[Entry], payload_size: u64, opens: bool) -> Result<(), DiskError> {
        let mut heads = std::mem::take(&mut self.heads);
        heads.clear();
        let mut ends = Vec::with_capacity(entries.len());
        let entries = || entries.iter().flat_map(Entry::parts);
        for entry in entries() {
            entry.put_head(&mut heads);
            ends.push(heads.len());
        }
        let entry_count = u32::try_from(ends.len()).expect("an entry has at least 36 bytes");
        let mut payload: Vec<&[u8]> = Vec::with_capacity(ends.len() * 2);
        let mut start = 0;
        for (entry, end) in entries().zip(ends) {
            payload.push(heads.get(start..end).unwrap_or_default());
            payload.push(entry.body());
            start = end;
        }
        let header = FrameHeader {
            opens,
            entry_count,
            sequence: self.sequence,
            epoch: self.epoch,
            durable: self.durable,
            key: self.key,
            payload_size: u32::try_from(payload_size).expect("at most 64 MiB"),
            payload_crc: crc32c_of_parts(payload.iter().copied()),
        };
        let encoded = header.encode();
        let padding = usize::try_from(header.frame_size() - payload_size).unwrap_or(0).saturating_sub(HEADER_SIZE);
        let parts = [&encoded[..]].into_iter().chain(payload).chain(ZEROS.get(..padding));
        let parts: Vec<IoSlice<'_>> = parts.filter(|part| !part.is_empty()).map(IoSlice::new).collect();
        let (position, size) = (self.tail, header.frame_size());
        let file = self.live.back_mut().expect("a live file takes the frame");
        file.dirty = true;
        if position == 0 {
            file.first = Some(header);
        }
        file.file.write_vectored_all_at(&parts, position).map_err(DiskError::at("write", &file.path))?;
        drop(parts);
        self.heads = heads;
        self.tail += size;
        self.sequence += 1;
        Ok(())
    }

    /// After a failed write: a full disk is survived, anything else is not.
    fn write_failed(&mut self, error: DiskError) -> JournalError {
        if !error.is_full() {
            return self.poison(&error);
        }
        match self.wipe_failed_frames() {
            // Where there is no room even to overwrite, the next append tries again.
            Ok(()) | Err(JournalError::NoSpace(_)) => JournalError::NoSpace(error),
            Err(error) => error,
        }
    }

    /// Clears the frames of failed appends, durably: their sequence numbers are given to others.
    fn wipe_failed_frames(&mut self) -> Result<(), JournalError> {
        while let Some((file, position)) = self.unwiped.last() {
            let wiped = recover::wipe(&*file.file, *position).map_err(DiskError::at("wipe", &file.path));
            match wiped {
                Ok(()) => drop(self.unwiped.pop()),
                Err(error) if error.is_full() => return Err(JournalError::NoSpace(error)),
                Err(error) => return Err(self.poison(&error)),
            }
        }
        Ok(())
    }

    /// Removes free files beyond `files_max`.
    fn drop_surplus(&mut self) -> Result<(), JournalError> {
        while self.live.len() + self.free.len() > self.config.files_max {
            let Some(file) = self.free.pop_back() else { break };
            self.disk.remove_file(&file.path).map_err(DiskError::at("remove", &file.path))?;
        }
        Ok(())
    }
}

/// Creates `dir`, and makes its name and those in it durable: a start that was cut short may have left them volatile.
fn create_dir(disk: &dyn Disk, dir: &Path) -> Result<(), JournalError> {
    disk.create_dir_all(dir).map_err(DiskError::at("create", dir))?;
    disk.sync_dir(dir).map_err(DiskError::at("sync", dir))?;
    let parent = dir.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    Ok(disk.sync_dir(parent).map_err(DiskError::at("sync", parent))?)
}

fn full_or_disk(error: DiskError) -> JournalError {
    if error.is_full() { JournalError::NoSpace(error) } else { JournalError::Disk(error) }
}

#[cfg(test)]
mod tests;
