//! [`FileData`]: the bytes of one simulated file, and which of them a power cut may take.

use super::Dice;
use std::{collections::BTreeMap, io};

/// The unit that a power cut keeps or loses.
pub(super) const SECTOR_SIZE: usize = 512;

type Sector = [u8; SECTOR_SIZE];
const BLANK: Sector = [0; SECTOR_SIZE];

/// What a sector held before writes that are not synced.
#[derive(Clone, Debug, Default)]
struct Older {
    /// Oldest first; the first one is durable.
    versions: Vec<Sector>,
    /// A sync failed since the last write: the system believes it clean, and later syncs pass it over.
    given_up: bool,
}

/// Bytes, sparse.
#[derive(Clone, Debug, Default)]
pub(super) struct FileData {
    sectors: BTreeMap<u64, Sector>,
    older: BTreeMap<u64, Older>,
    pub(super) size: u64,
    /// Sizes since the last sync, oldest first; the first one is durable. Empty where the size did not change.
    older_sizes: Vec<u64>,
    size_given_up: bool,
}

impl FileData {
    pub(super) fn read(&self, buffer: &mut [u8], position: u64) -> usize {
        let left = usize::try_from(self.size.saturating_sub(position)).unwrap_or(usize::MAX);
        let size = buffer.len().min(left);
        let mut read = 0;
        for (sector, within, part) in pieces(position, size) {
            let from = self.sectors.get(&sector).unwrap_or(&BLANK).get(within..within + part).unwrap_or_default();
            if let Some(target) = buffer.get_mut(read..read + from.len()) {
                target.copy_from_slice(from);
            }
            read += part;
        }
        size
    }

    pub(super) fn write(&mut self, bytes: &[u8], position: u64) {
        let mut rest = bytes;
        for (sector, within, part) in pieces(position, bytes.len()) {
            let (now, later) = rest.split_at_checked(part).unwrap_or((rest, &[]));
            rest = later;
            let target = self.sectors.entry(sector).or_insert(BLANK);
            let older = self.older.entry(sector).or_default();
            older.versions.push(*target);
            older.given_up = false;
            if let Some(target) = target.get_mut(within..within + now.len()) {
                target.copy_from_slice(now);
            }
        }
        let end = position + u64::try_from(bytes.len()).expect("a size in memory fits 64 bits");
        if end > self.size {
            self.change_size(end);
        }
    }

    /// Cuts or extends; what was beyond a cut reads as zeros afterwards.
    pub(super) fn set_len(&mut self, size: u64) {
        let written: Vec<u64> = self.sectors.range(size / SECTOR_SIZE as u64..).map(|(&sector, _)| sector).collect();
        let end = self.size;
        for sector in written {
            let start = (sector * SECTOR_SIZE as u64).max(size);
            let stop = ((sector + 1) * SECTOR_SIZE as u64).min(end);
            if start < stop {
                let zeros = BLANK.get(..usize::try_from(stop - start).unwrap_or(0)).unwrap_or_default();
                self.write(zeros, start);
            }
        }
        if size != self.size {
            self.change_size(size);
        }
    }

    fn change_size(&mut self, size: u64) {
        self.older_sizes.push(self.size);
        self.size_given_up = false;
        self.size = size;
    }

    pub(super) fn sync(&mut self) {
        self.older.retain(|_, older| older.given_up);
        if !self.size_given_up {
            self.older_sizes.clear();
        }
    }

    /// A sync that failed: what is not durable by now never will be, unless it is written again.
    pub(super) fn give_up(&mut self) {
        self.older.values_mut().for_each(|older| older.given_up = true);
        self.size_given_up = !self.older_sizes.is_empty();
    }

    /// What a restart after a power cut finds.
    pub(super) fn after_power_cut(&self, dice: &Dice) -> Self {
        let mut left = Self { sectors: self.sectors.clone(), size: self.size, ..Self::default() };
        for (&sector, older) in &self.older {
            let kept = if dice.keeps() { None } else { older.versions.get(dice.old_version(older.versions.len())) };
            if let Some(version) = kept {
                left.sectors.insert(sector, *version);
            }
        }
        if let Some(&durable) = self.older_sizes.first() {
            left.size = dice.size(durable, self.size);
        }
        // What lies beyond the end reads as zeros, should the file grow again.
        let end = left.size;
        left.sectors.retain(|&sector, _| sector * (SECTOR_SIZE as u64) < end);
        if let Some(last) = left.sectors.get_mut(&(end / SECTOR_SIZE as u64)) {
            let within = usize::try_from(end % SECTOR_SIZE as u64).unwrap_or(0);
            last.iter_mut().skip(within).for_each(|byte| *byte = 0);
        }
        left
    }

    /// Flips all bits of one byte, as if the medium had.
    pub(super) fn rot(&mut self, position: u64) -> io::Result<()> {
        if position >= self.size {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let sector = self.sectors.entry(position / SECTOR_SIZE as u64).or_insert(BLANK);
        let within = usize::try_from(position % SECTOR_SIZE as u64).unwrap_or(0);
        sector.iter_mut().skip(within).take(1).for_each(|byte| *byte = !*byte);
        Ok(())
    }
}

/// The sectors that `size` bytes at `position` touch: number, first byte within, bytes.
fn pieces(position: u64, size: usize) -> impl Iterator<Item = (u64, usize, usize)> {
    let mut position = position;
    let mut left = size;
    std::iter::from_fn(move || {
        let within = usize::try_from(position % SECTOR_SIZE as u64).ok()?;
        let part = left.min(SECTOR_SIZE - within);
        let sector = position / SECTOR_SIZE as u64;
        left -= part;
        position += u64::try_from(part).ok()?;
        (part > 0).then_some((sector, within, part))
    })
}
