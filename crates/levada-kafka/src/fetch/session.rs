//! [`FetchSessions`]: what incremental fetches need not say again.
//!
//! A request takes its session out and puts it back when it is answered; a request that is given up takes the
//! session with it. Sessions idle for two minutes make room for new ones. Left out of Kafka's rules of eviction:
//! larger sessions displacing smaller ones that are not idle.
//!
//! Source: KIP-227.

use super::{
    Fetch,
    partition::{Partition, Spec, TopicKey},
};
use levada_model::{Clock, Rng};
use levada_protocol::ErrorCode;
use parking_lot::Mutex;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    fmt,
    sync::Arc,
    time::Duration,
};

/// A session that was used more recently keeps its place. Kafka: `min.incremental.fetch.session.eviction.ms`.
const IDLE_MIN: Duration = Duration::from_secs(120);
/// Partitions of all sessions together.
const PARTITION_COUNT_MAX: usize = 200_000;

/// How a session's topics are named.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Naming {
    /// Up to version 12.
    ByName,
    /// From version 13 on.
    ById,
}

/// One session.
#[derive(Debug)]
pub(crate) struct Session {
    id: i32,
    next_epoch: i32,
    naming: Naming,
    pub(crate) fetch: Fetch,
    places: HashMap<(TopicKey, i32), usize>,
}

impl Session {
    pub(crate) fn new(naming: Naming) -> Box<Self> {
        Box::new(Self { id: 0, next_epoch: 1, naming, fetch: Fetch::default(), places: HashMap::new() })
    }

    /// Adds a partition, or changes what is asked of it.
    pub(crate) fn put(&mut self, topic: &TopicKey, spec: Spec) {
        if let Some(&place) = self.places.get(&(topic.clone(), spec.index)) {
            self.fetch.update(place, spec);
            return;
        }
        // What stays longer than the request must not keep its frame alive.
        let topic = TopicKey { name: topic.name.detached(), id: topic.id };
        let place = self.fetch.add(topic.clone(), spec);
        self.places.insert((topic, spec.index), place);
    }

    /// Forgets partitions.
    pub(crate) fn forget(&mut self, gone: &HashSet<(TopicKey, i32)>) {
        if gone.is_empty() {
            return;
        }
        let key = |partition: &Partition| (partition.topic.clone(), partition.spec.index);
        self.fetch.retain(|partition| !gone.contains(&key(partition)));
        self.places = self.fetch.partitions().iter().enumerate().map(|(place, one)| (key(one), place)).collect();
    }
}

/// A session between requests, or a note that a request has it.
enum Slot {
    Idle { session: Box<Session>, since: Duration },
    Busy { partition_count: usize },
}

#[derive(Default)]
struct Slots {
    by_id: BTreeMap<i32, Slot>,
    idle: BTreeSet<(Duration, i32)>,
    partition_count: usize,
}

impl Slots {
    fn remove(&mut self, id: i32) -> Option<Slot> {
        let slot = self.by_id.remove(&id)?;
        match &slot {
            Slot::Idle { session, since } => {
                self.idle.remove(&(*since, id));
                self.partition_count -= session.fetch.partitions().len();
            }
            Slot::Busy { partition_count } => self.partition_count -= partition_count,
        }
        Some(slot)
    }

    fn insert(&mut self, id: i32, slot: Slot) {
        match &slot {
            Slot::Idle { session, since } => {
                self.idle.insert((*since, id));
                self.partition_count += session.fetch.partitions().len();
            }
            Slot::Busy { partition_count } => self.partition_count += partition_count,
        }
        self.by_id.insert(id, slot);
    }
}

/// All sessions of a server.
pub(crate) struct FetchSessions {
    slots: Mutex<Slots>,
    count_max: usize,
    clock: Arc<dyn Clock>,
    rng: Arc<dyn Rng>,
}

