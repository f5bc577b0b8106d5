//! The flusher: syncs what `flush.messages` and `flush.ms` ask for, off the threads that append, and answers then.
//!
//! Whoever writes takes the dirty files out under the log's lock, right after the write, and leaves the syncs to this
//! thread. A log hands out again what is not durable yet, so that a flush waits for a checkpoint's syncs of the same
//! files and the other way round.

use super::{direct::Written, shared::Shared};
use crate::{
    append::{AppendError, AppendOutcome},
    log::Log,
    ticket::Promise,
};
use levada_log::partition::DirtyFile;
use levada_model::Offset;
use std::{collections::VecDeque, sync::Arc};

/// What has to be durable before a batch is answered.
#[derive(Debug)]
pub(crate) struct Flush {
    pub(crate) log: Arc<Log>,
    /// Where the log ended when the files were taken out.
    pub(crate) end: Offset,
    pub(crate) files: Vec<DirtyFile>,
}

/// The outcomes of one request, as far as they are known, and what they wait for.
#[derive(Debug, Default)]
pub(crate) struct Answer {
    pub(crate) outcomes: Vec<AppendOutcome>,
    /// Each with the outcome that waits for it.
    flushes: Vec<(usize, Flush)>,
}

impl Answer {
    /// Adds the outcome of the next entry.
    pub(crate) fn push(&mut self, written: Written) {
        self.outcomes.push(Err(AppendError::Closed));
        self.set(self.outcomes.len() - 1, written);
    }

    /// Puts an outcome in its place.
    pub(crate) fn set(&mut self, entry: usize, written: Written) {
        if let Some(place) = self.outcomes.get_mut(entry) {
            *place = written.outcome;
            self.flushes.extend(written.flush.map(|flush| (entry, flush)));
        }
    }

    /// Whether nothing has to be waited for.
    pub(crate) const fn is_known(&self) -> bool {
        self.flushes.is_empty()
    }

    /// Fulfils `promise`, once all is durable that was to be.
    pub(crate) fn give(self, shared: &Shared, promise: Promise<Vec<AppendOutcome>>) {
        if self.is_known() {
            promise.fulfil(self.outcomes);
        } else {
            shared.flushes.push(FlusherCommand::Answer { answer: self, promise });
        }
    }
}

/// A request to the flusher.
#[derive(Debug)]
pub(crate) enum FlusherCommand {
    /// Sync, then answer.
    Answer {
        answer: Answer,
        promise: Promise<Vec<AppendOutcome>>,
    },
    /// Sync: it was time.
    Flush(Flush),
    Close,
}

pub(crate) struct Flusher {
    shared: Arc<Shared>,
}

impl Flusher {
    pub(crate) const fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Serves until it is told to close.
    pub(crate) fn run(self) {
        let mut waiting = VecDeque::new();
        loop {
            self.shared.flushes.drain_into(&mut waiting, None);
            self.sync_together(&waiting);
            for command in waiting.drain(..) {
                match command {
                    FlusherCommand::Answer { mut answer, promise } => {
                        for (entry, flush) in std::mem::take(&mut answer.flushes) {
                            if let (Err(error), Some(place)) = (self.flush(&flush), answer.outcomes.get_mut(entry)) {
                                *place = Err(error);
                            }
                        }
                        promise.fulfil(answer.outcomes);
                    }
                    FlusherCommand::Flush(flush) => drop(self.flush(&flush)),
                    FlusherCommand::Close => return,
                }
            }
        }
    }

    /// Syncs the files of all that wait, several logs at a time. How it went for each, each asks afterwards.
    fn sync_together(&self, waiting: &VecDeque<FlusherCommand>) {
        let flushes = waiting.iter().flat_map(|command| match command {
            FlusherCommand::Answer { answer, .. } => answer.flushes.iter().map(|(_, flush)| flush).collect(),
            FlusherCommand::Flush(flush) => vec![flush],
            FlusherCommand::Close => Vec::new(),
        });
        let mut files: Vec<DirtyFile> = flushes.flat_map(|flush| flush.files.iter().cloned()).collect();
        files.sort_by_key(|file| file.log().id());
        if let Err(reason) = self.shared.sync_files(&files) {
            self.shared.set_poisoned(reason);
        }
    }

    /// Shows consumers what is durable now.
    fn flush(&self, flush: &Flush) -> Result<(), AppendError> {
        match flush.files.iter().try_for_each(DirtyFile::sync) {
            Ok(()) => {
                flush.log.advance_high_watermark(flush.end);
                Ok(())
            }
            Err(_) if flush.log.is_closed() => Err(AppendError::Closed),
            Err(error) => {
                self.shared.set_poisoned(error.to_string());
                Err(AppendError::Poisoned(error.to_string()))
            }
        }
    }
}
