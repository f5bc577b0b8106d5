//! [`Source`]: whole batches out of one segment, with one read of the disk where that suffices.

use super::{
    error::{Defect, ReadError},
    files::{Buffer, LogFiles},
    reader::{AtLeast, Read, ReadBatches},
    scan::check_header,
    segment::Segment,
};
use crate::disk::{DiskFile, read_exact_at};
use crate::error::DiskError;
use bytes::Bytes;
use levada_model::{
    Offset,
    batch::{BatchError, BatchHeader, HEADER_SIZE},
};

/// One read never asks the disk for more at once, unless one batch is larger.
const READ_SIZE_MAX: usize = 4 << 20;
/// Nor for less, where there is more.
const READ_SIZE_MIN: usize = 16 << 10;

/// Whether a read may wait for the disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wait {
    /// It may.
    ForDisk,
    /// It takes what is in memory.
    Never,
}

/// One segment, opened.
pub(super) struct Source<'a> {
    pub(super) segment: &'a Segment,
    pub(super) file: &'a dyn DiskFile,
    pub(super) files: &'a LogFiles,
    pub(super) wait: Wait,
}

/// Where in the segment to begin.
#[derive(Clone, Copy, Debug)]
pub(super) struct Start {
    pub(super) position: u64,
    pub(super) exactness: Exactness,
}

/// How far the wanted batch may be from where we begin.
#[derive(Clone, Copy, Debug)]
pub(super) enum Exactness {
    /// It starts there.
    Exact,
    /// It starts there or later, by about so many bytes.
    Before { by_bytes: u32 },
}

/// How a read of one segment ended.
pub(super) enum SegmentRead {
    /// Batches, and the position behind them.
    Found { batches: ReadBatches, end_position: u64 },
    /// The first batch exceeds the budget.
    TooLarge,
    /// No batch below the upper offset is left here.
    PastEnd,
    /// The disk would have to be waited for.
    WouldWait,
}

/// What one buffer held.
enum Window {
    /// Batches from `from` to `to`, as positions in the buffer.
    Batches { from: usize, to: usize, first_offset: Offset, next_offset: Offset },
    /// The wanted batch starts `skip` bytes on and has `size` bytes, not all of which are here, or too many.
    Partial { skip: usize, size: usize },
    /// All that is here, and `skip` bytes in all, lies before the wanted batch.
    Skip { skip: usize },
    /// Nothing below the upper offset.
    End,
}

