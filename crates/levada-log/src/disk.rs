//! The disk as the log sees it: [`Disk`] names things, [`DiskFile`] holds bytes.
//!
//! Durability is explicit: bytes survive a power cut after [`DiskFile::sync_data`], names after
//! [`Disk::sync_dir`] of their directory. Each call is one fault point.

#[cfg(feature = "fault-injection")]
pub mod fault;
pub mod real;
pub mod sim;

#[cfg(feature = "fault-injection")]
pub use fault::FaultDisk;
pub use real::RealDisk;
pub use sim::SimDisk;

use std::{
    fmt,
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    path::Path,
    sync::Arc,
};

/// How a file is opened. All files are read and written at explicit positions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// An existing file, to read.
    Read,
    /// An existing file, to read and write.
    Write,
    /// Opened if it is there, created if not; never truncated.
    Create,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DirEntry {
    /// The last component.
    pub name: String,
    /// Whether it is a directory.
    pub is_dir: bool,
    /// Bytes of a file; 0 for a directory.
    pub size: u64,
}

/// Names, directories and space.
pub trait Disk: Send + Sync + fmt::Debug {
    /// Opens a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>>;

    /// Creates a directory and its parents. Not durable before the parents are synced.
    ///
    /// # Errors
    /// As the operating system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// What is in a directory, sorted by name.
    ///
    /// # Errors
    /// As the operating system says.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>>;

    /// Renames a file or directory within one file system, replacing a file at `to`.
    ///
    /// # Errors
    /// As the operating system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_file(&self, path: &Path) -> io::Result<()>;

    /// Removes a directory and all in it.
    ///
    /// # Errors
    /// As the operating system says.
    fn remove_dir_all(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    /// As the operating system says.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether something of that name exists. Where the disk does not tell, it does: what is done about it then fails.
    fn exists(&self, path: &Path) -> bool;

    /// Takes the exclusive lock at `path` for this process; the lock ends when the value is dropped.
    ///
    /// # Errors
    /// [`io::ErrorKind::WouldBlock`] where another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;

    /// Bytes that are free for us on the file system of `path`.
    ///
    /// # Errors
    /// As the operating system says.
    fn free_bytes(&self, path: &Path) -> io::Result<u64>;
}

/// An open file. Positions are explicit, so one file serves many threads.
pub trait DiskFile: Send + Sync + fmt::Debug {
    /// Reads up to `buffer.len()` bytes at `position`; 0 at the end.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize>;

    /// As [`Self::read_at`], but only from memory: `None` where the disk would have to be waited for.
    ///
    /// # Errors
    /// As the operating system says.
    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.read_at(buffer, position).map(Some)
    }

    /// Whether [`Self::send_to`] works.
    fn can_send(&self) -> bool {
        false
    }

    /// Sends up to `size` bytes from `position` on to `socket`, which does not block, without a copy in this process.
    ///
    /// Returns how many the socket took; 0 at the end. Waits for the disk where the bytes are not in memory.
    ///
    /// # Errors
    /// As the operating system says; [`io::ErrorKind::WouldBlock`] where the socket takes nothing now,
    /// [`io::ErrorKind::Unsupported`] where not [`Self::can_send`].
    fn send_to(&self, socket: BorrowedFd<'_>, position: u64, size: usize) -> io::Result<usize> {
        let _ = (socket, position, size);
        Err(io::ErrorKind::Unsupported.into())
    }

    /// Writes all of `bytes` at `position`.
    ///
    /// # Errors
    /// As the operating system says; some of the bytes may then be written.
    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()>;

    /// Writes all `parts` one after the other from `position` on.
    ///
    /// # Errors
    /// As the operating system says; some of the bytes may then be written.
    fn write_vectored_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()>;

    /// Makes the bytes, and the length where it changed, durable.
    ///
    /// # Errors
    /// Any error is final for the file: what was written since the last sync may be lost, and a later
    /// sync that succeeds proves nothing.
    fn sync_data(&self) -> io::Result<()>;

    /// Cuts or extends the file with zeros.
    ///
    /// # Errors
    /// As the operating system says.
    fn set_len(&self, size: u64) -> io::Result<()>;

    /// Bytes in the file.
    ///
    /// # Errors
    /// As the operating system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    /// As the operating system says.
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Reserves blocks for the first `size` bytes; the length becomes at least `size`, new bytes read as zeros.
    ///
    /// # Errors
    /// [`io::ErrorKind::StorageFull`] where there is no room.
    fn allocate(&self, size: u64) -> io::Result<()>;
}

/// Reads exactly `buffer.len()` bytes at `position`.
///
/// # Errors
/// [`io::ErrorKind::UnexpectedEof`] where the file ends before.
pub fn read_exact_at(file: &dyn DiskFile, mut buffer: &mut [u8], mut position: u64) -> io::Result<()> {
    while !buffer.is_empty() {
        let size = file.read_at(buffer, position)?;
        if size == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        buffer = buffer.get_mut(size..).unwrap_or_default();
        position += u64::try_from(size).unwrap_or(u64::MAX);
    }
    Ok(())
}
