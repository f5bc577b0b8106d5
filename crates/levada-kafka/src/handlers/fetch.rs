//! Fetch · key 1 · versions 4–18
//!
//! - 4: isolation level, aborted transactions. 5: log start offset. 7: sessions (KIP-227). 9: the client's leader
//!   epoch. 11: rack, preferred replica. 12: flexible, last fetched epoch and diverging epoch (KIP-595).
//!   13: topic ids instead of names (KIP-516). 15: replica state (KIP-903). 16: node endpoints (KIP-951).
//!   17: replica directories. 18: high watermark in the request (KIP-1166).
//! - A response holds whole batches, and at least one if there is any (KIP-74).
//! - More than the client's quota is answered without records, and muted (KIP-219).
//! - Left out: fetches of followers, which are refused: there are none. Preferred replicas, rack and node
//!   endpoints: one broker has everything.
//!
//! Source: KIP-74, KIP-98, KIP-219, KIP-227, KIP-320, KIP-516, KIP-595.

use crate::{
    call::{Answer, Context},
    errors,
    fetch::{
        Budget, Fetch,
        partition::{Found, Outcome, Spec, TopicKey},
        session::{Held, Naming, Session},
    },
};
use bytes::Bytes;
use levada_broker::{
    FileSlice, ReadUntil,
    auth::{Grant, op, res},
    fetch::EpochEnd,
    quotas::usage::Admission,
};
use levada_model::{LeaderEpoch, NO_OFFSET};
use levada_protocol::{
    ErrorCode, Records, Response,
    messages::{
        FetchRequest, FetchResponse,
        fetch_request::{FetchPartition, FetchTopic},
        fetch_response::{AbortedTransaction, EpochEndOffset, FetchableTopicResponse, PartitionData},
    },
};
use std::{collections::HashSet, task::Poll, time::Duration};
use tokio::{task::JoinError, time::Instant};

/// From this version on topics have ids.
const IDS_FROM: i16 = 13;
/// Says in a session epoch: no session.
const NO_SESSION: i32 = -1;
/// Says in a session epoch: a new session.
const NEW_SESSION: i32 = 0;

/// How long and for how much a request waits.
struct Patience {
    deadline: Instant,
    size_min: usize,
    until: ReadUntil,
}

pub(crate) async fn handle(context: Context, mut request: FetchRequest) -> Answer {
    if request.replica_id >= 0 || request.replica_state.replica_id >= 0 {
        return refuse(&context, ErrorCode::ClusterAuthorizationFailed);
    }
    // Kafka looks at the isolation level when it comes to read something.
    if !(0..=1).contains(&request.isolation_level) && asks_for_something(&context, &request.topics) {
        return refuse_all(&context, request.topics);
    }
    let (mut held, style) = match open(&context, &mut request) {
        Ok(opened) => opened,
        Err(error) => return refuse(&context, error),
    };
    let wait = Duration::from_millis(u64::try_from(request.max_wait_ms).unwrap_or(0));
    let patience = Patience {
        deadline: Instant::now() + wait,
        size_min: if wait.is_zero() { 0 } else { usize::try_from(request.min_bytes).unwrap_or(0) },
        until: if request.isolation_level == 1 { ReadUntil::LastStable } else { ReadUntil::HighWatermark },
    };
    let size_max = usize::try_from(request.max_bytes).unwrap_or(0).min(context.shared.config.fetch_size_max);
    let size_max = size_max.min(context.fetch_size_max());
    let mut budget = Budget::new(size_max, &context.shared.response_memory);
    let keeps = held.id() != 0;
    if let Err(error) = read(&context, &mut held.session_mut().fetch, &mut budget, &patience, keeps).await {
        return Answer::Close(format!("the fetch could not be finished: {error}"));
    }
    let mute = match context.admit_fetch(held.session_mut().fetch.size()) {
        Admission::Taken(mute) => mute,
        Admission::Refused(mute) => return throttled(&context, held, style, mute),
    };
    let (mut response, slices) = respond(&context, &mut held, style, patience.until);
    held.put_back();
    response.set_throttle_time_ms(i32::try_from(mute.as_millis()).unwrap_or(i32::MAX));
    match context.reply_with(&response, slices) {
        Answer::Reply { segments, .. } => Answer::Reply { segments, charge: budget.charge, mute },
        other => other,
    }
}

/// The answer to who fetched too much: nothing, and for how long. A session goes on where it was; one that was only
/// just made is none.
fn throttled(context: &Context, mut held: Held, style: Style, mute: Duration) -> Answer {
    let mut session_id = 0;
    if style == Style::Incremental {
        session_id = held.id();
        held.session_mut().fetch.forget_outcomes();
        held.put_back();
    } else {
        let id = held.id();
        drop(held);
        context.shared.fetch_sessions.end(id);
    }
    let throttle_time_ms = i32::try_from(mute.as_millis()).unwrap_or(i32::MAX);
    context.reply(&FetchResponse { session_id, throttle_time_ms, ..FetchResponse::default() }).muting(mute)
}

