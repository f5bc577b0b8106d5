//! [`Tree`]: the names of a simulated file system, and which of them a power cut may undo.

use super::{Dice, file::FileData};
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    path::{Component, Path},
};

/// A file or directory, whatever it is called.
pub(super) type NodeId = u64;
/// The directory under which all names are.
pub(super) const ROOT: NodeId = 0;

type Names = BTreeMap<String, NodeId>;

/// A change of names that is not synced.
#[derive(Clone, Debug)]
enum Change {
    Add { dir: NodeId, name: String, node: NodeId },
    Remove { dir: NodeId, name: String },
    Rename { from: (NodeId, String), to: (NodeId, String), node: NodeId },
}

impl Change {
    const fn dirs(&self) -> [NodeId; 2] {
        match self {
            Self::Add { dir, .. } | Self::Remove { dir, .. } => [*dir, *dir],
            Self::Rename { from, to, .. } => [from.0, to.0],
        }
    }

    fn apply(&self, dirs: &mut BTreeMap<NodeId, Names>) {
        match self {
            Self::Add { dir, name, node } => drop(dirs.entry(*dir).or_default().insert(name.clone(), *node)),
            Self::Remove { dir, name } => drop(dirs.entry(*dir).or_default().remove(name)),
            Self::Rename { from, to, node } => {
                dirs.entry(from.0).or_default().remove(&from.1);
                dirs.entry(to.0).or_default().insert(to.1.clone(), *node);
            }
        }
    }
}

/// All files and directories.
#[derive(Clone, Debug)]
pub(super) struct Tree {
    pub(super) files: BTreeMap<NodeId, FileData>,
    /// As they are seen now.
    dirs: BTreeMap<NodeId, Names>,
    /// As a power cut leaves them, but for `changes`.
    durable: BTreeMap<NodeId, Names>,
    changes: Vec<Change>,
    next_node: NodeId,
}

impl Default for Tree {
    fn default() -> Self {
        let dirs = BTreeMap::from([(ROOT, Names::new())]);
        Self { files: BTreeMap::new(), durable: dirs.clone(), dirs, changes: Vec::new(), next_node: ROOT + 1 }
    }
}

