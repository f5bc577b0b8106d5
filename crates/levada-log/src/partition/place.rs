//! Placing: batches are made durable in the segment before the log knows them, so that whoever decides elsewhere
//! whether they count can still give them up.

use super::{
    AppendError, DirtyFile, PartitionLog,
    append::{Effect, Run},
    sync::Work,
};
use crate::error::DiskError;
use levada_model::{Offset, Timestamp, record::StoredBatch};
use std::sync::Arc;

/// Batches in the file of the active segment, behind the end of the log: nobody reads them, an unclean start cuts them.
///
/// Nothing may be appended, or placed, before it is taken or given up.
#[derive(Debug)]
pub struct Placement {
    /// Of the active segment.
    base: Offset,
    effect: Effect,
}

impl Placement {
    /// Offset after the last of their records.
    #[must_use]
    pub const fn next_offset(&self) -> Offset {
        self.effect.mark.next_offset
    }
}

impl PartitionLog {
    /// Writes `batches` behind the end of the log; they are no part of it yet. `None` where one segment does not take
    /// all.
    ///
    /// Once [`Self::data_files`] are synced all is durable up to the end of the placement.
    ///
    /// # Errors
    /// [`AppendError`]; nothing was placed then.
    pub fn place(&mut self, batches: &[StoredBatch], now_ms: Timestamp) -> Result<Option<Placement>, AppendError> {
        if let Some(reason) = self.shared.poisoned() {
            return Err(AppendError::Poisoned(reason.to_owned()));
        }
        let headers = self.check(batches)?;
        if let Some(first) = batches.first().filter(|first| self.must_roll(&self.active.mark, first, now_ms)) {
            self.roll(self.base_for(first))?;
        }
        let mut run = Run::new(&self.active, now_ms);
        for (index, (batch, header)) in batches.iter().zip(&headers).enumerate() {
            if index > 0 && self.must_roll(&run.effect.mark, batch, now_ms) {
                return Ok(None);
            }
            run.add(batch, header);
        }
        self.put(&run)?;
        Ok(Some(Placement { base: self.active.mark.base_offset, effect: run.effect }))
    }

    /// Makes a placement part of the log.
    ///
    /// # Panics
    /// Where something was appended since: the placement is not there any more.
    pub fn take(&mut self, placement: Placement) {
        assert_eq!(self.active.mark.base_offset, placement.base, "nothing is rolled while batches are placed");
        self.adopt(placement.effect);
    }

    /// Cuts a placement off.
    ///
    /// # Errors
    /// [`AppendError::Poisoned`] where the file cannot be cut.
    pub fn give_up(&mut self, _: Placement) -> Result<(), AppendError> {
        let Some(file) = self.active.file.as_ref() else { return Ok(()) };
        file.set_len(self.active.mark.size_bytes).map_err(|error| {
            let error = DiskError::at("cut", self.active.segment.path())(error).to_string();
            self.shared.poison(&error);
            AppendError::Poisoned(error)
        })
    }

    /// Of [`Self::dirty_files`] those without which batches would not survive. The others stay for whoever asks for
    /// all: what they hold can be built again from the batches.
    pub fn data_files(&mut self) -> Vec<DirtyFile> {
        let (mut works, others) = std::mem::take(&mut self.dirty).into_iter().partition(Work::holds_batches);
        self.dirty = others;
        works.extend(self.unsynced_data());
        if std::mem::take(&mut self.segment_names_dirty) {
            works.push(Work::Names);
        }
        self.hand_out(works);
        self.outstanding.iter().filter(|file| file.holds_batches()).cloned().collect()
    }

    /// Adds `works` to what was handed out and is not durable yet.
    pub(super) fn hand_out(&mut self, works: Vec<Work>) {
        self.outstanding.retain(DirtyFile::is_outstanding);
        let files = works.into_iter().map(|work| DirtyFile::new(Arc::clone(&self.shared), work));
        self.outstanding.extend(files);
    }
}