fn refuse(context: &Context, error: ErrorCode) -> Answer {
    context.shared.metrics.fetch_failed();
    if context.version < 7 {
        return Answer::Close(format!("Fetch refused: {error}"));
    }
    context.reply(&FetchResponse { error_code: error.code(), ..FetchResponse::default() })
}

/// Whether one of the partitions asked for is there, and may be read.
fn asks_for_something(context: &Context, topics: &[FetchTopic]) -> bool {
    let mut finder = Finder { context, last: None };
    topics.iter().any(|topic| {
        let key = TopicKey { name: topic.topic.clone(), id: topic.topic_id };
        topic.partitions.iter().any(|partition| finder.find(&key, partition.partition).is_ok())
    })
}

/// What Kafka makes of an isolation level that it does not know: an error that nobody expected.
fn refuse_all(context: &Context, topics: Vec<FetchTopic>) -> Answer {
    context.shared.metrics.fetch_failed();
    let error_code = ErrorCode::UnknownServerError.code();
    let partition = |partition: FetchPartition| PartitionData {
        partition_index: partition.partition,
        error_code,
        high_watermark: NO_OFFSET,
        aborted_transactions: Some(Vec::new()),
        records: Records::from(Bytes::new()),
        ..PartitionData::default()
    };
    let is_told = |topic: &FetchTopic| context.version < IDS_FROM && !topic.partitions.is_empty();
    let topics = topics.into_iter().filter(is_told).map(|topic| FetchableTopicResponse {
        topic: topic.topic,
        topic_id: topic.topic_id,
        partitions: topic.partitions.into_iter().map(partition).collect(),
    });
    context.reply(&FetchResponse { error_code, responses: topics.collect(), ..FetchResponse::default() })
}

/// Which partitions a response names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Style {
    /// All.
    Full,
    /// Those with news.
    Incremental,
}

/// Finds or makes the session and brings it up to what the request asks for.
fn open(context: &Context, request: &mut FetchRequest) -> Result<(Held, Style), ErrorCode> {
    let sessions = &context.shared.fetch_sessions;
    let naming = if context.version >= IDS_FROM { Naming::ById } else { Naming::ByName };
    let topics = std::mem::take(&mut request.topics);
    if request.session_epoch > 0 {
        let mut held = sessions.take(request.session_id, request.session_epoch, naming)?;
        let session = held.session_mut();
        session.forget(&forgotten(request));
        add(session, topics);
        return Ok((held, Style::Incremental));
    }
    if request.session_id != 0 {
        sessions.end(request.session_id);
    }
    let mut session = Session::new(naming);
    match request.session_epoch {
        NEW_SESSION if context.version >= 7 => {
            add(&mut session, topics);
            Ok((sessions.admit(session), Style::Full))
        }
        NEW_SESSION | NO_SESSION => {
            for (topic, spec) in topics.into_iter().flat_map(specs) {
                session.fetch.add(topic, spec);
            }
            Ok((sessions.once(session), Style::Full))
        }
        _ => Err(ErrorCode::FetchSessionIdNotFound),
    }
}

fn add(session: &mut Session, topics: Vec<FetchTopic>) {
    for (topic, spec) in topics.into_iter().flat_map(specs) {
        session.put(&topic, spec);
    }
}

fn specs(topic: FetchTopic) -> impl Iterator<Item = (TopicKey, Spec)> {
    let key = TopicKey { name: topic.topic, id: topic.topic_id };
    let epoch = |epoch: LeaderEpoch| (epoch >= 0).then_some(epoch);
    topic.partitions.into_iter().map(move |partition| {
        let spec = Spec {
            index: partition.partition,
            fetch_offset: partition.fetch_offset,
            size_max: usize::try_from(partition.partition_max_bytes).unwrap_or(0),
            current_leader_epoch: epoch(partition.current_leader_epoch),
            last_fetched_epoch: epoch(partition.last_fetched_epoch),
        };
        (key.clone(), spec)
    })
}

fn forgotten(request: &mut FetchRequest) -> HashSet<(TopicKey, i32)> {
    let topics = std::mem::take(&mut request.forgotten_topics_data);
    let keys = topics.into_iter().flat_map(|topic| {
        let key = TopicKey { name: topic.topic, id: topic.topic_id };
        topic.partitions.into_iter().map(move |partition| (key.clone(), partition))
    });
    keys.collect()
}

/// Reads until there is enough or time is up.
async fn read(
    context: &Context,
    fetch: &mut Fetch,
    budget: &mut Budget,
    patience: &Patience,
    keeps: bool,
) -> Result<(), JoinError> {
    let mut finder = Finder { context, last: None };
    let mut find = |topic: &TopicKey, partition| finder.find(topic, partition);
    if keeps {
        // A session hears of what happens between its requests, too.
        std::future::poll_fn(|task| Poll::Ready(fetch.poll_news(task).is_ready())).await;
    }
    fetch.look(budget, patience.until, &mut find);
    read_cold(fetch, budget, patience.until).await?;
    if keeps || !fetch.is_enough(patience.size_min) {
        fetch.watch();
        fetch.look(budget, patience.until, &mut find);
        read_cold(fetch, budget, patience.until).await?;
    }
    while !fetch.is_enough(patience.size_min) {
        let news = std::future::poll_fn(|task| fetch.poll_news(task));
        if tokio::time::timeout_at(patience.deadline, news).await.is_err() {
            break;
        }
        fetch.look(budget, patience.until, &mut find);
        read_cold(fetch, budget, patience.until).await?;
    }
    Ok(())
}

