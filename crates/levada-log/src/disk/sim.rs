//! [`SimDisk`]: a whole file system in memory that knows what a power cut may take, and fails on demand.
//!
//! Bytes are durable after a sync of their file, names after a sync of their directory. A power cut keeps or
//! loses each unsynced sector of 512 bytes, each size and each change of a name on its own. Every call of the
//! traits is counted and can be made to fail.

mod file;
mod tree;

use super::{DirEntry, Disk, DiskFile, OpenMode};
use levada_model::{Rng, SeededRng};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, IoSlice},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};
use tree::{NodeId, Tree};

/// What happens at a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The process dies before the call: this one and all later ones fail.
    Kill,
    /// The call fails; a write has done half of its bytes, a sync never makes them durable.
    Error(io::ErrorKind),
    /// The process dies within the call: a write has done half of its bytes.
    TornWrite,
}

/// A kind of call, for [`Rule`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Call {
    /// [`Disk::open`], [`Disk::exists`], [`Disk::list`], [`Disk::free_bytes`], [`Disk::lock`], [`DiskFile::len`].
    Look,
    /// [`DiskFile::read_at`], [`DiskFile::read_cached_at`].
    Read,
    /// [`DiskFile::write_all_at`], [`DiskFile::write_vectored_all_at`].
    Write,
    /// [`DiskFile::sync_data`].
    Sync,
    /// [`DiskFile::set_len`], [`DiskFile::allocate`].
    Resize,
    /// [`Disk::open`] where it creates, [`Disk::create_dir_all`], [`Disk::rename`], removals.
    Name,
    /// [`Disk::sync_dir`].
    SyncDir,
}

/// Calls that fail for as long as the rule stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which calls.
    pub call: Call,
    /// A part of the path.
    pub path_contains: String,
    /// How many such calls still pass.
    pub after: u64,
    /// How the others fail.
    pub error: io::ErrorKind,
}

/// A file system in memory. Clones share it.
#[derive(Clone, Debug, Default)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    tree: Tree,
    calls: u64,
    faults: BTreeMap<u64, Fault>,
    rules: Vec<Rule>,
    capacity: Option<u64>,
    dead: bool,
    locks: BTreeSet<PathBuf>,
}

/// How a call goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Pass,
    Fail(io::ErrorKind),
    Dead,
    DieWithin,
}

impl SimDisk {
    /// An empty disk.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Calls made so far.
    #[must_use]
    pub fn calls(&self) -> u64 {
        self.state().calls
    }

    /// Whether the simulated process has died: every call fails.
    #[must_use]
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Lets the `call`-th call (the first is 1) fail.
    pub fn fail_at(&self, call: u64, fault: Fault) {
        self.state().faults.insert(call, fault);
    }

    /// Lets calls fail by kind and path, until [`Self::clear_rules`].
    pub fn add_rule(&self, rule: Rule) {
        self.state().rules.push(rule);
    }

    /// Ends all rules.
    pub fn clear_rules(&self) {
        self.state().rules.clear();
    }

    /// Limits the sum of all file sizes; `None` for no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.state().capacity = bytes;
    }

    /// Flips a byte of a file, as if the medium had rotted.
    ///
    /// # Errors
    /// Where the file or the position is not there.
    pub fn rot(&self, path: &Path, position: u64) -> io::Result<()> {
        let mut state = self.state();
        let node = state.tree.find_file(path)?;
        state.file(node)?.rot(position)
    }

    /// The disk as a new process finds it after the old one was killed: all is there, and nothing more is durable.
    #[must_use]
    pub fn restart(&self) -> Self {
        self.with_tree(|tree| tree.clone())
    }

    /// The disk as a restart after a power cut finds it. Each `seed` is another cut of the same moment; some lose
    /// all that is not durable, some nothing.
    #[must_use]
    pub fn power_cut(&self, seed: u64) -> Self {
        self.with_tree(|tree| tree.after_power_cut(&Dice::new(seed)))
    }

    fn with_tree(&self, make: impl FnOnce(&Tree) -> Tree) -> Self {
        let state = self.state();
        let (tree, capacity) = (make(&state.tree), state.capacity);
        Self { state: Arc::new(Mutex::new(State { tree, capacity, ..State::default() })) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts a call that has no halfway.
    fn enter(&self, call: Call, path: &Path) -> io::Result<MutexGuard<'_, State>> {
        let mut state = self.state();
        match state.judge(call, path) {
            Verdict::Pass => Ok(state),
            Verdict::Fail(kind) => Err(kind.into()),
            Verdict::Dead | Verdict::DieWithin => Err(dead()),
        }
    }
}

