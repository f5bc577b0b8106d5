//! For those who read several logs as of one moment: a [`Cut`], and the [`Hold`] that keeps its data.

pub(crate) mod spans;

use crate::log::Log;
use levada_model::{LogId, Offset};
use parking_lot::Mutex;
use spans::Spans;
use std::{collections::BTreeMap, sync::Arc};

/// An offset for each of several logs, at or below each last stable offset.
///
/// Each producer transaction over journalled logs lies wholly below or wholly above it.
#[derive(Clone, Debug)]
pub struct Cut {
    offsets: Vec<(Arc<Log>, Offset)>,
}

impl Cut {
    /// The latest of `logs`; `None` while a transaction is open that was so when the store was opened.
    pub(crate) fn of(spans: &Mutex<Spans>, logs: impl IntoIterator<Item = Arc<Log>>) -> Option<Self> {
        // While it is held no round is published.
        let spans = spans.lock();
        if !spans.is_whole() {
            return None;
        }
        let logs: Vec<Arc<Log>> = logs.into_iter().collect();
        let mut offsets: BTreeMap<LogId, Offset> =
            logs.iter().map(|log| (log.id(), log.tail().last_stable_offset)).collect();
        spans.mend(&mut offsets);
        let at = |log: Arc<Log>| {
            // Retention may have gone further.
            let offset = offsets.get(&log.id()).copied().unwrap_or(0).max(log.tail().log_start_offset);
            (log, offset)
        };
        Some(Self { offsets: logs.into_iter().map(at).collect() })
    }

    /// The logs and, of each, the first offset that is not part of the cut.
    pub fn offsets(&self) -> impl Iterator<Item = (&Arc<Log>, Offset)> {
        self.offsets.iter().map(|(log, offset)| (log, *offset))
    }

    /// Keeps retention and compaction from taking records at or above the cut, and compaction from taking those below
    /// for the sake of later ones, until the guard is dropped.
    ///
    /// DeleteRecords, which somebody asked for by offset, is carried out all the same.
    #[must_use]
    pub fn hold(&self) -> Hold {
        Hold::of(self.offsets.iter().cloned())
    }
}

/// Keeps the data of a [`Cut`] while it lives.
#[derive(Debug)]
pub struct Hold {
    offsets: Vec<(Arc<Log>, Offset)>,
}

impl Hold {
    /// Holds logs at offsets that were a cut once, in an earlier life of the store say; as [`Cut::hold`].
    ///
    /// What was taken before stays gone: whoever reads is told.
    #[must_use]
    pub fn of(offsets: impl IntoIterator<Item = (Arc<Log>, Offset)>) -> Self {
        let offsets: Vec<(Arc<Log>, Offset)> = offsets.into_iter().collect();
        for (log, offset) in &offsets {
            log.holds.add(*offset);
        }
        Self { offsets }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        for (log, offset) in &self.offsets {
            log.holds.remove(*offset);
        }
    }
}

/// The holds on one log.
#[derive(Debug, Default)]
pub(crate) struct Holds {
    counts: Mutex<BTreeMap<Offset, usize>>,
}

impl Holds {
    fn add(&self, offset: Offset) {
        *self.counts.lock().entry(offset).or_default() += 1;
    }

    fn remove(&self, offset: Offset) {
        let mut counts = self.counts.lock();
        if let Some(count) = counts.get_mut(&offset) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&offset);
            }
        }
    }

    /// The first offset that somebody needs.
    pub(crate) fn first(&self) -> Option<Offset> {
        self.counts.lock().keys().next().copied()
    }
}
