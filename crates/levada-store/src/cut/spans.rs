//! [`Spans`]: which offsets each recent transaction takes up in which logs, so that a cut holds all of it or nothing.
//!
//! A last stable offset alone does not: where a transaction stays open, those that ended behind its first record are
//! above the last stable offset of that log, and below it in others. A cut that leaves one of these out has to go back
//! before its first record everywhere, and so on with those that are torn by that.
//!
//! A transaction is forgotten when all that are open, or not yet stable, began after it ended, and so did all that
//! overlap with these: no cut goes back to it.

use crate::log::Log;
use levada_model::{LogId, Offset, ProducerId};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// What a transaction takes up of one log.
#[derive(Clone, Debug)]
pub(crate) struct Span {
    pub(crate) log: Arc<Log>,
    pub(crate) first: Offset,
    pub(crate) marker: Offset,
}

#[derive(Debug)]
struct Ended {
    begun: u64,
    ended: u64,
    spans: Vec<Span>,
}

/// The transactions that a cut may meet.
#[derive(Debug, Default)]
pub(crate) struct Spans {
    /// Counts what is published together.
    rounds: u64,
    /// When which producer's transaction began.
    open: BTreeMap<ProducerId, u64>,
    ended: Vec<Ended>,
    /// Producers whose transactions were open when the store was opened: what ended beside them before is not known.
    inherited: BTreeSet<ProducerId>,
}

impl Spans {
    /// The store was opened with a transaction of `producer` under way.
    pub(crate) fn inherit(&mut self, producer: ProducerId) {
        self.inherited.insert(producer);
        self.open.insert(producer, 0);
    }

    /// Whether cuts can be taken: nothing is open of which not all is known.
    pub(crate) fn is_whole(&self) -> bool {
        self.inherited.is_empty()
    }

    /// Another round is published.
    pub(crate) fn begin_round(&mut self) {
        self.rounds += 1;
    }

    /// A transaction of `producer` has records in this round.
    pub(crate) fn begin(&mut self, producer: ProducerId) {
        self.open.entry(producer).or_insert(self.rounds);
    }

    /// In this round a transaction of `producer` ended, with these spans.
    pub(crate) fn end(&mut self, producer: ProducerId, spans: Vec<Span>) {
        let begun = self.open.remove(&producer).unwrap_or(self.rounds);
        self.inherited.remove(&producer);
        if spans.is_empty() {
            return;
        }
        self.ended.push(Ended { begun, ended: self.rounds, spans });
    }

    /// Forgets what no cut can go back to.
    pub(crate) fn forget(&mut self) {
        let is_stable = |span: &Span| span.log.is_closed() || span.log.tail().last_stable_offset > span.marker;
        let unstable = self.ended.iter().filter(|ended| !ended.spans.iter().all(is_stable)).map(|ended| ended.begun);
        let mut horizon = self.open.values().copied().chain(unstable).min().unwrap_or(u64::MAX);
        // One that is torn takes a cut back to where it began, and there it may tear others.
        loop {
            let torn = self.ended.iter().filter(|ended| ended.ended >= horizon).map(|ended| ended.begun).min();
            match torn.filter(|begun| *begun < horizon) {
                Some(begun) => horizon = begun,
                None => break,
            }
        }
        self.ended.retain(|ended| ended.ended >= horizon);
    }

    /// Moves `offsets` back until each transaction is wholly below or wholly above them.
    pub(crate) fn mend(&self, offsets: &mut BTreeMap<LogId, Offset>) {
        loop {
            let mut moved = false;
            for ended in &self.ended {
                let is_out = |span: &Span| offsets.get(&span.log.id()).is_some_and(|offset| span.marker >= *offset);
                if !ended.spans.iter().any(is_out) {
                    continue;
                }
                for span in &ended.spans {
                    if let Some(offset) = offsets.get_mut(&span.log.id()).filter(|offset| span.first < **offset) {
                        *offset = span.first;
                        moved = true;
                    }
                }
            }
            if !moved {
                return;
            }
        }
    }
}