impl Tree {
    pub(super) fn find(&self, path: &Path) -> io::Result<NodeId> {
        let mut node = ROOT;
        for name in names(path)? {
            let dir = self.dirs.get(&node).ok_or(io::ErrorKind::NotADirectory)?;
            node = *dir.get(name).ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    pub(super) fn find_file(&self, path: &Path) -> io::Result<NodeId> {
        let node = self.find(path)?;
        if self.files.contains_key(&node) { Ok(node) } else { Err(io::ErrorKind::IsADirectory.into()) }
    }

    pub(super) fn find_dir(&self, path: &Path) -> io::Result<NodeId> {
        let node = self.find(path)?;
        if self.dirs.contains_key(&node) { Ok(node) } else { Err(io::ErrorKind::NotADirectory.into()) }
    }

    /// The directory of the last component, and that component.
    fn place(&self, path: &Path) -> io::Result<(NodeId, String)> {
        let all = names(path)?;
        let (last, parents) = all.split_last().ok_or(io::ErrorKind::InvalidInput)?;
        Ok((self.find_dir(&parents.iter().collect::<std::path::PathBuf>())?, (*last).to_owned()))
    }

    fn change(&mut self, change: Change) {
        change.apply(&mut self.dirs);
        self.changes.push(change);
    }

    pub(super) fn create_file(&mut self, path: &Path) -> io::Result<NodeId> {
        let (dir, name) = self.place(path)?;
        let node = self.take_node();
        self.files.insert(node, FileData::default());
        self.change(Change::Add { dir, name, node });
        Ok(node)
    }

    pub(super) fn create_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let mut dir = ROOT;
        for name in names(path)? {
            let names = self.dirs.get(&dir).ok_or(io::ErrorKind::NotADirectory)?;
            dir = match names.get(name) {
                Some(&node) => node,
                None => {
                    let node = self.take_node();
                    self.dirs.insert(node, Names::new());
                    self.durable.insert(node, Names::new());
                    self.change(Change::Add { dir, name: name.to_owned(), node });
                    node
                }
            };
        }
        if self.dirs.contains_key(&dir) { Ok(()) } else { Err(io::ErrorKind::AlreadyExists.into()) }
    }

    fn take_node(&mut self) -> NodeId {
        self.next_node += 1;
        self.next_node - 1
    }

    pub(super) fn names(&self, dir: NodeId) -> impl Iterator<Item = (&String, Option<&FileData>)> {
        self.dirs.get(&dir).into_iter().flatten().map(|(name, node)| (name, self.files.get(node)))
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let node = self.find(from)?;
        let (from, to) = (self.place(from)?, self.place(to)?);
        let replaced = self.dirs.get(&to.0).and_then(|names| names.get(&to.1));
        if replaced.is_some_and(|replaced| self.dirs.contains_key(replaced)) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if from != to {
            self.change(Change::Rename { from, to, node });
        }
        Ok(())
    }

    pub(super) fn remove_file(&mut self, path: &Path) -> io::Result<()> {
        self.find_file(path)?;
        let (dir, name) = self.place(path)?;
        self.change(Change::Remove { dir, name });
        Ok(())
    }

    pub(super) fn remove_dir_all(&mut self, path: &Path) -> io::Result<()> {
        let dir = self.find_dir(path)?;
        let inner: Vec<String> = self.names(dir).map(|(name, _)| name.clone()).collect();
        for name in inner {
            let path = path.join(name);
            if self.find_file(&path).is_ok() { self.remove_file(&path)? } else { self.remove_dir_all(&path)? }
        }
        let (dir, name) = self.place(path)?;
        self.change(Change::Remove { dir, name });
        Ok(())
    }

    /// Makes the changes in `dir` durable, and those in other directories that renames tie to them.
    pub(super) fn sync_dir(&mut self, dir: NodeId) {
        let mut dirs = BTreeSet::from([dir]);
        let mut synced = vec![false; self.changes.len()];
        for (change, synced) in self.changes.iter().zip(&mut synced).rev() {
            if change.dirs().iter().any(|dir| dirs.contains(dir)) {
                *synced = true;
                dirs.extend(change.dirs());
            }
        }
        let durable = &mut self.durable;
        let mut synced = synced.into_iter();
        self.changes.retain(|change| {
            let commit = synced.next().unwrap_or(false);
            if commit {
                change.apply(durable);
            }
            !commit
        });
    }

    /// Bytes of the files that have a name.
    pub(super) fn bytes_used(&self) -> u64 {
        let named = self.dirs.values().flat_map(BTreeMap::values);
        named.filter_map(|node| self.files.get(node)).map(|file| file.size).sum()
    }

    /// What a restart after a power cut finds.
    pub(super) fn after_power_cut(&self, dice: &Dice) -> Self {
        let mut durable = self.durable.clone();
        self.changes.iter().filter(|_| dice.keeps()).for_each(|change| change.apply(&mut durable));
        let files = self.files.iter().map(|(&node, file)| (node, file.after_power_cut(dice))).collect();
        let mut left = Self { files, dirs: durable.clone(), durable, changes: Vec::new(), next_node: self.next_node };
        left.forget_unnamed();
        left
    }

    fn forget_unnamed(&mut self) {
        let mut named = BTreeSet::from([ROOT]);
        let mut open = vec![ROOT];
        while let Some(dir) = open.pop() {
            for &node in self.dirs.get(&dir).into_iter().flat_map(BTreeMap::values) {
                if named.insert(node) {
                    open.push(node);
                }
            }
        }
        self.files.retain(|node, _| named.contains(node));
        self.dirs.retain(|node, _| named.contains(node));
        self.durable.retain(|node, _| named.contains(node));
    }
}

fn names(path: &Path) -> io::Result<Vec<&str>> {
    let mut names = Vec::new();
    for component in path.components() {
        match component {
            Component::RootDir | Component::CurDir => {}
            Component::Normal(name) => names.push(name.to_str().ok_or(io::ErrorKind::InvalidInput)?),
            Component::ParentDir | Component::Prefix(_) => return Err(io::ErrorKind::InvalidInput.into()),
        }
    }
    Ok(names)
}
