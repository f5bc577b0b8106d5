//! What can go wrong with the journal.

use super::JournalPosition;
use crate::error::{DiskError, ErrorKind};
use std::path::PathBuf;

/// Why the journal could not be opened, written or read.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// A setting outside its bounds.
    #[error("journal setting `{name}` is {value}: {rule}")]
    Config {
        /// The setting.
        name: &'static str,
        /// Its value.
        value: u64,
        /// What is allowed.
        rule: &'static str,
    },
    /// An entry that no frame holds.
    #[error("journal entry of {size} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// Bytes of the entry.
        size: u64,
        /// Bytes that one frame holds.
        limit: u64,
    },
    /// All files hold what is still needed: something has to be released first.
    #[error("journal is full: {used} of {capacity} bytes are still needed")]
    Full {
        /// Bytes in use.
        used: u64,
        /// Bytes there may be.
        capacity: u64,
    },
    /// The disk is full. Nothing of the append is kept; later ones may succeed.
    #[error("no space left for the journal: {0}")]
    NoSpace(#[source] DiskError),
    /// The disk failed while the journal was opened or read.
    #[error(transparent)]
    Disk(#[from] DiskError),
    /// A write or sync failed: whether it reached the disk is unknown, and no later sync could tell.
    #[error("journal is poisoned: {cause}")]
    Poisoned {
        /// The first failure.
        cause: String,
    },
    /// A frame that was durable reads back wrong.
    #[error("journal file `{}` is corrupt at byte {position}: frame {sequence} was durable and does not read back", path.display())]
    Corrupt {
        /// Which file.
        path: PathBuf,
        /// Where in it.
        position: u64,
        /// Which frame.
        sequence: u64,
    },
    /// The journal has not what the checkpoint needs.
    #[error("journal in `{}` lacks frame {}: it holds {}", path.display(), wanted.0, show_found(*found))]
    Missing {
        /// The journal's directory.
        path: PathBuf,
        /// The first frame needed.
        wanted: JournalPosition,
        /// First and last frame found.
        found: Option<(JournalPosition, JournalPosition)>,
    },
    /// A frame by a later release.
    #[error("journal file `{}` has format version {version}, this release reads {}", path.display(), super::layout::FORMAT_VERSION)]
    UnsupportedVersion {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u16,
    },
    /// An entry of a kind that this release does not know.
    #[error(
        "journal frame {sequence} has an entry of unknown kind {kind} (this release reads format version {})",
        super::layout::FORMAT_VERSION
    )]
    UnknownEntry {
        /// Which frame.
        sequence: u64,
        /// The kind.
        kind: u8,
    },
    /// A frame whose checksum fits and whose entries do not.
    #[error("journal frame {sequence} does not hold the entries that it announces")]
    BadEntries {
        /// Which frame.
        sequence: u64,
    },
}

impl JournalError {
    /// What the caller can do.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        match self {
            Self::Config { .. } | Self::TooLarge { .. } => ErrorKind::Invalid,
            Self::UnsupportedVersion { .. } | Self::UnknownEntry { .. } => ErrorKind::Invalid,
            Self::Full { .. } | Self::NoSpace(_) | Self::Disk(_) => ErrorKind::Unavailable,
            Self::Corrupt { .. } | Self::Missing { .. } | Self::BadEntries { .. } => ErrorKind::Corrupt,
            Self::Poisoned { .. } => ErrorKind::Closed,
        }
    }
}

fn show_found(found: Option<(JournalPosition, JournalPosition)>) -> String {
    found.map_or_else(|| "none".to_owned(), |(first, last)| format!("{} to {}", first.0, last.0))
}
