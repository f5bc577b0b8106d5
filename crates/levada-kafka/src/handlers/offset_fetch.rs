//! OffsetFetch · key 9 · versions 1–10
//!
//! - 2: null asks for all topics; an error of the whole response. 5: leader epochs. 6: flexible. 7: stable offsets
//!   only (KIP-447). 8: several groups (KIP-709). 9: member epochs of KIP-848. 10: topic ids instead of names
//!   (KIP-516).
//!
//! Source: KIP-88, KIP-447, KIP-709, KIP-848.

use crate::{call::Context, errors};
use levada_broker::{
    auth::{Grant, op, res},
    coordinator::FetchOffsets,
    group::offsets::CommittedOffset,
};
use levada_model::{NO_OFFSET, Str, TopicId};
use levada_protocol::{
    ErrorCode,
    messages::{
        OffsetFetchRequest, OffsetFetchResponse,
        offset_fetch_response::{
            OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
            OffsetFetchResponseTopic, OffsetFetchResponseTopics,
        },
    },
};

/// From this version on the whole response can have an error.
const TOP_ERROR_FROM: i16 = 2;
/// From this version on there are several groups.
const BATCHED_FROM: i16 = 8;
/// From this version on topics have ids.
const IDS_FROM: i16 = 10;

/// Who asks, under KIP-848: its id and epoch.
type Member = (Option<Str>, i32);

/// One topic that a client asks about; its name is empty where it has an id.
struct Asked {
    name: Str,
    id: TopicId,
    partitions: Vec<i32>,
}

pub(crate) async fn handle(context: Context, request: OffsetFetchRequest) -> OffsetFetchResponse {
    if context.version >= BATCHED_FROM {
        let groups = request.groups.into_iter().map(|group| {
            let asked = group.topics.map(|topics| {
                let asked = topics.into_iter();
                asked.map(|topic| Asked { name: topic.name, id: topic.topic_id, partitions: topic.partition_indexes })
            });
            let member = Some((group.member_id, group.member_epoch));
            fetch(&context, group.group_id, member, request.require_stable, asked.map(Iterator::collect))
        });
        return OffsetFetchResponse { groups: groups.collect(), ..OffsetFetchResponse::default() };
    }
    let asked = request.topics.map(|topics| {
        let asked = topics.into_iter();
        asked.map(|topic| Asked { name: topic.name, id: TopicId::ZERO, partitions: topic.partition_indexes })
    });
    let fetched = fetch(&context, request.group_id, None, request.require_stable, asked.map(Iterator::collect));
    single(context.version, fetched)
}

/// The positions of one group, of all topics where none are named.
fn fetch(
    context: &Context,
    group_id: Str,
    member: Option<Member>,
    require_stable: bool,
    asked: Option<Vec<Asked>>,
) -> OffsetFetchResponseGroup {
    let result = context.ask(&group_id).and_then(|group| {
        let (member_id, epoch) = member.unwrap_or((None, -1));
        let checked = context.broker().check_offset_fetch(&group, member_id.as_ref(), epoch);
        checked.map_err(|error| errors::heartbeat(&error))?;
        match &asked {
            Some(asked) => fetch_some(context, &group, require_stable, asked),
            None => fetch_all(context, &group, require_stable),
        }
    });
    match result {
        Ok(topics) => OffsetFetchResponseGroup { group_id, topics, ..OffsetFetchResponseGroup::default() },
        Err(error) => OffsetFetchResponseGroup {
            group_id,
            error_code: error.code(),
            // Before there was an error of the whole response it stood with every partition.
            topics: match context.version {
                ..TOP_ERROR_FROM => asked.unwrap_or_default().into_iter().map(|topic| refused(topic, error)).collect(),
                TOP_ERROR_FROM.. => Vec::new(),
            },
        },
    }
}

