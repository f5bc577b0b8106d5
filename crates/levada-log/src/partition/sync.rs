//! [`DirtyFile`]: what another thread makes durable, without owning the log.

use super::{
    error::SyncError,
    layout::{EPOCHS_FILE, FileKind, METADATA_FILE, segment_path},
    reader::LogReader,
    segment::Segment,
};
use crate::disk::DiskFile;
use crate::error::DiskError;
use bytes::Bytes;
use levada_model::Offset;
use parking_lot::Mutex;
use std::{fmt, path::Path, sync::Arc};

/// One thing to make durable; a checkpoint taken after it was handed out is durable once all of them are.
///
/// Clones are the same thing: it is done once, and whoever comes meanwhile waits. A failure poisons the log: nothing
/// of it is synced again, because a sync that follows a failed one proves nothing.
#[derive(Clone)]
pub struct DirtyFile {
    log: Arc<LogReader>,
    /// `None` once it is durable.
    work: Arc<Mutex<Option<Work>>>,
}

pub(super) enum Work {
    /// The bytes of a `.log`.
    Data { file: Arc<dyn DiskFile>, base: Offset, bytes: u64 },
    /// The indexes of a segment that takes no more appends, and what stands beside it.
    Sealed { segment: Arc<Segment>, sidecar: Bytes },
    /// A small file that is replaced as a whole.
    Beside { base: Offset, kind: FileKind, bytes: Bytes },
    /// The leader epochs.
    Epochs { text: String },
    /// Whose the directory is.
    Identity { file: Arc<dyn DiskFile> },
    /// The names in the directory.
    Names,
    /// The directory's own name.
    Place,
}

impl fmt::Debug for DirtyFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.work.try_lock().as_deref() {
            None => "something under way".to_owned(),
            Some(None) => "something durable".to_owned(),
            Some(Some(Work::Data { base, bytes, .. })) => format!("{bytes} bytes of segment {base}"),
            Some(Some(Work::Sealed { segment, .. })) => format!("indexes of segment {}", segment.base()),
            Some(Some(Work::Beside { base, kind, .. })) => format!("{kind:?} of segment {base}"),
            Some(Some(Work::Epochs { .. })) => EPOCHS_FILE.to_owned(),
            Some(Some(Work::Identity { .. })) => METADATA_FILE.to_owned(),
            Some(Some(Work::Names)) => "names".to_owned(),
            Some(Some(Work::Place)) => "the directory's name".to_owned(),
        };
        write!(f, "DirtyFile({what} in `{}`)", self.log.dir.display())
    }
}

impl DirtyFile {
    pub(super) fn new(log: Arc<LogReader>, work: Work) -> Self {
        Self { log, work: Arc::new(Mutex::new(Some(work))) }
    }

    /// Whether it is not known to be durable: not begun, under way, or failed.
    pub(super) fn is_outstanding(&self) -> bool {
        self.work.try_lock().is_none_or(|work| work.is_some())
    }

    /// [`Work::holds_batches`] of its work; true, too, while another thread syncs it.
    pub(super) fn holds_batches(&self) -> bool {
        self.work.try_lock().is_none_or(|work| work.as_ref().is_some_and(Work::holds_batches))
    }

    /// Whose log it belongs to.
    #[must_use]
    pub fn log(&self) -> &Arc<LogReader> {
        &self.log
    }

    /// The directory of which only the names have to be synced, and which many logs share: once for all of them will
    /// do, and is then [`Self::settle`]d.
    #[must_use]
    pub fn shared_dir(&self) -> Option<&Path> {
        let is_place = matches!(self.work.try_lock().as_deref(), Some(Some(Work::Place)));
        self.log.dir.parent().filter(|_| is_place)
    }

    /// Its shared directory was synced, after this was handed out.
    pub fn settle(&self) {
        *self.work.lock() = None;
    }

    /// Makes it durable. Blocks.
    ///
    /// # Errors
    /// [`SyncError`]; the log is then poisoned. A full disk is no error where what is missing can be built again.
    pub fn sync(&self) -> Result<(), SyncError> {
        let mut work = self.work.lock();
        let Some(left) = work.as_ref() else { return Ok(()) };
        if let Some(reason) = self.log.poisoned() {
            return Err(SyncError::Poisoned(reason.to_owned()));
        }
        left.run(&self.log).map_err(|error| {
            self.log.poison(&error.to_string());
            SyncError::Disk(error)
        })?;
        *work = None;
        Ok(())
    }
}

impl Work {
    /// Whether acknowledged batches need it on disk. All other files can be built again from the batches.
    pub(super) const fn holds_batches(&self) -> bool {
        match self {
            Self::Data { .. } | Self::Identity { .. } | Self::Names | Self::Place => true,
            Self::Sealed { .. } | Self::Beside { .. } | Self::Epochs { .. } => false,
        }
    }

    pub(super) fn run(&self, log: &LogReader) -> Result<(), DiskError> {
        match self {
            Self::Data { file, base, .. } => {
                file.sync_data().map_err(DiskError::at("sync", &segment_path(&log.dir, *base, FileKind::Log)))
            }
            Self::Sealed { segment, sidecar } => {
                let written = write_sealed(log, segment, sidecar);
                if written.is_err() {
                    // Files of an earlier end of this segment must not pass for these.
                    for kind in [FileKind::OffsetIndex, FileKind::TimeIndex] {
                        drop(log.files.disk().remove_file(&segment_path(&log.dir, segment.base(), kind)));
                    }
                }
                segment.unpin();
                log.files.opened(segment);
                unless_full(log, written)
            }
            Self::Beside { base, kind, bytes } => {
                unless_full(log, log.files.replace(&segment_path(&log.dir, *base, *kind), bytes))
            }
            Self::Epochs { text } => unless_full(log, log.files.replace(&log.dir.join(EPOCHS_FILE), text.as_bytes())),
            Self::Identity { file } => file.sync_data().map_err(DiskError::at("sync", &log.dir.join(METADATA_FILE))),
            Self::Names => log.files.sync_dir(&log.dir),
            Self::Place => log.dir.parent().map_or(Ok(()), |parent| log.files.sync_dir(parent)),
        }
    }
}

fn write_sealed(log: &LogReader, segment: &Arc<Segment>, sidecar: &Bytes) -> Result<(), DiskError> {
    let path = |kind| segment_path(&log.dir, segment.base(), kind);
    match segment.load_indexes(&log.files) {
        Ok(()) => {
            let (offsets, times) = segment.encoded_indexes();
            log.files.replace(&path(FileKind::OffsetIndex), &offsets)?;
            log.files.replace(&path(FileKind::TimeIndex), &times)?;
            segment.trust_index_files();
        }
        // The next read of that place names it; the indexes are only hints.
        Err(error) => tracing::warn!(%error, segment = segment.base(), "a segment's indexes could not be built"),
    }
    log.files.replace(&path(FileKind::Sidecar), sidecar)
}

/// What this file holds is in the checkpoint, or can be built from the log: a full disk does not end the log.
fn unless_full(log: &LogReader, written: Result<(), DiskError>) -> Result<(), DiskError> {
    match written {
        Err(error) if error.is_full() => {
            tracing::warn!(%error, dir = %log.dir.display(), "no space for a file beside the log");
            Ok(())
        }
        other => other,
    }
}
