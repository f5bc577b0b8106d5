//! Walking a `.log` batch by batch: headers alone, or with their checksums.

use super::{error::Defect, index::relative};
use crate::disk::{DiskFile, read_exact_at};
use crate::error::DiskError;
use bytes::Bytes;
use levada_model::{
    Offset,
    batch::{BatchError, BatchHeader, CRC_FROM, HEADER_SIZE},
    crc::crc32c,
};
use std::{path::Path, sync::Arc};

/// The records of no control batch take more bytes.
const CONTROL_SIZE_MAX: usize = 4 << 10;

/// How much of each batch is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Depth {
    /// Headers, which suffices where the bytes are trusted.
    Headers,
    /// All bytes, against their checksum.
    Checksums,
}

impl Depth {
    const fn chunk_size(self) -> usize {
        match self {
            Self::Headers => 64 << 10,
            Self::Checksums => 1 << 20,
        }
    }
}

/// A batch that was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) position: u64,
    pub(crate) size: u64,
    pub(crate) header: BatchHeader,
}

/// Why the walk ended before the end.
#[derive(Debug)]
pub(crate) enum Stop {
    Defect(Defect),
    Disk(DiskError),
}

impl From<DiskError> for Stop {
    fn from(error: DiskError) -> Self {
        Self::Disk(error)
    }
}

/// Yields the batches of a file between two positions; ends after the first error.
#[derive(Debug)]
pub(crate) struct Scan<'a> {
    file: Arc<dyn DiskFile>,
    path: &'a Path,
    base: Offset,
    depth: Depth,
    position: u64,
    end: u64,
    expected: Offset,
    chunk: Vec<u8>,
    chunk_from: u64,
    failed: bool,
}

impl<'a> Scan<'a> {
    /// Walks `file`, the segment at `base`, from `position` to `end`; the first batch has offsets from `expected` on.
    pub(crate) fn new(
        file: Arc<dyn DiskFile>,
        path: &'a Path,
        base: Offset,
        depth: Depth,
        range: std::ops::Range<u64>,
        expected: Offset,
    ) -> Self {
        let (position, end) = (range.start, range.end);
        Self {
            file,
            path,
            base,
            depth,
            position,
            end,
            expected,
            chunk: Vec::new(),
            chunk_from: position,
            failed: false,
        }
    }

    /// Where the next batch would start.
    pub(crate) const fn position(&self) -> u64 {
        self.position
    }

    /// The smallest offset that may follow.
    pub(crate) const fn expected(&self) -> Offset {
        self.expected
    }

    /// The `size` bytes at the current position, read ahead in chunks.
    fn peek(&mut self, size: usize) -> Result<&[u8], DiskError> {
        let start = usize::try_from(self.position.saturating_sub(self.chunk_from)).unwrap_or(usize::MAX);
        if start.saturating_add(size) > self.chunk.len() {
            let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
            let wanted = self.depth.chunk_size().max(size).min(left);
            self.chunk.resize(wanted, 0);
            self.chunk_from = self.position;
            read_exact_at(&*self.file, &mut self.chunk, self.position).map_err(DiskError::at("read", self.path))?;
            return Ok(self.chunk.get(..size).unwrap_or_default());
        }
        Ok(self.chunk.get(start..start + size).unwrap_or_default())
    }

    /// The records of a control batch that was found; `None` of any other, or where they are implausibly large.
    pub(crate) fn records(&self, found: &Found) -> Result<Option<Bytes>, DiskError> {
        let size = usize::try_from(found.size).unwrap_or(usize::MAX).saturating_sub(HEADER_SIZE);
        if !found.header.attributes.is_control() || size > CONTROL_SIZE_MAX {
            return Ok(None);
        }
        let mut records = vec![0; size];
        let position = found.position + HEADER_SIZE as u64;
        read_exact_at(&*self.file, &mut records, position).map_err(DiskError::at("read", self.path))?;
        Ok(Some(records.into()))
    }

    /// All bytes of the batch that was found last, where checksums are looked at.
    pub(crate) fn bytes(&self, found: &Found) -> &[u8] {
        let start = usize::try_from(found.position.saturating_sub(self.chunk_from)).unwrap_or(usize::MAX);
        let size = usize::try_from(found.size).unwrap_or(usize::MAX);
        self.chunk.get(start..start.saturating_add(size)).unwrap_or_default()
    }

    fn step(&mut self) -> Result<Found, Stop> {
        let left = self.end - self.position;
        let header_size = u64::try_from(HEADER_SIZE).unwrap_or(u64::MAX);
        if left < header_size {
            let size = usize::try_from(left).unwrap_or(0);
            let zeros = self.peek(size)?.iter().all(|&byte| byte == 0);
            return Err(Stop::Defect(if zeros { Defect::Zeros } else { Defect::HeaderTorn(left) }));
        }
        let bytes = self.peek(HEADER_SIZE)?;
        let header = match BatchHeader::parse(bytes) {
            Ok(header) => header,
            Err(_) if bytes.iter().all(|&byte| byte == 0) => return Err(Stop::Defect(Defect::Zeros)),
            Err(BatchError::Magic(magic)) => return Err(Stop::Defect(Defect::Magic(magic))),
            Err(_) => return Err(Stop::Defect(Defect::HeaderTorn(left))),
        };
        let size = self.check_header(&header, left).map_err(Stop::Defect)?;
        if self.depth == Depth::Checksums {
            let actual = crc32c(self.peek(size)?.get(CRC_FROM..).unwrap_or_default());
            if actual != header.crc {
                return Err(Stop::Defect(Defect::Crc { claimed: header.crc, actual }));
            }
        }
        let size = u64::try_from(size).unwrap_or(u64::MAX);
        let found = Found { position: self.position, size, header };
        self.position += size;
        self.expected = header.next_offset();
        Ok(found)
    }

    fn check_header(&self, header: &BatchHeader, left: u64) -> Result<usize, Defect> {
        check_header(header, self.base, self.expected, left)
    }
}

/// The size of a batch whose header makes sense where it stands.
pub(crate) fn check_header(header: &BatchHeader, base: Offset, expected: Offset, left: u64) -> Result<usize, Defect> {
    let fits = |size: &usize| u64::try_from(*size).is_ok_and(|size| size <= left);
    let size = header.size().filter(fits).ok_or(Defect::Length { claimed: header.batch_length, left })?;
    let (first, last) = (header.base_offset, header.last_offset());
    if first < expected || header.last_offset_delta < 0 || last == i64::MAX || relative(base, last).is_none() {
        return Err(Defect::Offsets { base: first, last, expected });
    }
    Ok(size)
}

impl Iterator for Scan<'_> {
    type Item = Result<Found, Stop>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.position >= self.end {
            return None;
        }
        let found = self.step();
        self.failed = found.is_err();
        Some(found)
    }
}
