//! [`FileSlice`]: whole batches where they lie in a segment, to be sent from there without a copy.
//!
//! Only what is surely worth it and simple comes this way: the reader's place is known exactly, the indexes know
//! where a batch ends, both ends are in memory. Everything else is read: [`LogReader::read_cached`].

use super::{
    reader::{LogReader, Read},
    scan::check_header,
    segment::Segment,
};
use crate::disk::DiskFile;
use levada_model::{
    Offset,
    batch::{BatchHeader, HEADER_SIZE},
};
use std::{io, os::fd::BorrowedFd, sync::Arc};

/// Less than this is copied for less than what the search for its end costs.
const SIZE_MIN: usize = 32 << 10;

/// Whole batches, one after the other, in a file.
#[derive(Clone, Debug)]
pub struct FileSlice {
    file: Arc<dyn DiskFile>,
    position: u64,
    size: usize,
}

impl FileSlice {
    /// Bytes that are left.
    #[must_use]
    pub const fn size(&self) -> usize {
        self.size
    }

    /// Sends as much as `socket` takes; what was sent is no longer part of the slice.
    ///
    /// # Errors
    /// As [`DiskFile::send_to`]; [`io::ErrorKind::UnexpectedEof`] where the file ends before the slice does.
    pub fn send_to(&mut self, socket: BorrowedFd<'_>) -> io::Result<usize> {
        let sent = self.file.send_to(socket, self.position, self.size)?;
        if sent == 0 && self.size > 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.position += to_u64(sent);
        self.size = self.size.saturating_sub(sent);
        Ok(sent)
    }
}

/// Where a slice ends.
struct End {
    position: u64,
    next_offset: Offset,
}

impl LogReader {
    /// The batches that [`Self::read_cached`] would read, or the first of them, as a slice of their file; `None`
    /// where they have to be read. Headers between the first batch and the last are not looked at.
    #[must_use]
    pub fn slice(&self, read: &Read) -> Option<FileSlice> {
        let upper_offset = read.upper_offset.min(self.next_offset());
        if read.offset < self.log_start_offset() || read.offset >= upper_offset || read.bytes_max < SIZE_MIN {
            return None;
        }
        let segments = self.snapshot();
        let index = segments.partition_point(|segment| segment.base() <= read.offset).checked_sub(1)?;
        let segment = segments.get(index)?;
        let file = segment.open_file(&self.files).filter(|file| file.can_send())?;
        let position = if read.offset == segment.base() { 0 } else { self.known_position(segment, read.offset)? };
        let header = header_at(&*file, segment, position)?;
        // It may begin later: compaction leaves gaps.
        if header.last_offset() < read.offset {
            return None;
        }
        let limit = position.saturating_add(to_u64(read.bytes_max));
        let is_sealed = index + 1 < segments.len();
        let end = end_of_sealed(segment, is_sealed, limit).or_else(|| {
            let position = segment.batch_between(position + 1, limit)?;
            let header = header_at(&*file, segment, position)?;
            Some(End { position, next_offset: header.base_offset })
        });
        let end = end.filter(|end| end.next_offset > read.offset && end.next_offset <= upper_offset)?;
        let size = usize::try_from(end.position - position).ok().filter(|&size| size >= SIZE_MIN)?;
        self.remember(segment, end.next_offset, end.position);
        Some(FileSlice { file, position, size })
    }
}

/// The end of a segment that is no longer written, if it lies within the limit.
fn end_of_sealed(segment: &Segment, is_sealed: bool, limit: u64) -> Option<End> {
    let end = End { position: segment.size(), next_offset: segment.next_offset() };
    (is_sealed && end.position <= limit).then_some(end)
}

/// The header of the batch at `position`, if it is sound and in memory.
fn header_at(file: &dyn DiskFile, segment: &Segment, position: u64) -> Option<BatchHeader> {
    let mut bytes = [0; HEADER_SIZE];
    let size = file.read_cached_at(&mut bytes, position).ok()??;
    let header = BatchHeader::parse(bytes.get(..size)?).ok()?;
    let left = segment.size().checked_sub(position)?;
    check_header(&header, segment.base(), segment.base(), left).ok()?;
    Some(header)
}

fn to_u64(size: usize) -> u64 {
    u64::try_from(size).expect("sizes in memory fit 64 bits")
}