/// Has another thread wait for the disk, where that is needed.
async fn read_cold(fetch: &mut Fetch, budget: &mut Budget, until: ReadUntil) -> Result<(), JoinError> {
    if !fetch.is_cold() {
        return Ok(());
    }
    let (mut moved, mut its_budget) = (std::mem::take(fetch), budget.take());
    let waiting = tokio::task::spawn_blocking(move || {
        moved.look_at_cold(&mut its_budget, until);
        (moved, its_budget)
    });
    (*fetch, *budget) = waiting.await?;
    Ok(())
}

/// Whether the client may read a topic.
type Readable = Result<Grant<op::Read, res::Topic>, ErrorCode>;

/// Finds partitions, asking once for each topic in a row whether the client may read it.
struct Finder<'a> {
    context: &'a Context,
    last: Option<(TopicKey, Readable)>,
}

impl Finder<'_> {
    fn find(&mut self, topic: &TopicKey, partition: i32) -> Found {
        let granted = match &self.last {
            Some((last, granted)) if last == topic => granted.clone(),
            _ => {
                let granted = self.grant(topic);
                self.last = Some((topic.clone(), granted.clone()));
                granted
            }
        };
        self.context.broker().reader(&granted?, partition).map_err(|error| errors::fetch(&error))
    }

    fn grant(&self, topic: &TopicKey) -> Readable {
        if topic.id.is_zero() {
            if self.context.version >= IDS_FROM {
                return Err(ErrorCode::UnknownTopicId);
            }
            return self.context.ask_topic(&topic.name);
        }
        let name = self.context.broker().name_of(topic.id).ok_or(ErrorCode::UnknownTopicId)?;
        self.context.ask_topic(name.as_shared())
    }
}

/// The response, from what was found, and the records that are sent from their files.
fn respond(context: &Context, held: &mut Held, style: Style, until: ReadUntil) -> (FetchResponse, Vec<FileSlice>) {
    let session_id = held.id();
    let fetch = &mut held.session_mut().fetch;
    let mut responses: Vec<FetchableTopicResponse> = Vec::new();
    let mut slices = Vec::new();
    let mut size = 0;
    for (place, mut outcome) in fetch.take_outcomes() {
        let Some(partition) = fetch.partition_mut(place) else { continue };
        let has_news = partition.tell(&outcome);
        if style == Style::Incremental && !has_news {
            continue;
        }
        if outcome.fetched.is_err() {
            context.shared.metrics.fetch_failed();
        }
        size += outcome.size;
        slices.extend(outcome.fetched.as_mut().ok().and_then(|fetched| fetched.slice.take()));
        let data = partition_data(partition.spec.index, outcome, until);
        let topic = &partition.topic;
        match responses.last_mut() {
            Some(last) if last.topic == topic.name && last.topic_id == topic.id => last.partitions.push(data),
            _ => responses.push(FetchableTopicResponse {
                topic: topic.name.clone(),
                topic_id: topic.id,
                partitions: vec![data],
            }),
        }
    }
    context.shared.metrics.fetched(size);
    (FetchResponse { session_id, responses, ..FetchResponse::default() }, slices)
}

fn partition_data(index: i32, outcome: Outcome, until: ReadUntil) -> PartitionData {
    let mut data = PartitionData {
        partition_index: index,
        high_watermark: NO_OFFSET,
        last_stable_offset: NO_OFFSET,
        log_start_offset: NO_OFFSET,
        aborted_transactions: (until == ReadUntil::LastStable).then(Vec::new),
        records: Records::Pieces(Vec::new()),
        ..PartitionData::default()
    };
    match outcome.fetched {
        Err(error) => {
            data.error_code = error.code();
            let is_missing = matches!(error, ErrorCode::UnknownTopicOrPartition | ErrorCode::UnknownTopicId);
            if is_missing || error == ErrorCode::TopicAuthorizationFailed {
                data.aborted_transactions = Some(Vec::new());
            }
        }
        Ok(fetched) => {
            data.high_watermark = fetched.high_watermark;
            data.last_stable_offset = fetched.last_stable_offset;
            data.log_start_offset = fetched.log_start_offset;
            if let Some(aborted) = &mut data.aborted_transactions {
                aborted.extend(fetched.aborted.iter().map(|aborted| AbortedTransaction {
                    producer_id: aborted.producer.0,
                    first_offset: aborted.first_offset,
                }));
            }
            data.records = match outcome.size {
                size if size > 0 && fetched.pieces.is_empty() => Records::Elsewhere(size),
                _ => Records::Pieces(fetched.pieces),
            };
            if let Some(EpochEnd { epoch, end_offset }) = fetched.diverging {
                data.diverging_epoch = EpochEndOffset { epoch, end_offset };
            }
        }
    }
    data
}
