//! What a fetch works on: partitions that are looked at only when there may be news of them, kept from one
//! request to the next where the client has a fetch session.
//!
//! Which requests begin or continue a session is [`session`]'s business; how one partition is read,
//! [`partition`]'s; the wire, the handler's.

pub(crate) mod partition;
pub(crate) mod session;

pub(crate) use session::FetchSessions;

use crate::memory::{Charge, RequestMemory};
use levada_broker::{ReadUntil, Waiter};
use levada_protocol::ErrorCode;
use partition::{Found, Look, Outcome, Partition, Spec, TopicKey, Wait};
use std::{
    collections::VecDeque,
    sync::Arc,
    task::{Context, Poll},
};

/// Where memory for responses is short, what one more read may bring, a single larger batch aside.
const SHORT_READ_SIZE: usize = 16 << 10;

/// What a response may still take.
pub(crate) struct Budget {
    size_left: usize,
    /// Nothing was read yet: the next batch may be larger than allowed, so that its reader gets on.
    is_first: bool,
    memory: Arc<RequestMemory>,
    pub(crate) charge: Charge,
}

impl Budget {
    pub(crate) fn new(size_max: usize, memory: &Arc<RequestMemory>) -> Self {
        Self { size_left: size_max, is_first: true, memory: Arc::clone(memory), charge: Charge::default() }
    }

    /// Moves this out, to where it is needed for a while.
    pub(crate) fn take(&mut self) -> Self {
        let rest = Self { size_left: 0, is_first: false, memory: Arc::clone(&self.memory), charge: Charge::default() };
        std::mem::replace(self, rest)
    }

    /// How much may be read from the next partition; `None` if nothing more may be.
    fn allowance(&self) -> Option<usize> {
        if self.is_first {
            return Some(if self.memory.has_room(self.size_left) { self.size_left } else { SHORT_READ_SIZE });
        }
        (self.size_left > 0).then_some(self.size_left)
    }

    /// Counts `size` bytes that were read, `held_size` of which are in memory.
    fn spend(&mut self, size: usize, held_size: usize) {
        if size == 0 {
            return;
        }
        self.is_first = false;
        self.size_left = self.size_left.saturating_sub(size);
        match self.memory.try_charge(held_size) {
            Some(charge) => self.charge.merge(charge),
            // What was read is kept, and is the last.
            None => self.size_left = 0,
        }
    }
}

/// The partitions of one fetch request, or of one session.
#[derive(Debug)]
pub(crate) struct Fetch {
    partitions: Vec<Partition>,
    /// Places in `partitions` of which there may be news, each at most once.
    queue: VecDeque<usize>,
    /// Places in `partitions` that were looked at for this response.
    looked_at: Vec<usize>,
    /// Places in `partitions` whose records are not in memory.
    cold: Vec<usize>,
    /// Bytes read for this response.
    size: usize,
    /// Whether something was found that a client should hear at once.
    urgent: bool,
    waiter: Arc<Waiter>,
    /// Whether the logs of all partitions wake this fetch.
    is_watching: bool,
}

impl Default for Fetch {
    fn default() -> Self {
        Self {
            partitions: Vec::new(),
            queue: VecDeque::new(),
            looked_at: Vec::new(),
            cold: Vec::new(),
            size: 0,
            urgent: false,
            waiter: Waiter::new(),
            is_watching: false,
        }
    }
}

impl Fetch {
    pub(crate) fn partitions(&self) -> &[Partition] {
        &self.partitions
    }

    /// Adds a partition and returns its place.
    pub(crate) fn add(&mut self, topic: TopicKey, spec: Spec) -> usize {
        let place = self.partitions.len();
        self.partitions.push(Partition::new(topic, spec));
        self.is_watching = false;
        self.enqueue(place);
        place
    }

    /// The client asks for something else of the partition at `place`.
    fn update(&mut self, place: usize, spec: Spec) {
        if let Some(partition) = self.partitions.get_mut(place) {
            partition.spec = spec;
            self.enqueue(place);
        }
    }

    /// Keeps the partitions that `keep` says, in their order; all have another place then.
    fn retain(&mut self, keep: impl FnMut(&Partition) -> bool) {
        self.partitions.retain(keep);
        self.partitions.iter_mut().for_each(Partition::unwatch);
        self.is_watching = false;
        self.enqueue_all();
    }

    fn enqueue_all(&mut self) {
        self.queue = (0..self.partitions.len()).collect();
        self.partitions.iter_mut().for_each(|partition| partition.is_queued = true);
    }

    fn enqueue(&mut self, place: usize) {
        if let Some(partition) = self.partitions.get_mut(place)
            && !partition.is_queued
        {
            partition.is_queued = true;
            self.queue.push_back(place);
        }
    }

