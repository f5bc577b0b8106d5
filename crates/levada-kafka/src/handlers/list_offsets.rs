//! ListOffsets · key 2 · versions 1–11
//!
//! - 2: isolation level. 4: leader epochs. 6: flexible. 7: −3, the largest timestamp (KIP-734). 8: −4, the first
//!   offset kept here (KIP-405). 9: −5, the last offset in tiered storage (KIP-1005). 10: timeout (KIP-1075).
//!   11: −6, the first offset not yet uploaded (KIP-1023).
//! - Left out: questions of followers, which are refused. The timeout: nothing here waits for another store.
//!
//! Source: KIP-79, KIP-207, KIP-320.

use crate::{call::Context, errors};
use levada_broker::{
    ReadUntil,
    auth::{Grant, op, res},
    fetch::{ListOffset, ListedOffset, NO_EPOCH},
};
use levada_model::{NO_OFFSET, NO_TIMESTAMP, Str};
use levada_protocol::{
    ErrorCode,
    messages::{
        ListOffsetsRequest, ListOffsetsResponse,
        list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic},
        list_offsets_response::{ListOffsetsPartitionResponse, ListOffsetsTopicResponse},
    },
};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// From this version on offsets come with their leader epoch.
const EPOCHS_FROM: i16 = 4;
/// Timestamps that are not times, each with the version from which clients may use it.
const SPECIAL_FROM: [(i64, i16); 4] = [(-3, 7), (-4, 8), (-5, 9), (-6, 11)];

pub(crate) async fn handle(context: Context, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let isolation = if request.isolation_level == 1 { ReadUntil::LastStable } else { ReadUntil::HighWatermark };
    let is_follower = request.replica_id >= 0;
    let is_known_isolation = (0..=1).contains(&request.isolation_level);
    let topics = if is_known_isolation { merged(request.topics) } else { request.topics };
    let topics = topics.into_iter().map(|topic| {
        let mut counts: BTreeMap<i32, usize> = BTreeMap::new();
        topic.partitions.iter().for_each(|partition| *counts.entry(partition.partition_index).or_default() += 1);
        let mut partitions = topic.partitions;
        let is_twice = |index: i32| counts.get(&index).is_some_and(|count| *count > 1);
        let mut seen = BTreeSet::new();
        partitions.retain(|partition| !is_known_isolation || seen.insert(partition.partition_index));
        let granted: Result<Grant<op::Describe, res::Topic>, _> =
            if is_follower { Err(ErrorCode::ClusterAuthorizationFailed) } else { context.ask_topic(&topic.name) };
        let partitions = partitions.into_iter().map(|partition| {
            let listed = granted.as_ref().map_err(|error| *error).and_then(|grant| {
                // What Kafka makes of a level that it does not know.
                if !is_known_isolation {
                    return Err(ErrorCode::UnknownServerError);
                }
                if is_twice(partition.partition_index) {
                    return Err(ErrorCode::InvalidRequest);
                }
                check_timestamp(partition.timestamp, context.version)?;
                let list = list(&partition, isolation);
                context.broker().list_offset(grant, &list).map_err(|error| errors::fetch(&error))
            });
            let mut response = partition_response(partition.partition_index, listed);
            if context.version < EPOCHS_FROM {
                response.leader_epoch = NO_EPOCH;
            }
            response
        });
        ListOffsetsTopicResponse { partitions: partitions.collect(), name: topic.name }
    });
    ListOffsetsResponse { topics: topics.collect(), ..ListOffsetsResponse::default() }
}

/// Each topic once, with all its partitions; those without partitions are not answered.
fn merged(topics: Vec<ListOffsetsTopic>) -> Vec<ListOffsetsTopic> {
    let mut merged: Vec<ListOffsetsTopic> = Vec::with_capacity(topics.len());
    let mut places: HashMap<Str, usize> = HashMap::new();
    for topic in topics.into_iter().filter(|topic| !topic.partitions.is_empty()) {
        match places.get(&topic.name).and_then(|&place| merged.get_mut(place)) {
            Some(same) => same.partitions.extend(topic.partitions),
            None => {
                places.insert(topic.name.clone(), merged.len());
                merged.push(topic);
            }
        }
    }
    merged
}

fn check_timestamp(timestamp: i64, version: i16) -> Result<(), ErrorCode> {
    let too_early = SPECIAL_FROM.iter().any(|&(special, from)| timestamp == special && version < from);
    let is_unknown = timestamp < SPECIAL_FROM.iter().map(|(special, _)| *special).min().unwrap_or_default();
    if too_early || is_unknown { Err(ErrorCode::UnsupportedVersion) } else { Ok(()) }
}

fn list(partition: &ListOffsetsPartition, isolation: ReadUntil) -> ListOffset {
    ListOffset {
        partition: partition.partition_index,
        current_leader_epoch: (partition.current_leader_epoch != NO_EPOCH).then_some(partition.current_leader_epoch),
        timestamp: partition.timestamp,
        isolation,
    }
}

fn partition_response(index: i32, listed: Result<ListedOffset, ErrorCode>) -> ListOffsetsPartitionResponse {
    let empty = ListOffsetsPartitionResponse { partition_index: index, ..ListOffsetsPartitionResponse::default() };
    match listed {
        Ok(ListedOffset { timestamp, offset, leader_epoch }) => {
            ListOffsetsPartitionResponse { timestamp, offset, leader_epoch, ..empty }
        }
        Err(error) => ListOffsetsPartitionResponse {
            error_code: error.code(),
            timestamp: NO_TIMESTAMP,
            offset: NO_OFFSET,
            ..empty
        },
    }
}
