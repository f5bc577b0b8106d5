//! [`FaultDisk`]: the real thing, until the process dies at a chosen call.
//!
//! For tests that kill a whole broker: what it leaves on the disk is exactly what it had done before that call.

use super::{DirEntry, Disk, DiskFile, OpenMode};
use std::{
    io::{self, IoSlice},
    os::fd::BorrowedFd,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

/// Counts the calls of a disk and ends the process at one of them.
#[derive(Clone, Debug)]
pub struct FaultDisk {
    disk: Arc<dyn Disk>,
    count: Arc<Countdown>,
}

#[derive(Debug)]
struct Countdown {
    calls: AtomicU64,
    /// The call at which the process ends; 0 for none.
    last: u64,
}

impl Countdown {
    /// Counts one call, or ends the process without a destructor, a flush or a word.
    fn call(&self) {
        let call = self.calls.fetch_add(1, Ordering::SeqCst) + 1;
        if call == self.last {
            std::process::abort();
        }
    }
}

impl FaultDisk {
    /// Ends the process at the `abort_at`-th call (the first is 1), before it reaches `disk`; 0 for never.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>, abort_at: u64) -> Self {
        Self { disk, count: Arc::new(Countdown { calls: AtomicU64::new(0), last: abort_at }) }
    }

    /// Calls made so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.count.calls.load(Ordering::SeqCst)
    }
}

impl Disk for FaultDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        self.count.call();
        let file = self.disk.open(path, mode)?;
        Ok(Arc::new(FaultFile { file, count: Arc::clone(&self.count) }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.count.call();
        self.disk.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.count.call();
        self.disk.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.count.call();
        self.disk.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.count.call();
        self.disk.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.count.call();
        self.disk.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.count.call();
        self.disk.sync_dir(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.count.call();
        self.disk.exists(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.count.call();
        self.disk.lock(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.count.call();
        self.disk.free_bytes(path)
    }
}

/// An open file of a [`FaultDisk`].
#[derive(Debug)]
struct FaultFile {
    file: Arc<dyn DiskFile>,
    count: Arc<Countdown>,
}

impl DiskFile for FaultFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.count.call();
        self.file.read_at(buffer, position)
    }

    fn read_cached_at(&self, buffer: &mut [u8], position: u64) -> io::Result<Option<usize>> {
        self.count.call();
        self.file.read_cached_at(buffer, position)
    }

    fn can_send(&self) -> bool {
        self.file.can_send()
    }

    fn send_to(&self, socket: BorrowedFd<'_>, position: u64, size: usize) -> io::Result<usize> {
        self.count.call();
        self.file.send_to(socket, position, size)
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.count.call();
        self.file.write_all_at(bytes, position)
    }

    fn write_vectored_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.count.call();
        self.file.write_vectored_all_at(parts, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.count.call();
        self.file.sync_data()
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.count.call();
        self.file.set_len(size)
    }

    fn len(&self) -> io::Result<u64> {
        self.count.call();
        self.file.len()
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.count.call();
        self.file.allocate(size)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::disk::{SimDisk, read_exact_at};
    use std::process::Command;

    /// Set in the process that is to die.
    const ABORT_AT: &str = "LEVADA_TEST_ABORT_AT";
    const DIR: &str = "LEVADA_TEST_ABORT_DIR";

    #[test]
    fn calls_are_counted_and_passed_on() {
        let sim = SimDisk::new();
        let disk = FaultDisk::new(Arc::new(sim.clone()), 0);
        let file = disk.open(Path::new("/a"), OpenMode::Create).expect("opens");
        file.write_all_at(b"ab", 0).expect("written");
        file.write_vectored_all_at(&[IoSlice::new(b"cd")], 2).expect("written");
        file.sync_data().expect("synced");
        let mut read = [0; 4];
        read_exact_at(&*file, &mut read, 0).expect("read");
        assert!(disk.exists(Path::new("/a")) && file.len().expect("size") == 4);
        assert_eq!((&read, disk.calls(), sim.calls()), (b"abcd", 7, 7));
    }

    /// Run by itself in a second process, with the variables set; a no-op in the first.
    #[test]
    fn appends_bytes_until_the_process_ends() {
        let (Ok(abort_at), Ok(dir)) = (std::env::var(ABORT_AT), std::env::var(DIR)) else { return };
        let disk = FaultDisk::new(Arc::new(crate::disk::RealDisk), abort_at.parse().expect("a number"));
        let file = disk.open(&Path::new(&dir).join("a"), OpenMode::Create).expect("opens");
        for position in 0..100 {
            file.write_all_at(b"x", position).expect("written");
        }
    }

    #[test]
    fn the_process_ends_before_the_chosen_call() {
        let dir = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(std::env::current_exe().expect("this test's binary"));
        command.args(["--exact", "disk::fault::tests::appends_bytes_until_the_process_ends"]);
        let output = command.env(ABORT_AT, "8").env(DIR, dir.path()).output().expect("runs");
        assert!(!output.status.success());
        let file = crate::disk::RealDisk.open(&dir.path().join("a"), OpenMode::Read).expect("opens");
        assert_eq!(file.len().expect("size"), 6, "an open and six writes came before");
    }
}
