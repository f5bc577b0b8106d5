//! The folder outside the clone where downloaded and built tools are kept between runs.
//! What goes in there is decided by its users; this file owns the place and the rule by which
//! an installation counts as finished.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The cache folder: `$LEVADA_CACHE`, or `~/.cache/levada`.
#[derive(Clone, Debug)]
pub(crate) struct Cache {
    root: PathBuf,
}

impl Cache {
    /// Finds the cache folder and creates it where it is missing.
    pub(crate) fn open() -> Result<Self> {
        let root = match std::env::var_os("LEVADA_CACHE") {
            Some(path) => PathBuf::from(path),
            None => PathBuf::from(std::env::var_os("HOME").context("neither `LEVADA_CACHE` nor `HOME` is set")?)
                .join(".cache/levada"),
        };
        fs::create_dir_all(&root).with_context(|| format!("cannot create `{}`", root.display()))?;
        let root = root.canonicalize()?;
        Ok(Self { root })
    }

    /// A folder in the cache, created where it is missing.
    pub(crate) fn folder(&self, name: &str) -> Result<PathBuf> {
        let path = self.root.join(name);
        fs::create_dir_all(&path).with_context(|| format!("cannot create `{}`", path.display()))?;
        Ok(path)
    }

    /// Installs something in the folder `name` unless exactly `recipe` was installed there before.
    ///
    /// `recipe` is the text that decides what is installed: a lock file, a list of versions. A changed
    /// recipe runs `install` again; an installation that fails leaves no mark and is repeated next time.
    pub(crate) fn install(
        &self,
        name: &str,
        recipe: &str,
        install: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let folder = self.folder(name)?;
        let mark = folder.join(".installed");
        if fs::read_to_string(&mark).is_ok_and(|installed| installed == recipe) {
            return Ok(folder);
        }
        if mark.exists() {
            fs::remove_file(&mark)?;
        }
        install(&folder).with_context(|| format!("cannot install `{name}`"))?;
        fs::write(&mark, recipe)?;
        Ok(folder)
    }
}