fn dead() -> io::Error {
    io::Error::other("the simulated process is dead")
}

impl State {
    fn judge(&mut self, call: Call, path: &Path) -> Verdict {
        if self.dead {
            return Verdict::Dead;
        }
        self.calls += 1;
        match self.faults.remove(&self.calls) {
            Some(Fault::Error(kind)) => return Verdict::Fail(kind),
            Some(Fault::Kill) => self.dead = true,
            Some(Fault::TornWrite) => {
                self.dead = true;
                return Verdict::DieWithin;
            }
            None => {}
        }
        if self.dead {
            return Verdict::Dead;
        }
        let path = path.to_string_lossy();
        for rule in self.rules.iter_mut().filter(|rule| rule.call == call && path.contains(&rule.path_contains)) {
            if rule.after == 0 {
                return Verdict::Fail(rule.error);
            }
            rule.after -= 1;
        }
        Verdict::Pass
    }

    fn file(&mut self, node: NodeId) -> io::Result<&mut file::FileData> {
        self.tree.files.get_mut(&node).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// The largest size that a file of `size` bytes can grow to.
    fn size_limit(&self, size: u64) -> u64 {
        self.capacity.map_or(u64::MAX, |capacity| size + capacity.saturating_sub(self.tree.bytes_used()))
    }

    fn write(&mut self, node: NodeId, bytes: &[u8], position: u64) -> io::Result<()> {
        let size = self.file(node)?.size;
        let room = self.size_limit(size).max(size).saturating_sub(position);
        let fits = usize::try_from(room).unwrap_or(usize::MAX).min(bytes.len());
        self.file(node)?.write(bytes.get(..fits).unwrap_or(bytes), position);
        if fits < bytes.len() { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }

    fn resize(&mut self, node: NodeId, size: u64) -> io::Result<()> {
        let old_size = self.file(node)?.size;
        if size > old_size && size > self.size_limit(old_size) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        self.file(node)?.set_len(size);
        Ok(())
    }
}

impl Disk for SimDisk {
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn DiskFile>> {
        let call = if mode == OpenMode::Create { Call::Name } else { Call::Look };
        let mut state = self.enter(call, path)?;
        let node = match state.tree.find_file(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && mode == OpenMode::Create => {
                state.tree.create_file(path)?
            }
            found => found?,
        };
        drop(state);
        let writable = mode != OpenMode::Read;
        Ok(Arc::new(SimFile { disk: self.clone(), node, path: path.to_owned(), writable }))
    }

    fn create_dir_all(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Name, path)?.tree.create_dir_all(path)
    }

    fn list(&self, path: &Path) -> io::Result<Vec<DirEntry>> {
        let state = self.enter(Call::Look, path)?;
        let dir = state.tree.find_dir(path)?;
        let entry = |(name, file): (&String, Option<&file::FileData>)| {
            let (is_dir, size) = (file.is_none(), file.map_or(0, |file| file.size));
            DirEntry { name: name.clone(), is_dir, size }
        };
        Ok(state.tree.names(dir).map(entry).collect())
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.enter(Call::Name, from)?.tree.rename(from, to)
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Name, path)?.tree.remove_file(path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        self.enter(Call::Name, path)?.tree.remove_dir_all(path)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.enter(Call::SyncDir, path)?;
        let dir = state.tree.find_dir(path)?;
        state.tree.sync_dir(dir);
        Ok(())
    }

    fn exists(&self, path: &Path) -> bool {
        match self.enter(Call::Look, path).and_then(|state| state.tree.find(path)) {
            Ok(_) => true,
            Err(error) => !matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory),
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let mut state = self.enter(Call::Look, path)?;
        if state.tree.find(path).is_err() {
            state.tree.create_file(path)?;
        }
        if !state.locks.insert(path.to_owned()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        drop(state);
        Ok(Box::new(Held { disk: self.clone(), path: path.to_owned() }))
    }

    fn free_bytes(&self, path: &Path) -> io::Result<u64> {
        let state = self.enter(Call::Look, path)?;
        state.tree.find(path)?;
        Ok(state.size_limit(0).min(1 << 40))
    }
}

/// A lock that is taken.
struct Held {
    disk: SimDisk,
    path: PathBuf,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

/// An open file. It lives on while it has no name.
#[derive(Debug)]
struct SimFile {
    disk: SimDisk,
    node: NodeId,
    path: PathBuf,
    writable: bool,
}

impl SimFile {
    /// Writes `bytes`, or half of them where the call fails.
    fn write(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        let mut state = self.disk.state();
        let verdict = state.judge(Call::Write, &self.path);
        if !self.writable {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let half = bytes.get(..bytes.len() / 2).unwrap_or_default();
        match verdict {
            Verdict::Pass => state.write(self.node, bytes, position),
            Verdict::Dead => Err(dead()),
            Verdict::Fail(kind) => state.write(self.node, half, position).and(Err(kind.into())),
            Verdict::DieWithin => state.write(self.node, half, position).and(Err(dead())),
        }
    }
}

impl DiskFile for SimFile {
    fn read_at(&self, buffer: &mut [u8], position: u64) -> io::Result<usize> {
        Ok(self.disk.enter(Call::Read, &self.path)?.file(self.node)?.read(buffer, position))
    }

    fn write_all_at(&self, bytes: &[u8], position: u64) -> io::Result<()> {
        self.write(bytes, position)
    }

    fn write_vectored_all_at(&self, parts: &[IoSlice<'_>], position: u64) -> io::Result<()> {
        let mut bytes = Vec::with_capacity(parts.iter().map(|part| part.len()).sum());
        parts.iter().for_each(|part| bytes.extend_from_slice(part));
        self.write(&bytes, position)
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = self.disk.state();
        let verdict = state.judge(Call::Sync, &self.path);
        let file = state.file(self.node)?;
        match verdict {
            Verdict::Pass => {
                file.sync();
                Ok(())
            }
            Verdict::Fail(kind) => {
                file.give_up();
                Err(kind.into())
            }
            Verdict::Dead | Verdict::DieWithin => Err(dead()),
        }
    }

    fn set_len(&self, size: u64) -> io::Result<()> {
        self.disk.enter(Call::Resize, &self.path)?.resize(self.node, size)
    }

    fn len(&self) -> io::Result<u64> {
        Ok(self.disk.enter(Call::Look, &self.path)?.file(self.node)?.size)
    }

    fn allocate(&self, size: u64) -> io::Result<()> {
        let mut state = self.disk.enter(Call::Resize, &self.path)?;
        let grown = state.file(self.node)?.size.max(size);
        state.resize(self.node, grown)
    }
}

/// What a power cut decides by.
#[derive(Debug)]
struct Dice {
    rng: SeededRng,
    luck: Luck,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Luck {
    LosesAll,
    KeepsAll,
    Even,
}

impl Dice {
    fn new(seed: u64) -> Self {
        let rng = SeededRng::new(seed);
        let luck = match rng.next_u64() % 8 {
            0 => Luck::LosesAll,
            1 => Luck::KeepsAll,
            _ => Luck::Even,
        };
        Self { rng, luck }
    }

    /// Whether something not durable is there after all.
    fn keeps(&self) -> bool {
        match self.luck {
            Luck::LosesAll => false,
            Luck::KeepsAll => true,
            Luck::Even => self.rng.next_u64().is_multiple_of(2),
        }
    }

    /// Which of `count` older versions of a sector is there.
    fn old_version(&self, count: usize) -> usize {
        let drawn = self.rng.next_u64() % u64::try_from(count.max(1)).unwrap_or(1);
        if self.luck == Luck::LosesAll { 0 } else { usize::try_from(drawn).unwrap_or(0) }
    }

    /// A size between the durable and the present one.
    fn size(&self, durable: u64, present: u64) -> u64 {
        if self.keeps() {
            return present;
        }
        let (low, high) = (durable.min(present), durable.max(present));
        let between = low + self.rng.next_u64() % (high - low + 1);
        if self.keeps() { between } else { durable }
    }
}

#[cfg(test)]
mod tests;
