//! [`RealDisk`]: the operating system's files. The one place of the project that calls it for them.
//!
//! Interrupted calls are repeated and partial writes completed here, so that a caller sees all or an error.

use super::{DirEntry, Disk, DiskFile, OpenMode};
use rustix::{
    fs::{FallocateFlags, FlockOperation},
    io::{Errno, ReadWriteFlags, retry_on_intr},
};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, IoSlice, IoSliceMut},
    os::{fd::BorrowedFd, unix::fs::FileExt},
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

/// Parts that one `pwritev` takes (Linux: `UIO_MAXIOV`).
const PARTS_MAX: usize = 1_024;
/// Bytes that one call writes at most. Larger calls get no faster, and let the page cache grow in pieces so large that
/// the kernel takes memory for them which it never used before: three CPU seconds a GB instead of 0.3, in a virtual
/// machine.
const WRITE_SIZE_MAX: usize = 256 << 10;
/// Zeros written at once where the file system cannot reserve blocks.
const ZEROS_SIZE: usize = 1 << 20;

/// The file systems of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct RealDisk;

#[expect(clippy::disallowed_methods, reason = "the one implementation of Disk that reaches the operating system")]
impl Disk for RealDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let mut options = OpenOptions::new();
        options.read(true);
        match mode {
            OpenMode::Read => &mut options,
            OpenMode::Write => options.write(true),
            OpenMode::Create => options.write(true).create(true).truncate(false),
        };
        let file = options.open(path)?;
        Ok(Arc::new(RealFile { file, knows_nowait: AtomicBool::new(true) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::create_dir_all(path)
    }

    /// Names that are not UTF-8 are left out: none of ours is such.
    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(path)? {
            let entry = entry?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Removed since the directory was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            if let Ok(name) = entry.file_name().into_string() {
                let is_dir = metadata.is_dir();
                entries.push(DirEntry { name, is_dir, size: if is_dir { 0 } else { metadata.len() } });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let dir = File::open(path)?;
        Ok(retry_on_intr(|| rustix::fs::fsync(&dir))?)
    }

    fn exists(&self, path: &Path) -> bool {
        path.try_exists().unwrap_or(true)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
        retry_on_intr(|| rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive))?;
        Ok(Box::new(file))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let space = retry_on_intr(|| rustix::fs::statvfs(path))?;
        Ok(space.f_bavail.saturating_mul(space.f_frsize))
    }
}

/// An open file of the operating system.
#[derive(Debug)]
struct RealFile {
    file: File,
    /// Cleared once the file system has refused `RWF_NOWAIT`.
    knows_nowait: AtomicBool,
}

impl DiskFile for RealFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        loop {
            match self.file.read_at(buffer, position) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result,
            }
        }
    }

    /// Where the file system cannot tell what is in memory, everything has to be waited for.
    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        if !self.knows_nowait.load(Ordering::Relaxed) {
            return Ok(None);
        }
        let mut parts = [IoSliceMut::new(buffer)];
        match retry_on_intr(|| rustix::io::preadv2(&self.file, &mut parts, position, ReadWriteFlags::NOWAIT)) {
            Ok(size) => Ok(Some(size)),
            Err(Errno::AGAIN) => Ok(None),
            Err(Errno::OPNOTSUPP | Errno::NOSYS | Errno::INVAL) => {
                self.knows_nowait.store(false, Ordering::Relaxed);
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn can_send(&self) -> bool {
        true
    }

    fn send_to(&self, socket: BorrowedFd<'_>, mut position: u64, size: usize) -> io::Result<usize> {
        Ok(retry_on_intr(|| rustix::fs::sendfile(socket, &self.file, Some(&mut position), size))?)
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, position)
    }

    fn write_vectored_all_at(&self, parts: &[IoSlice<'_>], mut position: u64) -> io::Result<()> {
        let mut rest = parts;
        // Bytes of the first part of `rest` that are written already.
        let mut done_in_first = 0;
        while let Some(first) = rest.first() {
            if first.len() == done_in_first {
                rest = rest.get(1..).unwrap_or_default();
                done_in_first = 0;
                continue;
            }
            let mut written = if done_in_first > 0 || first.len() > WRITE_SIZE_MAX {
                let left = first.get(done_in_first..).unwrap_or_default();
                let left = left.get(..WRITE_SIZE_MAX).unwrap_or(left);
                retry_on_intr(|| rustix::io::pwrite(&self.file, left, position))?
            } else {
                let chunk = rest.get(..count_in_one_write(rest)).unwrap_or(rest);
                retry_on_intr(|| rustix::io::pwritev(&self.file, chunk, position))?
            };
            if written == 0 {
                return Err(io::ErrorKind::WriteZero.into());
            }
            position += u64::try_from(written).expect("a size in memory fits 64 bits");
            while let Some(part) = rest.first() {
                let left = part.len() - done_in_first;
                if written < left {
                    done_in_first += written;
                    break;
                }
                written -= left;
                done_in_first = 0;
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(retry_on_intr(|| rustix::fs::fdatasync(&self.file))?)
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.file.set_len(size)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// A file system that cannot reserve blocks gets zeros written beyond the present end.
    fn allocate(&self, size: u64) -> io::Result<()> {
        if size == 0 {
            return Ok(());
        }
        match retry_on_intr(|| rustix::fs::fallocate(&self.file, FallocateFlags::empty(), 0, size)) {
            Ok(()) => Ok(()),
            Err(Errno::OPNOTSUPP | Errno::NOSYS) => self.write_zeros_to(size),
            Err(error) => Err(error.into()),
        }
    }
}

impl RealFile {
    fn write_zeros_to(&self, size: u64) -> io::Result<()> {
        let zeros = vec![0; ZEROS_SIZE];
        let mut position = self.len()?;
        while position < size {
            let left = usize::try_from(size - position).unwrap_or(usize::MAX).min(ZEROS_SIZE);
            self.file.write_all_at(zeros.get(..left).unwrap_or(&zeros), position)?;
            position += u64::try_from(left).expect("at most a mebibyte");
        }
        Ok(())
    }
}

/// How many of `parts` go into one call: at least one.
fn count_in_one_write(parts: &[IoSlice<'_>]) -> usize {
    let mut size = 0;
    let fits = |part: &&IoSlice<'_>| {
        size += part.len();
        size <= WRITE_SIZE_MAX
    };
    parts.iter().take(PARTS_MAX).take_while(fits).count().max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::read_exact_at;

    #[test]
    fn many_parts_are_written_in_order_and_read_back() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let disk = RealDisk;
        let file = disk.open(&dir.path().join("a"), OpenMode::Create).expect("opened");
        let texts: Vec<Vec<u8>> = (0..5_000_u32).map(|index| index.to_string().into_bytes()).collect();
        let mut parts: Vec<IoSlice<'_>> = texts.iter().map(|text| IoSlice::new(text)).collect();
        parts.insert(7, IoSlice::new(&[]));
        parts.push(IoSlice::new(&[]));
        file.write_vectored_all_at(&parts, 3).expect("written");
        file.sync_data().expect("synced");
        disk.sync_dir(dir.path()).expect("synced");
        let expected = texts.concat();
        assert_eq!(file.len().expect("size"), 3 + expected.len() as u64);
        let mut read = vec![0; expected.len()];
        read_exact_at(&*file, &mut read, 3).expect("read");
        assert_eq!(read, expected);
        match file.read_cached_at(&mut read, 3).expect("read") {
            Some(size) => assert_eq!(read[..size], expected[..size]),
            None => assert_eq!(read, expected),
        }
        let past = read_exact_at(&*file, &mut [0], 3 + expected.len() as u64).expect_err("past the end");
        assert_eq!(past.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn allocation_lengthens_and_keeps_what_is_there() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = RealDisk.open(&dir.path().join("a"), OpenMode::Create).expect("opened");
        assert!(file.is_empty().expect("size"));
        file.write_all_at(b"kept", 0).expect("written");
        file.allocate(3_000_000).expect("allocated");
        file.allocate(10).expect("allocated");
        assert_eq!(file.len().expect("size"), 3_000_000);
        let mut start = [9; 6];
        read_exact_at(&*file, &mut start, 0).expect("read");
        assert_eq!(&start, b"kept\0\0");
        file.set_len(2).expect("cut");
        assert_eq!(file.len().expect("size"), 2);
    }

    #[test]
    fn a_file_system_without_reservation_gets_zeros() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let file = RealDisk.open(&dir.path().join("a"), OpenMode::Create).expect("opened");
        file.write_all_at(b"kept", 0).expect("written");
        let raw = OpenOptions::new().read(true).write(true).open(dir.path().join("a")).expect("opened");
        RealFile { file: raw, knows_nowait: AtomicBool::new(true) }.write_zeros_to(2_500_000).expect("filled");
        assert_eq!(file.len().expect("size"), 2_500_000);
        let mut start = [9; 5];
        read_exact_at(&*file, &mut start, 0).expect("read");
        assert_eq!(&start, b"kept\0");
    }

    #[test]
    fn one_holder_of_a_lock_at_a_time() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let path = dir.path().join("lock");
        let held = RealDisk.lock(&path).expect("free");
        let refused = RealDisk.lock(&path).err().expect("held");
        assert_eq!(refused.kind(), io::ErrorKind::WouldBlock);
        drop(held);
        assert!(RealDisk.lock(&path).is_ok());
    }

    #[test]
    fn names_are_listed_in_order_and_move() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let (disk, root) = (RealDisk, dir.path());
        disk.create_dir_all(&root.join("d/e")).expect("created");
        for name in ["b", "a", "c"] {
            disk.open(&root.join(name), OpenMode::Create).expect("opened").write_all_at(b"xy", 0).expect("written");
        }
        disk.rename(&root.join("c"), &root.join("a")).expect("renamed");
        let entries = disk.list(root).expect("listed");
        let shown: Vec<_> = entries.iter().map(|entry| (entry.name.as_str(), entry.is_dir, entry.size)).collect();
        assert_eq!(shown, [("a", false, 2), ("b", false, 2), ("d", true, 0)]);
        disk.remove_file(&root.join("b")).expect("removed");
        disk.remove_dir_all(&root.join("d")).expect("removed");
        assert!(!disk.exists(&root.join("b")) && !disk.exists(&root.join("d")) && disk.exists(&root.join("a")));
        assert_eq!(disk.open(&root.join("b"), OpenMode::Write).expect_err("gone").kind(), io::ErrorKind::NotFound);
        assert!(disk.free_bytes(root).expect("space") > 0);
    }
}