impl FetchSessions {
    pub(crate) fn new(count_max: usize, clock: Arc<dyn Clock>, rng: Arc<dyn Rng>) -> Arc<Self> {
        Arc::new(Self { slots: Mutex::default(), count_max, clock, rng })
    }

    /// Takes the session `id` for the request with `epoch`.
    pub(crate) fn take(self: &Arc<Self>, id: i32, epoch: i32, naming: Naming) -> Result<Held, ErrorCode> {
        let mut slots = self.slots.lock();
        match slots.by_id.get(&id) {
            None => return Err(ErrorCode::FetchSessionIdNotFound),
            Some(Slot::Busy { .. }) => return Err(ErrorCode::InvalidFetchSessionEpoch),
            Some(Slot::Idle { session, .. }) if session.next_epoch != epoch => {
                return Err(ErrorCode::InvalidFetchSessionEpoch);
            }
            Some(Slot::Idle { session, .. }) if session.naming != naming => {
                return Err(ErrorCode::FetchSessionTopicIdError);
            }
            Some(Slot::Idle { .. }) => {}
        }
        let Some(Slot::Idle { mut session, .. }) = slots.remove(id) else {
            return Err(ErrorCode::FetchSessionIdNotFound);
        };
        slots.insert(id, Slot::Busy { partition_count: session.fetch.partitions().len() });
        session.next_epoch = if epoch == i32::MAX { 1 } else { epoch + 1 };
        Ok(Held { session: Some(session), sessions: Arc::clone(self) })
    }

    /// Ends the session `id`, if there is one.
    pub(crate) fn end(&self, id: i32) {
        let ended = self.slots.lock().remove(id);
        drop(ended);
    }

    /// Gives `session` an id if there is room for it; without one it ends with its request.
    pub(crate) fn admit(self: &Arc<Self>, mut session: Box<Session>) -> Held {
        if session.fetch.partitions().is_empty() {
            return self.once(session);
        }
        let now = self.clock.monotonic();
        let mut slots = self.slots.lock();
        let mut evicted = None;
        if slots.by_id.len() >= self.count_max
            && let Some(&(since, id)) = slots.idle.first()
            && now.saturating_sub(since) >= IDLE_MIN
        {
            evicted = slots.remove(id);
        }
        let partition_count = session.fetch.partitions().len();
        if slots.by_id.len() < self.count_max && slots.partition_count + partition_count <= PARTITION_COUNT_MAX {
            session.id = self.free_id(&slots);
            slots.insert(session.id, Slot::Busy { partition_count });
        }
        drop(slots);
        drop(evicted);
        self.once(session)
    }

    /// Holds `session` for one request.
    pub(crate) fn once(self: &Arc<Self>, session: Box<Session>) -> Held {
        Held { session: Some(session), sessions: Arc::clone(self) }
    }

    fn free_id(&self, slots: &Slots) -> i32 {
        loop {
            let id = i32::try_from(self.rng.next_u64() >> 33).unwrap_or(0);
            if id != 0 && !slots.by_id.contains_key(&id) {
                return id;
            }
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.slots.lock().by_id.len()
    }
}

impl fmt::Debug for FetchSessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("FetchSessions")
    }
}

/// A session in the hands of a request. Dropped without [`Held::put_back`], it ends.
pub(crate) struct Held {
    session: Option<Box<Session>>,
    sessions: Arc<FetchSessions>,
}

impl Held {
    /// What clients call it; 0 where it ends with the request.
    pub(crate) fn id(&self) -> i32 {
        self.session.as_ref().map_or(0, |session| session.id)
    }

    pub(crate) fn session_mut(&mut self) -> &mut Session {
        self.session.as_mut().expect("only `put_back` takes it, and takes self")
    }

