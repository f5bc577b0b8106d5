//! [`Transactions`]: which batches belong to aborted transactions, and which markers have nothing left to mark.
//!
//! Fed with every batch of a log in order. Source: KIP-98, KIP-534.

use crate::partition::AbortedTransaction;
use levada_model::{Offset, batch::BatchHeader};
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// How a transaction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    Abort,
    Commit,
    /// No record is left in it: it was dropped before.
    Emptied,
    /// A control record that ends no transaction.
    Other,
}

impl Marker {
    /// Of a control record's key: its version, then 0 for an abort and 1 for a commit.
    pub(super) fn of_key(key: Option<&[u8]>) -> Self {
        match key.and_then(|key| key.get(2..4)) {
            Some([0, 0]) => Self::Abort,
            Some([0, 1]) => Self::Commit,
            _ => Self::Other,
        }
    }
}

#[derive(Clone, Copy, Debug)]
struct Aborted {
    transaction: AbortedTransaction,
    has_batches: bool,
}

/// What is known at one place of the log.
#[derive(Clone, Debug, Default)]
pub(super) struct Transactions {
    /// Those that begin further on, by first offset.
    ahead: VecDeque<AbortedTransaction>,
    aborted: BTreeMap<i64, Aborted>,
    /// Producers of which batches were seen that no abort is known of.
    others: BTreeSet<i64>,
    /// Offsets of markers of aborts that go.
    gone: BTreeSet<Offset>,
}

impl Transactions {
    pub(super) fn new(aborted: &[AbortedTransaction]) -> Self {
        let mut ahead = aborted.to_vec();
        ahead.sort_by_key(|transaction| transaction.first_offset);
        Self { ahead: ahead.into(), ..Self::default() }
    }

    fn advance(&mut self, header: &BatchHeader) {
        // A list may name a transaction whose marker is gone: what the producer did later is none of its business.
        self.aborted.retain(|_, aborted| aborted.transaction.last_offset >= header.base_offset);
        while let Some(transaction) = self.ahead.pop_front_if(|next| next.first_offset <= header.last_offset()) {
            if transaction.last_offset >= header.base_offset {
                let aborted = Aborted { transaction, has_batches: false };
                self.aborted.entry(transaction.producer.0).or_insert(aborted);
            }
        }
    }

    /// Whether a batch of records is part of an aborted transaction.
    pub(super) fn is_aborted(&mut self, header: &BatchHeader) -> bool {
        self.advance(header);
        if !header.attributes.is_transactional() {
            return false;
        }
        match self.aborted.get_mut(&header.producer_id) {
            Some(aborted) => {
                aborted.has_batches = true;
                true
            }
            None => {
                self.others.insert(header.producer_id);
                false
            }
        }
    }

    /// Whether a control batch marks the end of a transaction of which no batch is left.
    pub(super) fn marks_nothing(&mut self, header: &BatchHeader, marker: Marker) -> bool {
        self.advance(header);
        match marker {
            Marker::Abort => {
                let aborted = self.aborted.remove(&header.producer_id);
                let has_others = self.others.remove(&header.producer_id);
                !has_others && aborted.is_none_or(|aborted| !aborted.has_batches)
            }
            Marker::Commit => !self.others.remove(&header.producer_id),
            Marker::Emptied => true,
            Marker::Other => false,
        }
    }

    /// The marker of an abort goes: of its transaction nothing is left.
    pub(super) fn note_gone(&mut self, header: &BatchHeader, marker: Marker) {
        if marker == Marker::Abort {
            self.gone.insert(header.base_offset);
        }
    }

    /// Offsets of markers of aborts that go.
    pub(super) const fn gone(&self) -> &BTreeSet<Offset> {
        &self.gone
    }
}