impl Source<'_> {
    pub(super) fn read(&self, read: &Read, start: Start) -> Result<SegmentRead, ReadError> {
        let size = self.segment.size();
        let slack = match start.exactness {
            Exactness::Exact => 0,
            Exactness::Before { by_bytes } => usize::try_from(by_bytes).unwrap_or(0).saturating_mul(2),
        };
        let mut position = start.position;
        let mut wanted = read.bytes_max.saturating_add(slack).clamp(READ_SIZE_MIN, READ_SIZE_MAX);
        let mut expected = self.segment.base();
        loop {
            let left = size.saturating_sub(position);
            if left == 0 {
                return Ok(SegmentRead::PastEnd);
            }
            let size = wanted.min(usize::try_from(left).unwrap_or(usize::MAX));
            let Some(buffer) = self.fill(position, size)? else { return Ok(SegmentRead::WouldWait) };
            match self.window(buffer.as_ref(), position, left, &mut expected, read)? {
                Window::Batches { from, to, first_offset, next_offset } => {
                    let end_position = position.saturating_add(to_u64(to));
                    let bytes = cut(buffer, from, to);
                    let batches = ReadBatches { bytes, first_offset, next_offset };
                    return Ok(SegmentRead::Found { batches, end_position });
                }
                Window::Partial { size, .. } if size > read.bytes_max && read.at_least == AtLeast::Nothing => {
                    return Ok(SegmentRead::TooLarge);
                }
                // More of it is not in memory.
                Window::Partial { .. } | Window::Skip { .. } if buffer.as_ref().len() < size => {
                    return Ok(SegmentRead::WouldWait);
                }
                Window::Partial { skip, size } => {
                    position = position.saturating_add(to_u64(skip));
                    wanted = size.max(read.bytes_max.min(READ_SIZE_MAX));
                }
                Window::Skip { skip } => position = position.saturating_add(to_u64(skip)),
                Window::End => return Ok(SegmentRead::PastEnd),
            }
        }
    }

    /// `size` bytes at `position`; `None` where they would have to be waited for.
    pub(super) fn exactly(&self, position: u64, size: u64) -> Result<Option<Bytes>, ReadError> {
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let buffer = self.fill(position, size)?.filter(|buffer| buffer.as_ref().len() == size);
        Ok(buffer.map(Buffer::freeze))
    }

    /// `size` bytes at `position`, or fewer where the rest would have to be waited for.
    fn fill(&self, position: u64, size: usize) -> Result<Option<Buffer>, DiskError> {
        let mut buffer = self.files.buffer(size);
        let failed = |error| DiskError::at("read", self.segment.path())(error);
        match self.wait {
            Wait::ForDisk => read_exact_at(self.file, buffer.as_mut(), position).map_err(failed)?,
            Wait::Never => match self.file.read_cached_at(buffer.as_mut(), position).map_err(failed)? {
                Some(read) if read > 0 => buffer.truncate(read),
                _ => return Ok(None),
            },
        }
        Ok(Some(buffer))
    }

    /// Walks the headers in `bytes`, which stand at `position`, `left` bytes before the end of the segment.
    fn window(
        &self,
        bytes: &[u8],
        position: u64,
        left: u64,
        expected: &mut Offset,
        read: &Read,
    ) -> Result<Window, ReadError> {
        let (mut from, mut at) = (None, 0_usize);
        let (mut first_offset, mut next_offset) = (read.offset, read.offset);
        loop {
            let here = left.saturating_sub(to_u64(at));
            if here == 0 {
                break;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            if rest.len() < HEADER_SIZE && here > to_u64(rest.len()) {
                break;
            }
            let checked = parse(rest, here).and_then(|header| {
                check_header(&header, self.segment.base(), *expected, here).map(|size| (header, size))
            });
            let (header, size) = match checked {
                Ok(checked) => checked,
                // What is sound before it is served; the next read names it.
                Err(_) if from.is_some() => break,
                Err(defect) => {
                    let position = position.saturating_add(to_u64(at));
                    return Err(self.segment.corrupt(position, *expected, defect).into());
                }
            };
            if header.base_offset >= read.upper_offset {
                return Ok(match from {
                    Some(from) => Window::Batches { from, to: at, first_offset, next_offset },
                    None => Window::End,
                });
            }
            if from.is_none() && header.last_offset() < read.offset {
                *expected = header.next_offset();
                at = at.saturating_add(size);
                if at >= bytes.len() {
                    return Ok(Window::Skip { skip: at });
                }
                continue;
            }
            let taken = at - from.unwrap_or(at);
            let fits = size <= rest.len() && taken.saturating_add(size) <= read.bytes_max;
            match from {
                None if fits || (size <= rest.len() && read.at_least == AtLeast::OneBatch) => {
                    (from, first_offset) = (Some(at), header.base_offset);
                }
                None => return Ok(Window::Partial { skip: at, size }),
                Some(_) if fits => {}
                Some(_) => break,
            }
            *expected = header.next_offset();
            next_offset = header.next_offset();
            at += size;
        }
        Ok(match from {
            Some(from) => Window::Batches { from, to: at, first_offset, next_offset },
            None => Window::Skip { skip: at },
        })
    }
}

fn parse(bytes: &[u8], left: u64) -> Result<BatchHeader, Defect> {
    BatchHeader::parse(bytes).map_err(|error| match error {
        BatchError::Magic(magic) => Defect::Magic(magic),
        _ => Defect::HeaderTorn(left),
    })
}

fn cut(mut buffer: Buffer, from: usize, to: usize) -> Bytes {
    buffer.truncate(to);
    buffer.freeze().slice(from..)
}

fn to_u64(size: usize) -> u64 {
    u64::try_from(size).expect("sizes in memory fit 64 bits")
}
