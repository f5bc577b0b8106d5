//! What the errors of this crate share: [`ErrorKind`], what a caller can do about one, and [`DiskError`].

use std::{
    io,
    path::{Path, PathBuf},
};

/// What a caller can do about an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// The caller's fault.
    Invalid,
    /// Try again later.
    Unavailable,
    /// The data is wrong.
    Corrupt,
    /// No more is taken.
    Closed,
}

/// An operation of the disk that failed.
#[derive(Debug, thiserror::Error)]
#[error("{action} `{}`: {source}", path.display())]
pub struct DiskError {
    /// What was tried: `open`, `read`, `write`, `sync`, …
    pub action: &'static str,
    /// On what.
    pub path: PathBuf,
    /// What the operating system said.
    pub source: io::Error,
}

impl DiskError {
    /// For `map_err`: names the action and the path.
    pub(crate) fn at(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| Self { action, path, source }
    }

    /// Whether the disk, or our share of it, is full.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(
            self.source.kind(),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
        )
    }
}
