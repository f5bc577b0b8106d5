//! WriteTxnMarkers · key 27 · versions 1–2
//!
//! - 2: the version of the transaction (KIP-1228).
//! - For administrators, to end a transaction that hangs; the coordinator here writes its markers itself.
//!
//! Source: KIP-98, KIP-664.

use crate::{call::Context, errors};
use levada_broker::{auth::op, group::offsets::TopicPartition, transaction::Producer, transactional::ForcedMarker};
use levada_model::{Outcome, ProducerId, TopicName};
use levada_protocol::{
    ErrorCode,
    messages::{
        WriteTxnMarkersRequest, WriteTxnMarkersResponse,
        write_txn_markers_request::WritableTxnMarker,
        write_txn_markers_response::{
            WritableTxnMarkerPartitionResult, WritableTxnMarkerResult, WritableTxnMarkerTopicResult,
        },
    },
};

pub(crate) async fn handle(context: Context, request: WriteTxnMarkersRequest) -> WriteTxnMarkersResponse {
    let mut markers = Vec::with_capacity(request.markers.len());
    // Of a marker for nothing nothing is said.
    let is_for_something =
        |marker: &WritableTxnMarker| marker.topics.iter().any(|topic| !topic.partition_indexes.is_empty());
    for marker in request.markers.into_iter().filter(is_for_something) {
        markers.push(write(&context, marker).await);
    }
    WriteTxnMarkersResponse { markers }
}

async fn write(context: &Context, marker: WritableTxnMarker) -> WritableTxnMarkerResult {
    let grant = context.ask_cluster::<op::ClusterAction>();
    let mut forced = ForcedMarker {
        producer: Producer { id: ProducerId(marker.producer_id), epoch: marker.producer_epoch },
        outcome: if marker.transaction_result { Outcome::Commit } else { Outcome::Abort },
        coordinator_epoch: marker.coordinator_epoch,
        partitions: Vec::new(),
    };
    for topic in &marker.topics {
        let name = TopicName::new(topic.name.as_ref()).ok();
        let all = topic.partition_indexes.iter();
        forced.partitions.extend(all.filter_map(|&partition| Some(TopicPartition { topic: name.clone()?, partition })));
    }
    let outcomes = match &grant {
        Ok(grant) => context.broker().write_marker(grant, &forced).await,
        Err(_) => Vec::new(),
    };
    let mut outcomes = outcomes.into_iter();
    let mut topics = Vec::with_capacity(marker.topics.len());
    for topic in marker.topics {
        let is_legal = TopicName::new(topic.name.as_ref()).is_ok();
        let partitions = topic.partition_indexes.into_iter().map(|partition_index| {
            let error = match (&grant, is_legal) {
                (Err(error), _) => *error,
                (Ok(_), false) => ErrorCode::UnknownTopicOrPartition,
                (Ok(_), true) => match outcomes.next() {
                    Some(Err(error)) => errors::marker(&error),
                    Some(Ok(())) | None => ErrorCode::None,
                },
            };
            WritableTxnMarkerPartitionResult { partition_index, error_code: error.code() }
        });
        topics.push(WritableTxnMarkerTopicResult { partitions: partitions.collect(), name: topic.name });
    }
    WritableTxnMarkerResult { producer_id: marker.producer_id, topics }
}