    /// Keeps the session for the next request.
    pub(crate) fn put_back(mut self) {
        let Some(session) = self.session.take() else { return };
        if session.id == 0 {
            return;
        }
        let (id, since) = (session.id, self.sessions.clock.monotonic());
        let mut slots = self.sessions.slots.lock();
        let was_busy = slots.remove(id).is_some();
        let fits = slots.partition_count + session.fetch.partitions().len() <= PARTITION_COUNT_MAX;
        // It may have been ended meanwhile, by a request for a new one.
        if was_busy && fits {
            slots.insert(id, Slot::Idle { session, since });
        }
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some(session) = &self.session
            && session.id != 0
        {
            self.sessions.end(session.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use levada_model::{ManualClock, SeededRng};

    fn sessions(count_max: usize) -> (Arc<FetchSessions>, Arc<ManualClock>) {
        let clock = Arc::new(ManualClock::new(0));
        (FetchSessions::new(count_max, Arc::clone(&clock) as Arc<dyn Clock>, Arc::new(SeededRng::new(1))), clock)
    }

    fn spec(index: i32) -> Spec {
        Spec { index, fetch_offset: 0, size_max: 1, current_leader_epoch: None, last_fetched_epoch: None }
    }

    fn with_partition(naming: Naming) -> Box<Session> {
        let mut session = Session::new(naming);
        session.put(&TopicKey { name: "t".into(), ..TopicKey::default() }, spec(0));
        session
    }

    fn take_error(sessions: &Arc<FetchSessions>, id: i32, epoch: i32, naming: Naming) -> Option<ErrorCode> {
        sessions.take(id, epoch, naming).err()
    }

    #[test]
    fn epochs_rise_by_one_and_others_are_refused() {
        let (sessions, _) = sessions(10);
        let held = sessions.admit(with_partition(Naming::ById));
        let id = held.id();
        assert_ne!(id, 0);
        let busy = take_error(&sessions, id, 1, Naming::ById);
        assert_eq!(busy, Some(ErrorCode::InvalidFetchSessionEpoch), "a request has it");
        held.put_back();
        assert_eq!(take_error(&sessions, id, 2, Naming::ById), Some(ErrorCode::InvalidFetchSessionEpoch));
        assert_eq!(take_error(&sessions, id, 1, Naming::ByName), Some(ErrorCode::FetchSessionTopicIdError));
        sessions.take(id, 1, Naming::ById).unwrap().put_back();
        sessions.take(id, 2, Naming::ById).unwrap().put_back();
        assert_eq!(take_error(&sessions, id + 1, 1, Naming::ById), Some(ErrorCode::FetchSessionIdNotFound));
    }

    #[test]
    fn a_request_that_is_given_up_ends_its_session() {
        let (sessions, _) = sessions(10);
        drop(sessions.admit(with_partition(Naming::ById)));
        assert_eq!(sessions.len(), 0);
    }

    #[test]
    fn only_idle_sessions_make_room() {
        let (sessions, clock) = sessions(1);
        let first = sessions.admit(with_partition(Naming::ById));
        let first_id = first.id();
        first.put_back();
        assert_eq!(sessions.admit(with_partition(Naming::ById)).id(), 0, "the first was used just now");
        clock.advance(IDLE_MIN);
        let second = sessions.admit(with_partition(Naming::ById));
        assert_ne!(second.id(), 0);
        assert_eq!(take_error(&sessions, first_id, 1, Naming::ById), Some(ErrorCode::FetchSessionIdNotFound));
    }

    #[test]
    fn forgotten_partitions_leave_the_others_in_their_order() {
        let mut session = Session::new(Naming::ByName);
        let topic = TopicKey { name: "t".into(), ..TopicKey::default() };
        (0..4).for_each(|index| session.put(&topic, spec(index)));
        session.put(&topic, Spec { fetch_offset: 9, ..spec(2) });
        session.forget(&HashSet::from([(topic.clone(), 1)]));
        let left: Vec<_> =
            session.fetch.partitions().iter().map(|one| (one.spec.index, one.spec.fetch_offset)).collect();
        assert_eq!(left, [(0, 0), (2, 9), (3, 0)]);
        session.put(&topic, Spec { fetch_offset: 5, ..spec(3) });
        assert_eq!(session.fetch.partitions().len(), 3);
    }
}
