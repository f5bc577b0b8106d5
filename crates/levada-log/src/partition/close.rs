//! A clean end: every file as Kafka's tools expect it, synced.

use super::{LogCheckpoint, PartitionLog, SyncError, layout::FileKind, producer::snapshot, sync::Work};

impl PartitionLog {
    /// Writes and syncs everything and gives the log up. Where nothing changed since it was opened, nothing is written.
    ///
    /// # Errors
    /// [`SyncError`]; the log must then be opened as after an unclean end.
    pub fn close(mut self) -> Result<LogCheckpoint, SyncError> {
        if self.touched {
            self.active.segment.seal(&self.active.builder);
            let sealed = Work::Sealed { segment: self.active.segment.clone(), sidecar: self.sidecar() };
            let bytes = snapshot::encode(&self.producers);
            let base = self.next_offset();
            self.epochs_dirty = true;
            self.names_dirty = true;
            let data = self.unsynced_data();
            self.dirty.extend(data);
            self.dirty.push(sealed);
            self.dirty.push(Work::Beside { base, kind: FileKind::Snapshot, bytes });
        }
        for file in self.dirty_files() {
            file.sync()?;
        }
        self.active.segment.unpin();
        Ok(self.checkpoint())
    }
}