    /// Looks at every partition in the queue once, and reads what the budget allows and memory has.
    pub(crate) fn look(
        &mut self,
        budget: &mut Budget,
        until: ReadUntil,
        find: &mut impl FnMut(&TopicKey, i32) -> Found,
    ) {
        for _ in 0..self.queue.len() {
            let Some(place) = self.queue.pop_front() else { break };
            if let Some(partition) = self.partitions.get_mut(place) {
                partition.is_queued = false;
            }
            if !self.look_at(place, budget, (until, Wait::Never), find) {
                self.cold.push(place);
            }
        }
    }

    /// Whether there are partitions whose records have to be fetched from the disk.
    pub(crate) const fn is_cold(&self) -> bool {
        !self.cold.is_empty()
    }

    /// Looks at the partitions that [`Self::look`] could not read without waiting. Blocks.
    pub(crate) fn look_at_cold(&mut self, budget: &mut Budget, until: ReadUntil) {
        for place in std::mem::take(&mut self.cold) {
            // It was found a moment ago; if its topic is gone now it is gone.
            let mut find = |_: &TopicKey, _| Err(ErrorCode::UnknownTopicOrPartition);
            self.look_at(place, budget, (until, Wait::ForDisk), &mut find);
        }
    }

    /// Looks at one partition; `false` where that would have to wait and may not.
    fn look_at(
        &mut self,
        place: usize,
        budget: &mut Budget,
        (until, wait): (ReadUntil, Wait),
        find: &mut impl FnMut(&TopicKey, i32) -> Found,
    ) -> bool {
        let Some(partition) = self.partitions.get_mut(place) else { return true };
        let before = partition.outcome.as_ref();
        let (size_before, held_before) = before.map_or((0, 0), |outcome| (outcome.size, outcome.held_size));
        let outcome = match budget.allowance() {
            // What was read stays, and is all there is room for.
            None if size_before > 0 => return true,
            allowance => {
                let size_max = allowance.map_or(0, |size| size + size_before);
                let at_least_one = budget.is_first || size_before > 0;
                partition.look(Look { size_max, at_least_one, until, wait }, find)
            }
        };
        let Some(outcome) = outcome else { return false };
        let held_size = outcome.held_size.saturating_sub(held_before);
        budget.spend(outcome.size.saturating_sub(size_before), held_size);
        self.size = (self.size + outcome.size).saturating_sub(size_before);
        self.urgent |= outcome.is_urgent();
        self.is_watching &= partition.is_watched();
        if partition.outcome.replace(outcome).is_none() {
            self.looked_at.push(place);
        }
        true
    }

    /// Whether a response should leave now.
    pub(crate) fn is_enough(&self, size_min: usize) -> bool {
        self.urgent || self.size >= size_min || self.partitions.is_empty()
    }

    /// Has every partition's log wake this fetch from now on; what moved before that is looked at again.
    pub(crate) fn watch(&mut self) {
        if self.is_watching {
            return;
        }
        self.is_watching = true;
        let waiter = Arc::clone(&self.waiter);
        for place in 0..self.partitions.len() {
            let token = u32::try_from(place).unwrap_or(u32::MAX);
            if self.partitions.get_mut(place).is_some_and(|partition| partition.watch(&waiter, token)) {
                self.enqueue(place);
            }
        }
    }

    /// Ready when a log has moved; the partitions of which there may be news are then in the queue.
    pub(crate) fn poll_news(&mut self, context: &mut Context<'_>) -> Poll<()> {
        std::task::ready!(self.waiter.poll_woken(context));
        for token in self.waiter.take_moved() {
            let Ok(place) = usize::try_from(token) else { continue };
            if let Some(partition) = self.partitions.get(place) {
                partition.rearm();
                self.enqueue(place);
            }
        }
        Poll::Ready(())
    }

    /// Takes what was found, with the partitions' places, in the order of the request or session.
    ///
    /// What has more to tell than fits into one response is looked at again for the next.
    pub(crate) fn take_outcomes(&mut self) -> Vec<(usize, Outcome)> {
        let mut places = std::mem::take(&mut self.looked_at);
        places.sort_unstable();
        self.size = 0;
        self.urgent = false;
        let mut outcomes = Vec::with_capacity(places.len());
        for place in places {
            if let Some(outcome) = self.partitions.get_mut(place).and_then(|partition| partition.outcome.take()) {
                if outcome.has_more() {
                    self.enqueue(place);
                }
                outcomes.push((place, outcome));
            }
        }
        outcomes
    }

    /// Bytes of records that were found.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    /// Forgets what was found: it is looked at again for the next request.
    pub(crate) fn forget_outcomes(&mut self) {
        for (place, _) in self.take_outcomes() {
            self.enqueue(place);
        }
    }

    /// The partition at `place`.
    pub(crate) fn partition_mut(&mut self, place: usize) -> Option<&mut Partition> {
        self.partitions.get_mut(place)
    }
}
