//! AlterReplicaLogDirs · key 34 · versions 1–2
//!
//! - 2: flexible.
//! - There is one directory: a replica can be told to be where it is, and nowhere else.
//!
//! Source: KIP-113.

use crate::call::Context;
use levada_broker::auth::op;
use levada_protocol::{
    ErrorCode,
    messages::{
        AlterReplicaLogDirsRequest, AlterReplicaLogDirsResponse,
        alter_replica_log_dirs_response::{AlterReplicaLogDirPartitionResult, AlterReplicaLogDirTopicResult},
    },
};
use std::collections::BTreeMap;

pub(crate) async fn handle(context: Context, request: AlterReplicaLogDirsRequest) -> AlterReplicaLogDirsResponse {
    let granted = context.ask_cluster::<op::Alter>();
    let mut topics: BTreeMap<_, Vec<AlterReplicaLogDirPartitionResult>> = BTreeMap::new();
    for dir in request.dirs {
        let is_ours = granted.as_ref().is_ok_and(|grant| context.broker().log_dir_path(grant) == dir.path.as_str());
        for topic in dir.topics {
            let results = topic.partitions.iter().map(|&partition_index| {
                let error = match &granted {
                    Err(error) => *error,
                    Ok(_) if !is_ours => ErrorCode::LogDirNotFound,
                    Ok(grant) if context.broker().has_partition(grant, &topic.name, partition_index) => ErrorCode::None,
                    Ok(_) => ErrorCode::UnknownTopicOrPartition,
                };
                AlterReplicaLogDirPartitionResult { partition_index, error_code: error.code() }
            });
            let results: Vec<_> = results.collect();
            topics.entry(topic.name).or_default().extend(results);
        }
    }
    let results =
        topics.into_iter().map(|(topic_name, partitions)| AlterReplicaLogDirTopicResult { topic_name, partitions });
    AlterReplicaLogDirsResponse { results: results.collect(), ..AlterReplicaLogDirsResponse::default() }
}
