//! [`Walk`]: follows the chain of frames through the files, and [`scan`]: finds frames where the chain is broken.

use super::{
    JournalError,
    layout::{BLOCK_SIZE, FrameHeader, HEADER_SIZE, Parsed},
};
use crate::{
    disk::{Disk, DiskFile, OpenMode, read_exact_at},
    error::DiskError,
};
use bytes::Bytes;
use levada_model::crc::crc32c;
use std::io;
use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

/// Bytes of one read.
const WINDOW_SIZE: u64 = 1 << 20;

/// One file of the journal.
#[derive(Clone, Debug)]
pub(super) struct JournalFile {
    pub(super) number: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn DiskFile>,
    /// Bytes that frames may use: whole blocks.
    pub(super) size: u64,
    /// The frame at the start, if there is one.
    pub(super) first: Option<FrameHeader>,
    /// Whether a sync makes its size durable. Not known of a file that an earlier life left: after a failed sync the
    /// system believes the size to be on the disk.
    pub(super) size_is_sure: bool,
    /// Whether something was written since the last sync.
    pub(super) dirty: bool,
}

impl JournalFile {
    /// Opens what is there and looks at its first frame.
    pub(super) fn open(disk: &dyn Disk, path: PathBuf, number: u64, mode: OpenMode) -> Result<Self, JournalError> {
        let file = disk.open(&path, mode).map_err(DiskError::at("open", &path))?;
        let size = file.len().map_err(DiskError::at("measure", &path))?;
        let size = size - size % BLOCK_SIZE;
        let mut opened = Self { number, path, file, size, first: None, size_is_sure: false, dirty: false };
        opened.first = Window::default().header(&opened, 0)?;
        Ok(opened)
    }

    /// Sees to it that the next sync makes the size durable.
    pub(super) fn make_size_sure(&mut self) -> Result<(), DiskError> {
        if !self.size_is_sure {
            let size = self.file.len().map_err(DiskError::at("measure", &self.path))?;
            self.dirty = true;
            match self.file.set_len(size + 1) {
                Ok(()) => {}
                // No room for one byte more: what the next sync makes durable has to do, and it is tried again.
                Err(error) if error.kind() == io::ErrorKind::StorageFull => return Ok(()),
                Err(error) => return Err(DiskError::at("extend", &self.path)(error)),
            }
            self.file.set_len(size).map_err(DiskError::at("cut", &self.path))?;
            self.size_is_sure = true;
        }
        Ok(())
    }
}

/// Part of a file, in memory.
#[derive(Debug, Default)]
struct Window {
    start: u64,
    bytes: Bytes,
}

impl Window {
    /// `size` bytes at `position`, or `None` where the file has not so many.
    fn get(&mut self, file: &JournalFile, position: u64, size: u64) -> Result<Option<Bytes>, JournalError> {
        let Some(left) = file.size.checked_sub(position).filter(|&left| left >= size) else {
            return Ok(None);
        };
        if let Some(bytes) = self.held(position, size) {
            return Ok(Some(bytes));
        }
        let fetch = usize::try_from(size.max(WINDOW_SIZE).min(left)).unwrap_or(usize::MAX);
        let mut bytes = vec![0; fetch];
        read_exact_at(&*file.file, &mut bytes, position).map_err(DiskError::at("read", &file.path))?;
        *self = Self { start: position, bytes: Bytes::from(bytes) };
        Ok(self.held(position, size))
    }

    fn held(&self, position: u64, size: u64) -> Option<Bytes> {
        let from = usize::try_from(position.checked_sub(self.start)?).ok()?;
        let to = from.checked_add(usize::try_from(size).ok()?)?;
        self.bytes.get(from..to).map(|part| self.bytes.slice_ref(part))
    }

    /// The frame's header at `position` of `file`, of whatever age.
    fn header(&mut self, file: &JournalFile, position: u64) -> Result<Option<FrameHeader>, JournalError> {
        let Some(block) = self.get(file, position, BLOCK_SIZE)? else { return Ok(None) };
        match FrameHeader::parse(&block) {
            Parsed::Frame(header) if header.frame_size() <= file.size - position => Ok(Some(header)),
            Parsed::Frame(_) | Parsed::Nothing => Ok(None),
            Parsed::Unsupported(version) => Err(JournalError::UnsupportedVersion { path: file.path.clone(), version }),
        }
    }
}

/// What the next frame of the chain looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) key: u64,
    pub(super) epoch: u64,
    /// The sequence of the next frame.
    pub(super) expected: u64,
}