fn fetch_some(
    context: &Context,
    group: &Grant<op::Describe, res::Group>,
    require_stable: bool,
    asked: &[Asked],
) -> Result<Vec<OffsetFetchResponseTopics>, ErrorCode> {
    let mut wanted = Vec::with_capacity(asked.len());
    let mut granted = Vec::with_capacity(asked.len());
    for topic in asked {
        let grant = grant(context, topic);
        granted.push(grant.as_ref().err().copied());
        wanted.extend(grant.map(|grant| FetchOffsets { topic: grant, partitions: topic.partitions.clone() }));
    }
    // In this order: what ends in between is asked for again.
    let unstable = match require_stable {
        true => context.broker().unstable_offsets(group, &wanted).map_err(|error| errors::coordinator(&error))?,
        false => Vec::new(),
    };
    let found = context.broker().fetch_offsets(group, &wanted).map_err(|error| errors::coordinator(&error))?;
    let (mut found, mut unstable) = (found.into_iter(), unstable.into_iter());
    let topics = asked.iter().zip(granted).map(|(topic, refusal)| {
        let is_granted = refusal.is_none();
        let committed = if is_granted { found.next() } else { None }.unwrap_or_default();
        let held = if is_granted { unstable.next() } else { None }.unwrap_or_default();
        let (mut committed, mut held) = (committed.into_iter(), held.into_iter());
        let partitions = topic.partitions.iter().map(|&index| match refusal {
            None => match (committed.next().flatten(), held.next().unwrap_or(false)) {
                (_, true) => position(index, None, ErrorCode::UnstableOffsetCommit),
                (committed, false) => position(index, committed, ErrorCode::None),
            },
            Some(error) => position(index, None, error),
        });
        OffsetFetchResponseTopics { name: topic.name.clone(), topic_id: topic.id, partitions: partitions.collect() }
    });
    Ok(topics.collect())
}

fn grant(context: &Context, topic: &Asked) -> Result<Grant<op::Describe, res::Topic>, ErrorCode> {
    if context.version < IDS_FROM {
        return context.ask_topic(&topic.name);
    }
    let name = context.broker().name_of(topic.id).ok_or(ErrorCode::UnknownTopicId)?;
    context.ask_topic(name.as_shared())
}

fn fetch_all(
    context: &Context,
    group: &Grant<op::Describe, res::Group>,
    require_stable: bool,
) -> Result<Vec<OffsetFetchResponseTopics>, ErrorCode> {
    let unstable = match require_stable {
        true => context.broker().all_unstable_offsets(group).map_err(|error| errors::coordinator(&error))?,
        false => Vec::new(),
    };
    let all = context.broker().fetch_all_offsets(group, &context.caller);
    let mut topics: Vec<OffsetFetchResponseTopics> = Vec::new();
    for (partition, committed) in all.map_err(|error| errors::coordinator(&error))? {
        let name = partition.topic.as_shared();
        let entry = match unstable.contains(&partition) {
            true => position(partition.partition, None, ErrorCode::UnstableOffsetCommit),
            false => position(partition.partition, Some(committed), ErrorCode::None),
        };
        if let Some(last) = topics.last_mut().filter(|last| last.name == *name) {
            last.partitions.push(entry);
            continue;
        }
        let grant: Result<Grant<op::Describe, res::Topic>, _> = context.ask_topic(name);
        let topic_id = grant.ok().and_then(|grant| context.broker().topic_id(&grant));
        if topic_id.is_none() && context.version >= IDS_FROM {
            continue;
        }
        topics.push(OffsetFetchResponseTopics {
            name: name.clone(),
            topic_id: topic_id.unwrap_or_default(),
            partitions: vec![entry],
        });
    }
    Ok(topics)
}

fn position(index: i32, committed: Option<CommittedOffset>, error: ErrorCode) -> OffsetFetchResponsePartitions {
    let (offset, epoch, metadata) = match committed {
        Some(committed) => (committed.offset, committed.leader_epoch.unwrap_or(-1), committed.metadata),
        None => (NO_OFFSET, -1, Str::new()),
    };
    OffsetFetchResponsePartitions {
        partition_index: index,
        committed_offset: offset,
        committed_leader_epoch: epoch,
        metadata: Some(metadata),
        error_code: error.code(),
    }
}

fn refused(topic: Asked, error: ErrorCode) -> OffsetFetchResponseTopics {
    let partitions = topic.partitions.iter().map(|&index| position(index, None, error));
    OffsetFetchResponseTopics { partitions: partitions.collect(), name: topic.name, topic_id: topic.id }
}

/// The answer in versions with one group.
fn single(version: i16, group: OffsetFetchResponseGroup) -> OffsetFetchResponse {
    let topics = group.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.into_iter().map(|partition| OffsetFetchResponsePartition {
            partition_index: partition.partition_index,
            committed_offset: partition.committed_offset,
            committed_leader_epoch: partition.committed_leader_epoch,
            metadata: partition.metadata,
            error_code: partition.error_code,
        });
        OffsetFetchResponseTopic { partitions: partitions.collect(), name: topic.name }
    });
    OffsetFetchResponse {
        topics: topics.collect(),
        error_code: if version >= TOP_ERROR_FROM { group.error_code } else { 0 },
        ..OffsetFetchResponse::default()
    }
}
