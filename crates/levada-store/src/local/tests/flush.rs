//! `flush.messages` and `flush.ms` on topics that are not journalled.

use super::*;
use crate::append::{AppendError, Appended};
use levada_log::{
    DiskFile,
    disk::{
        DirEntry, OpenMode,
        sim::{Call, Rule, SimDisk},
    },
};
use parking_lot::{Condvar, Mutex};
use std::{
    io::{self, IoSlice},
    path::Path,
};

fn value(offset: Offset) -> String {
    format!("value-{offset}")
}

#[test]
fn what_flush_messages_makes_durable_survives_a_power_cut() {
    for every in [1, 3] {
        let sim = SimDisk::new();
        let (store, _) = open_on(&(Arc::new(sim.clone()) as Arc<dyn Disk>));
        let setting = every.to_string();
        let log = create(&store, 1, "clicks", &[("durability", "os"), ("flush.messages", &setting)]);
        for offset in 0..90 {
            let appended = append(&store, &log, &[&value(offset), "filler of a segment".repeat(20).as_str()]);
            assert_eq!(appended, Ok(Appended::at(offset * 2, 0)));
            if offset % 20 == 7 {
                // Not waited for: its syncs and those of the flushes meet.
                drop(store.checkpoint());
            }
            let promised = if every == 1 { offset * 2 + 2 } else { (offset * 2 + 2) / 4 * 4 };
            let (after, _) = open_on(&(Arc::new(sim.power_cut(offset.unsigned_abs())) as Arc<dyn Disk>));
            let kept = i64::try_from(read_all(&super::log(&after, "clicks")).len()).unwrap();
            assert!(kept >= promised, "{kept} of {promised} records that were promised");
        }
        store.close();
    }
}

#[test]
fn a_batch_whose_sync_fails_is_not_acknowledged() {
    let sim = SimDisk::new();
    let (store, _) = open_on(&(Arc::new(sim.clone()) as Arc<dyn Disk>));
    let log = create(&store, 1, "clicks", &[("durability", "os"), ("flush.messages", "1")]);
    append(&store, &log, &["value-0"]).unwrap();
    let error = io::ErrorKind::Other;
    sim.add_rule(Rule { call: Call::Sync, path_contains: "clicks".to_owned(), after: 0, error });
    assert!(matches!(append(&store, &log, &["value-1"]), Err(AppendError::Poisoned(_))));
    sim.clear_rules();
    assert!(matches!(append(&store, &log, &["value-2"]), Err(AppendError::Poisoned(_))), "no later sync is tried");
    assert!(!store.health().writable);
    assert_eq!(read_all(&log), numbered(0..1), "consumers see what is durable");
}

#[test]
fn nobody_waits_for_the_sync_but_who_asked_for_it() {
    let gate = Gate::default();
    let disk: Arc<dyn Disk> = Arc::new(GateDisk { inner: Arc::new(SimDisk::new()), gate: gate.clone() });
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "clicks", &[("durability", "os"), ("flush.messages", "2")]);
    append(&store, &log, &["value-0"]).unwrap();
    gate.close();
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let mut second = store.append(set(&log, batch(&["value-1"], None)));
    // The third is written, read and answered while the second waits for the disk.
    assert_eq!(append(&store, &log, &["value-2"]), Ok(Appended::at(2, 0)));
    assert_eq!(read_all(&log), numbered(0..3));
    assert!(std::pin::Pin::new(&mut second).poll(&mut context).is_pending(), "it is promised to be durable");
    gate.open();
    assert_eq!(second.wait().unwrap(), [Ok(Appended::at(1, 0))]);
    store.close();
}

#[test]
fn a_batch_that_is_sent_again_waits_for_its_original() {
    let gate = Gate::default();
    let disk: Arc<dyn Disk> = Arc::new(GateDisk { inner: Arc::new(SimDisk::new()), gate: gate.clone() });
    let (store, _) = open_on(&disk);
    let log = create(&store, 1, "clicks", &[("durability", "os"), ("flush.messages", "1")]);
    append(&store, &log, &["value-0"]).unwrap();
    gate.close();
    let send = || store.append(set(&log, batch(&["value-1"], stamp(0))));
    let (first, mut again) = (send(), send());
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    assert!(std::pin::Pin::new(&mut again).poll(&mut context).is_pending());
    assert_eq!(log.tail().high_watermark, 1, "consumers see what is durable");
    gate.open();
    assert_eq!(first.wait().unwrap(), [Ok(Appended::at(1, 0))]);
    assert_eq!(again.wait().unwrap(), [Ok(Appended::at(1, 0))]);
    assert_eq!(log.tail().high_watermark, 2);
    store.close();
}

/// Holds syncs of segments back while it is closed.
#[derive(Clone, Debug, Default)]
struct Gate {
    state: Arc<(Mutex<bool>, Condvar)>,
}

impl Gate {
    fn close(&self) {
        *self.state.0.lock() = true;
    }

    fn open(&self) {
        *self.state.0.lock() = false;
        self.state.1.notify_all();
    }

    fn pass(&self) {
        let mut closed = self.state.0.lock();
        self.state.1.wait_while(&mut closed, |closed| *closed);
    }
}

#[derive(Debug)]
struct GateDisk {
    inner: Arc<dyn Disk>,
    gate: Gate,
}

#[derive(Debug)]
struct GateFile {
    inner: Arc<dyn DiskFile>,
    gate: Gate,
    is_segment: bool,
}

impl Disk for GateDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let is_segment = path.extension().is_some_and(|extension| extension == "log");
        Ok(Arc::new(GateFile { inner: self.inner.open(path, mode)?, gate: self.gate.clone(), is_segment }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        self.inner.list(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.inner.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.inner.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        self.inner.sync_dir(path)
    }

    fn exists(&self, path: &Path) -> bool {
        self.inner.exists(path)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.inner.lock(path)
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        self.inner.free_bytes(path)
    }
}

impl DiskFile for GateFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        self.inner.read_at(buffer, position)
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.inner.write_all_at(bytes, position)
    }

    fn write_vectored_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        self.inner.write_vectored_all_at(parts, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        if self.is_segment {
            self.gate.pass();
        }
        self.inner.sync_data()
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.inner.set_len(size)
    }

    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        self.inner.allocate(size)
    }
}