impl Chain {
    /// Whether `header` is the next frame, rather than one of a former use of the place.
    fn accepts(&self, header: &FrameHeader) -> bool {
        let in_epoch = header.epoch == self.epoch || header.opens && header.epoch > self.epoch;
        header.key == self.key && header.sequence == self.expected && in_epoch
    }
}

/// One frame of the chain.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) header: FrameHeader,
    /// Its payload; `None` where the frame is before what is asked for.
    pub(super) payload: Option<Bytes>,
}

/// Reads frame after frame, from the start of one file on.
#[derive(Debug)]
pub(super) struct Walk {
    files: Vec<JournalFile>,
    window: Window,
    from: u64,
    /// Indexes of the files that the chain goes through; the last is the present one.
    pub(super) visited: Vec<usize>,
    /// Where the next frame begins in the present file.
    pub(super) position: u64,
    pub(super) chain: Chain,
}

impl Walk {
    /// Follows the chain from the first frame of `files[start]`; payloads of frames below `from` are passed over.
    pub(super) fn new(files: Vec<JournalFile>, start: usize, first: &FrameHeader, from: u64) -> Self {
        let chain = Chain { key: first.key, epoch: first.epoch, expected: first.sequence };
        Self { files, window: Window::default(), from, visited: vec![start], position: 0, chain }
    }

    /// The files, as they were given.
    pub(super) fn files(&self) -> &[JournalFile] {
        &self.files
    }

    /// The file in which the chain has arrived.
    pub(super) fn present(&self) -> &JournalFile {
        self.visited.last().and_then(|&index| self.files.get(index)).expect("visited holds indexes of files")
    }

    /// The next frame; `None` where the chain ends or is broken.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, JournalError> {
        let present = self.present().clone();
        let header = self.window.header(&present, self.position)?.filter(|header| self.chain.accepts(header));
        let Some(header) = header else {
            return if self.enter_next_file() { self.next_frame() } else { Ok(None) };
        };
        let payload = if header.sequence < self.from {
            None
        } else {
            let position = self.position + HEADER_SIZE as u64;
            let payload = self.window.get(&present, position, u64::from(header.payload_size))?;
            match payload {
                Some(payload) if crc32c(&payload) == header.payload_crc => Some(payload),
                _ => return Ok(None),
            }
        };
        self.position += header.frame_size();
        self.chain.epoch = header.epoch;
        self.chain.expected += 1;
        Ok(Some(Frame { header, payload }))
    }

    fn enter_next_file(&mut self) -> bool {
        let starts_here = |file: &JournalFile| file.first.is_some_and(|first| self.chain.accepts(&first));
        let next =
            self.files.iter().enumerate().find(|(index, file)| !self.visited.contains(index) && starts_here(file));
        let Some((index, _)) = next else { return false };
        self.visited.push(index);
        self.position = 0;
        self.window = Window::default();
        true
    }
}

/// What lies beyond the end of the chain in one file.
#[derive(Debug, Default)]
pub(super) struct Beyond {
    /// A frame that proves that the missing one was durable.
    pub(super) rot: bool,
    /// The first sequence found, and the bytes from the first frame's place to the last one's end.
    pub(super) torn: Option<(u64, std::ops::Range<u64>)>,
}

/// Looks at each block of `file` from `position` on for frames at or after the end of the chain.
///
/// Without a `chain` any frame counts that says that `wanted` was durable.
pub(super) fn scan(
    file: &JournalFile,
    mut position: u64,
    chain: Option<&Chain>,
    wanted: u64,
) -> Result<Beyond, JournalError> {
    let mut window = Window::default();
    let mut beyond = Beyond::default();
    while position < file.size {
        let header = match window.header(file, position) {
            Err(JournalError::UnsupportedVersion { .. }) => None,
            result => result?,
        };
        let relevant = header.filter(|header| {
            let same_journal = chain.is_none_or(|chain| header.key == chain.key && header.epoch >= chain.epoch);
            same_journal && header.sequence >= wanted
        });
        if let Some(header) = relevant {
            beyond.rot |= header.durable >= wanted;
            let end = position + header.frame_size();
            let (first, start) =
                beyond.torn.as_ref().map_or((header.sequence, position), |(first, torn)| (*first, torn.start));
            let end = beyond.torn.as_ref().map_or(end, |(_, torn)| torn.end.max(end));
            beyond.torn = Some((first, start..end));
        }
        position += BLOCK_SIZE;
    }
    Ok(beyond)
}

/// The number in a file name `<number>.journal`.
pub(super) fn file_number(name: &str) -> Option<u64> {
    name.strip_suffix(".journal").filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))?.parse().ok()
}

/// The path of file `number`.
pub(super) fn file_path(dir: &Path, number: u64) -> PathBuf {
    dir.join(format!("{number:08}.journal"))
}
